"""The ways into an account: by what its user can begin to sign in. The last one can't be removed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gatepost.db.pool import Connection
from gatepost.errors import LastWayIn
from gatepost.models import UserId
from gatepost.services.feature import Wiring
from gatepost.store import users as store

PASSWORD = "password"  # noqa: S105 - a way in, no password
"""A password of the user's own: a temporary one is over soon."""


class WaysIn:
    """Knows them."""

    def __init__(self, features: Wiring) -> None:
        self._features = features

    async def of(self, conn: Connection, user_id: UserId) -> tuple[str, ...]:
        """Return a user's ways in: the password, factors that suffice by themselves, and a proven mailbox."""
        found = [PASSWORD] if await store.has_own_password(conn, user_id) else []
        for factor in self._features.factors:
            held = await factor.held(conn, user_id) if factor.enrols else ()
            found += [factor.method] if any(each.suffices for each in held) else []
        user = await store.get(conn, user_id) if self._features.ways_in else None
        return (*found, *(self._features.ways_in if user is not None and user.email_verified else ()))

    @asynccontextmanager
    async def kept(self, conn: Connection, user_id: UserId) -> AsyncIterator[None]:
        """See that what is done in the caller's transaction, in which the user is locked, leaves one.

        Raises:
            LastWayIn: there was one, and there is none any more.
        """
        before = await self.of(conn, user_id)
        yield
        if before and not await self.of(conn, user_id):
            raise LastWayIn

"""Badges are given and listed."""

from tests.features.badges import store
from tests.features.badges.actions import BadgeAction
from tests.features.badges.errors import TooManyBadges

from gatepost.db.pool import Database
from gatepost.models import Client, UserId
from gatepost.services.clock import Clock
from gatepost.store import events


class Badges:
    """Gives badges, `most` to a user."""

    def __init__(self, database: Database, *, clock: Clock, most: int) -> None:
        self._database = database
        self._clock = clock
        self._most = most

    async def give(
        self, user_id: UserId, name: str, *, dedication: str | None = None, client: Client
    ) -> list[str]:
        """Give a badge; return all that the user has.

        Raises:
            TooManyBadges: the user has as many as there may be.
        """
        async with self._database.transaction() as conn:
            if not await store.insert(conn, user_id, name, dedication, most=self._most, at=self._clock()):
                raise TooManyBadges
            await events.insert(
                conn,
                BadgeAction.GIVEN,
                client=client,
                at=self._clock(),
                user_id=user_id,
                detail={"badge": name},
            )
            return await store.of_user(conn, user_id)

    async def of_user(self, user_id: UserId) -> list[str]:
        """Return the names of a user's badges."""
        async with self._database.connection() as conn:
            return await store.of_user(conn, user_id)

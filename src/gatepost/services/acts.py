"""Administrative acts: each in a transaction in which whoever asked for it may still do it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, TypeAlias

from gatepost.db.pool import Connection, Database
from gatepost.errors import (
    AccountInUse,
    AdminRequired,
    GatepostError,
    OwnAccount,
    SessionRevoked,
)
from gatepost.models import AuditAction, Client, Session, UserId, as_json
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.store import sign_ins
from gatepost.store import users as store


class Program(StrEnum):
    """Who acts without a session, and may do everything."""

    COMMAND = "command"
    APPLICATION = "application"


By: TypeAlias = Session | Program
"""Who acts: the session of an administrator, a command on the server, or the application in its own code."""


def detail_of(by: By) -> Mapping[str, Any]:
    """Return who acted, as the detail of an event has it."""
    return {"by": by.value} if isinstance(by, Program) else {"admin_id": as_json(by.user.id)}


class Acts:
    """Lends the transactions of administrative acts.

    A request was allowed when it came. It may have waited since, for a lock, for its turn to hash a password
    or for its own body, and its session or its rights may have ended meanwhile: both are checked again here,
    under a lock that keeps them as they are until the act is done.
    """

    def __init__(self, database: Database, *, audit: Audit, clock: Clock, lifetimes: Lifetimes) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._idle = lifetimes.idle

    @asynccontextmanager
    async def begin(
        self,
        verb: str,
        *users: UserId,
        by: By,
        client: Client,
        lock: store.LockAll = store.lock_all,
        spares_self: bool = False,
    ) -> AsyncIterator[Connection]:
        """Lend a transaction in which these users and the one who acts are locked, in the order of their ids.

        Args:
            verb: what is done, for the trail.
            users: whom it is done to.
            by: who does it.
            client: where the request came from.
            lock: locks the rows of users.
            spares_self: an administrator may not do it to their own account.

        Raises:
            SessionRevoked: the session of the administrator has ended.
            AdminRequired: they are no administrator any more.
            OwnAccount: it would be done to their own account. What is refused is on the trail, an
                `AccountInUse` of the caller's too.
        """
        try:
            if spares_self and isinstance(by, Session) and by.user.id in users:
                raise OwnAccount  # noqa: TRY301 - what is refused is on the trail
            async with self._database.transaction() as conn:
                await lock(conn, list({*users, *([by.user.id] if isinstance(by, Session) else [])}))
                if isinstance(by, Session):
                    await self._check(conn, by)
                yield conn
        except (SessionRevoked, AdminRequired, OwnAccount, AccountInUse) as error:
            if isinstance(by, Session):
                await self._note(error, verb, users, by=by, client=client)
            raise

    async def _check(self, conn: Connection, session: Session) -> None:
        """See that a sign-in is live and an administrator's; both stay so, now that the rows are locked."""
        live = await sign_ins.lock_live(conn, session.id, at=self._clock(), idle=self._idle)
        if live is None:
            raise SessionRevoked
        if not await store.is_active_admin(conn, session.user.id):
            raise AdminRequired

    async def _note(
        self, error: GatepostError, verb: str, users: tuple[UserId, ...], *, by: Session, client: Client
    ) -> None:
        is_over = isinstance(error, SessionRevoked)
        wanted = {"wanted_user": as_json(users[0])} if len(users) == 1 else {}
        await self._audit.refuse(
            AuditAction.SESSION_REFUSED if is_over else AuditAction.ACCESS_DENIED,
            client=client,
            user_id=by.user.id,
            session_id=by.id,
            detail={"code": error.code, "verb": verb, **wanted},
        )

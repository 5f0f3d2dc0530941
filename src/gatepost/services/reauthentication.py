"""The password of a user who is signed in, asked for again before what a stolen session must not do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from gatepost.db.pool import Connection, Database
from gatepost.errors import AuthenticationError, InvalidCredentials, SessionRevoked
from gatepost.log import get_logger
from gatepost.models import AuditAction, Client, EndReason, Session, SignedIn
from gatepost.security.passwords import Password
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.refusals import Refusals
from gatepost.services.sessions import Sessions
from gatepost.services.throttles import Attempt, Throttles
from gatepost.store import endings, sign_ins, successors
from gatepost.store import events as event_store
from gatepost.store import users as store
from gatepost.texts import Text

log = get_logger("gatepost.reauthentication")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A password that was given again and is the user's.

    Attributes:
        session: the session that it was given with.
        attempt: what it was charged.
        hashed_password: the stored hash that it fits, or did when it was checked.
        verb: what it was given for.
    """

    session: Session
    attempt: Attempt
    hashed_password: str = field(repr=False)
    verb: str

    @property
    def client(self) -> Client:
        """Who gave it."""
        return self.attempt.client


Change: TypeAlias = Callable[[Connection, datetime | None], Awaitable[str | None]]
"""Changes a user's row, on a connection and at a time; returns the hash that it has from then on, None where
the password is not the one any more that was checked."""


class Reauthentication:
    """Checks passwords that are given again, and lets a user begin anew after a change (ASVS 7.5.1)."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        hashing: Hashing,
        throttles: Throttles,
        refusals: Refusals,
        clock: Clock,
        lifetimes: Lifetimes,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hashing = hashing
        self._throttles = throttles
        self._refusals = refusals
        self._clock = clock
        self._lifetimes = lifetimes

    async def begin(self, session: Session, client: Client, *, verb: str) -> Attempt:
        """Charge an attempt of a session's user, before anything is done with what was sent.

        Args:
            session: whose.
            client: who asks.
            verb: what for, for the trail.

        Raises:
            TooManyAttempts: it was asked too often.
        """
        return await self._throttles.confirm(session.user.id, session_id=session.id, client=client, verb=verb)

    async def check(self, session: Session, password: Password, attempt: Attempt, *, verb: str) -> Proof:
        """Check the password of a session's user.

        Args:
            session: whose.
            password: the password.
            attempt: as `begin` has returned it.
            verb: what for, for the trail.

        Raises:
            InvalidCredentials: it is not this user's; that is on the trail.
        """
        user_id = session.user.id
        async with self._database.connection() as conn:
            stored = await store.hash_of(conn, user_id)
        check = await self._hashing.check(password, stored, attempt.line)
        if check.unreadable is not None:
            log.error("stored password hash can't be read", user_id=user_id, reason=check.unreadable)
        proof = Proof(session=session, attempt=attempt, hashed_password=stored or "", verb=verb)
        if not check.matches or stored is None or attempt.is_locked:
            reason = check.unreadable or ("locked" if check.matches else "wrong_password")
            raise await self.refused(proof, reason=reason)
        return proof

    async def refused(self, proof: Proof, *, reason: str) -> InvalidCredentials:
        """Put a refused password on the trail, count it, and hand the error back to be raised."""
        await self._throttles.failed(
            proof.attempt,
            AuditAction.PASSWORD_REFUSED,
            session_id=proof.session.id,
            detail={"verb": proof.verb, "reason": reason},
            counts=reason == "wrong_password",
        )
        return InvalidCredentials(Text("error.invalid_credentials.password"))

    @asynccontextmanager
    async def transaction(
        self, proof: Proof, *, lock: sign_ins.Lock = sign_ins.lock_owner
    ) -> AsyncIterator[tuple[Connection, sign_ins.Live]]:
        """Lend a transaction in which the user and the session of a proof stay what they are.

        Args:
            proof: what the password was given for.
            lock: locks the user's row.

        Yields:
            Its connection, and the session that the sign-in has come to.

        Raises:
            InvalidCredentials: the caller found that the password was changed since it was checked.
            SessionRevoked: the session was ended since then. Both are on the trail.
        """
        session = proof.session
        try:
            async with self._database.transaction() as conn:
                await lock(conn, session.user.id)
                live = await sign_ins.lock_live(conn, session.id, at=self._clock(), idle=self._lifetimes.idle)
                if live is None:
                    raise SessionRevoked
                yield conn, live
        except InvalidCredentials:
            raise await self.refused(proof, reason="changed_meanwhile") from None
        except AuthenticationError as error:
            raise await self._refusals.of(
                error, proof.client, verb=proof.verb, user_id=session.user.id, session_id=session.id
            ) from None

    async def begin_anew(
        self,
        proof: Proof,
        change: Change,
        *,
        reason: EndReason,
        action: AuditAction,
        detail: Mapping[str, Any] | None = None,
    ) -> SignedIn:
        """Change a user's row, end every session of theirs and start one for this client.

        Args:
            proof: the password that was asked for it.
            change: what changes the row.
            reason: why the sessions end.
            action: how the trail calls the change.
            detail: of that event.

        Raises:
            InvalidCredentials, SessionRevoked: as `transaction`.
        """
        user_id, client, at = proof.session.user.id, proof.client, self._clock()
        async with self.transaction(proof) as (conn, live):
            hashed = await change(conn, at)
            if hashed is None:
                raise InvalidCredentials
            ended = await endings.end_of_user(conn, user_id, reason=reason, client=client, at=at)
            signed_in = await self._sessions.start(
                conn, user_id=user_id, hashed_password=hashed, client=client, remembered=live.remembered
            )
            if signed_in is None:
                raise SessionRevoked  # the user was disabled meanwhile
            session_id = signed_in.session.id
            await successors.replace(conn, live.id, session_id)
            await event_store.insert(
                conn, action, client=client, at=at, user_id=user_id, session_id=session_id, detail=detail
            )
            return replace(signed_in, others_ended=max(0, ended - 1))  # one of them was the caller's

"""A signed-in user proves who they are once more, before what a stolen session must not do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from gatepost.db.pool import Connection, Database
from gatepost.errors import (
    AuthenticationError,
    FreshSessionRequired,
    InvalidCredentials,
    SessionRevoked,
    ValidationFailed,
)
from gatepost.log import get_logger
from gatepost.models import (
    PASSWORD,
    AuditAction,
    Client,
    EndReason,
    Proof,
    Proven,
    Session,
    SignedIn,
    UserId,
)
from gatepost.security.passwords import Password
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.refusals import Refusals
from gatepost.services.sessions import Sessions
from gatepost.services.steps import Steps
from gatepost.services.throttles import Attempt, Throttles
from gatepost.services.typed import read
from gatepost.store import endings, sign_ins, successors
from gatepost.store import events as event_store
from gatepost.store import users as store
from gatepost.texts import Text

log = get_logger("gatepost.reauthentication")

_PASSWORD = "password"  # noqa: S105 - a method, as the body of a confirmation has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproven:
    """What a signed-in user has proven once more.

    Attributes:
        session: the session that it was proven with.
        attempt: what it was charged.
        proof: that they are its user.
        verb: what it was asked for.
    """

    session: Session
    attempt: Attempt
    proof: Proof
    verb: str

    @property
    def client(self) -> Client:
        """Who it was."""
        return self.attempt.client


Change: TypeAlias = Callable[[Connection, datetime | None], Awaitable[Proven | None]]
"""Changes what a user signs in with, on a connection and at a time; returns the stamp that it has from then
on, with what the change proves itself; None where it is no longer what was proven."""


class Reauthentication:
    """Checks what a user proves once more, and lets them begin anew after a change (ASVS 7.5.1)."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        hashing: Hashing,
        throttles: Throttles,
        steps: Steps,
        refusals: Refusals,
        clock: Clock,
        lifetimes: Lifetimes,
    ) -> None:
        self._database = database
        self._steps = steps
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
            InvalidCredentials: somebody else has the session, who proves nothing in its user's place.
        """
        attempt = await self._throttles.confirm(
            session.user.id, session_id=session.id, client=client, verb=verb
        )
        if session.impersonator_id is not None:
            await self.refuse(session, attempt, verb=verb, reason="impersonated")
            raise InvalidCredentials(Text("error.invalid_credentials.password"))
        return attempt

    async def check(self, session: Session, password: Password, attempt: Attempt, *, verb: str) -> Reproven:
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
            stored, stamp = await store.hash_of(conn, user_id)
        check = await self._hashing.check(password, stored, attempt.line)
        if check.unreadable is not None:
            log.error("stored password hash can't be read", user_id=user_id, reason=check.unreadable)
        if not check.matches or stamp is None or attempt.is_locked:
            reason = check.unreadable or ("locked" if check.matches else "wrong_password")
            await self.refuse(session, attempt, verb=verb, reason=reason)
            raise InvalidCredentials(Text("error.invalid_credentials.password"))
        proof = Proof(user_id=user_id, methods=(PASSWORD,), stamp=stamp, at=self._clock())
        return Reproven(session=session, attempt=attempt, proof=proof, verb=verb)

    async def has_password(self, session: Session) -> bool:
        """Say whether a session's user has a password."""
        async with self._database.connection() as conn:
            return await store.has_password(conn, session.user.id)

    async def again(
        self, session: Session, password: str | None, client: Client, *, field: str, verb: str
    ) -> Reproven:
        """Check the password of a session's user; of one who has none, that the session is fresh.

        Args:
            session: whose.
            password: as it was typed.
            client: who asks.
            field: what the password is called.
            verb: what for, for the trail.

        Raises:
            ValidationFailed: none was given, or one that none can have.
            InvalidCredentials, TooManyAttempts: as `begin` and `check`.
            FreshSessionRequired, SessionRevoked: as `standing`.
        """
        if not await self.has_password(session):
            return await self.standing(session, client, verb=verb)
        attempt = await self.begin(session, client, verb=verb)
        if password is None:
            raise ValidationFailed({field: Text("field.required")})
        given = read(field, password, Password.read)
        return await self.check(session, given, attempt, verb=verb)

    async def unproven(self, session: Session, attempt: Attempt, *, verb: str) -> Reproven:
        """Return what is known of a session's user before anything is proven once more: nothing.

        Raises:
            SessionRevoked: the user is gone; that is on the trail.
        """
        async with self._database.connection() as conn:
            _, stamp = await store.hash_of(conn, session.user.id)
        if stamp is None:
            raise await self._refusals.record(SessionRevoked(), attempt.client, verb=verb)
        proof = Proof(user_id=session.user.id, methods=(), stamp=stamp, at=None)
        return Reproven(session=session, attempt=attempt, proof=proof, verb=verb)

    async def methods(self, user_id: UserId, *, aal: int = 1) -> tuple[str, ...]:
        """Return what a user confirms with: the password, and the methods of the step after it.

        Who has no password confirms with what suffices. None of them where the level is one that this user
        can't reach.
        """
        async with self._database.connection() as conn:
            return await self._methods(conn, user_id, aal=aal)

    async def _methods(self, conn: Connection, user_id: UserId, *, aal: int) -> tuple[str, ...]:
        if not await store.has_password(conn, user_id):
            alone = await self._steps.after(conn, user_id, enrolling=False)
            return () if alone is None else alone.methods
        due = await self._steps.after(conn, user_id, PASSWORD, enrolling=False)
        if due is None:
            return (_PASSWORD,) if aal < 2 else ()
        return (_PASSWORD, *due.methods)

    async def standing(self, session: Session, client: Client, *, verb: str) -> Reproven:
        """Return what a session stands for that is fresh, for a change which asks for nothing more.

        Raises:
            FreshSessionRequired: it is not.
            SessionRevoked: the user is gone; that is on the trail.
        """
        if not session.is_fresh:
            raise FreshSessionRequired(await self.methods(session.user.id))
        attempt = Attempt(
            client=client,
            user_id=session.user.id,
            is_known=True,
            is_known_place=True,
            is_locked=False,
            charge=None,
            has_failures=False,
        )
        reproven = await self.unproven(session, attempt, verb=verb)
        at = session.authenticated_at
        newest = tuple(method for method, since in session.proven.items() if since >= at)
        return replace(reproven, proof=replace(reproven.proof, methods=newest, at=at))

    async def refuse(
        self, session: Session, attempt: Attempt, *, verb: str, reason: str, method: str | None = None
    ) -> None:
        """Put on the trail what proved nothing; a wrong password or code is counted."""
        await self._throttles.failed(
            attempt,
            AuditAction.PASSWORD_REFUSED,
            session_id=session.id,
            detail={"verb": verb, "reason": reason, **({} if method is None else {"method": method[:64]})},
            counts=reason in {"wrong_password", "wrong_code"},
        )

    async def complete(self, conn: Connection, reproven: Reproven) -> Proof:
        """Return the proof by which a user changes what they sign in with, or deletes the account.

        Where one more step is due after the password, the session has to be fresh, which takes that step; nor
        is what starts by it fresh for longer.

        Raises:
            FreshSessionRequired: it is not.
        """
        due = await self._steps.due(conn, reproven.proof, enrolling=False)
        if due is None:
            return reproven.proof
        session = reproven.session
        if not session.is_fresh or session.level_at(2) != session.authenticated_at:
            raise FreshSessionRequired(await self._methods(conn, session.user.id, aal=2), aal=2)
        return replace(reproven.proof, at=session.authenticated_at)

    @asynccontextmanager
    async def transaction(
        self, reproven: Reproven, *, lock: sign_ins.Lock = sign_ins.lock_owner
    ) -> AsyncIterator[tuple[Connection, sign_ins.Live]]:
        """Lend a transaction in which the user and the session stay what they are, as they were proven.

        Args:
            reproven: what was proven, and what for.
            lock: locks the user's row.

        Yields:
            Its connection, and the session that the sign-in has come to.

        Raises:
            InvalidCredentials: the credentials were changed since they were proven.
            SessionRevoked: the session was ended since then. Both are on the trail.
        """
        session = reproven.session
        try:
            async with self._database.transaction() as conn:
                stamp = await lock(conn, session.user.id)
                live = await sign_ins.lock_live(conn, session.id, at=self._clock(), idle=self._lifetimes.idle)
                if live is None:
                    raise SessionRevoked
                if stamp != reproven.proof.stamp:
                    raise InvalidCredentials  # noqa: TRY301 - undoes the transaction
                yield conn, live
        except InvalidCredentials:
            await self.refuse(session, reproven.attempt, verb=reproven.verb, reason="changed_meanwhile")
            raise InvalidCredentials(Text("error.invalid_credentials.password")) from None
        except AuthenticationError as error:
            raise await self._refusals.record(
                error, reproven.client, verb=reproven.verb, user_id=session.user.id, session_id=session.id
            ) from None

    async def begin_anew(
        self,
        reproven: Reproven,
        change: Change,
        *,
        reason: EndReason,
        action: AuditAction,
        detail: Mapping[str, Any] | None = None,
    ) -> SignedIn:
        """Change what a user signs in with, end every session of theirs and start one for this client.

        Args:
            reproven: what was proven for it.
            change: what changes it.
            reason: why the sessions end.
            action: how the trail calls the change.
            detail: of that event.

        Raises:
            InvalidCredentials, SessionRevoked: as `transaction`.
            FreshSessionRequired: as `complete`.
        """
        user_id, client, at = reproven.session.user.id, reproven.client, self._clock()
        async with self.transaction(reproven) as (conn, live):
            proof = await self.complete(conn, reproven)
            proven = await change(conn, at)
            if proven is None:
                raise InvalidCredentials
            ended = await endings.end_of_user(conn, user_id, reason=reason, client=client, at=at)
            signed_in = await self._sessions.start(
                conn,
                proof.plus(proven, at=proof.at).after(live.proven),
                client=client,
                remembered=live.remembered,
            )
            if signed_in is None:
                raise SessionRevoked  # the user was disabled meanwhile
            session_id = signed_in.session.id
            await successors.replace(conn, live.id, session_id)
            await event_store.insert(
                conn, action, client=client, at=at, user_id=user_id, session_id=session_id, detail=detail
            )
            return replace(signed_in, others_ended=max(0, ended - 1))  # one of them was the caller's

"""The one door: whatever proves who somebody is ends here, and a session starts only after the last step."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gatepost.db.pool import Connection, Database, transaction_on
from gatepost.errors import ChallengeExpired, GatepostError, InvalidCode, TooManyAttempts, ValidationFailed
from gatepost.models import (
    Answer,
    AuditAction,
    Challenge,
    Client,
    Due,
    EndReason,
    Proof,
    Session,
    SignedIn,
    UserId,
)
from gatepost.security.links import LinkCodec
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.feature import Happened, Wiring
from gatepost.services.hooks import Hooks, Moment
from gatepost.services.sessions import Sessions
from gatepost.services.steps import ENROLMENT, LIFETIME, TRIES, Outcome, Steps, settled, unknown_method, wrong
from gatepost.services.throttles import Attempt, Throttles
from gatepost.store import challenges as store
from gatepost.store import endings
from gatepost.store import events as event_store
from gatepost.store import sign_ins as sign_in_store
from gatepost.store import users as user_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Who signs in, and how they want to be handed what follows.

    Attributes:
        client: who it is.
        by_cookie: a cookie is to hold it, not the body of the answer.
        remembered: the session is to outlive the browser.
        is_known: they come from where the user has signed in before.
        hashed_password: what the password becomes once the sign-in is complete; None where it stays.
        email: canonical, of the user.
        is_temporary: the password that was given is a temporary one.
    """

    client: Client
    by_cookie: bool = False
    remembered: bool = False
    is_known: bool = False
    hashed_password: str | None = field(default=None, repr=False)
    email: str = ""
    is_temporary: bool = False


_TURNED_AWAY = "raised by a hook of on_sign_in"


class _Moved(Exception):
    """The credentials changed while the last step was verified: what that wrote is undone."""


class SignIns:
    """Starts a session for a proof, or asks for the step that is due before that."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        throttles: Throttles,
        codec: LinkCodec,
        audit: Audit,
        clock: Clock,
        steps: Steps,
        hooks: Hooks,
        features: Wiring,
    ) -> None:
        self._hooks = hooks
        self._features = features
        self._database = database
        self._sessions = sessions
        self._throttles = throttles
        self._codec = codec
        self._audit = audit
        self._clock = clock
        self._steps = steps

    async def finish(self, conn: Connection, proof: Proof, arrival: Arrival) -> Outcome | None:
        """Start a session on the caller's connection, or a challenge where one more step is due.

        None where the user was disabled or their credentials changed since they were proven. The caller
        commits, and then has `settled` say what there is.
        """
        due = await self._steps.due(conn, proof)
        if due is None:
            return await self._enter(conn, proof, arrival)
        issued = self._codec.issue()
        expires_at = await store.insert(
            conn,
            [issued.stored],
            proof,
            purpose=store.Purpose.SIGN_IN,
            by_cookie=arrival.by_cookie,
            remembered=arrival.remembered,
            is_known=arrival.is_known,
            hashed_password=arrival.hashed_password,
            lifetime=ENROLMENT if due.enrols else LIFETIME,
            at=self._clock(),
        )
        await event_store.insert(
            conn,
            AuditAction.LOGIN_CHALLENGED,
            client=arrival.client,
            at=self._clock(),
            user_id=proof.user_id,
            detail={"proven": list(proof.methods), "methods": list(due.methods)},
        )
        return Challenge(token=issued.raw, due=due, by_cookie=arrival.by_cookie, expires_at=expires_at)

    async def answer(
        self,
        token: str,
        *,
        method: str,
        code: str | None,
        credential: Mapping[str, object] | None,
        client: Client,
        by_cookie: bool,
    ) -> SignedIn:
        """Answer the step that is due; start the session after the last.

        The challenge is taken before anything is verified, and put back after a wrong answer, so that answers
        at the same moment can't be more than it allows.

        Raises:
            InvalidCode: the answer is wrong; it may be tried again, not more often than `TRIES`.
            ChallengeExpired: there is no such challenge, or not any more: the sign-in starts over.
            ValidationFailed: the method is none of those that are due.
            SecondFactorRequired, FactorEnrolmentRequired: yet another step is due.
            TooManyAttempts: there were too many from this address, or of this user; the challenge stays.
        """
        await self._throttles.arrive(client, verb="factor")
        at = self._clock()
        waiting = await self._find(token, by_cookie=by_cookie, take=True)
        attempt = await self._checked(waiting, client)
        if waiting is None:
            raise ChallengeExpired
        attempt = await self._charged(waiting, attempt)
        answer = Answer(method=method, code=code, credential=credential, state=json.loads(waiting.state))
        outcome, step = None, None
        try:
            async with (
                self.noting(client, user_id=waiting.user_id, email=waiting.email),
                self._database.transaction() as conn,
            ):
                step = await self._steps.asking(conn, waiting.proof, method)
                if step is not None:
                    proven = await step.verify(conn, waiting.proof, answer, client)
                    if proven is not None:
                        proof = waiting.proof.plus(proven, at=at)
                        outcome = await self.finish(conn, proof, _arrival(waiting, client))
                        if outcome is None:
                            raise _Moved  # noqa: TRY301 - undoes what the step wrote
                        if isinstance(outcome, SignedIn):
                            await self._throttles.succeeded(conn, attempt)
                            outcome = replace(outcome, recovery_codes=proven.recovery_codes)
        except _Moved:
            await self._fail(attempt, "changed_meanwhile", method)
            raise ChallengeExpired from None
        if outcome is not None:
            return settled(outcome)
        raise await self._wrong(waiting, attempt, answer, is_due=step is not None)

    async def options(
        self, token: str, *, method: str, client: Client, by_cookie: bool
    ) -> Mapping[str, object]:
        """Return what a method hands out before it is answered.

        Raises:
            ChallengeExpired: there is no such challenge, or not any more.
            ValidationFailed: the method is none of those that are due, or hands nothing out.
            TooManyAttempts: there were too many from this address.
        """
        await self._throttles.arrive(client, verb="factor")
        waiting = await self.pending(token, by_cookie=by_cookie)
        if waiting is None:
            raise ChallengeExpired
        async with self._database.transaction() as conn:
            step = await self._steps.asking(conn, waiting.proof, method)
            kept = json.loads(waiting.state)
            options = None if step is None else await step.options(conn, waiting.proof, method, kept)
            if options is None:
                raise unknown_method()
            await store.keep_state(conn, waiting.digest, options)
        return options.public

    async def due(self, waiting: store.Waiting) -> Due | None:
        """Return the step that a challenge waits for; None where it waits no more."""
        async with self._database.connection() as conn:
            return await self._steps.due(conn, waiting.proof)

    async def pending(self, token: str, *, by_cookie: bool) -> store.Waiting | None:
        """Return a challenge that can be answered; None where there is none."""
        waiting = await self._find(token, by_cookie=by_cookie, take=False)
        return waiting if waiting is not None and self._is_open(waiting) else None

    async def _find(self, token: str, *, by_cookie: bool, take: bool) -> store.Waiting | None:
        digests = self._codec.stored_forms(token)
        if not digests:
            return None
        async with self._database.connection() as conn:
            return await store.find(
                conn,
                digests,
                purpose=store.Purpose.SIGN_IN,
                by_cookie=by_cookie,
                take=take,
                at=self._clock(),
            )

    def _is_open(self, waiting: store.Waiting) -> bool:
        return waiting.is_good and (waiting.is_known or not self._throttles.locks(waiting.failures))

    async def _enter(self, conn: Connection, proof: Proof, arrival: Arrival) -> SignedIn | None:
        """Start the session, unless a hook of the application turns them away."""
        is_new = not arrival.is_known and self._features.hears
        if not (is_new or self._hooks.has(Moment.SIGN_IN)):
            signed_in = await self._start(conn, proof, arrival)
        else:
            async with transaction_on(conn):
                signed_in = await self._start(conn, proof, arrival)
                if signed_in is not None:
                    await self.welcome(conn, signed_in.session, arrival.client)
                    if is_new:
                        await self._tell(conn, AuditAction.SESSION_STARTED, signed_in, arrival)
        if signed_in is not None:
            await _note_language(conn, signed_in.session, arrival.client)
        return signed_in

    async def welcome(self, conn: Connection, session: Session, client: Client) -> None:
        """Run the hooks of a sign-in, in the transaction in which its session starts.

        Raises:
            Exception: what one of them raised, which `noting` knows.
        """
        try:
            await self._hooks.run(Moment.SIGN_IN, conn, session, client)
        except Exception as error:
            error.add_note(_TURNED_AWAY)
            raise

    @asynccontextmanager
    async def noting(self, client: Client, *, user_id: UserId, email: str) -> AsyncIterator[None]:
        """Put it on the trail where a hook turns a user away, once what it was part of is undone."""
        try:
            yield
        except Exception as error:
            if _TURNED_AWAY in getattr(error, "__notes__", ()):
                reason = error.code if isinstance(error, GatepostError) else type(error).__name__
                await self._audit.refuse(
                    AuditAction.LOGIN_FAILED,
                    client=client,
                    user_id=user_id,
                    detail={"reason": reason, "hook": Moment.SIGN_IN, "email": email},
                )
            raise

    async def _start(self, conn: Connection, proof: Proof, arrival: Arrival) -> SignedIn | None:
        """Start the session; with another password from now on, every other session ends."""
        if arrival.hashed_password is None:
            return await self._sessions.start(
                conn, proof, client=arrival.client, remembered=arrival.remembered
            )
        user_id, client, at = proof.user_id, arrival.client, self._clock()
        stamp = await user_store.change_password(conn, proof, arrival.hashed_password, at=at)
        if stamp is None:
            return None
        await self._throttles.forget(conn, user_id, arrival.email, by_owner=True)
        await endings.end_of_user(conn, user_id, reason=EndReason.PASSWORD_CHANGED, client=client, at=at)
        signed_in = await self._sessions.start(
            conn, proof.moved_to(stamp), client=client, remembered=arrival.remembered
        )
        if signed_in is not None:
            await event_store.insert(
                conn,
                AuditAction.PASSWORD_CHANGED,
                client=client,
                at=at,
                user_id=user_id,
                session_id=signed_in.session.id,
                detail={"verb": "login", "temporary": arrival.is_temporary},
            )
            await self._tell(conn, AuditAction.PASSWORD_CHANGED, signed_in, arrival)
        return signed_in

    async def _tell(
        self, conn: Connection, action: AuditAction, signed_in: SignedIn, arrival: Arrival
    ) -> None:
        """Tell features what happened to the account of who signs in."""
        await self._features.tell(
            conn, Happened(action=action, user=signed_in.session.user, client=arrival.client)
        )

    async def _checked(self, waiting: store.Waiting | None, client: Client) -> Attempt:
        """Return what an answer counts as.

        Raises:
            ChallengeExpired: there is nothing to answer; that is on the trail.
        """
        attempt = Attempt(
            client=client,
            user_id=None if waiting is None else waiting.user_id,
            is_known=True,
            is_locked=False,
            is_known_place=waiting is not None and waiting.is_known,
            charge=None,
            has_failures=waiting is not None and waiting.failures > 0,
        )
        if waiting is None:
            await self._audit.refuse(
                AuditAction.LOGIN_FAILED, client=client, detail={"reason": "challenge_unknown"}
            )
            raise ChallengeExpired
        if not self._is_open(waiting):
            await self._fail(attempt, "challenge_expired", None)
            raise ChallengeExpired
        return attempt

    async def _charged(self, waiting: store.Waiting, attempt: Attempt) -> Attempt:
        """Return the attempt with what it is charged; a challenge of who may not guess any more is put back.

        Raises:
            TooManyAttempts: this user has had too many wrong answers, whatever they belonged to.
        """
        client, user_id = attempt.client, waiting.user_id
        try:
            charge = await self._throttles.guess(
                user_id, is_known=waiting.is_known, client=client, verb="factor"
            )
        except TooManyAttempts:
            async with self._database.connection() as conn:
                await store.put_back(conn, waiting, tries=waiting.tries, at=self._clock())
            raise
        return replace(attempt, charge=charge)

    async def _wrong(
        self, waiting: store.Waiting, attempt: Attempt, answer: Answer, *, is_due: bool
    ) -> InvalidCode | ValidationFailed:
        """Put a challenge back that was not met, and return the error to be raised."""
        tries = waiting.tries + is_due
        if tries < TRIES:
            async with self._database.connection() as conn:
                await store.put_back(conn, waiting, tries=tries, at=self._clock())
        if not is_due:
            return unknown_method()
        await self._fail(attempt, "wrong_code", answer.method)
        return wrong(answer)

    async def _fail(self, attempt: Attempt, reason: str, method: str | None) -> None:
        """Put it on the trail, and count a wrong code among the failures in a row."""
        await self._throttles.failed(
            attempt,
            AuditAction.LOGIN_FAILED,
            detail={"reason": reason, **({} if method is None else {"method": method[:64]})},
            counts=reason == "wrong_code",
        )


async def _note_language(conn: Connection, session: Session, client: Client) -> None:
    """Keep what a user reads who has chosen no language, for mails to them.

    Whoever comes from a new place may not be the user: the mail that tells of it stays in their language.
    """
    if session.user.language is None and client.language is not None:
        await sign_in_store.note_language(conn, session, client.language, place=client.address_block)


def _arrival(waiting: store.Waiting, client: Client) -> Arrival:
    return Arrival(
        client=client,
        by_cookie=waiting.by_cookie,
        remembered=waiting.remembered,
        is_known=waiting.is_known,
        hashed_password=waiting.hashed_password,
        email=waiting.email,
        is_temporary=waiting.is_temporary,
    )

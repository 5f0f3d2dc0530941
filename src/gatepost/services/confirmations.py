"""Confirming: a signed-in user proves who they are once more, and has a fresh session (ASVS 7.2.4, 7.5.3).

The same steps are due as at a sign-in. What waits for one belongs to the sign-in of the session, whose token
is all that a client has to keep.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gatepost.db.pool import Connection, Database
from gatepost.errors import ChallengeExpired, InvalidCode, InvalidCredentials, ValidationFailed
from gatepost.models import Answer, Challenge, Client, Due, Proof, Session, SignedIn
from gatepost.security.csrf_tokens import sign_in_binding
from gatepost.security.links import LinkCodec, StoredLink
from gatepost.security.passwords import Password
from gatepost.services.clock import Clock
from gatepost.services.reauthentication import Reauthentication, Reproven
from gatepost.services.sessions import Sessions
from gatepost.services.steps import LIFETIME, TRIES, Outcome, Steps, settled, unknown_method, wrong
from gatepost.services.throttles import Attempt, Throttles
from gatepost.services.typed import read
from gatepost.store import challenges as store
from gatepost.store import sign_ins

VERB = "confirm"
"""What the trail calls it."""


class Confirmations:
    """Starts fresh sessions, each of which takes the place of a token's once it is used."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        throttles: Throttles,
        reauthentication: Reauthentication,
        steps: Steps,
        codec: LinkCodec,
        clock: Clock,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._throttles = throttles
        self._reauthentication = reauthentication
        self._steps = steps
        self._codec = codec
        self._clock = clock

    async def by_password(
        self, token: str, password: str, client: Client, *, by_cookie: bool = False
    ) -> SignedIn:
        """Confirm with the password, after which one more step may be due.

        Raises:
            ValidationFailed: a password that none can have.
            InvalidCredentials: it is not this user's.
            SecondFactorRequired: one more step is due, which `by_step` answers.
            TooManyAttempts: it was asked too often.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb=VERB, by_cookie=by_cookie)
        attempt = await self._reauthentication.begin(session, client, verb=VERB)
        given = read("password", password, Password.read)
        reproven = await self._reauthentication.check(session, given, attempt, verb=VERB)
        async with self._reauthentication.transaction(reproven) as (conn, live):
            outcome = await self._finish(conn, reproven, live)
        return settled(outcome)

    async def by_step(
        self, token: str, answer: Answer, client: Client, *, by_cookie: bool = False
    ) -> SignedIn:
        """Confirm with the step that is due, or with one that proves who somebody is by itself.

        Raises:
            ValidationFailed: the method is none of those that are due.
            InvalidCode: the answer is wrong; it may be tried again, not more often than `TRIES`.
            InvalidCredentials: the credentials were changed meanwhile.
            ChallengeExpired: nothing waits for a step, or not any more: the password comes first.
            SecondFactorRequired: yet another step is due.
            TooManyAttempts: it was asked too often.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb=VERB, by_cookie=by_cookie)
        attempt = await self._reauthentication.begin(session, client, verb=VERB)
        guess = await self._throttles.guess(
            session.user.id, is_known=attempt.is_known_place, client=client, verb=VERB
        )
        reproven, waiting = await self._begun(session, attempt, take=True)
        if waiting is not None:
            answer = replace(answer, state=json.loads(waiting.state))
        outcome, step = None, None
        async with self._reauthentication.transaction(reproven) as (conn, live):
            step = await self._steps.asking(conn, reproven.proof, answer.method)
            if step is not None and not attempt.is_locked:
                proven = await step.verify(conn, reproven.proof, answer, client)
                if proven is not None:
                    proof = reproven.proof.plus(proven, at=self._clock())
                    outcome = await self._finish(conn, replace(reproven, proof=proof), live)
                    await self._throttles.succeeded(conn, replace(attempt, charge=guess))
        if outcome is not None:
            return settled(outcome)
        raise await self._wrong(reproven, waiting, answer, is_due=step is not None)

    async def options(
        self, token: str, method: str, client: Client, *, by_cookie: bool = False
    ) -> Mapping[str, object]:
        """Return what a method hands out before it is answered.

        Raises:
            ValidationFailed: the method is none of those that are due, or hands nothing out.
            ChallengeExpired: nothing waits for a step, or not any more: the password comes first.
            TooManyAttempts: there were too many from this address.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb=VERB, by_cookie=by_cookie)
        attempt = await self._reauthentication.begin(session, client, verb=VERB)
        reproven, waiting = await self._begun(session, attempt, take=False)
        async with self._database.transaction() as conn:
            step = await self._steps.asking(conn, reproven.proof, method)
            kept = {} if waiting is None else json.loads(waiting.state)
            options = None if step is None else await step.options(conn, reproven.proof, method, kept)
            if options is None:
                raise ChallengeExpired if waiting is None else unknown_method()
            if waiting is None:
                await self._keep(conn, session, reproven.proof)
            digest = self._digests(session)[0] if waiting is None else waiting.digest
            await store.keep_state(conn, digest, options)
            await self._throttles.succeeded(conn, attempt)
        return options.public

    async def methods(self, session: Session, *, aal: int = 1) -> tuple[str, ...]:
        """Return what a session's user confirms with, as `Reauthentication.methods`."""
        return await self._reauthentication.methods(session.user.id, aal=aal)

    async def due(self, session: Session) -> Due | None:
        """Return the step that a session's user can take; None where the password comes first.

        What `suffices` is one way to begin, and the password is the other.
        """
        waiting = await self._find(session, take=False)
        async with self._database.connection() as conn:
            if waiting is None:
                return await self._steps.after(conn, session.user.id, enrolling=False)
            return await self._steps.due(conn, waiting.proof, enrolling=False)

    async def _finish(self, conn: Connection, reproven: Reproven, live: sign_ins.Live) -> Outcome:
        """Start the fresh session, or have the sign-in wait for the step that is due."""
        due = await self._steps.due(conn, reproven.proof, enrolling=False)
        if due is not None:
            expires_at = await self._keep(conn, reproven.session, reproven.proof)
            return Challenge(token=None, due=due, by_cookie=False, expires_at=expires_at)
        signed_in = await self._sessions.confirm(conn, live.id, reproven.proof, reproven.client)
        if signed_in is None:
            raise InvalidCredentials
        await self._throttles.succeeded(conn, reproven.attempt)
        return signed_in

    async def _keep(self, conn: Connection, session: Session, proof: Proof) -> datetime:
        """Have what is proven wait for one more step; return until when."""
        return await store.insert(
            conn,
            self._digests(session),
            proof,
            purpose=store.Purpose.CONFIRM,
            by_cookie=False,
            lifetime=LIFETIME,
            at=self._clock(),
        )

    async def _begun(
        self, session: Session, attempt: Attempt, *, take: bool
    ) -> tuple[Reproven, store.Waiting | None]:
        """Return what is proven so far, and what waits."""
        waiting = await self._find(session, take=take)
        if waiting is None:
            return await self._reauthentication.unproven(session, attempt, verb=VERB), None
        return Reproven(session=session, attempt=attempt, proof=waiting.proof, verb=VERB), waiting

    async def _find(self, session: Session, *, take: bool) -> store.Waiting | None:
        async with self._database.connection() as conn:
            waiting = await store.find(
                conn,
                self._digests(session),
                purpose=store.Purpose.CONFIRM,
                by_cookie=False,
                take=take,
                at=self._clock(),
            )
        return waiting if waiting is not None and waiting.is_good else None

    async def _wrong(
        self, reproven: Reproven, waiting: store.Waiting | None, answer: Answer, *, is_due: bool
    ) -> InvalidCode | ChallengeExpired | ValidationFailed:
        """Put back what waited for another answer, and return the error to be raised."""
        if waiting is not None and waiting.tries + is_due < TRIES:
            async with self._database.connection() as conn:
                await store.put_back(conn, waiting, tries=waiting.tries + is_due, at=self._clock())
        if not is_due:
            return ChallengeExpired() if waiting is None else unknown_method()
        reason = "locked" if reproven.attempt.is_locked else "wrong_code"
        await self._reauthentication.refuse(
            reproven.session, reproven.attempt, verb=VERB, reason=reason, method=answer.method
        )
        return wrong(answer)

    def _digests(self, session: Session) -> tuple[StoredLink, ...]:
        """Return under what the confirmation of a sign-in may be stored, the newest key's form first."""
        return self._codec.forms_bound_to(sign_in_binding(session))

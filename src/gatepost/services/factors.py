"""Second factors of whoever is signed in: what there is, set up, removed; and an administrator's removal."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gatepost.db.pool import Connection, Database
from gatepost.errors import ChallengeExpired, FactorRequired, NotFound
from gatepost.models import (
    Answer,
    AuditAction,
    Client,
    EndReason,
    Held,
    Holdings,
    Proof,
    Proven,
    Session,
    SignedIn,
    User,
    UserId,
)
from gatepost.security.csrf_tokens import sign_in_binding
from gatepost.security.emails import canonical_name
from gatepost.security.links import LinkCodec, StoredLink
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.clock import Clock
from gatepost.services.factor_step import FactorStep
from gatepost.services.feature import Factor, Method, Wiring
from gatepost.services.reauthentication import Reauthentication
from gatepost.services.sessions import Sessions
from gatepost.services.steps import ENROLMENT, TRIES, wrong
from gatepost.services.typed import read
from gatepost.services.ways_in import WaysIn
from gatepost.store import challenges as store
from gatepost.store import endings
from gatepost.store import events as event_store
from gatepost.store import users as user_store
from gatepost.texts import Text

FEW = 4
"""Fewer recovery codes than these are too few: their owner is told."""


class _Wrong(Exception):
    """The answer is wrong: what was done is undone."""


class Factors:
    """Sets up and removes second factors.

    Either is like another password: every other session ends, and who did it goes on with a new one. So a
    session of somebody who has a factor is one in which it was proven.
    """

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        reauthentication: Reauthentication,
        step: FactorStep,
        acts: Acts,
        codec: LinkCodec,
        features: Wiring,
        ways_in: WaysIn,
        clock: Clock,
    ) -> None:
        self._database = database
        self._ways_in = ways_in
        self._sessions = sessions
        self._reauthentication = reauthentication
        self._step = step
        self._acts = acts
        self._codec = codec
        self._features = features
        self._clock = clock

    async def of(self, user_id: UserId) -> Holdings:
        """Return what a user has, and may have."""
        async with self._database.connection() as conn:
            return Holdings(
                factors=await self._held(conn, self._features.factors, user_id),
                ways_back=await self._held(conn, self._features.ways_back, user_id),
                available=tuple(factor.method for factor in self._features.factors if factor.enrols),
                required=await self._step.requires(conn, user_id),
            )

    @staticmethod
    async def _held(conn: Connection, kinds: tuple[Method, ...], user_id: UserId) -> tuple[Held, ...]:
        return tuple([each for kind in kinds for each in await kind.held(conn, user_id)])

    async def begin(
        self, token: str, method: str, client: Client, *, by_cookie: bool = False
    ) -> Mapping[str, object]:
        """Begin to set a factor up; return what its user needs for that.

        Raises:
            NotFound: there is no such factor here.
            FreshSessionRequired: the user did not prove who they are a moment ago, as far as they can.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="enrol", by_cookie=by_cookie)
        factor = self._enrolling(method)
        reproven = await self._reauthentication.standing(session, client, verb="enrol")
        digests = self._digests(session, factor)
        async with self._database.transaction() as conn:
            await self._reauthentication.complete(conn, reproven)
            waiting = await self._waiting(conn, digests, take=False)
            kept = {} if waiting is None else json.loads(waiting.state)
            options = await factor.begin(conn, session.user, kept)
            if waiting is None:
                await self._wait(conn, digests, reproven.proof)
            digest = digests[0] if waiting is None else waiting.digest
            await store.keep_state(conn, digest, options)
        return options.public

    async def enrol(self, token: str, answer: Answer, client: Client, *, by_cookie: bool = False) -> SignedIn:
        """Set up what was begun; end every other session, and go on with a new one in which it is proven.

        Raises:
            NotFound: there is no such factor here.
            ValidationFailed: the name that it is given is none; what was begun stays.
            ChallengeExpired: nothing was begun, or too long ago, or it was answered wrongly too often.
            InvalidCode: the answer is wrong; it may be tried again, not more often than `TRIES`.
            InvalidCredentials: the credentials were changed meanwhile.
            FreshSessionRequired: as `begin`.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="enrol", by_cookie=by_cookie)
        if answer.name is not None:
            answer = replace(answer, name=read("name", answer.name, canonical_name))
        factor = self._enrolling(answer.method)
        reproven = await self._reauthentication.standing(session, client, verb="enrol")
        async with self._database.connection() as conn:
            waiting = await self._waiting(conn, self._digests(session, factor), take=True)
        if waiting is None:
            raise ChallengeExpired
        answer = replace(answer, state=json.loads(waiting.state))
        codes: tuple[str, ...] = ()

        async def change(conn: Connection, _: datetime | None) -> Proven:
            nonlocal codes
            proven = await self._step.set_up(conn, session.user, factor, answer, client)
            if proven is None:
                raise _Wrong
            codes = proven.recovery_codes
            return proven

        try:
            signed_in = await self._reauthentication.begin_anew(
                reproven,
                change,
                reason=EndReason.FACTOR_CHANGED,
                action=AuditAction.FACTOR_ENROLLED,
                detail={"method": factor.method},
            )
        except _Wrong:
            if waiting.tries + 1 < TRIES:
                async with self._database.connection() as conn:
                    await store.put_back(conn, waiting, tries=waiting.tries + 1, at=self._clock())
            raise wrong(answer) from None
        return replace(signed_in, recovery_codes=codes)

    async def remove(
        self,
        token: str,
        method: str,
        client: Client,
        *,
        by_cookie: bool = False,
        factor_id: str | None = None,
    ) -> SignedIn:
        """Remove a factor, and with the last one the ways back; every other session ends.

        Args:
            token: of a session of its owner.
            method: of which kind it is.
            client: who asks.
            by_cookie: the token came by cookie.
            factor_id: which of several of that kind; None removes them all.

        Raises:
            NotFound: the user has no such factor.
            LastWayIn: they could sign in by nothing else.
            FactorRequired: it is the last one, and MFA_REQUIRED asks this user for one.
            InvalidCredentials: the credentials were changed meanwhile.
            FreshSessionRequired: as `begin`.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="remove_factor", by_cookie=by_cookie)
        factor, user = self._step.factor(method), session.user
        detail = {"method": method} | ({} if factor_id is None else {"factor_id": factor_id})
        reproven = await self._reauthentication.standing(session, client, verb="remove_factor")

        async def change(conn: Connection, _: datetime | None) -> Proven:
            async with self._ways_in.kept(conn, user.id):
                if factor is None or not await factor.remove(conn, user.id, factor_id):
                    raise NotFound(Text("error.not_found.factor"))
            if not await self._step.holding(conn, user.id):
                if await self._step.requires(conn, user.id):
                    raise FactorRequired
                for way in self._features.ways_back:
                    await way.remove(conn, user.id)
            await self._step.tell(conn, AuditAction.FACTOR_REMOVED, user, client, detail)
            return Proven(stamp=await user_store.move_stamp(conn, user.id))

        return await self._reauthentication.begin_anew(
            reproven,
            change,
            reason=EndReason.FACTOR_CHANGED,
            action=AuditAction.FACTOR_REMOVED,
            detail=detail,
        )

    async def new_codes(self, token: str, client: Client, *, by_cookie: bool = False) -> tuple[str, ...]:
        """Make new ways back in the place of all that the user has; return them, to be shown this once.

        Raises:
            NotFound: the user has no second factor, so that there is nothing to lose.
            InvalidCredentials: the credentials were changed meanwhile.
            FreshSessionRequired: as `begin`.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="new_codes", by_cookie=by_cookie)
        user, action = session.user, AuditAction.RECOVERY_CODES_MADE
        reproven = await self._reauthentication.standing(session, client, verb="new_codes")
        async with self._reauthentication.transaction(reproven) as (conn, live):
            await self._reauthentication.complete(conn, reproven)
            if not await self._step.holding(conn, user.id):
                raise NotFound(Text("error.not_found.factor"))
            codes = [code for way in self._features.ways_back for code in await way.hand_out(conn, user.id)]
            await event_store.insert(
                conn, action, client=client, at=self._clock(), user_id=user.id, session_id=live.id
            )
            await self._step.tell(conn, action, user, client, {})
        return tuple(codes)

    async def reset(
        self, user: User, *, reason: str, client: Client, by: By = Program.COMMAND
    ) -> tuple[str, ...]:
        """Remove every factor of a user who lost theirs, and end their sessions; return which they were.

        Nobody sets one up for somebody else. Whom MFA_REQUIRED asks for one does as they sign in.

        Raises:
            ValidationFailed: no reason is given, or it is no line of text.
            OwnAccount: an administrator who still has theirs removes them one by one.
            NotFound: the user has none.
            LastWayIn: they could sign in by nothing else: give them a password first.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        noted = read("reason", reason, canonical_name)
        async with self._acts.begin("reset-factors", user.id, by=by, client=client, spares_self=True) as conn:
            kinds: tuple[Method, ...] = (*self._features.factors, *self._features.ways_back)
            async with self._ways_in.kept(conn, user.id):
                removed = tuple([each.method for each in kinds if await each.remove(conn, user.id)])
            if not removed:
                raise NotFound(Text("error.not_found.factor"))
            await user_store.move_stamp(conn, user.id)
            at, detail = self._clock(), {**detail_of(by), "methods": list(removed), "reason": noted}
            await endings.end_of_user(
                conn, user.id, reason=EndReason.FACTOR_CHANGED, client=client, at=at, detail=detail_of(by)
            )
            action = AuditAction.FACTORS_RESET
            await event_store.insert(conn, action, client=client, at=at, user_id=user.id, detail=detail)
            await self._step.tell(conn, action, user, client, detail, by_others=True)
        return removed

    def _enrolling(self, method: str) -> Factor:
        factor = self._step.factor(method)
        if factor is None or not factor.enrols:
            raise NotFound
        return factor

    def _digests(self, session: Session, factor: Factor) -> tuple[StoredLink, ...]:
        """Return under what a factor that is being set up may be stored, the newest key's form first."""
        return self._codec.forms_bound_to(f"{factor.method} {sign_in_binding(session)}")

    async def _waiting(
        self, conn: Connection, digests: tuple[StoredLink, ...], *, take: bool
    ) -> store.Waiting | None:
        purpose, at = store.Purpose.ENROL, self._clock()
        waiting = await store.find(conn, digests, purpose=purpose, by_cookie=False, take=take, at=at)
        return waiting if waiting is not None and waiting.is_good else None

    async def _wait(self, conn: Connection, digests: tuple[StoredLink, ...], proof: Proof) -> None:
        await store.insert(
            conn,
            digests,
            proof,
            purpose=store.Purpose.ENROL,
            by_cookie=False,
            lifetime=ENROLMENT,
            at=self._clock(),
        )

"""Making users: somebody registers, or is added."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from pydantic import BaseModel

from gatepost.db.pool import Connection, Database
from gatepost.errors import (
    ChallengeExpired,
    GatepostError,
    HookTimeout,
    InvalidCredentials,
    Unavailable,
    ValidationFailed,
)
from gatepost.models import (
    PASSWORD,
    Action,
    Answer,
    AuditAction,
    Client,
    Instead,
    NewUser,
    PendingEmail,
    Proof,
    Proven,
    SignedIn,
    User,
)
from gatepost.security.emails import canonical_email, canonical_name
from gatepost.security.passwords import Password
from gatepost.services import emails
from gatepost.services.admission import Admission, EndedMeanwhile, invitation_detail
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.factor_step import FactorStep
from gatepost.services.feature import Happened, Newcomer, Wiring
from gatepost.services.hashing import Hashing
from gatepost.services.hooks import Hooks, Moment
from gatepost.services.lines import Line
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.own_fields import OwnFields
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import settled, wrong
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import events as event_store
from gatepost.store import users as store
from gatepost.texts import Text

Claim: TypeAlias = Callable[[Connection], Awaitable[bool]]
"""Uses up what proves a newcomer, in the transaction that makes their account; False where it is over."""


class _UsedUp(Exception):
    """What proves a newcomer is over; it undoes the transaction."""


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Accounts:
    """Makes users."""

    def __init__(
        self,
        database: Database,
        *,
        sign_ins: SignIns,
        hashing: Hashing,
        throttles: Throttles,
        audit: Audit,
        clock: Clock,
        new_passwords: NewPasswords,
        admission: Admission,
        hooks: Hooks,
        own_fields: OwnFields,
        features: Wiring,
        step: FactorStep,
    ) -> None:
        self._step = step
        self._features = features
        self._own_fields = own_fields
        self._database = database
        self._sign_ins = sign_ins
        self._hashing = hashing
        self._throttles = throttles
        self._audit = audit
        self._clock = clock
        self._new_passwords = new_passwords
        self._admission = admission
        self._hooks = hooks

    async def register(
        self,
        *,
        email: str,
        name: str,
        password: str,
        client: Client,
        remembered: bool = False,
        by_cookie: bool = False,
        invitation: str | None = None,
        own: Mapping[str, object] = NOTHING,
        problems: Mapping[str, Text] = NOTHING,
        instead: Instead | None = None,
        browser: str | None = None,
    ) -> SignedIn | PendingEmail:
        """Add a user and start their first session.

        Whoever may not register hears that before anything tells whether the e-mail exists. Where a feature
        has the mailbox answer first, there is no user yet: nothing tells whether the e-mail exists, and a
        password is checked and forgotten.

        Args:
            email: as it was typed.
            name: as it was typed.
            password: as it was typed.
            client: who asks.
            remembered: the session is to live until its absolute end ("keep me signed in").
            by_cookie: a cookie is to hold what is handed over.
            invitation: the token of one; it is used up by the user that it makes, and by nothing that fails.
            own: what else was sent, for the fields that the application asks for.
            problems: what is wrong already, with fields that are missing or of another type.
            instead: what they set up in the place of a password, where that is open to everybody; where it is
                not, a password is missing.
            browser: what the client's keeps; the code of a mail works in no other. None where it works
                anywhere.

        Raises:
            RegistrationClosed: they may not register; an error of the feature that invites says so too.
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.accept`.
            EmailTaken: the e-mail exists already.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            TooManyAttempts: there were too many registrations.
            ChallengeExpired, InvalidCode: what they set up in the place of a password is not good.
            SecondFactorRequired, FactorEnrolmentRequired: the user is there, and one more step is due.
        """
        await self._admission.begin(invitation, client=client)
        await self._throttles.arrive(client, verb="register")
        fields, wrong = self._own_fields.read(own)
        wrong = {**wrong, **problems}
        registrar, newcomers = self._features.registrar, self._features.newcomers
        if instead is not None and (registrar is not None or newcomers is None or not newcomers.is_open):
            instead = None
        if instead is not None or (registrar is not None and not password):
            wrong.pop("password", None)
            email, name = _person(email=email, name=name, problems=wrong)
            accepted = None
        else:
            email, name, accepted = await self._checked(
                email=email, name=name, password=password, problems=wrong
            )
        invited = await self._admission.admit(invitation, email=email, client=client)
        # What nobody asked for is not kept until the mailbox answers.
        kept = NOTHING if fields is None else own
        newcomer = Newcomer(email=email, name=name, own=kept, invitation=invited)
        if registrar is not None:
            await registrar.begin(newcomer, client=client, browser=browser)
            return PendingEmail(email=email)
        arrival = Arrival(client=client, by_cookie=by_cookie, remembered=remembered)
        return await self._make(newcomer, fields, accepted, arrival, instead=instead)

    async def complete(
        self,
        newcomer: Newcomer,
        password: str | None,
        claim: Claim,
        *,
        arrival: Arrival,
        methods: tuple[str, ...] = (PASSWORD,),
        instead: Instead | None = None,
    ) -> SignedIn:
        """Add a user whose mailbox has answered, with the password that was chosen then, or without one.

        Args:
            newcomer: who it is.
            password: as it was typed; None where they sign in otherwise.
            claim: uses up what proves them, in the transaction; False undoes it.
            arrival: how they want to be handed the session.
            methods: what they have proven, by the names of RFC 8176.
            instead: what they set up in the place of a password.

        Raises:
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.accept`.
            ChallengeExpired, InvalidCode: as `register`.
            EndedMeanwhile: what proves them was used up by somebody else.
            EmailTaken, Conflict, RejectedByDatabase, SecondFactorRequired, FactorEnrolmentRequired: as
                `register`.
        """
        fields, wrong = self._own_fields.read(newcomer.own)
        accepted = None
        if password is None:
            email, name = _person(email=newcomer.email, name=newcomer.name, problems=wrong)
        else:
            email, name, accepted = await self._checked(
                email=newcomer.email, name=newcomer.name, password=password, problems=wrong
            )
        newcomer = replace(newcomer, email=email, name=name)
        return await self._make(
            newcomer,
            fields,
            accepted,
            arrival,
            methods=methods,
            claim=claim,
            instead=instead,
        )

    async def _make(
        self,
        newcomer: Newcomer,
        fields: BaseModel | None,
        accepted: Password | None,
        arrival: Arrival,
        *,
        methods: tuple[str, ...] = (PASSWORD,),
        claim: Claim | None = None,
        instead: Instead | None = None,
    ) -> SignedIn:
        """Add a user and start their first session; whoever comes with a claim has proven the e-mail."""
        client, email, invited = arrival.client, newcomer.email, newcomer.invitation
        line = Line.of(client, is_known=invited is not None or claim is not None)
        hashed = None if accepted is None else await self._hashing.hash(accepted, line)
        answer = None if instead is None else await self._answer(instead)
        try:
            async with self._database.transaction() as conn:
                if claim is not None and not await claim(conn):
                    raise _UsedUp  # noqa: TRY301 - undoes the transaction
                claimed = await self._admission.claim(conn, invited, email=email)
                user, stamp = await self.insert(
                    conn,
                    email=email,
                    name=newcomer.name,
                    hashed=hashed,
                    client=client,
                    action=AuditAction.USER_REGISTERED,
                    detail=invitation_detail(claimed),
                    fields=fields,
                )
                await self._admission.use(conn, claimed, user.id)
                if claim is not None:
                    await store.prove_email(conn, user.id, at=self._clock())
                    user = msgspec.structs.replace(user, email_verified=True)
                proven = Proven(methods=methods, stamp=stamp)
                if answer is not None:
                    proven = await self._set_up(conn, user, answer, client)
                # After that: it moves the stamp, to which a mail may be bound.
                await self._features.tell(
                    conn,
                    Happened(action=AuditAction.USER_REGISTERED, user=user, client=client),
                )
                proof = Proof(
                    user_id=user.id, methods=proven.methods, stamp=proven.stamp or stamp, at=self._clock()
                )
                outcome = await self._sign_ins.finish(conn, proof, arrival)
                if outcome is None:
                    raise InvalidCredentials  # noqa: TRY301 - undoes the transaction
        except Unavailable as error:
            if isinstance(error, HookTimeout):
                await self._refuse(client, email=email, reason="hook_timeout")
            raise  # otherwise the trail could not be written either, and asking would take its time once more
        except _UsedUp:
            raise EndedMeanwhile from None
        except EndedMeanwhile:
            raise await self._admission.ended_meanwhile(invited, email=email, client=client) from None
        except Exception as error:
            reason = error.code if isinstance(error, GatepostError) else type(error).__name__
            await self._refuse(client, email=email, reason=reason)
            raise
        return replace(settled(outcome), recovery_codes=proven.recovery_codes)

    async def _set_up(self, conn: Connection, user: User, answer: Answer, client: Client) -> Proven:
        """Set up what a new user has in the place of a password.

        Raises:
            InvalidCode: it is not good, which undoes the transaction.
        """
        proven = await self._step.set_up_first(conn, user, answer, client)
        if proven is None:
            raise wrong(answer)
        return proven

    async def _answer(self, instead: Instead) -> Answer:
        """Return what is set up in the place of a password.

        Raises:
            ChallengeExpired: it was not handed out here, or too long ago.
        """
        newcomers = self._features.newcomers
        if newcomers is None:
            raise ChallengeExpired
        return await newcomers.take(instead)

    async def _refuse(self, client: Client, *, email: str, reason: str) -> None:
        await self._audit.refuse(
            AuditAction.USER_REGISTRATION_REFUSED, client=client, detail={"reason": reason, "email": email}
        )

    async def prepare(
        self,
        *,
        email: str,
        name: str,
        password: str,
        client: Client,
        problems: Mapping[str, Text] = NOTHING,
    ) -> tuple[str, str, str]:
        """Return what a new user is stored with: the canonical e-mail and name, and the hash.

        The caller has seen that `client` may make one, and knows of these problems with other fields.

        Raises:
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.accept`.
        """
        email, name, accepted = await self._checked(
            email=email, name=name, password=password, problems=problems
        )
        return email, name, await self._hashing.hash(accepted, Line.of(client, is_known=True))

    async def insert(
        self,
        conn: Connection,
        *,
        email: str,
        name: str,
        hashed: str | None,
        client: Client,
        action: Action,
        is_admin: bool = False,
        detail: Mapping[str, Any] | None = None,
        fields: BaseModel | None = None,
    ) -> tuple[User, UUID]:
        """Add a user on the caller's connection, with the event, and run the hooks.

        Returns:
            The user, and the stamp of their credentials.

        Raises:
            EmailTaken: the e-mail exists already.
        """
        at = self._clock()
        await emails.settle(conn)
        new = NewUser(email=email, name=name, is_admin=is_admin, fields=fields)
        own = await self._hooks.own_columns(conn, new)
        user, stamp = await store.insert(
            conn, email=email, name=name, hashed_password=hashed, is_admin=is_admin, own=own, at=at
        )
        await event_store.insert(conn, action, client=client, at=at, user_id=user.id, detail=detail)
        await self._hooks.run(Moment.REGISTER, conn, user, fields)
        return user, stamp

    async def _checked(
        self, *, email: str, name: str, password: str, problems: Mapping[str, Text] = NOTHING
    ) -> tuple[str, str, Password]:
        """Read the fields, and tell of all that are wrong at once, those known already among them."""
        canonical, fields = read_person(email=email, name=name)
        fields |= problems
        if "password" in fields:
            raise ValidationFailed(fields)
        whose = "" if "email" in fields else canonical["email"]
        try:
            accepted = await self._new_passwords.accept(password, email=whose)
        except ValidationFailed as refusal:
            if not fields:
                raise
            fields |= refusal.fields
        if fields:
            raise ValidationFailed(fields)
        return canonical["email"], canonical["name"], accepted


def _person(*, email: str, name: str, problems: Mapping[str, Text]) -> tuple[str, str]:
    """Return the canonical e-mail and name of somebody.

    Raises:
        ValidationFailed: something does not fit, known already or not.
    """
    person, wrong = read_person(email=email, name=name)
    if wrong | dict(problems):
        raise ValidationFailed(wrong | dict(problems))
    return person["email"], person["name"]


def read_person(*, email: str, name: str) -> tuple[dict[str, str], dict[str, Text]]:
    """Return the canonical e-mail and name of somebody, and what is wrong with which of them."""
    fields: dict[str, Text] = {}
    canonical = {"email": email, "name": name}
    for field, rule in (("email", canonical_email), ("name", canonical_name)):
        try:
            canonical[field] = read(field, canonical[field], rule)
        except ValidationFailed as refusal:
            fields |= refusal.fields
    return canonical, fields

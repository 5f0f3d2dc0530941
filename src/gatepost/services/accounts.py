"""Users and their passwords: register and login."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from gatepost.db.pool import Connection, Database
from gatepost.errors import (
    GatepostError,
    HookTimeout,
    InvalidCredentials,
    PasswordChangeRequired,
    Unavailable,
    ValidationFailed,
)
from gatepost.log import get_logger
from gatepost.models import PASSWORD, Action, AuditAction, Client, Proof, SignedIn, User
from gatepost.security.emails import canonical_email, canonical_name
from gatepost.security.passwords import Password, PasswordCheck
from gatepost.services import emails
from gatepost.services.admission import Admission, EndedMeanwhile, told
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.hooks import Hooks, Moment
from gatepost.services.lines import Line
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.own_fields import OwnFields
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import Outcome, settled
from gatepost.services.throttles import Attempt, Throttles
from gatepost.services.typed import read
from gatepost.store import events as event_store
from gatepost.store import users as store
from gatepost.texts import Text

log = get_logger("gatepost.accounts")

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Accounts:
    """Makes users and signs them in."""

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
    ) -> None:
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
        problems: Mapping[str, str] = NOTHING,
    ) -> SignedIn:
        """Add a user and start their first session.

        Whoever may not register hears that before anything tells whether the e-mail exists.

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

        Raises:
            RegistrationClosed: they may not register; an error of the feature that invites says so too.
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.accept`.
            EmailTaken: the e-mail exists already.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            TooManyAttempts: there were too many registrations.
            SecondFactorRequired, FactorEnrolmentRequired: the user is there, and one more step is due.
        """
        await self._admission.begin(invitation, client=client)
        await self._throttles.arrive(client, verb="register")
        fields, wrong = self._own_fields.read(own)
        email, name, accepted = await self._checked(
            email=email,
            name=name,
            password=password,
            problems={**wrong, **{field: Text.verbatim(why) for field, why in problems.items()}},
        )
        invited = await self._admission.admit(invitation, email=email, client=client)
        line = Line.of(client, is_known=invited is not None)
        hashed = await self._hashing.hash(accepted, line)
        try:
            async with self._database.transaction() as conn:
                claimed = await self._admission.claim(conn, invited, email=email)
                user, stamp = await self.insert(
                    conn,
                    email=email,
                    name=name,
                    hashed=hashed,
                    client=client,
                    action=AuditAction.USER_REGISTERED,
                    detail=told(claimed),
                    fields=fields,
                )
                await self._admission.use(conn, claimed, user.id)
                proof = Proof(user_id=user.id, methods=(PASSWORD,), stamp=stamp, at=self._clock())
                outcome = await self._sign_ins.finish(
                    conn, proof, Arrival(client=client, by_cookie=by_cookie, remembered=remembered)
                )
                if outcome is None:
                    raise InvalidCredentials  # noqa: TRY301 - undoes the transaction
        except Unavailable as error:
            if isinstance(error, HookTimeout):
                await self._refuse(client, email=email, reason="hook_timeout")
            raise  # otherwise the trail could not be written either, and asking would take its time once more
        except EndedMeanwhile:
            raise await self._admission.ended_meanwhile(invited, email=email, client=client) from None
        except Exception as error:
            reason = error.code if isinstance(error, GatepostError) else type(error).__name__
            await self._refuse(client, email=email, reason=reason)
            raise
        return settled(outcome)

    async def _refuse(self, client: Client, *, email: str, reason: str) -> None:
        await self._audit.refuse(
            AuditAction.USER_REGISTRATION_REFUSED, client=client, detail={"reason": reason, "email": email}
        )

    async def login(
        self,
        *,
        email: str,
        password: str,
        client: Client,
        device: str | None = None,
        remembered: bool = False,
        by_cookie: bool = False,
        new_password: str | None = None,
    ) -> SignedIn:
        """Check a password and start a session.

        Unknown user, wrong password and disabled user take the same work and get the same answer
        (ASVS 6.3.8); the trail knows which it was. So does the right password of an account that too many
        were tried on, from a place that it was never used from (NIST SP 800-63B-4 §3.2.2).

        A temporary password starts no session before it is changed, and past its time it is a wrong one
        (ASVS 6.4.1). With another password to have from now on every other session ends.

        Args:
            email: as it was typed.
            password: as it was typed.
            client: who asks.
            device: the value of the device cookie, as it was sent.
            remembered: the session is to live until its absolute end ("keep me signed in").
            by_cookie: a cookie is to hold what is handed over.
            new_password: what the password is to be from now on; None where it stays.

        Raises:
            ValidationFailed: no e-mail address, or a password that none can have; of the new one, as
                `NewPasswords.accept`, or it is the same.
            TooManyAttempts: there were too many attempts; the password was not looked at.
            PasswordChangeRequired: the password is right and temporary, and there is no new one.
            SecondFactorRequired, FactorEnrolmentRequired: the password is right, and one more step is due.
            InvalidCredentials: whatever else is wrong.
        """
        try:
            email = read("email", email, canonical_email)
        except ValidationFailed:
            await self._throttles.arrive(client, verb="login")
            raise
        attempt, credential = await self._throttles.begin_login(email, client=client, device=device)
        # The least length is not asked for here: it may have been another when the password was set.
        given, another = read("password", password, Password.read), None
        if new_password is not None:
            another = await self._new_passwords.another(
                given, new_password, email=email, field="new_password"
            )
        for _ in range(2):
            stored = None if credential is None else credential.hashed_password
            check = await self._hashing.check(given, stored, attempt.line)
            reason = _refusal(credential, check, attempt)
            if credential is None or stored is None or reason is not None:
                raise await self._login_failed(email, reason or "no_password", attempt)
            proof = Proof(
                user_id=credential.user_id, methods=(PASSWORD,), stamp=credential.stamp, at=self._clock()
            )
            arrival = Arrival(
                client=client,
                by_cookie=by_cookie,
                remembered=remembered,
                is_known=attempt.is_known_place,
                email=email,
                is_temporary=credential.is_temporary,
            )
            async with self._sign_ins.noting(client, user_id=proof.user_id, email=email):
                if another is not None:
                    outcome = await self._change(proof, another, attempt, arrival)
                elif credential.is_temporary:
                    raise await self._change_required(email, attempt)
                elif check.needs_rehash:
                    outcome = await self._rehash(proof, stored, given, attempt, arrival)
                else:
                    async with self._database.connection() as conn:
                        outcome = await self._succeed(conn, proof, attempt, arrival)
            if outcome is not None:
                return settled(outcome)
            # Whatever changed meanwhile, the password may be right all the same.
            async with self._database.connection() as conn:
                credential = await store.find_credential(conn, email, at=self._clock())
        raise await self._login_failed(email, "changed_meanwhile", attempt)

    async def _rehash(
        self, proof: Proof, stored: str, password: Password, attempt: Attempt, arrival: Arrival
    ) -> Outcome | None:
        """Put the password into a hash of the current kind and cost, and sign in."""
        fresh = await self._hashing.hash(password, Line.of(attempt.client, is_known=True))
        try:
            async with self._database.transaction() as conn:
                if await store.replace_hash(conn, proof, old=stored, new=fresh):
                    await event_store.insert(
                        conn,
                        AuditAction.PASSWORD_REHASHED,
                        client=attempt.client,
                        at=self._clock(),
                        user_id=proof.user_id,
                    )
                return await self._succeed(conn, proof, attempt, arrival)
        except ValidationFailed:
            # A rule of the application keeps the former hash, which is no reason to keep its user out.
            async with self._database.connection() as conn:
                return await self._succeed(conn, proof, attempt, arrival)

    async def _change(
        self, proof: Proof, new_password: Password, attempt: Attempt, arrival: Arrival
    ) -> Outcome | None:
        """Sign in with another password from then on; None as `SignIns.finish`."""
        hashed = await self._hashing.hash(new_password, Line.of(attempt.client, is_known=True))
        try:
            async with self._database.transaction() as conn:
                outcome = await self._succeed(conn, proof, attempt, replace(arrival, hashed_password=hashed))
                if outcome is None:
                    raise InvalidCredentials  # noqa: TRY301 - undoes the transaction
                return outcome
        except InvalidCredentials:
            return None

    async def _change_required(self, email: str, attempt: Attempt) -> PasswordChangeRequired:
        """Put it on the trail, give back what a right password is not charged, and hand over the error."""
        async with self._database.connection() as conn:
            await self._throttles.succeeded(conn, attempt)
        await self._throttles.failed(
            attempt,
            AuditAction.LOGIN_FAILED,
            detail={"reason": PasswordChangeRequired.code, "email": email},
            counts=False,
        )
        return PasswordChangeRequired()

    async def _succeed(
        self, conn: Connection, proof: Proof, attempt: Attempt, arrival: Arrival
    ) -> Outcome | None:
        outcome = await self._sign_ins.finish(conn, proof, arrival)
        if isinstance(outcome, SignedIn):
            await self._throttles.succeeded(conn, attempt)
        return outcome

    async def _login_failed(self, email: str, reason: str, attempt: Attempt) -> InvalidCredentials:
        if reason in {"corrupt_hash", "unsupported_hash"}:
            log.error("stored password hash can't be read", user_id=attempt.user_id, reason=reason)
        await self._throttles.failed(
            attempt,
            AuditAction.LOGIN_FAILED,
            detail={"reason": reason, "email": email},
            counts=reason == "wrong_password",
        )
        return InvalidCredentials()

    async def prepare(self, *, email: str, name: str, password: str, client: Client) -> tuple[str, str, str]:
        """Return what a new user is stored with: the canonical e-mail and name, and the hash.

        The caller has seen that `client` may make one.

        Raises:
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.accept`.
        """
        email, name, accepted = await self._checked(email=email, name=name, password=password)
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
        user, stamp = await store.insert(
            conn, email=email, name=name, hashed_password=hashed, is_admin=is_admin, at=at
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


def _refusal(credential: store.Credential | None, check: PasswordCheck, attempt: Attempt) -> str | None:
    """Say, for the trail alone, why a login is refused; None where it is not."""
    if credential is None:
        return "unknown_user"
    if attempt.is_locked:
        return "locked"
    if check.unreadable is not None:
        return check.unreadable
    if not check.matches:
        return "wrong_password"
    if not credential.is_active:
        return "user_disabled"
    return "temporary_password_expired" if credential.has_expired else None

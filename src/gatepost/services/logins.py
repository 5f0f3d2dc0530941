"""Logins: an e-mail and a password that prove who somebody is."""

from dataclasses import replace

from gatepost.db.pool import Connection, Database
from gatepost.errors import InvalidCredentials, PasswordChangeRequired, ValidationFailed
from gatepost.log import get_logger
from gatepost.models import PASSWORD, AuditAction, Client, Proof, SignedIn
from gatepost.security.emails import canonical_email
from gatepost.security.passwords import Password, PasswordCheck
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.lines import Line
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import Outcome, settled
from gatepost.services.temporary_passwords import TemporaryPasswords
from gatepost.services.throttles import Attempt, Throttles
from gatepost.services.typed import read
from gatepost.store import events as event_store
from gatepost.store import users as store

log = get_logger("gatepost.logins")


class Logins:
    """Checks passwords and starts sessions."""

    def __init__(
        self,
        database: Database,
        *,
        sign_ins: SignIns,
        hashing: Hashing,
        throttles: Throttles,
        clock: Clock,
        new_passwords: NewPasswords,
        temporary: TemporaryPasswords,
    ) -> None:
        self._database = database
        self._sign_ins = sign_ins
        self._hashing = hashing
        self._throttles = throttles
        self._clock = clock
        self._new_passwords = new_passwords
        self._temporary = temporary

    async def by_password(
        self,
        *,
        email: str,
        password: str,
        client: Client,
        device: str | None = None,
        remembered: bool = False,
        by_cookie: bool = False,
        new_password: str | None = None,
        asks_next: bool = False,
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
            asks_next: whoever calls asks for the new password next, where this one is temporary: the error
                then has a challenge for `TemporaryPasswords`.

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
        arrival = Arrival(
            client=client,
            by_cookie=by_cookie,
            remembered=remembered,
            is_known=attempt.is_known_place,
            email=email,
        )
        for _ in range(2):
            outcome = await self._tried(credential, given, another, attempt, arrival, asks_next=asks_next)
            if outcome is not None:
                return settled(outcome)
            # Whatever changed meanwhile, the password may be right all the same.
            async with self._database.connection() as conn:
                credential = await store.find_credential(conn, email, at=self._clock())
        raise await self._failed(email, "changed_meanwhile", attempt)

    async def _tried(
        self,
        credential: store.Credential | None,
        given: Password,
        another: Password | None,
        attempt: Attempt,
        arrival: Arrival,
        *,
        asks_next: bool,
    ) -> Outcome | None:
        """Check a password and sign in; None where the credential changed meanwhile.

        Raises:
            InvalidCredentials, PasswordChangeRequired: as `by_password`.
        """
        stored = None if credential is None else credential.hashed_password
        check = await self._hashing.check(given, stored, attempt.line)
        reason = _refusal(credential, check, attempt)
        if credential is None or stored is None or reason is not None:
            raise await self._failed(arrival.email, reason or "no_password", attempt)
        proof = Proof(
            user_id=credential.user_id, methods=(PASSWORD,), stamp=credential.stamp, at=self._clock()
        )
        arrival = replace(arrival, is_temporary=credential.is_temporary)
        async with self._sign_ins.noting(arrival.client, user_id=proof.user_id, email=arrival.email):
            if another is not None:
                return await self._change(proof, another, attempt, arrival)
            if credential.is_temporary:
                raise await self._change_required(proof, attempt, arrival, asks_next=asks_next)
            if check.needs_rehash:
                return await self._rehash(proof, stored, given, attempt, arrival)
            async with self._database.connection() as conn:
                return await self._succeed(conn, proof, attempt, arrival)

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

    async def _change_required(
        self, proof: Proof, attempt: Attempt, arrival: Arrival, *, asks_next: bool
    ) -> PasswordChangeRequired:
        """Put it on the trail, give back what a right password is not charged, and hand over the error."""
        async with self._database.transaction() as conn:
            await self._throttles.succeeded(conn, attempt)
            error = (
                await self._temporary.hold(conn, proof, arrival) if asks_next else PasswordChangeRequired()
            )
        await self._throttles.failed(
            attempt,
            AuditAction.LOGIN_FAILED,
            detail={"reason": PasswordChangeRequired.code, "email": arrival.email},
            counts=False,
        )
        return error

    async def _succeed(
        self, conn: Connection, proof: Proof, attempt: Attempt, arrival: Arrival
    ) -> Outcome | None:
        outcome = await self._sign_ins.finish(conn, proof, arrival)
        if isinstance(outcome, SignedIn):
            await self._throttles.succeeded(conn, attempt)
        return outcome

    async def _failed(self, email: str, reason: str, attempt: Attempt) -> InvalidCredentials:
        if reason in {"corrupt_hash", "unsupported_hash"}:
            log.error("stored password hash can't be read", user_id=attempt.user_id, reason=reason)
        await self._throttles.failed(
            attempt,
            AuditAction.LOGIN_FAILED,
            detail={"reason": reason, "email": email},
            counts=reason == "wrong_password",
        )
        return InvalidCredentials()


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

"""Users and their passwords: register, login, and what an administrator does to an account."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from gatepost.db.pool import Connection, Database
from gatepost.errors import EmailTaken, InvalidCredentials, NotFound, Unavailable, ValidationFailed
from gatepost.log import get_logger
from gatepost.models import AuditAction, Client, EndReason, SignedIn, User
from gatepost.security.emails import canonical_email, canonical_name
from gatepost.security.passwords import PasswordCheck, password_problem
from gatepost.services.audit import BY_COMMAND, Audit
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.sessions import Sessions
from gatepost.store import endings
from gatepost.store import events as event_store
from gatepost.store import users as store

log = get_logger("gatepost.accounts")

RegisterHook: TypeAlias = Callable[[Any, User], Awaitable[None]]
"""Called inside the transaction of registering, on its connection; if it raises, nothing was registered."""


class Accounts:
    """Registers users, signs them in, and changes what they are."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        hashing: Hashing,
        audit: Audit,
        clock: Clock,
        new_passwords: NewPasswords,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hashing = hashing
        self._audit = audit
        self._clock = clock
        self._new_passwords = new_passwords
        self._hooks: Sequence[RegisterHook] = ()

    def run_on_register(self, hooks: Sequence[RegisterHook]) -> None:
        """Set the hooks that run inside the transaction of every registration, in this order."""
        self._hooks = hooks

    async def register(self, *, email: str, name: str, password: str, client: Client) -> SignedIn:
        """Add a user and start their first session.

        Raises:
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.check`.
            EmailTaken: the e-mail exists already.
        """
        email, name = await self._checked(email=email, name=name, password=password)
        hashed = await self._hashing.hash(password)
        try:
            async with self._database.transaction() as conn:
                user = await self._insert(
                    conn,
                    email=email,
                    name=name,
                    hashed=hashed,
                    client=client,
                    action=AuditAction.USER_REGISTERED,
                )
                for hook in self._hooks:
                    await hook(conn, user)
                signed_in = await self._sessions.start(
                    conn, user_id=user.id, hashed_password=hashed, client=client
                )
                if signed_in is None:
                    raise InvalidCredentials  # noqa: TRY301 - undoes the transaction
                return signed_in
        except Unavailable:
            raise  # the trail could not be written either, and asking would take its time once more
        except Exception as error:
            reason = "email_taken" if isinstance(error, EmailTaken) else type(error).__name__
            await self._audit.record(
                AuditAction.USER_REGISTRATION_REFUSED,
                client=client,
                detail={"reason": reason, "email": email},
            )
            raise

    async def login(self, *, email: str, password: str, client: Client) -> SignedIn:
        """Check a password and start a session.

        Unknown user, wrong password and disabled user take the same work and get the same answer
        (ASVS 6.3.8); the trail knows which it was.

        Raises:
            ValidationFailed: no e-mail address, or a password that none can have.
            InvalidCredentials: whatever else is wrong.
        """
        email = self._checked_login(email=email, password=password)
        for _ in range(2):
            async with self._database.connection() as conn:
                credential = await store.find_credential(conn, email)
            stored = None if credential is None else credential.hashed_password
            check = await self._hashing.check(password, stored)
            reason = _refusal(credential, check)
            if credential is None or stored is None or reason is not None:
                raise await self._login_failed(email, credential, reason or "no_password", client)
            signed_in = await self._start(credential.user_id, stored, password, check, client)
            if signed_in is not None:
                return signed_in
            # Another login at the same moment may have put a newer hash of this password in place.
        raise await self._login_failed(email, credential, "changed_meanwhile", client)

    async def _start(
        self, user_id: int, stored: str, password: str, check: PasswordCheck, client: Client
    ) -> SignedIn | None:
        if not check.needs_rehash:
            async with self._database.connection() as conn:
                return await self._sessions.start(
                    conn, user_id=user_id, hashed_password=stored, client=client
                )
        fresh = await self._hashing.hash(password)
        async with self._database.transaction() as conn:
            if await store.replace_hash(conn, user_id, old=stored, new=fresh):
                await event_store.insert(
                    conn, AuditAction.PASSWORD_REHASHED, client=client, at=self._clock(), user_id=user_id
                )
            return await self._sessions.start(conn, user_id=user_id, hashed_password=fresh, client=client)

    async def _login_failed(
        self, email: str, credential: store.Credential | None, reason: str, client: Client
    ) -> InvalidCredentials:
        user_id = None if credential is None else credential.user_id
        if reason == "corrupt_hash":
            log.error("stored password hash can't be read", user_id=user_id)
        await self._audit.record(
            AuditAction.LOGIN_FAILED,
            client=client,
            user_id=user_id,
            detail={"reason": reason, "email": email},
        )
        return InvalidCredentials()

    # What an administrator does, by a command.

    async def create(self, *, email: str, name: str, password: str, is_admin: bool, client: Client) -> User:
        """Add a user without a session.

        Raises:
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.check`.
            EmailTaken: the e-mail exists already.
        """
        email, name = await self._checked(email=email, name=name, password=password)
        hashed = await self._hashing.hash(password)
        async with self._database.transaction() as conn:
            user = await self._insert(
                conn,
                email=email,
                name=name,
                hashed=hashed,
                client=client,
                action=AuditAction.USER_CREATED,
                is_admin=is_admin,
                detail={**BY_COMMAND, "is_admin": is_admin},
            )
            for hook in self._hooks:
                await hook(conn, user)
            return user

    async def find(self, email_or_id: str) -> User:
        """Return the user with this e-mail or id.

        Raises:
            NotFound: there is none.
        """
        async with self._database.connection() as conn:
            if email_or_id.isascii() and email_or_id.isdigit() and len(email_or_id) < 19:
                user = await store.get(conn, int(email_or_id))
            else:
                user = await store.find(conn, _looked_up(email_or_id))
        if user is None:
            raise NotFound("There is no such user")
        return user

    async def page(self, *, after: int, limit: int) -> list[User]:
        """Return users in the order of their ids, those after `after`."""
        async with self._database.connection() as conn:
            return await store.page(conn, after=after, limit=limit)

    async def has_admin(self) -> bool:
        """Say whether there is an administrator who may sign in."""
        async with self._database.connection() as conn:
            return await store.any_admin(conn)

    async def set_admin(self, user: User, *, is_admin: bool, client: Client) -> bool:
        """Promote or demote a user, which binds the next request; say whether that changed anything."""
        action = AuditAction.USER_PROMOTED if is_admin else AuditAction.USER_DEMOTED
        async with self._database.transaction() as conn:
            changed = await store.set_flag(conn, user.id, "is_admin", value=is_admin, at=self._clock())
            await self._note(conn, action, user, client, changed=changed)
        return changed

    async def set_active(self, user: User, *, is_active: bool, client: Client) -> bool:
        """Enable a user, or disable one and end their sessions; say whether that changed anything."""
        action = AuditAction.USER_ENABLED if is_active else AuditAction.USER_DISABLED
        async with self._database.transaction() as conn:
            changed = await store.set_flag(conn, user.id, "is_active", value=is_active, at=self._clock())
            await self._note(conn, action, user, client, changed=changed)
            if not is_active:
                await self._end_all(conn, user, EndReason.USER_DISABLED, client)
        return changed

    async def set_password(self, user: User, password: str, *, client: Client) -> None:
        """Give a user another password and end every session of theirs.

        Raises:
            ValidationFailed: as `NewPasswords.check`.
        """
        await self._new_passwords.check(password, email=user.email)
        hashed = await self._hashing.hash(password)
        async with self._database.transaction() as conn:
            await store.set_password(conn, user.id, hashed, at=self._clock())
            await self._note(conn, AuditAction.USER_PASSWORD_SET, user, client, changed=True)
            await self._end_all(conn, user, EndReason.PASSWORD_SET, client)

    async def delete(self, user: User, *, client: Client) -> None:
        """Delete a user with every session; the events stay."""
        async with self._database.transaction() as conn:
            deleted = await store.delete(conn, user.id)
            await self._note(conn, AuditAction.USER_DELETED, user, client, changed=deleted)

    async def _end_all(self, conn: Connection, user: User, reason: EndReason, client: Client) -> None:
        await endings.end_of_user(
            conn, user.id, reason=reason, client=client, at=self._clock(), detail=BY_COMMAND
        )

    async def _note(
        self, conn: Connection, action: AuditAction, user: User, client: Client, *, changed: bool
    ) -> None:
        await event_store.insert(
            conn,
            action,
            client=client,
            at=self._clock(),
            user_id=user.id,
            detail={**BY_COMMAND, "changed": changed},
        )

    async def _insert(
        self,
        conn: Connection,
        *,
        email: str,
        name: str,
        hashed: str,
        client: Client,
        action: AuditAction,
        is_admin: bool = False,
        detail: Mapping[str, Any] | None = None,
    ) -> User:
        at = self._clock()
        user = await store.insert(
            conn, email=email, name=name, hashed_password=hashed, is_admin=is_admin, at=at
        )
        await event_store.insert(conn, action, client=client, at=at, user_id=user.id, detail=detail)
        return user

    async def _checked(self, *, email: str, name: str, password: str) -> tuple[str, str]:
        fields: dict[str, str] = {}
        canonical = {"email": email, "name": name}
        for field, rule in (("email", canonical_email), ("name", canonical_name)):
            try:
                canonical[field] = rule(canonical[field])
            except ValueError as error:
                fields[field] = str(error)
        whose = "" if "email" in fields else canonical["email"]
        refusal = await self._new_passwords.refusal(password, email=whose)
        if refusal is not None and not fields:
            raise refusal
        if refusal is not None:
            fields |= refusal.fields
        if fields:
            raise ValidationFailed(fields)
        return canonical["email"], canonical["name"]

    def _checked_login(self, *, email: str, password: str) -> str:
        fields: dict[str, str] = {}
        try:
            email = canonical_email(email)
        except ValueError as error:
            fields["email"] = str(error)
        # The least length is not asked for here: it may have been another when the password was set.
        if problem := password_problem(password, 0):
            fields["password"] = problem
        if fields:
            raise ValidationFailed(fields)
        return email


def _looked_up(email: str) -> str:
    """Return what to look an e-mail up by, also one in an adopted table that is no valid address.

    Raises:
        NotFound: nobody can have it.
    """
    try:
        return canonical_email(email)
    except ValueError:
        if "\0" in email or not email.isprintable():
            raise NotFound("There is no such user") from None
        return email.strip().lower()


def _refusal(credential: store.Credential | None, check: PasswordCheck) -> str | None:
    """Say, for the trail alone, why a login is refused; None where it is not."""
    if credential is None:
        return "unknown_user"
    if check.corrupt:
        return "corrupt_hash"
    if not check.matches:
        return "wrong_password"
    return None if credential.is_active else "user_disabled"

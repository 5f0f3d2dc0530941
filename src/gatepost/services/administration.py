"""What an administrator does to accounts, by a command or over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from gatepost.db.pool import Connection, Database
from gatepost.errors import AccountInUse, GatepostError, LastAdmin, NotFound, OwnAccount
from gatepost.models import AuditAction, Client, EndReason, User
from gatepost.security.passwords import Password, make_password
from gatepost.services.accounts import Accounts
from gatepost.services.audit import BY_COMMAND, Audit
from gatepost.services.clock import Clock
from gatepost.services.directory import Directory
from gatepost.services.hashing import Hashing
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.throttles import Throttles
from gatepost.store import endings, links, profiles, sign_ins
from gatepost.store import events as event_store
from gatepost.store import users as store

TEMPORARY_FOR = timedelta(hours=24)
"""How long a temporary password works (ASVS 6.4.1)."""

By: TypeAlias = Mapping[str, Any]
"""Who does it, for the detail of the events: `BY_COMMAND`, or the `admin_id` of an administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryPassword:
    """A password that must be changed at the next sign-in, shown this once.

    Attributes:
        password: stored as a hash only.
        expires_at: until when it works.
    """

    password: str = field(repr=False)
    expires_at: datetime


class Administration(Directory):
    """Makes users, finds them, and changes what they are.

    Who runs a command may do all of it. An administrator over HTTP, whose `by` has an `admin_id`, neither
    demotes, disables or deletes their own account nor the last administrator there is.
    """

    def __init__(
        self,
        database: Database,
        *,
        accounts: Accounts,
        hashing: Hashing,
        throttles: Throttles,
        audit: Audit,
        clock: Clock,
        lifetimes: Lifetimes,
        new_passwords: NewPasswords,
    ) -> None:
        super().__init__(database, throttles=throttles, clock=clock, lifetimes=lifetimes)
        self._accounts = accounts
        self._hashing = hashing
        self._audit = audit
        self._new_passwords = new_passwords

    async def create(self, *, email: str, name: str, password: str, is_admin: bool, client: Client) -> User:
        """Add a user without a session.

        Raises:
            ValidationFailed: a field does not fit.
            EmailTaken: the e-mail exists already.
        """
        email, name, hashed = await self._accounts.prepare(email=email, name=name, password=password)
        async with self._database.transaction() as conn:
            if is_admin:
                await self._end_setup(conn)
            return await self._accounts.insert(
                conn,
                email=email,
                name=name,
                hashed=hashed,
                client=client,
                action=AuditAction.USER_CREATED,
                is_admin=is_admin,
                detail={**BY_COMMAND, "is_admin": is_admin},
            )

    async def set_admin(self, user: User, *, is_admin: bool, client: Client, by: By = BY_COMMAND) -> bool:
        """Promote or demote a user, which binds the next request; say whether that changed anything.

        Raises:
            OwnAccount, LastAdmin: an administrator may not demote this one.
        """
        if is_admin:
            action, scope = AuditAction.USER_PROMOTED, self._database.transaction()
        else:
            action = AuditAction.USER_DEMOTED
            scope = self._guarded(user, verb="demote", client=client, by=by)
        async with scope as conn:
            if is_admin:
                # First the row and then the lock of administrators, as whoever demotes or deletes one.
                await sign_ins.lock_owner(conn, user.id)
                await self._end_setup(conn)
            changed = await store.set_flag(conn, user.id, "is_admin", value=is_admin, at=self._clock())
            await self._note(conn, action, user, client, by, changed=changed)
        return changed

    async def set_active(self, user: User, *, is_active: bool, client: Client, by: By = BY_COMMAND) -> bool:
        """Enable a user, or disable one and end their sessions; say whether that changed anything.

        Raises:
            OwnAccount, LastAdmin: an administrator may not disable this one.
        """
        if is_active:
            action, scope = AuditAction.USER_ENABLED, self._database.transaction()
        else:
            action = AuditAction.USER_DISABLED
            scope = self._guarded(user, verb="disable", client=client, by=by)
        async with scope as conn:
            changed = await store.set_flag(conn, user.id, "is_active", value=is_active, at=self._clock())
            await self._note(conn, action, user, client, by, changed=changed)
            if not is_active:
                await self._end_all(conn, user, EndReason.USER_DISABLED, client, by)
        return changed

    async def set_password(self, user: User, password: str, *, client: Client, by: By = BY_COMMAND) -> None:
        """Give a user another password and end every session of theirs.

        Raises:
            ValidationFailed: as `NewPasswords.accept`.
        """
        accepted = await self._new_passwords.accept(password, email=user.email)
        hashed = await self._hashing.hash(accepted)
        async with self._database.transaction() as conn:
            await store.set_password(conn, user.id, hashed, at=self._clock())
            await self._note(conn, AuditAction.USER_PASSWORD_SET, user, client, by, changed=True)
            await self._end_all(conn, user, EndReason.PASSWORD_SET, client, by)
            await self._throttles.forget(conn, user.id, user.email)

    async def set_temporary_password(
        self, user: User, *, client: Client, by: By = BY_COMMAND
    ) -> TemporaryPassword:
        """Give a user a password that starts no session before it is changed; end every session of theirs.

        It is made here, so that no administrator chooses one, and works for `TEMPORARY_FOR` (ASVS 6.4.1).

        Raises:
            NotFound: the user is gone.
            OwnAccount: an administrator knows their own, or a session that was stolen would be their account.
        """
        if by.get("admin_id") == user.id:
            error = OwnAccount()
            await self._note_denial(error, user, verb="temporary-password", client=client, by=by)
            raise error
        password = make_password()
        hashed = await self._hashing.hash(Password.read(password))
        async with self._database.transaction() as conn:
            expires_at = await store.set_temporary_password(
                conn, user.id, hashed, lifetime=TEMPORARY_FOR, at=self._clock()
            )
            if expires_at is None:
                raise NotFound("There is no such user")
            temporary = {**by, "temporary": True}
            await self._note(conn, AuditAction.USER_PASSWORD_SET, user, client, temporary, changed=True)
            await self._end_all(conn, user, EndReason.PASSWORD_SET, client, by)
            await self._throttles.forget(conn, user.id, user.email)
        return TemporaryPassword(password=password, expires_at=expires_at)

    async def end_sessions(self, user: User, *, client: Client, by: By = BY_COMMAND) -> int:
        """End every session of a user; return how many were live."""
        async with self._database.transaction() as conn:
            return await self._end_all(conn, user, EndReason.REVOKED, client, by)

    async def unlock(self, user: User, *, client: Client, by: By = BY_COMMAND) -> None:
        """Let the password of a user work from everywhere again, whatever failed before."""
        async with self._database.transaction() as conn:
            await self._throttles.forget(conn, user.id, user.email)
            await event_store.insert(
                conn,
                AuditAction.USER_UNLOCKED,
                client=client,
                at=self._clock(),
                user_id=user.id,
                detail=by,
            )

    async def delete(self, user: User, *, client: Client, by: By = BY_COMMAND) -> None:
        """Delete a user with every session, and what their events hold about the person; the events stay.

        Raises:
            NotFound: the user is gone.
            OwnAccount, LastAdmin: an administrator may not delete this one.
            AccountInUse: the application's own rows stand in the way.
        """
        async with self._guarded(user, verb="delete", client=client, by=by, lock=profiles.lock) as conn:
            if "admin_id" not in by:
                # Who is no administrator any more is not the last one.
                await store.set_flag(conn, user.id, "is_admin", value=False, at=self._clock())
            if not await profiles.erase(conn, user.id, session_id=None, at=self._clock()):
                raise NotFound("There is no such user")
            await self._throttles.forget(conn, user.id, user.email)
            await self._note(conn, AuditAction.USER_DELETED, user, client, by, changed=True)

    @asynccontextmanager
    async def _guarded(
        self,
        user: User,
        *,
        verb: str,
        client: Client,
        by: By,
        lock: sign_ins.Lock = sign_ins.lock_owner,
    ) -> AsyncIterator[Connection]:
        """Lend a transaction in which a user, whose row is locked, may cease to be an administrator.

        What is refused to an administrator is on the trail.
        """
        admin_id = by.get("admin_id")
        try:
            if admin_id == user.id:
                raise OwnAccount  # noqa: TRY301 - what is refused is on the trail
            async with self._database.transaction() as conn:
                await lock(conn, user.id)
                if admin_id is not None and await store.is_last_admin(conn, user.id):
                    raise LastAdmin  # noqa: TRY301 - likewise
                yield conn
        except (OwnAccount, LastAdmin, AccountInUse) as error:
            await self._note_denial(error, user, verb=verb, client=client, by=by)
            raise

    async def _note_denial(
        self, error: GatepostError, user: User, *, verb: str, client: Client, by: By
    ) -> None:
        if "admin_id" in by:
            await self._audit.record(
                AuditAction.ACCESS_DENIED,
                client=client,
                user_id=by["admin_id"],
                detail={"code": error.code, "verb": verb, "wanted_user": user.id},
            )

    async def _end_setup(self, conn: Connection) -> None:
        """Have the setup link be good no more: there is an administrator from now on."""
        await store.lock_admins(conn)
        await links.revoke_setup(conn, at=self._clock())

    async def _end_all(self, conn: Connection, user: User, reason: EndReason, client: Client, by: By) -> int:
        return await endings.end_of_user(
            conn, user.id, reason=reason, client=client, at=self._clock(), detail=by
        )

    async def _note(
        self,
        conn: Connection,
        action: AuditAction,
        user: User,
        client: Client,
        by: By,
        *,
        changed: bool,
    ) -> None:
        await event_store.insert(
            conn,
            action,
            client=client,
            at=self._clock(),
            user_id=user.id,
            detail={**by, "changed": changed},
        )

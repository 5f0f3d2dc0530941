"""What an administrator does to accounts, by a command or over HTTP."""

from collections.abc import Mapping
from typing import Any

from gatepost.db.pool import Connection, Database
from gatepost.errors import NotFound
from gatepost.models import AuditAction, Client, EndReason, User
from gatepost.security.emails import canonical_email
from gatepost.services.accounts import Accounts
from gatepost.services.audit import BY_COMMAND
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.throttles import Throttles
from gatepost.store import endings, links
from gatepost.store import events as event_store
from gatepost.store import users as store


class Administration:
    """Makes users, finds them, and changes what they are."""

    def __init__(
        self,
        database: Database,
        *,
        accounts: Accounts,
        hashing: Hashing,
        throttles: Throttles,
        clock: Clock,
        new_passwords: NewPasswords,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._hashing = hashing
        self._throttles = throttles
        self._clock = clock
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
            if is_admin:
                await self._end_setup(conn)
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
            await self._throttles.forget(conn, user)

    async def unlock(self, user: User, *, client: Client, by: Mapping[str, Any] = BY_COMMAND) -> None:
        """Let the password of a user work from everywhere again, whatever failed before.

        Args:
            user: whose.
            client: who asks.
            by: who that is, for the detail of the event.
        """
        async with self._database.transaction() as conn:
            await self._throttles.forget(conn, user)
            await event_store.insert(
                conn,
                AuditAction.USER_UNLOCKED,
                client=client,
                at=self._clock(),
                user_id=user.id,
                detail=by,
            )

    async def delete(self, user: User, *, client: Client) -> None:
        """Delete a user with every session; the events stay."""
        async with self._database.transaction() as conn:
            deleted = await store.delete(conn, user.id)
            await self._note(conn, AuditAction.USER_DELETED, user, client, changed=deleted)

    async def _end_setup(self, conn: Connection) -> None:
        """Have the setup link be good no more: there is an administrator from now on."""
        await store.lock_admins(conn)
        await links.revoke_setup(conn, at=self._clock())

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

"""What an administrator does to accounts, by a command or over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from pydantic import BaseModel

from gatepost.db.pool import Connection, Database
from gatepost.errors import CountChanged, NotFound, ValidationFailed
from gatepost.models import AuditAction, Client, EndReason, User, UserId
from gatepost.security.passwords import Password, make_password
from gatepost.services import emails
from gatepost.services.accounts import Accounts, read_person
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.clock import Clock
from gatepost.services.directory import Directory
from gatepost.services.feature import Happened, Wiring
from gatepost.services.hashing import Hashing
from gatepost.services.hooks import Hooks, Moment
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.lines import Line
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.throttles import Throttles
from gatepost.store import directory, endings, profiles
from gatepost.store import events as event_store
from gatepost.store import users as store
from gatepost.texts import Text

TEMPORARY_FOR = timedelta(hours=24)
"""How long a temporary password works (ASVS 6.4.1)."""


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

    Who runs a command may do all of it. An administrator over HTTP, whose session is `by`, must still be
    one at that moment (`Acts`), and can't demote, disable or delete their own account: so one is always left.
    """

    def __init__(
        self,
        database: Database,
        *,
        accounts: Accounts,
        hashing: Hashing,
        throttles: Throttles,
        acts: Acts,
        clock: Clock,
        lifetimes: Lifetimes,
        new_passwords: NewPasswords,
        features: Wiring,
        hooks: Hooks,
    ) -> None:
        super().__init__(database, throttles=throttles, clock=clock, lifetimes=lifetimes, features=features)
        self._accounts = accounts
        self._hashing = hashing
        self._acts = acts
        self._new_passwords = new_passwords
        self._hooks = hooks

    async def create(
        self,
        *,
        email: str,
        name: str,
        password: str | None,
        is_admin: bool,
        client: Client,
        by: By = Program.COMMAND,
        fields: BaseModel | None = None,
    ) -> User:
        """Add a user without a session; without a password, nobody signs in with one.

        Raises:
            ValidationFailed: a field does not fit.
            EmailTaken: the e-mail exists already.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        hashed = None
        if password is None:
            person, problems = read_person(email=email, name=name)
            if problems:
                raise ValidationFailed(problems)
            email, name = person["email"], person["name"]
        else:
            email, name, hashed = await self._accounts.prepare(
                email=email, name=name, password=password, client=client
            )
        async with self._acts.begin("create", by=by, client=client) as conn:
            if is_admin:
                await self._note_admin(conn)
            user, _ = await self._accounts.insert(
                conn,
                email=email,
                name=name,
                hashed=hashed,
                client=client,
                action=AuditAction.USER_CREATED,
                is_admin=is_admin,
                detail={**detail_of(by), "is_admin": is_admin},
                fields=fields,
            )
            return user

    async def update(
        self, user: User, *, name: str | None, email: str | None, client: Client, by: Program
    ) -> User:
        """Give a user another name, another e-mail or both, and run the hooks; their sessions go on.

        Raises:
            ValidationFailed: a field does not fit.
            NotFound: the user is gone.
            EmailTaken: another user has the e-mail.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
        """
        person, fields = read_person(
            email=user.email if email is None else email, name=user.name if name is None else name
        )
        fields = {
            field: why for field, why in fields.items() if {"email": email, "name": name}[field] is not None
        }
        if fields:
            raise ValidationFailed(fields)
        async with self._acts.begin("update", user.id, by=by, client=client) as conn:
            if name is not None:
                await store.rename(conn, user.id, person["name"], at=self._clock())
                await self._note(conn, AuditAction.USER_RENAMED, user, client, by, changed=True)
                user = msgspec.structs.replace(user, name=person["name"])
            if email is not None and person["email"] != user.email:
                await emails.settle(conn)
                if await profiles.change_email(conn, user.id, person["email"], at=self._clock()) is None:
                    raise NotFound(Text("error.not_found.user"))
                # The former one is what erasing the account looks for, to find what was tried with it.
                detail = {**detail_of(by), "email": emails.former(user.email)}
                await event_store.insert(
                    conn,
                    AuditAction.USER_EMAIL_CHANGED,
                    client=client,
                    at=self._clock(),
                    user_id=user.id,
                    detail=detail,
                )
                former, user = (
                    user,
                    msgspec.structs.replace(user, email=person["email"], email_verified=False),
                )
                await self._hooks.run(Moment.EMAIL_CHANGE, conn, user)
                await self._tell(
                    conn, AuditAction.USER_EMAIL_CHANGED, user, client, former_email=former.email
                )
            return user

    async def set_admin(
        self, user: User, *, is_admin: bool, client: Client, by: By = Program.COMMAND
    ) -> bool:
        """Promote or demote a user, which binds the next request; say whether that changed anything.

        Raises:
            OwnAccount: an administrator may not demote this one.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        action, verb = (
            (AuditAction.USER_PROMOTED, "promote") if is_admin else (AuditAction.USER_DEMOTED, "demote")
        )
        async with self._acts.begin(verb, user.id, by=by, client=client, spares_self=not is_admin) as conn:
            if is_admin:
                # First the rows and then the lock of administrators, as whoever demotes or deletes one.
                await self._note_admin(conn)
            changed = await store.set_flag(conn, user.id, "is_admin", value=is_admin, at=self._clock())
            await self._note(conn, action, user, client, by, changed=changed)
        return changed

    async def set_active(
        self, user: User, *, is_active: bool, client: Client, by: By = Program.COMMAND
    ) -> bool:
        """Enable a user, or disable one and end their sessions; say whether that changed anything.

        Raises:
            OwnAccount: an administrator may not disable this one.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        action, verb = (
            (AuditAction.USER_ENABLED, "enable") if is_active else (AuditAction.USER_DISABLED, "disable")
        )
        async with self._acts.begin(verb, user.id, by=by, client=client, spares_self=not is_active) as conn:
            changed = await store.set_flag(conn, user.id, "is_active", value=is_active, at=self._clock())
            await self._note(conn, action, user, client, by, changed=changed)
            if not is_active:
                await self._end_all(conn, user, EndReason.USER_DISABLED, client, by)
        return changed

    async def disable_all(
        self, user_ids: Sequence[UserId], *, expected: int, client: Client, by: By = Program.COMMAND
    ) -> int:
        """Disable those of these users that are not, all or none, and end their sessions; return how many.

        Args:
            user_ids: of whom.
            expected: how many there have to be that are not disabled.
            client: where the request came from.
            by: who does it.

        Raises:
            CountChanged: there are more or fewer; nothing was done.
            OwnAccount: the administrator who asks is among them.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("disable", *user_ids, by=by, client=client, spares_self=True) as conn:
            found = await directory.chosen(conn, user_ids, at=self._clock(), idle=self._lifetimes.idle)
            enabled = [each.user for each in found if each.user.is_active]
            if len(enabled) != expected:
                raise CountChanged(found=len(enabled))
            for user in enabled:
                await store.set_flag(conn, user.id, "is_active", value=False, at=self._clock())
                await self._note(conn, AuditAction.USER_DISABLED, user, client, by, changed=True)
                await self._end_all(conn, user, EndReason.USER_DISABLED, client, by)
        return len(enabled)

    async def end_sessions_of_all(
        self, user_ids: Sequence[UserId], *, expected: int, client: Client, by: By = Program.COMMAND
    ) -> int:
        """End every session of these users, all or none; return how many were live.

        Raises:
            CountChanged: there are more or fewer than expected; nothing was done.
            OwnAccount: the administrator who asks is among them.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin(
            "end-sessions", *user_ids, by=by, client=client, spares_self=True
        ) as conn:
            found = await directory.chosen(conn, user_ids, at=self._clock(), idle=self._lifetimes.idle)
            live = sum(each.active_sessions for each in found)
            if live != expected:
                raise CountChanged(found=live)
            for each in found:
                if each.active_sessions:
                    await self._end_all(conn, each.user, EndReason.REVOKED, client, by)
        return live

    async def set_password(
        self, user: User, password: str, *, client: Client, by: Program = Program.COMMAND
    ) -> None:
        """Give a user another password and end every session of theirs; no administrator may.

        Raises:
            ValidationFailed: as `NewPasswords.accept`.
        """
        accepted = await self._new_passwords.accept(password, email=user.email)
        hashed = await self._hashing.hash(accepted, Line.of(client, is_known=True))
        async with self._acts.begin("set-password", user.id, by=by, client=client) as conn:
            await store.set_password(conn, user.id, hashed, at=self._clock())
            await self._note(conn, AuditAction.USER_PASSWORD_SET, user, client, by, changed=True)
            await self._end_all(conn, user, EndReason.PASSWORD_SET, client, by)
            await self._throttles.forget(conn, user.id, user.email)
            await self._tell(conn, AuditAction.USER_PASSWORD_SET, user, client)

    async def set_temporary_password(
        self, user: User, *, client: Client, by: By = Program.COMMAND
    ) -> TemporaryPassword:
        """Give a user a password that starts no session before it is changed; end every session of theirs.

        It is made here, so that no administrator chooses one, and works for `TEMPORARY_FOR` (ASVS 6.4.1).

        Raises:
            NotFound: the user is gone; or administrators have users mailed a link, and learn no password
                (ASVS 6.4.6). Commands may give one all the same.
            OwnAccount: an administrator knows their own, or a session that was stolen would be their account.
            SessionRevoked, AdminRequired: as `Acts.begin`; the password is thrown away.
        """
        if self.gives_no_passwords and not isinstance(by, Program):
            raise NotFound(Text("error.not_found.temporary_password"))
        password = make_password()
        hashed = await self._hashing.hash(Password.read(password), Line.of(client, is_known=True))
        async with self._acts.begin(
            "temporary-password", user.id, by=by, client=client, spares_self=True
        ) as conn:
            expires_at = await store.set_temporary_password(
                conn, user.id, hashed, lifetime=TEMPORARY_FOR, at=self._clock()
            )
            if expires_at is None:
                raise NotFound(Text("error.not_found.user"))
            await self._note(
                conn, AuditAction.USER_PASSWORD_SET, user, client, by, changed=True, temporary=True
            )
            await self._end_all(conn, user, EndReason.PASSWORD_SET, client, by)
            await self._throttles.forget(conn, user.id, user.email)
            await self._tell(conn, AuditAction.USER_PASSWORD_SET, user, client)
        return TemporaryPassword(password=password, expires_at=expires_at)

    @property
    def gives_no_passwords(self) -> bool:
        """Whether an administrator starts a reset by mail, instead of a password that they would know."""
        return self._features.mails_resets

    async def end_sessions(self, user: User, *, client: Client, by: By = Program.COMMAND) -> int:
        """End every session of a user; return how many were live.

        Raises:
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("end-sessions", user.id, by=by, client=client) as conn:
            return await self._end_all(conn, user, EndReason.REVOKED, client, by)

    async def unlock(self, user: User, *, client: Client, by: By = Program.COMMAND) -> None:
        """Let the password of a user work from everywhere again, whatever failed before.

        Raises:
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("unlock", user.id, by=by, client=client) as conn:
            await self._throttles.forget(conn, user.id, user.email)
            await event_store.insert(
                conn,
                AuditAction.USER_UNLOCKED,
                client=client,
                at=self._clock(),
                user_id=user.id,
                detail=detail_of(by),
            )

    async def delete(self, user: User, *, client: Client, by: By = Program.COMMAND) -> None:
        """Delete a user with every session, and what their events hold about the person; the events stay.

        Raises:
            NotFound: the user is gone.
            OwnAccount: an administrator may not delete this one.
            AccountInUse: the application's own rows stand in the way.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin(
            "delete", user.id, by=by, client=client, lock=store.lock_all_to_delete, spares_self=True
        ) as conn:
            if isinstance(by, Program):
                # Who is no administrator any more is not the last one.
                await store.set_flag(conn, user.id, "is_admin", value=False, at=self._clock())
            await self._hooks.run(Moment.DELETE, conn, user)
            await self._features.erase(conn, user.id)
            if not await profiles.erase(conn, user.id, session_id=None, at=self._clock()):
                raise NotFound(Text("error.not_found.user"))
            await self._throttles.forget(conn, user.id, user.email)
            await self._note(conn, AuditAction.USER_DELETED, user, client, by, changed=True)

    async def _note_admin(self, conn: Connection) -> None:
        """Tell features that there is an administrator from now on."""
        await store.lock_admins(conn)
        await self._features.admin_made(conn)

    async def _end_all(self, conn: Connection, user: User, reason: EndReason, client: Client, by: By) -> int:
        return await endings.end_of_user(
            conn, user.id, reason=reason, client=client, at=self._clock(), detail=detail_of(by)
        )

    async def _tell(
        self,
        conn: Connection,
        action: AuditAction,
        user: User,
        client: Client,
        *,
        former_email: str | None = None,
    ) -> None:
        """Tell features what was done to the account of a user."""
        happened = Happened(
            action=action, user=user, client=client, former_email=former_email, by_others=True
        )
        await self._features.tell(conn, happened)

    async def _note(
        self,
        conn: Connection,
        action: AuditAction,
        user: User,
        client: Client,
        by: By,
        *,
        changed: bool,
        temporary: bool = False,
    ) -> None:
        await event_store.insert(
            conn,
            action,
            client=client,
            at=self._clock(),
            user_id=user.id,
            detail={**detail_of(by), **({"temporary": True} if temporary else {}), "changed": changed},
        )

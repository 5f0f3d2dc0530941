"""Another e-mail: it counts once its mailbox has answered, and the former one can take it back for a week."""

from datetime import timedelta

import msgspec

from gatepost.db.pool import Connection
from gatepost.errors import EmailTaken
from gatepost.features.email import link_store
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.link_store import MailLink, Purpose
from gatepost.features.email.mailroom import Mailroom, see_that
from gatepost.features.email.mails import Mail
from gatepost.models import Action, AuditAction, Client, EndReason, User
from gatepost.services import emails
from gatepost.services.feature import Happened
from gatepost.services.hooks import Hooks, Moment
from gatepost.store import endings, profiles, sign_ins
from gatepost.store import events as event_store
from gatepost.store import users as user_store

LIFETIME = timedelta(hours=24)
"""How long the new mailbox may take to answer."""

UNDO_LIFETIME = timedelta(days=7)
"""How long the former one may take the change back."""


class EmailChanges:
    """Asks a new mailbox, changes the e-mail once it answers, and takes that back for the former one."""

    def __init__(self, mailroom: Mailroom, *, hooks: Hooks) -> None:
        self._mailroom = mailroom
        self._links = mailroom.links
        self._clock = mailroom.clock
        self._hooks = hooks

    @property
    def is_on(self) -> bool:
        """Whether there is a way to send mail: without one a change counts at once."""
        return self._mailroom.is_on

    async def charge(self, email: str, *, client: Client) -> None:
        """Charge the mail to a new address.

        Raises:
            TooManyAttempts: there were too many.
        """
        await self._mailroom.limits.charge(email, what=Mail.EMAIL_CHANGE, client=client)

    async def hear(self, conn: Connection, happened: Happened) -> None:
        """Keep whoever only types it from an e-mail that its former mailbox may still take back.

        A thief would else register with it, and the way back be barred.

        Raises:
            EmailTaken: somebody has changed it less than `UNDO_LIFETIME` ago.
        """
        if happened.action != AuditAction.USER_REGISTERED or happened.user.email_verified:
            return
        if await link_store.has_open(conn, Purpose.EMAIL_UNDO, happened.user.email, at=self._clock()):
            raise EmailTaken

    async def begin(self, conn: Connection, user: User, email: str, *, client: Client) -> None:
        """Ask the new mailbox of a user, in the transaction in which they have proven who they are.

        What it is to become stands in the link alone. Whether somebody has it is not asked: that is for
        whoever answers.
        """
        await event_store.insert(
            conn,
            EmailAction.EMAIL_CHANGE_REQUESTED,
            client=client,
            at=self._clock(),
            user_id=user.id,
            detail={"email": email},
        )
        await self._mailroom.post_to_user(
            conn, Mail.EMAIL_CHANGE, Purpose.EMAIL_CHANGE, user, email=email, client=client, lifetime=LIFETIME
        )

    async def look(self, purpose: Purpose, token: str, *, client: Client) -> MailLink:
        """Return the open link of a token, for its page; it stays open.

        Raises:
            NotFound: there is no way to send mail.
            InvalidLink, TooManyAttempts: as `MailLinks.look`.
        """
        see_that(self.is_on)
        return await self._links.look(purpose, token, client=client)

    async def confirm(self, token: str, *, client: Client) -> None:
        """Give a user the e-mail whose mailbox has answered; every session of theirs ends.

        Raises:
            NotFound, InvalidLink, TooManyAttempts: as `look`.
            EmailTaken: somebody has it by now.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            Exception: what a hook raised; nothing was changed.
        """
        await self._mailroom.throttles.arrive(client, verb="confirm_email")
        link = await self.look(Purpose.EMAIL_CHANGE, token, client=client)
        async with self._mailroom.database.transaction() as conn:
            former = await self._change(conn, link, AuditAction.USER_EMAIL_CHANGED, client)
            if former is not None:
                await self._tell_former(conn, former, client)
        if former is None:
            raise await self._links.refused(Purpose.EMAIL_CHANGE, "ended_meanwhile", link, client=client)

    async def undo(self, token: str, *, client: Client) -> None:
        """Give a user the e-mail back that they had; every session of theirs ends, whoever has it.

        Raises:
            NotFound, InvalidLink, TooManyAttempts, EmailTaken, Conflict, RejectedByDatabase, Exception: as
                `confirm`.
        """
        await self._mailroom.throttles.arrive(client, verb="undo_email")
        link = await self.look(Purpose.EMAIL_UNDO, token, client=client)
        async with self._mailroom.database.transaction() as conn:
            undone = await self._change(conn, link, EmailAction.EMAIL_CHANGE_UNDONE, client)
        if undone is None:
            raise await self._links.refused(Purpose.EMAIL_UNDO, "ended_meanwhile", link, client=client)

    async def _change(self, conn: Connection, link: MailLink, action: Action, client: Client) -> User | None:
        """Use up the link and give its user its e-mail; return who they were, None where it is over."""
        user_id, at = link.user_id, self._clock()
        if user_id is None:
            return None
        await sign_ins.lock_owner(conn, user_id)
        former = await user_store.get(conn, user_id)
        if former is None or not await self._links.claim(conn, link):
            return None
        await emails.settle(conn)
        await profiles.change_email(conn, user_id, link.email, at=at)
        await user_store.prove_email(conn, user_id, at=at)
        if link.purpose == Purpose.EMAIL_UNDO:
            # Whoever changed it again meanwhile does not outrun the mailbox that had it first, nor does a
            # change that waits, also where the e-mail is this one by now.
            await self._links.revoke_newer(conn, link)
            await user_store.move_stamp(conn, user_id)
        await self._mailroom.outbox.proven(conn, link.email)
        await endings.end_of_user(conn, user_id, reason=EndReason.EMAIL_CHANGED, client=client, at=at)
        await event_store.insert(
            conn,
            action,
            client=client,
            at=at,
            user_id=user_id,
            # What erasing the account looks for, to find what was tried with it.
            detail={"email": emails.former(former.email)},
        )
        user = msgspec.structs.replace(former, email=link.email, email_verified=True)
        await self._hooks.run(Moment.EMAIL_CHANGE, conn, user)
        return former

    async def _tell_former(self, conn: Connection, former: User, client: Client) -> None:
        """Tell the former mailbox, with a link that takes it back: whatever changes from now on."""
        await self._mailroom.post_to_user(
            conn,
            Mail.EMAIL_CHANGED,
            Purpose.EMAIL_UNDO,
            former,
            email=emails.former(former.email),
            client=client,
            lifetime=UNDO_LIFETIME,
            bound=False,
        )

"""Verified addresses: a mail at registration, what proves the mailbox, and what a proof takes from others."""

from datetime import timedelta

from gatepost.db.pool import Connection
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.link_store import MailLink, Purpose
from gatepost.features.email.links import Shown
from gatepost.features.email.mailroom import Mailroom, see_that
from gatepost.features.email.mails import Mail
from gatepost.models import AuditAction, Client, EndReason, Session, User, UserId
from gatepost.services.feature import Happened, Wiring
from gatepost.store import endings, sign_ins
from gatepost.store import events as event_store
from gatepost.store import users as user_store

LIFETIME = timedelta(hours=24)
"""How long a mailbox may take to answer."""


class Verifications:
    """Has users prove that their e-mail is theirs."""

    def __init__(self, mailroom: Mailroom, *, mode: str, features: Wiring) -> None:
        self._mailroom = mailroom
        self._links = mailroom.links
        self._clock = mailroom.clock
        self._mode = mode
        self._features = features

    @property
    def is_on(self) -> bool:
        """Whether addresses are verified."""
        return self._mailroom.is_on and self._mode != "off"

    async def hear(self, conn: Connection, happened: Happened) -> None:
        """Ask the mailbox of somebody who registers, in the transaction in which they do."""
        is_new = happened.action == AuditAction.USER_REGISTERED and not happened.user.email_verified
        if not self.is_on or not is_new:
            return
        # Whoever makes and deletes accounts with an address of others is not to flood it.
        if await self._mailroom.limits.count(conn, happened.user.email, what=Mail.VERIFY_EMAIL):
            await self._ask(conn, happened.user, happened.client)

    async def send(self, session: Session, *, client: Client) -> None:
        """Ask the mailbox of a session's user once more; one that has answered is not asked again.

        Raises:
            NotFound: addresses are not verified.
            TooManyAttempts: there were too many mails.
        """
        see_that(self.is_on)
        user = session.user
        if user.email_verified:
            return
        await self._mailroom.limits.charge(user.email, what=Mail.VERIFY_EMAIL, client=client)
        async with self._mailroom.database.transaction() as conn:
            await sign_ins.lock_owner(conn, user.id)
            await self._ask(conn, user, client)

    async def look(self, token: str, *, client: Client) -> MailLink:
        """Return the open link of a token, for its page; it stays open.

        Raises:
            InvalidLink, TooManyAttempts: as `MailLinks.look`.
        """
        return await self._links.look(Purpose.VERIFY_EMAIL, token, client=client)

    async def verify(self, shown: Shown, *, session: Session | None, client: Client) -> bool:
        """Note that an address is its user's.

        Unless that comes from a session of the account, whoever made it may have been somebody else, who
        registered with an address that was not theirs: then what they sign in with is taken away.

        Returns:
            Whether what they sign in with was taken away.

        Raises:
            NotFound: addresses are not verified.
            InvalidLink: it is not good, or no longer.
            TooManyAttempts: there were too many that were no good.
        """
        see_that(self.is_on)
        await self._mailroom.throttles.arrive(client, verb="verify")
        link = await self._links.find(Purpose.VERIFY_EMAIL, shown, client=client)
        async with self._mailroom.database.transaction() as conn:
            disowned = await self._prove(conn, link, session, client)
        if disowned is None:
            raise await self._links.refused(Purpose.VERIFY_EMAIL, "ended_meanwhile", link, client=client)
        return disowned

    async def _prove(
        self, conn: Connection, link: MailLink, session: Session | None, client: Client
    ) -> bool | None:
        """Do all of it in one transaction; None where the link is over by now."""
        if link.user_id is None:
            return None
        user_id = link.user_id
        await sign_ins.lock_owner(conn, user_id)
        user = await user_store.get(conn, user_id)
        if user is None or not await self._links.claim(conn, link):
            return None
        is_own = session is not None and session.user.id == user_id and session.impersonator_id is None
        taken = not user.email_verified and not is_own
        if taken:
            await self.disown(conn, user_id, client)
        await user_store.prove_email(conn, user_id, at=self._clock())
        await self._mailroom.outbox.proven(conn, link.email)
        await event_store.insert(
            conn,
            EmailAction.EMAIL_VERIFIED,
            client=client,
            at=self._clock(),
            user_id=user_id,
            detail={"email": link.email, "disowned": taken},
        )
        return taken

    async def disown(self, conn: Connection, user_id: UserId, client: Client) -> None:
        """Take away what somebody signs in with who has not proven that the account's address is theirs."""
        at = self._clock()
        await user_store.set_password(conn, user_id, None, at=at)
        await self._features.disown(conn, user_id)
        # Where there was no password none was changed, and links that wait are to end all the same.
        await user_store.move_stamp(conn, user_id)
        await endings.end_of_user(conn, user_id, reason=EndReason.PASSWORD_SET, client=client, at=at)

    async def _ask(self, conn: Connection, user: User, client: Client) -> None:
        await self._mailroom.post_to_user(
            conn,
            Mail.VERIFY_EMAIL,
            Purpose.VERIFY_EMAIL,
            user,
            client=client,
            lifetime=LIFETIME,
            has_code=True,
        )

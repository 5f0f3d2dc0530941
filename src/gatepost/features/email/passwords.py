"""Forgotten passwords: a link and a code by mail, and another password for whoever has them."""

from datetime import timedelta

from gatepost.db.pool import Connection
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import MailLink, Purpose
from gatepost.features.email.links import Shown
from gatepost.features.email.mailroom import Mailroom, Request, see_that
from gatepost.features.email.mails import Mail
from gatepost.models import AuditAction, Client, EndReason
from gatepost.services.feature import Happened, Wiring
from gatepost.services.hashing import Hashing
from gatepost.services.lines import Line
from gatepost.services.new_passwords import NewPasswords
from gatepost.store import endings, sign_ins
from gatepost.store import events as event_store
from gatepost.store import users as user_store

_FORGOTTEN = Request(
    mail=Mail.PASSWORD_RESET,
    purpose=Purpose.PASSWORD_RESET,
    action=EmailAction.PASSWORD_FORGOTTEN,
    lifetime=timedelta(minutes=30),
)


class ForgottenPasswords:
    """Sends links for another password, and sets it."""

    def __init__(
        self,
        mailroom: Mailroom,
        *,
        hashing: Hashing,
        new_passwords: NewPasswords,
        features: Wiring,
    ) -> None:
        self._mailroom = mailroom
        self._links = mailroom.links
        self._throttles = mailroom.throttles
        self._clock = mailroom.clock
        self._hashing = hashing
        self._new_passwords = new_passwords
        self._features = features

    @property
    def is_on(self) -> bool:
        """Whether there is a way to send mail."""
        return self._mailroom.is_on

    async def forgot(self, email: str, *, client: Client, browser: str | None = None) -> str:
        """Have a link and a code sent to whoever has this e-mail, where that is somebody who may sign in.

        Args:
            email: as it was typed.
            client: who asks.
            browser: what theirs keeps; the code works in no other. None where it works anywhere.

        Returns:
            The canonical e-mail.

        Raises:
            NotFound: there is no way to send mail.
            ValidationFailed, TooManyAttempts: as `Mailroom.ask`.
        """
        see_that(self.is_on)
        return await self._mailroom.ask(_FORGOTTEN, email, verb="forgot", client=client, browser=browser)

    async def look(self, token: str, *, client: Client) -> MailLink:
        """Return the open link of a token, for its page; it stays open.

        Raises:
            InvalidLink, TooManyAttempts: as `MailLinks.look`.
        """
        return await self._links.look(Purpose.PASSWORD_RESET, token, client=client)

    async def reset(self, shown: Shown, new_password: str, *, client: Client) -> None:
        """Give the user of a link another password; nobody is signed in.

        Every session ends, and with the former credentials every other link and every sign-in that waits for
        one more step, so that a second factor is asked as ever (ASVS 6.4.3). Who has read the mail has proven
        the address, too.

        Args:
            shown: the link or the code.
            new_password: as it was typed.
            client: who asks.

        Raises:
            NotFound: there is no way to send mail.
            InvalidLink: it is not good, or no longer.
            ValidationFailed: of the password, as `NewPasswords.accept`; the link stays good, and the code.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            TooManyAttempts: there were too many links that were no good.
        """
        see_that(self.is_on)
        await self._throttles.arrive(client, verb="reset")
        link = await self._links.find(Purpose.PASSWORD_RESET, shown, client=client)
        accepted = await self._new_passwords.accept(new_password, email=link.email, field="new_password")
        hashed = await self._hashing.hash(accepted, Line.of(client, is_known=True))
        async with self._mailroom.database.transaction() as conn:
            done = await self._set(conn, link, hashed, client)
        if not done:
            raise await self._links.refused(Purpose.PASSWORD_RESET, "ended_meanwhile", link, client=client)

    async def _set(self, conn: Connection, link: MailLink, hashed: str, client: Client) -> bool:
        """Do all of it in one transaction; False where the link is over by now."""
        if link.user_id is None:
            raise InvalidLink
        user_id, at = link.user_id, self._clock()
        await sign_ins.lock_owner(conn, user_id)
        if not await self._links.claim(conn, link):
            return False
        user = await user_store.get(conn, user_id)
        if user is None:
            return False
        if not user.email_verified:
            # Whoever made the account may have been somebody else.
            await self._features.disown(conn, user_id)
        await user_store.set_password(conn, user_id, hashed, at=at)
        await user_store.prove_email(conn, user_id, at=at)
        await self._throttles.forget(conn, user_id, link.email, by_owner=True)
        await self._mailroom.outbox.proven(conn, link.email)
        await endings.end_of_user(conn, user_id, reason=EndReason.PASSWORD_CHANGED, client=client, at=at)
        await event_store.insert(conn, EmailAction.PASSWORD_RESET, client=client, at=at, user_id=user_id)
        await self._features.tell(
            conn, Happened(action=AuditAction.PASSWORD_CHANGED, user=user, client=client)
        )
        return True

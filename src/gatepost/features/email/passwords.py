"""Forgotten passwords: a link and a code by mail, and another password for whoever has them."""

from datetime import timedelta

from gatepost.db.pool import Connection, Database
from gatepost.errors import NotFound
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.limits import MailLimits
from gatepost.features.email.link_store import MailLink, Purpose
from gatepost.features.email.links import CODE_LIFETIME, MailLinks, Shown, minutes
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox, asked
from gatepost.models import AuditAction, Client, EndReason
from gatepost.security.emails import canonical_email
from gatepost.services.clock import Clock
from gatepost.services.feature import Happened, Wiring
from gatepost.services.hashing import Hashing
from gatepost.services.lines import Line
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import endings, sign_ins
from gatepost.store import events as event_store
from gatepost.store import users as user_store

LIFETIME = timedelta(minutes=30)
"""How long the link works."""


class ForgottenPasswords:
    """Sends links for another password, and sets it."""

    def __init__(
        self,
        database: Database,
        *,
        links: MailLinks,
        limits: MailLimits,
        outbox: Outbox,
        throttles: Throttles,
        hashing: Hashing,
        new_passwords: NewPasswords,
        features: Wiring,
        clock: Clock,
    ) -> None:
        self._features = features
        self._database = database
        self._links = links
        self._limits = limits
        self._outbox = outbox
        self._throttles = throttles
        self._hashing = hashing
        self._new_passwords = new_passwords
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether there is a way to send mail."""
        return self._outbox.is_on

    async def forgot(self, email: str, *, client: Client, language: str | None = None) -> str:
        """Have a link and a code sent to whoever has this e-mail, where that is somebody who may sign in.

        Known, unknown and disabled accounts, and those without a password, take the same statements and get
        the same answer (ASVS 6.3.8). Nothing is sent here: for nobody the mail is written as well, and the
        sender, who is told no link for it, throws it away.

        Args:
            email: as it was typed.
            client: who asks.
            language: that they read, for a user who has chosen none.

        Returns:
            The canonical e-mail.

        Raises:
            NotFound: there is no way to send mail.
            ValidationFailed: that is no e-mail.
            TooManyAttempts: there were too many mails, to this address or from there.
        """
        self._see_that_it_is_on()
        await self._throttles.arrive(client, verb="forgot")
        email = read("email", email, canonical_email)
        await self._limits.charge(email, what=Mail.PASSWORD_RESET, client=client)
        async with self._database.transaction() as conn:
            link_id, user_id = await self._links.issue_for_email(
                conn, Purpose.PASSWORD_RESET, email, lifetime=LIFETIME, client=client
            )
            await self._outbox.put(
                conn,
                Draft(
                    mail=Mail.PASSWORD_RESET,
                    recipient=email,
                    lifetime=LIFETIME,
                    user_id=user_id,
                    language=language,
                    link_id=link_id,
                    data={
                        **asked(client, self._clock()),
                        "minutes": minutes(LIFETIME),
                        "code_minutes": minutes(CODE_LIFETIME),
                    },
                ),
            )
            await event_store.insert(
                conn,
                EmailAction.PASSWORD_FORGOTTEN,
                client=client,
                at=self._clock(),
                user_id=user_id,
                detail={"email": email},
            )
        return email

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
        self._see_that_it_is_on()
        await self._throttles.arrive(client, verb="reset")
        link = None
        if shown.token is not None:
            link = await self.look(shown.token, client=client)
        # Before a code is tried: who has the right one is not to lose it by a password that can't be.
        email = shown.email or "" if link is None else link.email
        accepted = await self._new_passwords.accept(new_password, email=email, field="new_password")
        if link is None:
            link = await self._links.find(Purpose.PASSWORD_RESET, shown, client=client)
        hashed = await self._hashing.hash(accepted, Line.of(client, is_known=True))
        async with self._database.transaction() as conn:
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
        await self._outbox.proven(conn, link.email)
        await endings.end_of_user(conn, user_id, reason=EndReason.PASSWORD_CHANGED, client=client, at=at)
        await event_store.insert(conn, EmailAction.PASSWORD_RESET, client=client, at=at, user_id=user_id)
        await self._features.tell(
            conn, Happened(action=AuditAction.PASSWORD_CHANGED, user=user, client=client)
        )
        return True

    def _see_that_it_is_on(self) -> None:
        if not self.is_on:
            raise NotFound

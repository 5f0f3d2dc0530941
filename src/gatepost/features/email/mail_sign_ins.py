"""Signing in by mail: a link, a code or both, instead of the password.

Off by default: e-mail is no factor by ASVS 6.3.6 and NIST SP 800-63B-4 §3.1.3.1. A second factor is asked as
after a password.
"""

from gatepost.db.pool import Connection
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.link_store import Kept, MailLink, Purpose
from gatepost.features.email.links import CODE_LIFETIME, Shown
from gatepost.features.email.mailroom import Mailroom, Request, see_that
from gatepost.features.email.mails import Mail
from gatepost.features.email.verification import Verifications
from gatepost.models import Client, Proof, SignedIn
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import Outcome, settled
from gatepost.store import sign_ins as lock_store
from gatepost.store import users as user_store

LIFETIME = CODE_LIFETIME
"""How long the link works: as long as the code (ASVS 6.5.5)."""

METHOD = "email"
"""What is proven, as sessions keep it; RFC 8176 has no name for it."""


class MailSignIns:
    """Sends what one signs in with, and starts sessions by it.

    Attributes:
        mode: `off`, or what one signs in with: `link`, `code` or `both`.
    """

    def __init__(
        self,
        mailroom: Mailroom,
        *,
        mode: str,
        sign_ins: SignIns,
        verifications: Verifications,
    ) -> None:
        self.mode = mode
        self._mailroom = mailroom
        self._links = mailroom.links
        self._sign_ins = sign_ins
        self._verifications = verifications

    @property
    def is_on(self) -> bool:
        """Whether one signs in by mail."""
        return self._mailroom.is_on and self.mode != "off"

    async def ask(self, email: str, *, client: Client, language: str | None = None) -> str:
        """Have a mail sent to whoever has this e-mail.

        Returns:
            The canonical e-mail.

        Raises:
            NotFound: nobody signs in by mail.
            ValidationFailed, TooManyAttempts: as `Mailroom.ask`.
        """
        see_that(self.is_on)
        request = Request(
            mail=Mail.SIGN_IN,
            purpose=Purpose.SIGN_IN,
            action=EmailAction.SIGN_IN_REQUESTED,
            lifetime=LIFETIME,
            has_code=self.mode in {"code", "both"},
            kept=Kept(link=self.mode in {"link", "both"}),
        )
        return await self._mailroom.ask(request, email, verb="login_email", client=client, language=language)

    async def look(self, token: str, *, client: Client) -> tuple[MailLink, bool]:
        """Return the open link of a token, for its page, and whether its address is verified; it stays open.

        Raises:
            NotFound, InvalidLink, TooManyAttempts: as `finish`.
        """
        see_that(self.is_on)
        link = await self._links.look(Purpose.SIGN_IN, token, client=client)
        async with self._mailroom.database.connection() as conn:
            user = None if link.user_id is None else await user_store.get(conn, link.user_id)
        return link, user is not None and user.email_verified

    async def finish(self, shown: Shown, arrival: Arrival) -> SignedIn:
        """Start a session for whoever has the link or the code, unless one more step is due.

        An address that answers for the first time takes the account from whoever only typed it.

        Raises:
            NotFound: nobody signs in by mail.
            InvalidLink: it is not good, or no longer.
            ValidationFailed: that is no e-mail.
            TooManyAttempts: there were too many that were no good.
            SecondFactorRequired, FactorEnrolmentRequired: it is right, and one more step is due.
        """
        see_that(self.is_on)
        client = arrival.client
        await self._mailroom.throttles.arrive(client, verb="login_email")
        link = await self._links.find(Purpose.SIGN_IN, shown, client=client)
        outcome = None
        if link.user_id is not None:
            async with (
                self._sign_ins.noting(client, user_id=link.user_id, email=link.email),
                self._mailroom.database.transaction() as conn,
            ):
                outcome = await self._enter(conn, link, arrival)
        if outcome is None:
            raise await self._links.refused(Purpose.SIGN_IN, "ended_meanwhile", link, client=client)
        return settled(outcome)

    async def _enter(self, conn: Connection, link: MailLink, arrival: Arrival) -> Outcome | None:
        """Use up the link and go through the one door; None where it is over by now."""
        user_id = link.user_id
        if user_id is None:
            return None
        stamp = await lock_store.lock_owner(conn, user_id)
        user = await user_store.get(conn, user_id)
        if stamp is None or user is None or not await self._links.claim(conn, link):
            return None
        if not user.email_verified:
            await self._verifications.disown(conn, user_id, arrival.client)
            await user_store.prove_email(conn, user_id, at=self._mailroom.clock())
            stamp = await lock_store.lock_owner(conn, user_id) or stamp
        await self._mailroom.outbox.proven(conn, link.email)
        proof = Proof(user_id=user_id, methods=(METHOD,), stamp=stamp, at=self._mailroom.clock())
        return await self._sign_ins.finish(conn, proof, arrival)

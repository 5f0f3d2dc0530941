"""Signing in by mail: a link, a code or both, instead of the password.

Off by default: e-mail is no factor by ASVS 6.3.6 and NIST SP 800-63B-4 §3.1.3.1. A second factor is asked as
after a password. Where anybody may register, a mailbox that nobody has makes an account by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatepost.db.pool import Connection
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.link_store import Kept, MailLink, Purpose
from gatepost.features.email.links import Shown
from gatepost.features.email.mailroom import Mailroom, Request, see_that
from gatepost.features.email.mails import Mail
from gatepost.features.email.verification import Verifications
from gatepost.models import Client, Proof, SignedIn, User, UserId
from gatepost.security.links import CODE_LIFETIME
from gatepost.services.accounts import Accounts
from gatepost.services.admission import EndedMeanwhile
from gatepost.services.feature import Newcomer
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import Outcome, settled
from gatepost.store import sign_ins as lock_store
from gatepost.store import users as user_store

LIFETIME = CODE_LIFETIME
"""How long the link works: as long as the code (ASVS 6.5.5)."""

METHOD = "email"
"""What is proven, as sessions keep it; RFC 8176 has no name for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newly:
    """What somebody gives who signs up on the way.

    Attributes:
        name: as it was typed; None where nothing was asked yet.
        own: what was sent for the fields that the application asks for.
    """

    name: str | None = None
    own: Mapping[str, object] = field(default_factory=dict)


class MailSignIns:
    """Sends what one signs in with, and starts sessions by it.

    Attributes:
        mode: `off`, or what one signs in with: `link`, `code` or `both`.
        signs_up: where nobody has the mailbox, an account is made by the same link.
    """

    def __init__(
        self,
        mailroom: Mailroom,
        *,
        mode: str,
        signs_up: bool,
        sign_ins: SignIns,
        accounts: Accounts,
        verifications: Verifications,
    ) -> None:
        self.mode = mode
        self.signs_up = signs_up
        self._mailroom = mailroom
        self._links = mailroom.links
        self._sign_ins = sign_ins
        self._accounts = accounts
        self._verifications = verifications

    @property
    def is_on(self) -> bool:
        """Whether one signs in by mail."""
        return self._mailroom.is_on and self.mode != "off"

    async def ask(self, email: str, *, client: Client, browser: str | None = None) -> str:
        """Have a mail sent to whoever has this e-mail, or may make an account with it.

        Returns:
            The canonical e-mail.

        Raises:
            NotFound: nobody signs in by mail.
            ValidationFailed, TooManyAttempts: as `Mailroom.ask`.
        """
        see_that(self.is_on)
        request = Request(
            mail=Mail.SIGN_IN,
            if_free=Mail.SIGN_UP if self.signs_up else None,
            purpose=Purpose.SIGN_IN,
            action=EmailAction.SIGN_IN_REQUESTED,
            lifetime=LIFETIME,
            has_code=self.mode in {"code", "both"},
            kept=Kept(link=self.mode in {"link", "both"}, newcomer=self.signs_up),
        )
        return await self._mailroom.ask(request, email, verb="login_email", client=client, browser=browser)

    async def look(self, token: str, *, client: Client) -> tuple[MailLink, User | None]:
        """Return the open link of a token, for its page, and whose it is; it stays open.

        Raises:
            NotFound, InvalidLink, TooManyAttempts: as `finish`.
        """
        see_that(self.is_on)
        link = await self._links.look(Purpose.SIGN_IN, token, client=client)
        async with self._mailroom.database.connection() as conn:
            return link, None if link.user_id is None else await user_store.get(conn, link.user_id)

    def is_from(self, link: MailLink, browser: str | None) -> bool:
        """Say whether a link may have been asked for in the browser that keeps this."""
        return self._links.is_from(link, browser)

    async def finish(self, shown: Shown, arrival: Arrival, newly: Newly) -> tuple[SignedIn, bool]:
        """Start a session for whoever has the link or the code, unless one more step is due.

        An address that answers for the first time takes the account from whoever only typed it. Where nobody
        has it, an account is made, without a password.

        Returns:
            The session, and whether the account is new.

        Raises:
            NotFound: nobody signs in by mail.
            InvalidLink: it is not good, or no longer.
            ValidationFailed: that is no e-mail; or an account would be made, and a field does not fit, such
                as `name`: then the link stays good, and the code.
            TooManyAttempts: there were too many that were no good.
            EmailTaken, Conflict, RejectedByDatabase, SecondFactorRequired, FactorEnrolmentRequired: as
                `Accounts.complete`.
        """
        see_that(self.is_on)
        client = arrival.client
        await self._mailroom.throttles.arrive(client, verb="login_email")
        link = await self._links.find(Purpose.SIGN_IN, shown, client=client)
        if link.user_id is None:
            return await self._sign_up(link, arrival, newly), True
        async with (
            self._sign_ins.noting(client, user_id=link.user_id, email=link.email),
            self._mailroom.database.transaction() as conn,
        ):
            outcome = await self._enter(conn, link, link.user_id, arrival)
        if outcome is None:
            raise await self._links.refused(Purpose.SIGN_IN, "ended_meanwhile", link, client=client)
        return settled(outcome), False

    async def _sign_up(self, link: MailLink, arrival: Arrival, newly: Newly) -> SignedIn:
        """Make an account for a mailbox that nobody has."""
        client = arrival.client
        if not self.signs_up:
            raise await self._links.refused(Purpose.SIGN_IN, "registration_closed", link, client=client)

        async def claim(conn: Connection) -> bool:
            return await self._links.claim_for_newcomer(conn, link)

        newcomer = Newcomer(email=link.email, name=newly.name or "", own=newly.own, invitation=None)
        try:
            return await self._accounts.complete(newcomer, None, claim, arrival=arrival, methods=(METHOD,))
        except EndedMeanwhile:
            raise await self._links.refused(Purpose.SIGN_IN, "ended_meanwhile", link, client=client) from None

    async def _enter(
        self, conn: Connection, link: MailLink, user_id: UserId, arrival: Arrival
    ) -> Outcome | None:
        """Use up the link and go through the one door; None where it is over by now."""
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

"""Signing up where addresses have to be verified: there is a user once the mailbox has answered."""

from collections.abc import Mapping
from datetime import timedelta

from gatepost.db.pool import Connection
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.link_store import Kept, MailLink, Purpose
from gatepost.features.email.links import Shown
from gatepost.features.email.mailroom import Mailroom, Request, see_that
from gatepost.features.email.mails import Mail
from gatepost.models import Client, Instead, SignedIn
from gatepost.services.accounts import Accounts
from gatepost.services.admission import EndedMeanwhile
from gatepost.services.feature import Newcomer, Wiring
from gatepost.services.sign_in import Arrival

LIFETIME = timedelta(hours=24)
"""How long a mailbox may take to answer."""


class SignUps:
    """Asks the mailboxes of newcomers, and has their accounts made once they answer."""

    def __init__(
        self,
        mailroom: Mailroom,
        *,
        mode: str,
        accounts: Accounts,
        features: Wiring,
    ) -> None:
        self._mailroom = mailroom
        self._links = mailroom.links
        self._mode = mode
        self._accounts = accounts
        self._features = features

    @property
    def is_on(self) -> bool:
        """Whether a mailbox has to answer before there is a user."""
        return self._mailroom.is_on and self._mode == "required"

    async def begin(self, newcomer: Newcomer, *, client: Client, browser: str | None) -> None:
        """Ask the mailbox; where somebody has an account with it, the mail says so, and nothing else does.

        Args:
            newcomer: who it is.
            client: who asks.
            browser: what theirs keeps; the code works in no other. None where it works anywhere.

        Raises:
            TooManyAttempts: there were too many mails.
        """
        invitation = None if newcomer.invitation is None else newcomer.invitation.id
        request = Request(
            mail=Mail.VERIFY_EMAIL,
            if_taken=Mail.ADDRESS_TAKEN,
            purpose=Purpose.SIGN_UP,
            action=EmailAction.SIGN_UP_REQUESTED,
            lifetime=LIFETIME,
            kept=Kept(name=newcomer.name, own=dict(newcomer.own), invitation=invitation),
        )
        await self._mailroom.post(request, newcomer.email, client=client, browser=browser)

    async def look(self, token: str, *, client: Client) -> MailLink:
        """Return the open link of a token, for its page, with what was given before; it stays open.

        Raises:
            NotFound: accounts are made otherwise.
            InvalidLink, TooManyAttempts: as `MailLinks.look`.
        """
        see_that(self.is_on)
        return await self._links.look(Purpose.SIGN_UP, token, client=client)

    def is_from(self, link: MailLink, browser: str | None) -> bool:
        """Say whether a link may have been asked for in the browser that keeps this."""
        return self._links.is_from(link, browser)

    async def finish(
        self,
        shown: Shown,
        password: str | None,
        *,
        name: str | None = None,
        own: Mapping[str, object] | None = None,
        instead: Instead | None = None,
        arrival: Arrival,
    ) -> SignedIn:
        """Make the account of somebody whose mailbox has answered, with the password that they choose now.

        Args:
            shown: the link or the code.
            password: as it was typed; None where they set up something else.
            instead: what that is.
            name: another one than was given before; None where that stays.
            own: what takes the place of what was given for the application's fields, which somebody else may
                have been; None in it is for a field that was left empty.
            arrival: how they want to be handed the session.

        Raises:
            NotFound: accounts are made otherwise.
            InvalidLink: it is not good, or no longer.
            TooManyAttempts: there were too many that were no good.
            ValidationFailed, EmailTaken, Conflict, RejectedByDatabase, SecondFactorRequired,
                FactorEnrolmentRequired, ChallengeExpired, InvalidCode: as `Accounts.complete`; the link stays
                good.
        """
        see_that(self.is_on)
        client = arrival.client
        await self._mailroom.throttles.arrive(client, verb="verify")
        link = await self._links.find(Purpose.SIGN_UP, shown, client=client)
        kept = link.kept
        inviter, invitation = self._features.inviter, None
        emptied = {key for key, value in (own or {}).items() if value is None}
        if inviter is not None and kept.invitation is not None:
            invitation = await inviter.get(kept.invitation)
        fields = {key: value for key, value in {**kept.own, **(own or {})}.items() if key not in emptied}
        newcomer = Newcomer(email=link.email, name=name or kept.name, own=fields, invitation=invitation)

        async def claim(conn: Connection) -> bool:
            return await self._links.claim_for_newcomer(conn, link)

        try:
            return await self._accounts.complete(
                newcomer,
                None if instead is not None else password or "",
                claim,
                arrival=arrival,
                instead=instead,
            )
        except EndedMeanwhile:
            raise await self._links.refused(Purpose.SIGN_UP, "ended_meanwhile", link, client=client) from None

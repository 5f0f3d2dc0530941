"""Signing up where addresses have to be verified: there is a user once the mailbox has answered."""

from datetime import timedelta

import msgspec

from gatepost.db.pool import Connection, Database
from gatepost.errors import NotFound
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.limits import MailLimits
from gatepost.features.email.link_store import MailLink, Purpose
from gatepost.features.email.links import CODE_LIFETIME, MailLinks, Shown, minutes
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox, asked
from gatepost.models import Client, SignedIn
from gatepost.services.accounts import Accounts
from gatepost.services.admission import EndedMeanwhile
from gatepost.services.clock import Clock
from gatepost.services.feature import Newcomer, Wiring
from gatepost.services.sign_in import Arrival
from gatepost.services.throttles import Throttles
from gatepost.store import events as event_store

LIFETIME = timedelta(hours=24)
"""How long a mailbox may take to answer."""


class Kept(msgspec.Struct, frozen=True):
    """What a link keeps of a newcomer.

    Attributes:
        name: as they called themselves.
        own: what they sent for the fields that the application asks for.
        invitation: the id of the one that they came with.
    """

    name: str
    own: dict[str, object]
    invitation: int | None


class SignUps:
    """Asks the mailboxes of newcomers, and has their accounts made once they answer."""

    def __init__(
        self,
        database: Database,
        *,
        mode: str,
        links: MailLinks,
        limits: MailLimits,
        outbox: Outbox,
        throttles: Throttles,
        accounts: Accounts,
        features: Wiring,
        clock: Clock,
    ) -> None:
        self._features = features
        self._database = database
        self._mode = mode
        self._links = links
        self._limits = limits
        self._outbox = outbox
        self._throttles = throttles
        self._accounts = accounts
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether a mailbox has to answer before there is a user."""
        return self._outbox.is_on and self._mode == "required"

    async def begin(self, newcomer: Newcomer, *, client: Client, language: str | None) -> None:
        """Ask the mailbox; where somebody has an account with it, the mail says so, and nothing else does.

        Raises:
            TooManyAttempts: there were too many mails.
        """
        email = newcomer.email
        await self._limits.charge(email, what=Mail.VERIFY_EMAIL, client=client)
        invitation = None if newcomer.invitation is None else newcomer.invitation.id
        kept = Kept(newcomer.name, dict(newcomer.own), invitation)
        async with self._database.transaction() as conn:
            link_id, is_taken = await self._links.issue_for_newcomer(
                conn, email, msgspec.json.encode(kept).decode(), lifetime=LIFETIME, client=client
            )
            await event_store.insert(
                conn,
                EmailAction.SIGN_UP_REQUESTED,
                client=client,
                at=self._clock(),
                detail={"email": email},
            )
            await self._outbox.put(
                conn,
                Draft(
                    mail=Mail.ADDRESS_TAKEN if is_taken else Mail.VERIFY_EMAIL,
                    recipient=email,
                    lifetime=LIFETIME,
                    language=language,
                    link_id=None if is_taken else link_id,
                    data={
                        **asked(client, self._clock()),
                        "minutes": minutes(LIFETIME),
                        "code_minutes": minutes(CODE_LIFETIME),
                    },
                ),
            )

    async def look(self, token: str, *, client: Client) -> tuple[MailLink, str]:
        """Return the open link of a token, for its page, and the name that was given; it stays open.

        Raises:
            NotFound: accounts are made otherwise.
            InvalidLink, TooManyAttempts: as `MailLinks.look`.
        """
        self.see_that_it_is_on()
        link = await self._links.look(Purpose.SIGN_UP, token, client=client)
        return link, msgspec.json.decode(link.detail, type=Kept).name

    async def finish(
        self,
        shown: Shown,
        password: str,
        *,
        name: str | None = None,
        arrival: Arrival,
        language: str | None = None,
    ) -> SignedIn:
        """Make the account of somebody whose mailbox has answered, with the password that they choose now.

        Args:
            shown: the link or the code.
            password: as it was typed.
            name: another one than was given before; None where that stays.
            arrival: how they want to be handed the session.
            language: that they read.

        Raises:
            NotFound: accounts are made otherwise.
            InvalidLink: it is not good, or no longer.
            TooManyAttempts: there were too many that were no good.
            ValidationFailed, EmailTaken, Conflict, RejectedByDatabase, SecondFactorRequired,
                FactorEnrolmentRequired: as `Accounts.complete`; the link stays good.
        """
        self.see_that_it_is_on()
        client = arrival.client
        await self._throttles.arrive(client, verb="verify")
        link = await self._links.find(Purpose.SIGN_UP, shown, client=client)
        kept = msgspec.json.decode(link.detail, type=Kept)
        inviter, invitation = self._features.inviter, None
        if inviter is not None and kept.invitation is not None:
            invitation = await inviter.get(kept.invitation)
        newcomer = Newcomer(email=link.email, name=name or kept.name, own=kept.own, invitation=invitation)

        async def claim(conn: Connection) -> bool:
            return await self._links.claim_for_newcomer(conn, link)

        try:
            return await self._accounts.complete(
                newcomer, password, claim, arrival=arrival, language=language
            )
        except EndedMeanwhile:
            raise await self._links.refused(Purpose.SIGN_UP, "ended_meanwhile", link, client=client) from None

    def see_that_it_is_on(self) -> None:
        """See that accounts are made so.

        Raises:
            NotFound: they are not.
        """
        if not self.is_on:
            raise NotFound

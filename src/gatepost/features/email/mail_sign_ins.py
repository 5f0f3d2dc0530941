"""Signing in by mail: a link, a code or both, instead of the password.

Off by default: e-mail is no factor by ASVS 6.3.6 and NIST SP 800-63B-4 §3.1.3.1. A second factor is asked as
after a password.
"""

from gatepost.db.pool import Connection, Database
from gatepost.errors import NotFound
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.limits import MailLimits
from gatepost.features.email.link_store import MailLink, Purpose
from gatepost.features.email.links import CODE_LIFETIME, MailLinks, Shown, minutes
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox, asked
from gatepost.features.email.verification import Verifications
from gatepost.models import Client, Proof, SignedIn
from gatepost.security.emails import canonical_email
from gatepost.services.clock import Clock
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import Outcome, settled
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import events as event_store
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
        database: Database,
        *,
        mode: str,
        links: MailLinks,
        limits: MailLimits,
        outbox: Outbox,
        throttles: Throttles,
        sign_ins: SignIns,
        verifications: Verifications,
        clock: Clock,
    ) -> None:
        self.mode = mode
        self._database = database
        self._links = links
        self._limits = limits
        self._outbox = outbox
        self._throttles = throttles
        self._sign_ins = sign_ins
        self._verifications = verifications
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether one signs in by mail."""
        return self._outbox.is_on and self.mode != "off"

    def see_that_it_is_on(self) -> None:
        """See that one signs in by mail.

        Raises:
            NotFound: nobody does.
        """
        if not self.is_on:
            raise NotFound

    async def ask(self, email: str, *, client: Client, language: str | None = None) -> str:
        """Have a mail sent to whoever has this e-mail; the same is done for nobody, as `forgot` has it.

        Returns:
            The canonical e-mail.

        Raises:
            NotFound: nobody signs in by mail.
            ValidationFailed: that is no e-mail.
            TooManyAttempts: there were too many mails, to this address or from there.
        """
        self.see_that_it_is_on()
        await self._throttles.arrive(client, verb="login_email")
        email = read("email", email, canonical_email)
        await self._limits.charge(email, what=Mail.SIGN_IN, client=client)
        has_link, has_code = self.mode in {"link", "both"}, self.mode in {"code", "both"}
        lasts = {"minutes": minutes(LIFETIME)} if has_link else {}
        lasts |= {"code_minutes": minutes(CODE_LIFETIME)} if has_code else {}
        async with self._database.transaction() as conn:
            link_id, user_id = await self._links.issue_for_email(
                conn,
                Purpose.SIGN_IN,
                email,
                lifetime=LIFETIME,
                client=client,
                has_link=has_link,
                has_code=has_code,
            )
            await self._outbox.put(
                conn,
                Draft(
                    mail=Mail.SIGN_IN,
                    recipient=email,
                    lifetime=LIFETIME,
                    user_id=user_id,
                    language=language,
                    link_id=link_id,
                    data={**asked(client, self._clock()), **lasts},
                ),
            )
            await event_store.insert(
                conn,
                EmailAction.SIGN_IN_REQUESTED,
                client=client,
                at=self._clock(),
                user_id=user_id,
                detail={"email": email},
            )
        return email

    async def look(self, token: str, *, client: Client) -> tuple[MailLink, bool]:
        """Return the open link of a token, for its page, and whether its address is verified; it stays open.

        Raises:
            NotFound, InvalidLink, TooManyAttempts: as `finish`.
        """
        self.see_that_it_is_on()
        link = await self._links.look(Purpose.SIGN_IN, token, client=client)
        async with self._database.connection() as conn:
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
        self.see_that_it_is_on()
        client = arrival.client
        await self._throttles.arrive(client, verb="login_email")
        link = await self._links.find(Purpose.SIGN_IN, shown, client=client)
        outcome = None
        if link.user_id is not None:
            async with (
                self._sign_ins.noting(client, user_id=link.user_id, email=link.email),
                self._database.transaction() as conn,
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
            await user_store.prove_email(conn, user_id, at=self._clock())
            stamp = await lock_store.lock_owner(conn, user_id) or stamp
        await self._outbox.proven(conn, link.email)
        proof = Proof(user_id=user_id, methods=(METHOD,), stamp=stamp, at=self._clock())
        return await self._sign_ins.finish(conn, proof, arrival)

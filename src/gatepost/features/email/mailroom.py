"""What every mail with a link takes: it is charged where strangers ask for it, and written with its link."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec

from gatepost.db.pool import Connection, Database
from gatepost.errors import NotFound
from gatepost.features.email import new_link_store
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.limits import MailLimits
from gatepost.features.email.link_store import Kept, Purpose
from gatepost.features.email.links import MailLinks
from gatepost.features.email.mails import Mail
from gatepost.features.email.new_link_store import Mailbox, NewLink
from gatepost.features.email.outbox import Draft, Outbox, asked
from gatepost.models import Client, User
from gatepost.security.emails import canonical_email
from gatepost.security.links import CODE_LIFETIME
from gatepost.services.clock import Clock
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A mail that somebody asks for who need not be known.

    Attributes:
        mail: which one.
        purpose: of its link.
        action: as the trail has it.
        lifetime: of the link, and of the mail.
        has_code: it works by a code as well.
        kept: what the link needs besides.
        if_free: the mail, with the same link, where nobody has the mailbox; None where that is `mail`.
        if_taken: the mail, without a link, where somebody has the mailbox; None where that is `mail`.
    """

    mail: Mail
    purpose: Purpose
    action: EmailAction
    lifetime: timedelta
    has_code: bool = True
    kept: Kept = Kept()  # noqa: RUF009 - frozen
    if_free: Mail | None = None
    if_taken: Mail | None = None

    def mail_to(self, mailbox: Mailbox) -> Mail:
        """Return which mail goes to a mailbox."""
        return (self.if_taken if mailbox.is_taken else self.if_free) or self.mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailroom:
    """Writes mails down together with their links.

    Attributes:
        database: where they are.
        links: makes those.
        limits: charges what strangers ask for.
        outbox: takes the mails.
        throttles: slows those who ask.
        clock: what time it is.
    """

    database: Database
    links: MailLinks
    limits: MailLimits
    outbox: Outbox
    throttles: Throttles
    clock: Clock

    @property
    def is_on(self) -> bool:
        """Whether there is a way to send mail."""
        return self.outbox.is_on

    async def ask(
        self,
        request: Request,
        email: str,
        *,
        verb: str,
        client: Client,
        browser: str | None,
    ) -> str:
        """Have a mail sent to a mailbox, whoever has it.

        Known, unknown and disabled accounts, and those without a password, take the same statements and get
        the same answer (ASVS 6.3.8). Nothing is sent here: for nobody the mail is written as well, and the
        sender, who is told no link for it, throws it away.

        Args:
            request: which one.
            email: as it was typed.
            verb: what the client does, as throttles have it.
            client: who asks.
            browser: what theirs keeps; the code works in no other. None where it works anywhere.

        Returns:
            The canonical e-mail.

        Raises:
            ValidationFailed: that is no e-mail.
            TooManyAttempts: there were too many mails, to this address or from there.
        """
        await self.throttles.arrive(client, verb=verb)
        email = read("email", email, canonical_email)
        await self.post(request, email, client=client, browser=browser)
        return email

    async def post(
        self,
        request: Request,
        email: str,
        *,
        client: Client,
        browser: str | None = None,
    ) -> None:
        """Do it for somebody who was looked at already.

        Raises:
            TooManyAttempts: as `ask`.
        """
        await self.limits.charge(email, what=request.mail, client=client)
        at, has_code = self.clock(), request.has_code
        async with self.database.transaction() as conn:
            await new_link_store.lock_mailbox(conn, request.purpose, email)
            mailbox = await new_link_store.owner(conn, email)
            mail = request.mail_to(mailbox)
            new = NewLink(
                purpose=request.purpose,
                email=email,
                lifetime=request.lifetime,
                code_lifetime=CODE_LIFETIME if has_code else None,
                user_id=mailbox.user_id,
                former="mailbox",
                detail=msgspec.json.encode(request.kept).decode(),
                client=client,
                browser=self.links.bound_to(browser),
            )
            link_id = await self.links.issue(conn, new)
            lasts = request.lifetime if request.kept.link else None
            await self.outbox.put(
                conn,
                Draft(
                    mail=mail,
                    recipient=email,
                    lifetime=request.lifetime,
                    user_id=mailbox.user_id,
                    language=client.language,
                    link_id=None if mail is request.if_taken else link_id,
                    data={**asked(client, at), **_lasting(lasts, has_code=has_code)},
                ),
            )
            await events.insert(
                conn,
                request.action,
                client=client,
                at=at,
                user_id=mailbox.user_id,
                detail={"email": email},
            )

    async def post_to_user(
        self,
        conn: Connection,
        mail: Mail,
        purpose: Purpose,
        user: User,
        *,
        client: Client | None,
        lifetime: timedelta,
        email: str | None = None,
        has_code: bool = False,
        bound: bool = True,
        by_admin: bool = False,
    ) -> None:
        """Write a mail to a user down, in the transaction of somebody who has locked the user.

        Args:
            conn: with the transaction.
            mail: which one.
            purpose: of its link; the user's former one ends.
            user: whose it is.
            client: who asks; None where neither the mail nor the user's data are to tell.
            lifetime: of the link, and of the mail.
            email: canonical, of another mailbox than the account's.
            has_code: it works by a code as well.
            bound: the link ends when the user's credentials change.
            by_admin: an administrator has it sent.
        """
        recipient = user.email if email is None else email
        new = NewLink(
            purpose=purpose,
            email=recipient,
            lifetime=lifetime,
            code_lifetime=CODE_LIFETIME if has_code else None,
            user_id=user.id,
            bound=bound,
            former="user",
            client=client or Client(),
        )
        link_id = await self.links.issue(conn, new)
        data = {**asked(client, self.clock()), **_lasting(lifetime, has_code=has_code)}
        await self.outbox.put(
            conn,
            Draft(
                mail=mail,
                recipient=recipient,
                lifetime=lifetime,
                user_id=user.id,
                language=None if client is None else client.language,
                link_id=link_id,
                data=data | {"by_admin": True} if by_admin else data,
            ),
        )


def see_that(is_on: bool) -> None:
    """See that what a request asks for is there.

    Raises:
        NotFound: it is not.
    """
    if not is_on:
        raise NotFound


def minutes(time: timedelta) -> int:
    """Return a time in minutes, as mails say it."""
    return int(time.total_seconds()) // 60


def _lasting(link: timedelta | None, *, has_code: bool) -> dict[str, int]:
    """Return how long the link and the code work, of those that there are."""
    lasts = {} if link is None else {"minutes": minutes(link)}
    return lasts | ({"code_minutes": minutes(CODE_LIFETIME)} if has_code else {})

"""What mail does while a Gate is open."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from gatepost.db.pool import Connection
from gatepost.features.email import link_store, outbox_store, undeliverable_store
from gatepost.features.email.admin_resets import AdminResets
from gatepost.features.email.delivery import Delivery
from gatepost.features.email.email_changes import EmailChanges
from gatepost.features.email.invitation_mails import InvitationMails
from gatepost.features.email.limits import MailLimits
from gatepost.features.email.links import MailLinks
from gatepost.features.email.mail_sign_ins import MailSignIns
from gatepost.features.email.mailroom import Mailroom
from gatepost.features.email.notices import Notices
from gatepost.features.email.outbox import Outbox
from gatepost.features.email.passwords import ForgottenPasswords
from gatepost.features.email.secrets import MailSecrets
from gatepost.features.email.sender import Sender
from gatepost.features.email.settings import EmailSettings
from gatepost.features.email.sign_ups import SignUps
from gatepost.features.email.verification import Verifications
from gatepost.models import UserId
from gatepost.services.feature import Hears, Purge, Wired

if TYPE_CHECKING:
    from gatepost.gate import Gate


def wire(gate: "Gate") -> Wired:
    """Make its services."""
    settings = gate.settings_as(EmailSettings)
    delivery = Delivery(settings, gate.mailer)
    mailroom = _mailroom(gate, settings, delivery)
    sender = _sender(gate, delivery, mailroom.links)
    changes = EmailChanges(mailroom, hooks=gate.hooks)
    verifications = Verifications(mailroom, mode=settings.email_verification, features=gate.wiring)
    sign_ups = SignUps(
        mailroom, mode=settings.email_verification, accounts=gate.accounts, features=gate.wiring
    )
    mail_sign_ins = MailSignIns(
        mailroom,
        mode=settings.email_sign_in,
        signs_up=settings.registration == "open",
        sign_ins=gate.sign_ins,
        accounts=gate.accounts,
        verifications=verifications,
    )
    passwords = ForgottenPasswords(
        mailroom, hashing=gate.hashing, new_passwords=gate.new_passwords, features=gate.wiring
    )
    resets = AdminResets(mailroom, acts=gate.acts)
    asking = (passwords, resets, changes, verifications, sign_ups, mail_sign_ins)
    return Wired(
        services=(mailroom.outbox, mailroom.limits, delivery, mailroom.links, *asking, *sender),
        courier=InvitationMails(mailroom),
        registrar=sign_ups,
        email_changer=changes,
        mails_resets=mailroom.is_on,
        way_in="email" if mail_sign_ins.is_on else None,
        purges=_purges(kept=timedelta(days=settings.session_history_days)),
        erase=outbox_store.erase,
        export=_export,
        background=sender,
        hears=_hears(mailroom, changes, verifications, notices=settings.notices),
    )


def _mailroom(gate: "Gate", settings: EmailSettings, delivery: Delivery) -> Mailroom:
    # Whoever opens a mail needs to know where its links lead, which no request is asked.
    root = settings.effective_public_url
    links = MailLinks(
        gate.database,
        secrets=MailSecrets(gate.keys),
        codec=gate.links,
        throttles=gate.throttles,
        audit=gate.audit,
        clock=gate.clock,
        root=(root or "") + settings.root_path,
    )
    is_on = delivery.transport is not None and root is not None
    return Mailroom(
        database=gate.database,
        links=links,
        limits=MailLimits(gate.throttles),
        outbox=Outbox(gate.database, clock=gate.clock, is_on=is_on),
        throttles=gate.throttles,
        clock=gate.clock,
    )


def _sender(gate: "Gate", delivery: Delivery, links: MailLinks) -> tuple[Sender, ...]:
    """Return what sends, where there is a way to."""
    if delivery.transport is None:
        return ()
    sender = Sender(
        gate.database,
        transport=delivery.transport,
        letters=delivery.letters,
        secrets=links,
        clock=gate.clock,
        seconds=delivery.settings.mail_timeout_seconds,
    )
    return (sender,)


def _hears(
    mailroom: Mailroom, changes: EmailChanges, verifications: Verifications, *, notices: bool
) -> tuple[Hears, ...]:
    if not mailroom.is_on:
        return ()
    told = (Notices(mailroom.outbox, clock=mailroom.clock),) if notices else ()
    return (changes.hear, verifications.hear, *told)


def _purges(*, kept: timedelta) -> tuple[Purge, ...]:
    return (
        partial(outbox_store.purge_done, kept=kept),
        outbox_store.purge_stale,
        undeliverable_store.purge,
        partial(link_store.purge_ended, kept=kept),
    )


async def _export(conn: Connection, user_id: UserId) -> Sequence[Mapping[str, object]]:
    """Return what is stored of mails to a user, and of the links in them."""
    return [*await outbox_store.export(conn, user_id), *await link_store.export(conn, user_id)]

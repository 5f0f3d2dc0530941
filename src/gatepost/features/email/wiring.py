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
from gatepost.features.email.notices import Notices
from gatepost.features.email.outbox import Outbox
from gatepost.features.email.passwords import ForgottenPasswords
from gatepost.features.email.secrets import MailSecrets
from gatepost.features.email.sender import Sender
from gatepost.features.email.settings import EmailSettings
from gatepost.features.email.sign_ups import SignUps
from gatepost.features.email.verification import Verifications
from gatepost.models import UserId
from gatepost.services.feature import Hears, Wired

if TYPE_CHECKING:
    from gatepost.gate import Gate


def wire(gate: "Gate") -> Wired:
    """Make its services."""
    settings = gate.settings_as(EmailSettings)
    delivery = Delivery(settings, gate.mailer)
    # Whoever opens a mail needs to know where its links lead, which no request is asked.
    root = settings.effective_public_url
    outbox = Outbox(
        gate.database, clock=gate.clock, is_on=delivery.transport is not None and root is not None
    )
    links = MailLinks(
        gate.database,
        secrets=MailSecrets(gate.keys),
        codec=gate.links,
        throttles=gate.throttles,
        audit=gate.audit,
        clock=gate.clock,
        root=(root or "") + settings.root_path,
    )
    sender = None
    if delivery.transport is not None:
        sender = Sender(
            gate.database,
            transport=delivery.transport,
            letters=delivery.letters,
            secrets=links,
            clock=gate.clock,
            seconds=settings.mail_timeout_seconds,
        )
    limits = MailLimits(gate.throttles)
    changes = EmailChanges(
        gate.database,
        links=links,
        limits=limits,
        outbox=outbox,
        throttles=gate.throttles,
        hooks=gate.hooks,
        clock=gate.clock,
    )
    verifications = Verifications(
        gate.database,
        mode=settings.email_verification,
        links=links,
        limits=limits,
        outbox=outbox,
        throttles=gate.throttles,
        features=gate.wiring,
        clock=gate.clock,
    )
    sign_ups = SignUps(
        gate.database,
        mode=settings.email_verification,
        links=links,
        limits=limits,
        outbox=outbox,
        throttles=gate.throttles,
        accounts=gate.accounts,
        features=gate.wiring,
        clock=gate.clock,
    )
    mail_sign_ins = MailSignIns(
        gate.database,
        mode=settings.email_sign_in,
        links=links,
        limits=limits,
        outbox=outbox,
        throttles=gate.throttles,
        sign_ins=gate.sign_ins,
        verifications=verifications,
        clock=gate.clock,
    )
    passwords = ForgottenPasswords(
        gate.database,
        links=links,
        limits=limits,
        outbox=outbox,
        throttles=gate.throttles,
        hashing=gate.hashing,
        new_passwords=gate.new_passwords,
        features=gate.wiring,
        clock=gate.clock,
    )
    resets = AdminResets(acts=gate.acts, links=links, outbox=outbox, clock=gate.clock)
    hears: tuple[Hears, ...] = (verifications.hear,)
    if settings.notices:
        hears = (*hears, Notices(outbox, clock=gate.clock))
    kept = timedelta(days=settings.session_history_days)
    return Wired(
        services=(
            *(outbox, delivery, links, passwords, resets, changes, verifications, sign_ups, mail_sign_ins),
            *(() if sender is None else (sender,)),
        ),
        courier=InvitationMails(links=links, outbox=outbox, clock=gate.clock),
        registrar=sign_ups,
        email_changer=changes,
        purges=(
            partial(outbox_store.purge_done, kept=kept),
            outbox_store.purge_stale,
            undeliverable_store.purge,
            partial(link_store.purge_ended, kept=kept),
        ),
        erase=outbox_store.erase,
        export=_export,
        background=() if sender is None else (sender,),
        hears=hears if outbox.is_on else (),
    )


async def _export(conn: Connection, user_id: UserId) -> Sequence[Mapping[str, object]]:
    """Return what is stored of mails to a user, and of the links in them."""
    return [*await outbox_store.export(conn, user_id), *await link_store.export(conn, user_id)]

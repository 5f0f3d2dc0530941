"""What mail does while a Gate is open."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from gatepost.db.pool import Connection
from gatepost.features.email import store
from gatepost.features.email.delivery import Delivery
from gatepost.features.email.outbox import Outbox
from gatepost.features.email.sender import Sender
from gatepost.features.email.settings import EmailSettings
from gatepost.services.feature import Wired

if TYPE_CHECKING:
    from gatepost.gate import Gate


class NoLinks:
    """No link is known: what would carry one is not sent."""

    async def reveal(self, _conn: Connection, _link_id: int) -> Mapping[str, str] | None:
        """Return None."""
        return None

    async def spent(self, _conn: Connection, _link_id: int) -> None:
        """Do nothing."""


def wire(gate: "Gate") -> Wired:
    """Make its services."""
    settings = gate.settings_as(EmailSettings)
    delivery = Delivery(settings, gate.mailer)
    outbox = Outbox(gate.database, clock=gate.clock, is_on=delivery.transport is not None)
    kept = timedelta(days=settings.session_history_days)
    sender = None
    if delivery.transport is not None:
        sender = Sender(
            gate.database,
            transport=delivery.transport,
            letters=delivery.letters,
            secrets=NoLinks(),
            clock=gate.clock,
            seconds=settings.mail_timeout_seconds,
        )
    return Wired(
        services=(outbox, delivery) if sender is None else (outbox, delivery, sender),
        purges=(
            partial(store.purge_done, kept=kept),
            store.purge_stale,
            store.purge_undeliverable,
        ),
        erase=store.erase,
        export=store.export,
        background=() if sender is None else (sender,),
    )

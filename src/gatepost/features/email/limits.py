"""How often strangers may have a mail sent: to one mailbox, from one place, and in all."""

from datetime import datetime

from gatepost.db.pool import Connection
from gatepost.models import Client
from gatepost.services.throttles import Throttles
from gatepost.store.throttles import Charge


class MailLimits:
    """Charges a mail before it is known whether there is anybody to send it to.

    Args:
        throttles: has the buckets.
    """

    def __init__(self, throttles: Throttles) -> None:
        self._throttles = throttles

    async def charge(self, email: str, *, what: str, client: Client) -> None:
        """Charge a mail.

        Args:
            email: canonical, of the mailbox; the same for one that nobody has.
            what: which mail it is: of the same one there is one a minute.
            client: who asks.

        Raises:
            TooManyAttempts: there were too many; the trail has it.
        """
        limits = self._throttles.limits
        await self._throttles.charge(
            [
                *limits.from_place(client, "mail_address", "mail_network"),
                *self._of_mailbox(email, what),
                # The last one: what is refused before leaves it as it is.
                limits.charge("mail_total", ""),
            ],
            client,
            verb=what,
        )

    async def count(self, conn: Connection, email: str, *, what: str) -> bool:
        """Charge a mail that follows on something else, as on a registration; False for one too many."""
        return await self._throttles.count(conn, self._of_mailbox(email, what))

    async def again_at(self, email: str, *, what: str) -> datetime | None:
        """Return from when on the same mail may be sent to a mailbox once more; None where that is now.

        It is the same for a mailbox that nobody has, and no more than whoever asks too early is told.
        """
        return await self._throttles.room_at(self._of_mailbox(email, what))

    def _of_mailbox(self, email: str, what: str) -> list[Charge]:
        limits = self._throttles.limits
        return [
            limits.charge("mail_again", limits.account(f"{what} {email}")),
            limits.charge("mail_recipient", limits.account(email)),
        ]

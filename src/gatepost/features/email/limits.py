"""How often strangers may have a mail sent: to one mailbox, from one place, and in all."""

from gatepost.models import Client
from gatepost.services.throttles import Throttles


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
                limits.charge("mail_again", limits.account(f"{what} {email}")),
                limits.charge("mail_recipient", limits.account(email)),
                # The last one: what is refused before leaves it as it is.
                limits.charge("mail_total", ""),
            ],
            client,
            verb=what,
        )

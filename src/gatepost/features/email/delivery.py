"""How mails leave this Gatepost."""

from gatepost.features.email.letters import Letters
from gatepost.features.email.mails import Mail
from gatepost.features.email.samples import sample
from gatepost.features.email.settings import EmailSettings
from gatepost.features.email.transport import Handed, Inbox, Transport
from gatepost.services.feature import Mailer


class Delivery:
    """The way in which mails are sent, and how they read.

    Args:
        settings: MAIL_URL and the brand.
        mailer: the application's own way, which comes first.

    Attributes:
        settings: as given.
        transport: sends them; None where mail is off: in production, and in tests, without either.
        letters: writes them.
    """

    def __init__(self, settings: EmailSettings, mailer: Mailer | None) -> None:
        self.settings = settings
        self.letters = Letters(settings)
        self.transport = transport_of(settings, mailer, name=self.letters.sender.domain)

    async def test(self, recipient: str, language: str | None) -> None:
        """Send a mail that says that mail works, right now and past the outbox.

        Raises:
            NotSentError: it was not sent; why is told.
            LookupError: mail is off.
        """
        if self.transport is None:
            raise LookupError("mail is off")
        message, secrets = sample(Mail.TEST, recipient=recipient, language=language)
        try:
            await self.transport.send(self.letters.write(message, secrets))
        finally:
            await self.transport.close()


def transport_of(settings: EmailSettings, mailer: Mailer | None, *, name: str) -> Transport | None:
    """Return how mails are sent; None where they are not."""
    if mailer is not None:
        return Handed(mailer)
    if settings.mail_url is not None:
        from gatepost.features.email.smtp import (
            smtp_of,
        )  # its library takes a moment, which others need not wait

        return smtp_of(settings, name=name)
    if settings.environment == "development":
        return Inbox(settings.gatepost_home / "mail")
    return None

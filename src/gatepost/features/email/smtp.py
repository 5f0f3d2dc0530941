"""Mail by SMTP (RFC 5321): what a server says is judged by its codes, and never told."""

import asyncio
import re
import ssl
from email.message import EmailMessage

import aiosmtplib

from gatepost.features.email.address import MailServer
from gatepost.features.email.settings import EmailSettings
from gatepost.features.email.transport import NotSentError, RefusedError

_ENHANCED = re.compile(r"\s*(?P<code>[245]\.\d{1,3}\.\d{1,3})\b")

_NO_SUCH_ADDRESS = ("5.1.", "5.2.1")
"""Beginnings of enhanced codes that speak of the address (RFC 3463 §3.2, §3.3), not of the mail or of us."""

_NO_SUCH_MAILBOX = {550, 551, 553}
"""Replies to RCPT that do, where there is no enhanced code (RFC 5321 §4.2.3)."""


class Smtp:
    """Hands mails over to a mail server, several over one connection.

    Args:
        server: which one.
        seconds: that an answer may take.
        name: by which we greet it, a domain.
    """

    def __init__(self, server: MailServer, *, seconds: float, name: str) -> None:
        self._server = server
        self._seconds = seconds
        self._name = name
        self._client: aiosmtplib.SMTP | None = None

    async def send(self, message: EmailMessage) -> None:
        """Send one, over the connection that is there or over a new one.

        Raises:
            NotSentError, RefusedError: as `Transport`.
        """
        client = await self._connected()
        try:
            await client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _judged(error.recipients[0]) from None
        except aiosmtplib.SMTPNotSupported:
            raise RefusedError("SMTPUTF8 is not supported", undeliverable=True) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _judged(error) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            self.drop()
            raise NotSentError(type(error).__name__) from None

    async def look(self) -> None:
        """Connect, greet and sign in, and send nothing.

        Raises:
            NotSentError: one of them failed.
        """
        client = await self._connected()
        try:
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSentError(_told(error)) from None
        finally:
            await self.close()

    async def close(self) -> None:
        """Take leave of the server."""
        if self._client is not None:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._client.quit()
            except (aiosmtplib.SMTPException, OSError):
                pass  # nothing depends on it any more
            self.drop()

    def drop(self) -> None:
        """Cut the connection off."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
        server = self._server
        self._client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=self._name,
            timeout=self._seconds,
            use_tls=server.security == "tls",
            # The library's default would go on in the clear where a server has no TLS.
            start_tls=server.security == "starttls",
        )
        try:
            await self._client.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            self.drop()
            raise NotSentError(_told(error)) from None
        return self._client


def smtp_of(settings: EmailSettings, *, name: str) -> Smtp:
    """Return what hands mails over to the server of MAIL_URL.

    Args:
        settings: with a MAIL_URL.
        name: as of `Smtp`.
    """
    url = "" if settings.mail_url is None else settings.mail_url.get_secret_value()
    return Smtp(MailServer.parse(url), seconds=settings.mail_timeout_seconds, name=name)


def _judged(error: aiosmtplib.SMTPResponseException) -> NotSentError:
    """Say what a reply of a mail server means for a mail."""
    match = _ENHANCED.match(error.message)
    enhanced = "" if match is None else match["code"]
    why = f"{error.code} {enhanced}".strip()
    is_of_recipient = isinstance(error, aiosmtplib.SMTPRecipientRefused)
    if error.code < 500 or not (is_of_recipient or isinstance(error, aiosmtplib.SMTPDataError)):
        # What is said of us, at signing in or of our sender, the owner can mend while the mail waits.
        return NotSentError(why)
    undeliverable = enhanced.startswith(_NO_SUCH_ADDRESS) or (
        not enhanced and is_of_recipient and error.code in _NO_SUCH_MAILBOX
    )
    return RefusedError(why, undeliverable=undeliverable)


def _told(error: Exception) -> str:
    """Say in a few words of ours why a connection failed."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return "TLS failed"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"{error.code} signing in was refused"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} at the greeting"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    # Where signing in is not offered, the library advises STARTTLS.
    if "AUTH" in str(error) or "authentication" in str(error):
        return "the server takes no sign-in this way"
    if "STARTTLS" in str(error):
        return "the server has no STARTTLS"
    return type(error).__name__

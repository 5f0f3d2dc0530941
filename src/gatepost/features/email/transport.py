"""Ways to send a mail. What they say of a mail that was not sent never has an address or a text in it."""

import asyncio
import os
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from gatepost.services.feature import Mailer

INBOX_MAX = 50
"""Mails that the inbox of development keeps."""


class NotSentError(Exception):
    """A mail was not sent, and may be another time.

    Args:
        why: in a few words, such as `450 4.2.2`; never what a mail server says, which may name the address.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class RefusedError(NotSentError):
    """A mail server refused a mail for good.

    Args:
        why: as above.
        undeliverable: it is the address that can't be delivered to, whatever the mail.
    """

    def __init__(self, why: str, *, undeliverable: bool) -> None:
        super().__init__(why)
        self.undeliverable = undeliverable


class Transport(Protocol):
    """Sends mails, one at a time."""

    async def send(self, message: EmailMessage) -> None:
        """Send one.

        Raises:
            NotSentError: it was not sent.
            RefusedError: nor will it ever be.
        """

    async def close(self) -> None:
        """Let go of what was kept for the next one."""

    def drop(self) -> None:
        """Likewise, at once: what was under way was given up."""


class Handed:
    """Hands mails to a function of the application.

    Args:
        mailer: the function.
    """

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def send(self, message: EmailMessage) -> None:
        """Call it.

        Raises:
            NotSentError: it raised; whatever that says may name the address, and is not told.
        """
        task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        try:
            await self._mailer(message)
        except asyncio.CancelledError as error:
            if task is None or task.cancelling() > cancelled:
                raise
            # Nobody stops the sender: what the function waited for was cancelled.
            raise NotSentError(place_of(error)) from None
        except Exception as error:
            raise NotSentError(place_of(error)) from None

    async def close(self) -> None:
        """Do nothing."""

    def drop(self) -> None:
        """Do nothing."""


class Inbox:
    """Keeps mails as files, for development's page of them.

    Args:
        folder: where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, message: EmailMessage) -> None:
        """Keep one, and forget the oldest where they get too many."""
        await asyncio.to_thread(self._keep, message)

    async def close(self) -> None:
        """Do nothing."""

    def drop(self) -> None:
        """Do nothing."""

    def names(self) -> list[str]:
        """Return the names of those that there are, newest first."""
        return sorted((file.stem for file in self.folder.glob("*.eml")), reverse=True)

    def read(self, name: str) -> bytes | None:
        """Return one as it was sent; None where there is none of this name."""
        if not re.fullmatch(r"[0-9]{20}-[0-9]+", name):
            return None
        try:
            return (self.folder / f"{name}.eml").read_bytes()
        except FileNotFoundError:
            return None

    def _keep(self, message: EmailMessage) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        date = message["date"].datetime
        number = re.sub(r"\D", "", str(message["message-id"]).partition(".")[0])
        file = self.folder / f"{date:%Y%m%d%H%M%S%f}-{number or 0}.eml"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(message.as_bytes())
        for name in self.names()[INBOX_MAX:]:
            (self.folder / f"{name}.eml").unlink(missing_ok=True)


def place_of(error: BaseException) -> str:
    """Return the kind of an exception and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"

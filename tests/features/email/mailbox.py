"""What a person reads in a mail: the outbox's own row, and what the sender is told for it."""

from dataclasses import dataclass
from typing import Any

from tests.http.conftest import Database

from gatepost.features.email.links import MailLinks
from gatepost.library import Gatepost

MAIL_ON = {
    "mail_url": "smtp://127.0.0.1:9?tls=off",
    "public_url": "https://auth.example.com",
    "email_verification": "off",
}
"""Settings with which there is a way to send mail, which nobody listens at."""


@dataclass(frozen=True)
class Mailed:
    """A mail with a link.

    Attributes:
        recipient: whom it goes to.
        url, token, code: what stands in it.
        data: of the row.
    """

    recipient: str
    url: str
    token: str
    code: str
    data: Any


async def mails(db: Database) -> list[tuple[str, str]]:
    """Return the mails that wait, the oldest first: which, and to whom."""
    rows = await db.fetch("SELECT template, recipient FROM auth_messages WHERE state = 'queued' ORDER BY id")
    return [(row["template"], row["recipient"]) for row in rows]


async def read_mail(gate: Gatepost, db: Database, mail: str) -> Mailed:
    """Read the newest mail of a kind as whoever sends it does.

    Raises:
        LookupError: there is none, or none that would be sent.
    """
    row = await db.fetchrow(
        "SELECT recipient, link_id, data FROM auth_messages WHERE template = $1 AND state = 'queued'"
        " ORDER BY id DESC LIMIT 1",
        mail,
    )
    if row is None:
        raise LookupError(mail)
    async with gate.database.connection() as conn:
        told = await gate.service(MailLinks).reveal(conn, row["link_id"])
    if told is None:
        raise LookupError(f"{mail} is not sent")
    url = told.get("url", "")
    return Mailed(row["recipient"], url, url.partition("token=")[2], told.get("code", ""), row["data"])

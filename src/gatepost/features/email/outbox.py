"""The outbox: what is to be mailed is written down in the transaction of the act that it tells of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gatepost.db.pool import Connection, Database
from gatepost.features.email import new_link_store, undeliverable_store
from gatepost.features.email import outbox_store as store
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox_store import Counts, Row
from gatepost.models import Client, UserId
from gatepost.security.emails import canonical_email
from gatepost.services.clock import Clock
from gatepost.services.typed import read
from gatepost.store import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A mail that is to be sent.

    Attributes:
        mail: which one.
        recipient: the address.
        lifetime: after which it is of no use any more.
        user_id: whom it is about; None where there is no such user. It goes with the user.
        language: of whoever asked, as RFC 5646 writes it. What the user chose comes first, then what they
            read when they last signed in.
        link_id: of the link that it carries; None where it carries none.
        data: for its templates; never a link, a code or a name. It has times as ISO 8601 writes them.
        dedupe_key: of the mails with this key one waits at the most.
    """

    mail: Mail
    recipient: str = field(repr=False)
    lifetime: timedelta
    user_id: UserId | None = None
    language: str | None = None
    link_id: int | None = None
    data: Mapping[str, str | int | None] = field(default_factory=dict, repr=False)
    dedupe_key: str | None = None


class Secrets(Protocol):
    """What a mail with a link has in it, told only to whoever sends the mail, right before."""

    async def reveal(self, conn: Connection, link_id: int) -> Mapping[str, str] | None:
        """Return what its templates get: `url`, `code` or both.

        None where the link was used, revoked or is over, or its user is not active: nothing is sent then.
        """

    async def spent(self, conn: Connection, link_id: int) -> None:
        """Forget what the link and the code are made from: the mail is out, or will never be."""


class Outbox:
    """Takes mails, and knows to which addresses none can be sent.

    Args:
        database: where it is.
        clock: what time it is.
        is_on: there is a way to send mail.

    Attributes:
        is_on: as given; features offer nothing that needs a mail unless it is.
    """

    def __init__(self, database: Database, *, clock: Clock, is_on: bool) -> None:
        self._database = database
        self._clock = clock
        self.is_on = is_on

    async def put(self, conn: Connection, draft: Draft, *, supersede: bool = False) -> int | None:
        """Write a mail down in the caller's transaction; it is sent once that is committed.

        Args:
            conn: with the transaction.
            draft: the mail.
            supersede: those with its key that wait are not sent any more. Else, where one waits, this one is
                not written.

        Returns:
            Its number; None where nothing was written, because one of its key waits or mail is off.
        """
        if not self.is_on:
            return None
        while True:
            if supersede and draft.dedupe_key is not None:
                await store.supersede(conn, draft.dedupe_key, at=self._clock())
            message_id = await store.insert(conn, draft, at=self._clock())
            # Another transaction may have written one since, which this one is to supersede as well.
            if message_id is not None or not supersede:
                break
        if message_id is not None:
            await store.ring(conn)
        return message_id

    async def is_undeliverable(self, conn: Connection, address: str) -> bool:
        """Say whether a mail server refused the address for good, and it was not proven since."""
        return await undeliverable_store.holds(conn, address)

    async def proven(self, conn: Connection, address: str) -> None:
        """Note that a mail to the address was answered: it can be delivered to again."""
        await undeliverable_store.forget(conn, address)

    async def bounced(self, email: str) -> str:
        """Note that what was mailed to an address came back: no notices go there until it is proven again.

        Args:
            email: as it was typed.

        Returns:
            The canonical e-mail.

        Raises:
            ValidationFailed: that is no e-mail.
        """
        email = read("email", email, canonical_email)
        async with self._database.transaction() as conn:
            owner = await new_link_store.owner(conn, email)
            await undeliverable_store.note(conn, email, "bounced", at=self._clock())
            await events.insert(
                conn,
                EmailAction.MAIL_FAILED,
                client=Client(),
                at=self._clock(),
                user_id=owner.user_id,
                detail={"email": email, "reason": "bounced", "undeliverable": True},
            )
        return email

    async def delivers(self, email: str) -> str:
        """Note that mail reaches an address after all; as `bounced`."""
        email = read("email", email, canonical_email)
        async with self._database.connection() as conn:
            await self.proven(conn, email)
        return email

    async def page(self, *, state: str | None = None, before: int | None = None, limit: int) -> list[Row]:
        """Return mails, newest first, those with a number below `before`."""
        async with self._database.connection() as conn:
            return await store.page(conn, state=state, before=before, limit=limit)

    async def count(self) -> Counts:
        """Count those that wait, and those that failed of late."""
        async with self._database.connection() as conn:
            return await store.count(conn, at=self._clock())

    async def retry(self, message_id: int | None = None) -> int:
        """Have one that waits, or all of them, tried at once; return how many they are."""
        async with self._database.transaction() as conn:
            found = await store.retry(conn, message_id, at=self._clock())
            await store.ring(conn)
        return found


def asked(client: Client | None, at: datetime | None) -> dict[str, str | int | None]:
    """Return the data by which a mail says when it was asked for and from where.

    Args:
        client: who asked; None where the mail is not to say from where.
        at: when; None is now.
    """
    told: dict[str, str | int | None] = {"at": (at or datetime.now(UTC)).isoformat(timespec="seconds")}
    return told if client is None else told | {"address": client.ip_address, "user_agent": client.user_agent}

"""Exports: what is stored about a user, for the file that they download."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, TypeVar

from gatepost.db.pool import Connection, Database
from gatepost.models import AuditEvent, SessionRow, User, UserId
from gatepost.services.feature import Export as FeatureExport
from gatepost.store import events as event_store
from gatepost.store import profiles as store

EXPORT_ROWS = 10_000
"""Sessions, and events, that an export has at the most."""

EXPORT_BATCH = 500
"""Of these so many are read, and sent, at once: some milliseconds, which others wait for."""

Kept = TypeVar("Kept", SessionRow, AuditEvent)


class Export:
    """What is stored about a user, read a batch at a time while it is sent.

    Attributes:
        user: who it is.
        application: what the application's hooks added, by the names of their parts.
        truncated: there was more than `EXPORT_ROWS` of what was read so far.
    """

    def __init__(
        self,
        database: Database,
        user: User,
        *,
        before: int,
        features: Mapping[str, FeatureExport],
        application: Mapping[str, object],
    ) -> None:
        self.user = user
        self.application = application
        self.truncated = False
        self._database = database
        self._before = before
        self._features = features

    def sessions(self) -> AsyncIterator[list[SessionRow]]:
        """Yield the sessions, the one started last first, the ended ones too."""
        return self._batches(store.sessions, None)

    def events(self) -> AsyncIterator[list[AuditEvent]]:
        """Yield the events that there were when the export began, the newest first."""
        return self._batches(event_store.page_of_user, self._before)

    async def of_features(self) -> AsyncIterator[tuple[str, Sequence[Mapping[str, object]]]]:
        """Yield what features store about the user, with their names."""
        for name, export in self._features.items():
            async with self._database.connection() as conn:
                yield name, await export(conn, self.user.id)

    async def _batches(self, read: "Reader[Kept]", before: int | None) -> AsyncIterator[list[Kept]]:
        left = EXPORT_ROWS
        while True:
            size = min(EXPORT_BATCH, left)
            async with self._database.connection() as conn:
                rows = await read(conn, self.user.id, before=before, limit=size + 1)
            if rows[:size]:
                yield rows[:size]
            left -= size
            if len(rows) <= size or not left:
                self.truncated = self.truncated or len(rows) > size
                return
            before = rows[size - 1].id


class Reader(Protocol[Kept]):
    """Reads a page of what is kept of a user, what has an id below `before`, the newest first."""

    async def __call__(
        self, conn: Connection, user_id: UserId, *, before: int | None, limit: int
    ) -> list[Kept]:
        """Return it."""

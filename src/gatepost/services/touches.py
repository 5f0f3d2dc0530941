"""`last_used_at`, written behind: gathered in memory, flushed in one statement every few seconds.

A crash loses seconds of that column and nothing else. New digests go the same way: a token that was
found by a form under a former key gets the newest key's, so that the former key can be taken out one
day. Each key that was ever in front would have to be kept otherwise for as long as a session may live.
A later end goes the same way too, but whoever is told of it waits until it is written (`written`).
"""

import asyncio
from contextlib import suppress
from datetime import datetime

from gatepost.db.pool import Database
from gatepost.errors import Unavailable
from gatepost.log import get_logger
from gatepost.security.tokens import StoredToken
from gatepost.services.clock import Clock
from gatepost.store import uses as store

log = get_logger("gatepost.touches")

FLUSH_SECONDS = 5.0
"""Seconds between two flushes."""

GATHERED_MAX = 100_000
"""Sessions remembered at the most while the database is away; further ones are not noted."""

STATEMENT_MAX = 5_000
"""Rows that one statement writes at the most."""


class Touches:
    """Remembers when sessions were used until it is written."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._gathered: dict[int, store.Use] = {}
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def note(
        self,
        session_id: int,
        at: datetime | None = None,
        *,
        renew_to: datetime | None = None,
        stored: StoredToken | None = None,
        digest: StoredToken | None = None,
    ) -> None:
        """Remember that a session was used.

        Args:
            session_id: which one.
            at: when; None where `last_used_at` is young enough.
            renew_to: what its end is moved to; None where it stays.
            stored: the form of its token that its row holds.
            digest: the form under the newest key, which that one is replaced by where it is another.
        """
        if stored == digest:
            stored = digest = None
        known = self._gathered.get(session_id)
        if known is not None:
            at, renew_to = at or known.at, renew_to or known.renew_to
            if digest is None:
                stored, digest = known.stored, known.digest
        elif len(self._gathered) >= GATHERED_MAX:
            return
        self._gathered[session_id] = store.Use(at=at, renew_to=renew_to, stored=stored, digest=digest)

    async def written(self, session_id: int) -> None:
        """Have the use of a session written now; of many who want that at once, few have to ask.

        Raises:
            Unavailable: the database is away.
        """
        async with self._turn:
            if session_id in self._gathered:
                await self._write()

    async def flush(self) -> int:
        """Write what was gathered; return how many rows were written. What can't be written is kept.

        What another call is writing is written when this one returns.

        Raises:
            Unavailable: the database is away.
        """
        async with self._turn:
            return await self._write()

    async def _write(self) -> int:
        written = 0
        gathered = list(self._gathered.items())  # what is noted meanwhile has its turn the next time
        for begin in range(0, len(gathered), STATEMENT_MAX):
            part = dict(gathered[begin : begin + STATEMENT_MAX])
            async with self._database.connection() as conn:
                written += await store.touch(conn, part, at=self._clock())
            for session_id, use in part.items():
                if self._gathered.get(session_id) is use:
                    del self._gathered[session_id]
        return written

    def start(self) -> None:
        """Begin to flush every `FLUSH_SECONDS`."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop flushing in the background and write what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        with suppress(Unavailable):
            await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Unavailable:
                log.warning("last_used_at not written, trying again", sessions=len(self._gathered))
            except Exception:
                log.exception("last_used_at not written")

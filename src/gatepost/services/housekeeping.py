"""Ends expired sessions and purges what is of no use any more, in batches that hold no lock for long."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal, TypeAlias

from gatepost.db.pool import Database
from gatepost.deadline import deadlines_of_their_own
from gatepost.errors import Unavailable
from gatepost.log import get_logger
from gatepost.models import AuditAction, Client
from gatepost.services import emails
from gatepost.services.acts import Acts, By
from gatepost.services.audit import BY_COMMAND, Audit
from gatepost.services.clock import Clock
from gatepost.store import endings, failures, links, refusals, statistics, throttles

log = get_logger("gatepost.housekeeping")

BATCH = 1_000
"""Rows that one statement ends or purges: some milliseconds, so that nobody waits for its locks."""

EVENTS = 20_000
"""Events that one statement counts for the overview: they are read and nobody waits for them."""

FAILURES_KEPT = timedelta(days=90)
"""How long failed passwords in a row are kept after the last of them."""

Progress: TypeAlias = Callable[[Literal["expired", "purged"], int], None]
"""Told what was done in a batch and to how many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What a run did.

    Attributes:
        expired: sessions past their `expires_at` that were ended.
        purged: rows deleted that ended longer ago than the history is kept.
    """

    expired: int
    purged: int


class Housekeeping:
    """Runs on demand and, by one worker at a time, in the background."""

    def __init__(
        self, database: Database, *, acts: Acts, audit: Audit, clock: Clock, history: timedelta
    ) -> None:
        self._database = database
        self._acts = acts
        self._audit = audit
        self._clock = clock
        self._history = history
        self._task: asyncio.Task[None] | None = None

    async def run(
        self,
        *,
        client: Client,
        by: By = None,
        progress: Progress | None = None,
    ) -> Cleaned:
        """Clean up now, whoever else does, and put it on the trail.

        Raises:
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("cleanup", by=by, client=client):
            pass  # in one transaction with all of it, locks would be held for as long as it takes
        with deadlines_of_their_own():
            cleaned = await self._clean(alone=False, progress=progress)
            await self._audit.record(
                AuditAction.CLEANUP_RUN,
                client=client,
                user_id=None if by is None else by.user.id,
                session_id=None if by is None else by.id,
                detail={
                    **(BY_COMMAND if by is None else {}),
                    "sessions_expired": cleaned.expired,
                    "sessions_purged": cleaned.purged,
                },
            )
        return cleaned

    async def count_expired(self) -> int:
        """Count the sessions that a run would end."""
        async with self._database.connection() as conn:
            return await endings.count_expired(conn, at=self._clock())

    def start(self, every: timedelta) -> None:
        """Begin to clean up in the background."""
        self._task = asyncio.create_task(self._run(every.total_seconds()))

    async def close(self) -> None:
        """Stop cleaning up in the background; a batch under way is rolled back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self, seconds: float) -> None:
        while True:
            try:
                cleaned = await self._clean(alone=True, progress=None)
                if cleaned.expired or cleaned.purged:
                    log.info("housekeeping", expired=cleaned.expired, purged=cleaned.purged)
            except Unavailable:
                log.warning("housekeeping put off, the database is away")
            except Exception:
                log.exception("housekeeping failed")
            await asyncio.sleep(seconds)

    async def _clean(self, *, alone: bool, progress: Progress | None) -> Cleaned:
        expired = await self._batches("expired", alone=alone, progress=progress)
        purged = await self._batches("purged", alone=alone, progress=progress)
        await self._forget(alone=alone)
        await self._count_events(alone=alone)
        async with self._database.connection() as conn:
            await emails.settle(conn)
        return Cleaned(expired=expired, purged=purged)

    async def _batches(
        self, what: Literal["expired", "purged"], *, alone: bool, progress: Progress | None
    ) -> int:
        total = 0
        since = None
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            async with self._database.connection() as conn:
                if what == "expired":
                    batch = await endings.end_expired(
                        conn, limit=BATCH, alone=alone, at=self._clock(), since=since
                    )
                else:
                    batch = await endings.purge_ended(
                        conn,
                        older_than=self._history,
                        limit=BATCH,
                        alone=alone,
                        at=self._clock(),
                        since=since,
                    )
            since = batch.last
            total += batch.count
            if progress is not None:
                progress(what, batch.count)
            if batch.count < BATCH:
                return total
            if alone:
                # In the background half of the time belongs to those who wait for an answer.
                await asyncio.sleep(min(loop.time() - begun, 1.0))

    async def _forget(self, *, alone: bool) -> None:
        """Put numbers of refusals on the trail; remove drained buckets, old failures, links that are over."""
        loop = asyncio.get_running_loop()
        for purge in (
            refusals.settle,
            throttles.purge_drained,
            partial(failures.purge_old, older_than=FAILURES_KEPT),
            partial(links.purge_ended, older_than=self._history),
        ):
            purged = BATCH
            while purged == BATCH:
                begun = loop.time()
                async with self._database.connection() as conn:
                    purged = await purge(conn, limit=BATCH, alone=alone, at=self._clock())
                if alone and purged == BATCH:
                    # In the background half of the time belongs to those who wait for an answer.
                    await asyncio.sleep(min(loop.time() - begun, 1.0))

    async def _count_events(self, *, alone: bool) -> None:
        """Count what happened into its hours, and note that housekeeping ran.

        Twice, because the first call may only set the mark up to which the second one then counts.
        """
        loop = asyncio.get_running_loop()
        for _ in range(2):
            counted = EVENTS
            while counted == EVENTS:
                begun = loop.time()
                async with self._database.connection() as conn:
                    counted = await statistics.count_events(conn, limit=EVENTS, alone=alone, at=self._clock())
                if alone and counted == EVENTS:
                    # In the background half of the time belongs to those who wait for an answer.
                    await asyncio.sleep(min(loop.time() - begun, 1.0))

"""Ends expired sessions and purges what is of no use any more, in batches that hold no lock for long."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, TypeAlias

from gatepost.db.pool import Connection, Database
from gatepost.deadline import deadlines_of_their_own
from gatepost.errors import Unavailable
from gatepost.log import get_logger
from gatepost.models import AuditAction, Client, Session
from gatepost.services import emails
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.feature import Purge, Wiring
from gatepost.store import challenges, endings, failures, links, refusals, statistics, throttles

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


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How housekeeping stands.

    Attributes:
        ran_at: when it last ran; None for never.
        due_at: when it runs again by itself; None where that is turned off, or it never ran.
        expired: sessions that a run would end now.
        worked_at: when a run last found something to do; None for never.
        ended, deleted: sessions that it ended then, and rows of ended ones that it deleted.
    """

    ran_at: datetime | None
    due_at: datetime | None
    expired: int
    worked_at: datetime | None
    ended: int
    deleted: int


class Housekeeping:
    """Runs on demand and, by one worker at a time, in the background.

    Attributes:
        every: how often it runs in the background; None for never.
    """

    def __init__(
        self,
        database: Database,
        *,
        acts: Acts,
        audit: Audit,
        clock: Clock,
        history: timedelta,
        every: timedelta | None,
        features: Wiring,
    ) -> None:
        self._database = database
        self._acts = acts
        self._audit = audit
        self._clock = clock
        self._history = history
        self.every = every
        self._features = features
        self._task: asyncio.Task[None] | None = None

    async def run(
        self,
        *,
        client: Client,
        by: By = Program.COMMAND,
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
                user_id=by.user.id if isinstance(by, Session) else None,
                session_id=by.id if isinstance(by, Session) else None,
                detail={
                    **(detail_of(by) if isinstance(by, Program) else {}),
                    "sessions_expired": cleaned.expired,
                    "sessions_purged": cleaned.purged,
                },
            )
        return cleaned

    async def count_expired(self) -> int:
        """Count the sessions that a run would end."""
        async with self._database.connection() as conn:
            return await endings.count_expired(conn, at=self._clock())

    async def state(self) -> State:
        """Return when it ran, what it did, when it is due, and what there is to do."""
        async with self._database.connection() as conn:
            last = await endings.last_cleanup(conn)
            expired = await endings.count_expired(conn, at=self._clock())
        ran_at, every = last.ran_at, self.every
        return State(
            ran_at=ran_at,
            due_at=ran_at + every if ran_at is not None and every is not None else None,
            expired=expired,
            worked_at=last.worked_at,
            ended=last.ended,
            deleted=last.deleted,
        )

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
        expired = await self._end("expired", endings.end_expired, alone=alone, progress=progress)
        purge = partial(endings.purge_ended, older_than=self._history)
        purged = await self._end("purged", purge, alone=alone, progress=progress)
        forgets: list[Purge] = [
            partial(refusals.settle, nobody=self._database.user_ids.nobody),
            throttles.purge_drained,
            partial(failures.purge_old, older_than=FAILURES_KEPT),
            partial(links.purge_ended, older_than=self._history),
            challenges.purge_expired,
            *self._features.purges,
        ]
        for forget in forgets:
            await self._repeat(forget, limit=BATCH, alone=alone)
        # Twice, because the first call may only set the mark up to which the second one then counts.
        for _ in range(2):
            await self._repeat(statistics.count_events, limit=EVENTS, alone=alone)
        async with self._database.connection() as conn:
            await emails.settle(conn)
            if expired or purged:
                await endings.note_cleanup(conn, ended=expired, deleted=purged, at=self._clock())
        return Cleaned(expired=expired, purged=purged)

    async def _end(
        self,
        what: Literal["expired", "purged"],
        end: Callable[..., Awaitable[endings.Batch]],
        *,
        alone: bool,
        progress: Progress | None,
    ) -> int:
        """End or purge sessions, each batch from where the one before it ended; return how many."""
        since: object = None

        async def batch(conn: Connection, *, limit: int, at: datetime | None) -> int:
            nonlocal since
            done = await end(conn, limit=limit, at=at, since=since)
            since = done.last
            if progress is not None:
                progress(what, done.count)
            return done.count

        return await self._repeat(batch, limit=BATCH, alone=alone)

    async def _repeat(self, step: Purge, *, limit: int, alone: bool) -> int:
        """Run a step, in a transaction each time, until it does less than its limit; return what it did.

        With `alone` nothing is done while another worker does, and there are pauses.
        """
        total, done, loop = 0, limit, asyncio.get_running_loop()
        while done == limit:
            begun = loop.time()
            async with self._database.transaction() as conn:
                if alone and not await endings.take_turn(conn):
                    return total
                done = await step(conn, limit=limit, at=self._clock())
            total += done
            if alone and done == limit:
                # In the background half of the time belongs to those who wait for an answer.
                await asyncio.sleep(min(loop.time() - begun, 1.0))
        return total

"""Events as they happen, for whoever watches: one look at the trail a process, however many watch.

PostgreSQL says by NOTIFY that there is something new; what it is, is read from the table, from where the
last look ended. So a NOTIFY that was lost, with the connection or in a pooler, costs time and no event.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from gatepost.db.listener import Bell, NotHeardError, listening
from gatepost.db.pool import Database
from gatepost.errors import Unavailable
from gatepost.log import get_logger
from gatepost.models import SeenEvent
from gatepost.services.actors import with_actors
from gatepost.store import events as store

log = get_logger("gatepost.feed")

QUEUE_MAX = 1_000
"""Events that may wait for a subscriber; one who is further behind is let go."""

POLL_SECONDS = 1.0
"""Between two looks where nothing rings."""

LOOK_SECONDS = 5.0
"""Between two looks where something rings, in case that it was not heard."""

GATHER_SECONDS = 0.05
"""After a ring, so that what happens at once is read at once."""

LATE_SECONDS = 60.0
"""How long an id that was passed over is looked for: its transaction may be under way."""

GAPS_MAX = 1_000
"""Ids that are looked for at the most."""

RECENT_MAX = 1_000
"""Events that are kept for subscribers who come again."""

PAGE = 500
"""Events that are read at once."""

RETRY_SECONDS = (0.2, 2.0)
"""The first pause and the longest one between two tries while the database is away."""


class Subscription:
    """Events for one who watches; the iteration ends where the feed is closed, or too much has piled up."""

    def __init__(self) -> None:
        self._events: deque[SeenEvent] = deque()
        self._changed = asyncio.Event()
        self.is_closed = False

    def put(self, event: SeenEvent) -> None:
        """Hand over an event; where too many wait already, those are the last ones."""
        if len(self._events) >= QUEUE_MAX:
            self.is_closed = True
        elif not self.is_closed:
            self._events.append(event)
            self._changed.set()

    def close(self) -> None:
        """End the iteration at once; what waits is dropped."""
        self.is_closed = True
        self._events.clear()
        self._changed.set()

    def begin_with(self, missed: list[SeenEvent]) -> None:
        """Put what was missed in front; where that is too much, it is all there will be."""
        known = {seen.event.id for seen in missed}
        waiting, self._events = self._events, deque(missed)
        for seen in waiting:
            if seen.event.id not in known:
                self.put(seen)
        if len(missed) >= QUEUE_MAX:
            self.is_closed = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SeenEvent:
        while not self._events:
            if self.is_closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()


class Feed:
    """Reads the trail while somebody is subscribed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._last = 0
        self._gaps: OrderedDict[int, float] = OrderedDict()
        self._recent: deque[SeenEvent] = deque(maxlen=RECENT_MAX)
        self._said_polling = False

    @asynccontextmanager
    async def subscribe(self, *, after: int | None = None) -> AsyncIterator[Subscription]:
        """Watch the trail: every event from now on, or from the one after `after`.

        Raises:
            Unavailable: the database is away.
        """
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            if self._task is None:
                self._ready.clear()
                self._task = asyncio.create_task(self._run())
            try:
                async with asyncio.timeout(self._database.timeout):
                    await self._ready.wait()
            except TimeoutError:
                raise Unavailable from None
            if after is not None:
                await self._replay(subscription, after)
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.close()
            if not self._subscriptions:
                await self._stop()

    async def close(self) -> None:
        """End every subscription."""
        for subscription in self._subscriptions:
            subscription.close()
        await self._stop()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _replay(self, subscription: Subscription, after: int) -> None:
        """Hand over what came after an event: as it came, or where that is too long ago, by id.

        What the reader hands over meanwhile waits behind it, and what it has not come to yet is left to it.
        """
        ids = [seen.event.id for seen in self._recent]
        if after in ids:
            missed = list(self._recent)[ids.index(after) + 1 :]
        else:
            async with self._database.connection() as conn:
                found = await store.seen_after(conn, after, limit=QUEUE_MAX)
                found = await with_actors(conn, self._database.user_ids, found)
            missed = [s for s in found if s.event.id <= self._last and s.event.id not in self._gaps]
        subscription.begin_with(missed)

    async def _run(self) -> None:
        pause = RETRY_SECONDS[0]
        placed = False
        while True:
            try:
                if not placed:
                    await self._place()
                    placed = True
                    self._ready.set()
                async with listening(self._database) as bell:
                    pause = RETRY_SECONDS[0]
                    await self._follow(bell)
            except NotHeardError:
                self._say_polling()
                await self._poll()
            except Unavailable:
                if pause == RETRY_SECONDS[0]:
                    log.warning("the database is away, the live feed tries again")
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_SECONDS[1])
            except Exception:
                log.exception("the live feed failed")
                await asyncio.sleep(RETRY_SECONDS[1])

    async def _follow(self, bell: Bell) -> None:
        loop = asyncio.get_running_loop()
        kept = loop.time()
        rung = False
        while True:
            await self._look()
            # Of several transactions at once one rings, and maybe not the one that commits last.
            seconds = GATHER_SECONDS * 4 if rung else LOOK_SECONDS if bell.rings else POLL_SECONDS
            rung = await bell.wait(seconds)
            if rung:
                await asyncio.sleep(GATHER_SECONDS)
            if loop.time() - kept > (LOOK_SECONDS if bell.rings else POLL_SECONDS):
                await bell.keep()
                kept = loop.time()

    async def _poll(self) -> None:
        while True:
            with suppress(Unavailable):
                await self._look()
            await asyncio.sleep(POLL_SECONDS)

    def _say_polling(self) -> None:
        if not self._said_polling:
            log.warning("NOTIFY is not heard, as behind a pooler by transaction: asking every second")
            self._said_polling = True

    async def _place(self) -> None:
        """Begin behind the newest event; ids just before it that are not there yet may still come."""
        self._gaps.clear()
        self._recent.clear()
        async with self._database.connection() as conn:
            _, beyond = await store.span(conn)
            self._last = max(0, beyond - 1 - GAPS_MAX)
            for seen in await store.seen_after(conn, self._last, limit=GAPS_MAX + PAGE):
                self._pass(seen.event.id)

    async def _look(self) -> None:
        """Hand over what has come."""
        now = asyncio.get_running_loop().time()
        while self._gaps and next(iter(self._gaps.values())) < now - LATE_SECONDS:
            self._gaps.popitem(last=False)
        async with self._database.connection() as conn:
            late = await store.seen_among(conn, list(self._gaps)) if self._gaps else []
            fresh = await store.seen_after(conn, self._last, limit=PAGE)
            while fresh and len(fresh) % PAGE == 0:
                more = await store.seen_after(conn, fresh[-1].event.id, limit=PAGE)
                fresh += more
                if not more or len(fresh) > QUEUE_MAX:
                    break
            new = await with_actors(conn, self._database.user_ids, [*late, *fresh])
        for seen in late:
            del self._gaps[seen.event.id]
        for seen in fresh:
            self._pass(seen.event.id)
        for seen in new:
            self._recent.append(seen)
            for subscription in self._subscriptions:
                subscription.put(seen)

    def _pass(self, event_id: int) -> None:
        """Move on to an event, and note the ids on the way to it."""
        now = asyncio.get_running_loop().time()
        for missing in range(max(self._last + 1, event_id - GAPS_MAX), event_id):
            self._gaps[missing] = now
        while len(self._gaps) > GAPS_MAX:
            self._gaps.popitem(last=False)
        self._last = event_id

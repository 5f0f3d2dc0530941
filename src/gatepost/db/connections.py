"""The connections that requests share: who waits, who is lent one, and which of them are thrown away."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from gatepost.db.connect import Kept
from gatepost.errors import SetupError
from gatepost.log import get_logger

log = get_logger("gatepost.db")

IDLE_SECONDS = 60.0
"""After which a connection that nobody needed is given back to the server."""

CEILING_SECONDS = 30.0
"""For which no more connections are asked for than the server gave, once it has refused one."""

Retire = Callable[[Kept], "asyncio.Task[None]"]


@dataclass(slots=True, eq=False)
class Lease:
    """A connection that is lent.

    Attributes:
        kept: the connection.
        began: since when, by the loop's clock.
        limit: what ends the use.
        cut: it was ended early, for the sake of others.
        spared: it is not, for the moment: a hook of the application has it, and a deadline of its own.
    """

    kept: Kept
    began: float
    limit: asyncio.Timeout
    cut: bool = False
    spared: bool = False


class Connections:
    """A bounded number of connections, made when needed and lent in turn.

    Args:
        connect: makes one, within so many seconds.
        size: how many at the most.
        seconds: that connecting may take.
        hold: seconds after which a use is long: while others wait, half of the connections at the most are
            held for longer. None where nobody is in a hurry.
        trusts: says whether a connection may be lent once more.
        retire: closes a connection on which something may be under way.
    """

    def __init__(
        self,
        connect: Callable[[float], Awaitable[Kept]],
        *,
        size: int,
        seconds: float,
        hold: float | None,
        trusts: Callable[[Kept], bool],
        retire: Retire,
    ) -> None:
        self._loop = asyncio.get_running_loop()  # asked for once: that is a system call (Python 3.11)
        self._connect = connect
        self._size = size
        self._seconds = seconds
        self._hold = hold
        self._trusts = trusts
        self._retire = retire
        self._idle: deque[Kept] = deque()
        self._leases: dict[Lease, None] = {}  # the one that was lent first comes first
        self._waiting: deque[asyncio.Future[Kept]] = deque()
        self._open = 0  # places taken: idle, lent, being made or being closed
        self._growing: set[asyncio.Task[None]] = set()
        self._making = 0
        self._heard = 0.0
        self._ceiling = size
        self._ceiling_until = 0.0
        self._press_at: asyncio.TimerHandle | None = None
        self._sweep_at: asyncio.TimerHandle | None = None

    async def lend(self, limit: asyncio.Timeout) -> Lease:
        """Lend a connection: one that is idle, or the first that comes free or is made.

        Args:
            limit: within which it is used; it ends early where others wait and too many are held for long.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SetupError: none could be made.
        """
        kept = self._take_idle()
        while kept is None:
            kept = await self._wait()
            if not self._trusts(kept):
                self._drop(kept)
                kept = None
        lease = Lease(kept, self._loop.time(), limit)
        self._leases[lease] = None
        if self._waiting:
            self._press_later()
        return lease

    def lease_of(self, conn: "asyncpg.Connection[asyncpg.Record]") -> Lease | None:
        """Return how a connection is lent; None for one that is not of these."""
        return next((lease for lease in self._leases if lease.kept.conn is conn), None)

    def take_back(self, lease: Lease, *, spent: bool) -> None:
        """Take a connection back; one that is spent is closed, and keeps its place until it is."""
        self._leases.pop(lease, None)
        kept = lease.kept
        if spent:
            self._retire(kept).add_done_callback(lambda _: self._leave())
            return
        kept.heard = self._heard = self._loop.time()
        if self._open > self._limit() or not self._trusts(kept):
            self._close(kept)
        else:
            self._offer(kept)

    async def give_up_one(self) -> bool:
        """Give a connection back to the server, for one who needs it more; say whether there was one.

        Waits until one is free.
        """
        if not self._idle and not self._leases:
            return False
        kept = self._take_idle() or await self._wait()
        self._lower(self._open - 1)
        await self._retire(kept)
        self._leave()
        return True

    async def close(self, seconds: float | None) -> None:
        """Close all of them; those that are lent are waited for, and cut off after so many seconds."""
        for timer in (self._press_at, self._sweep_at):
            if timer is not None:
                timer.cancel()
        for task in self._growing:
            task.cancel()
        if self._growing:
            await asyncio.wait(self._growing)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._leases:
                    self._idle.append(await self._wait())
        for lease in self._leases:
            lease.kept.conn.terminate()
        closing = [self._retire(self._idle.popleft()) for _ in range(len(self._idle))]
        if closing:
            await asyncio.wait(closing)

    # --- Places ---

    def _limit(self) -> int:
        if self._ceiling < self._size and self._loop.time() > self._ceiling_until:
            self._ceiling = self._size
        return self._ceiling

    def _lower(self, ceiling: int) -> None:
        self._ceiling = max(ceiling, 1)
        self._ceiling_until = self._loop.time() + CEILING_SECONDS

    def _take_idle(self) -> Kept | None:
        """Return the connection that was used last, past those that are not to be trusted."""
        while self._idle:
            kept = self._idle.pop()
            if self._trusts(kept):
                return kept
            self._drop(kept)
        return None

    async def _wait(self) -> Kept:
        """Wait for a connection that comes free, or for one that is made meanwhile."""
        turn: asyncio.Future[Kept] = self._loop.create_future()
        self._waiting.append(turn)
        self._grow()
        self._press_later()
        try:
            return await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._offer(turn.result())
            raise

    def _grow(self) -> None:
        """Make as many connections as are waited for, and may be."""
        if self._open >= self._limit():
            return
        wanted = sum(not turn.done() for turn in self._waiting) - self._making
        for _ in range(min(wanted, self._limit() - self._open)):
            self._open += 1
            self._making += 1
            task = asyncio.create_task(self._make())
            self._growing.add(task)
            task.add_done_callback(self._growing.discard)

    async def _make(self) -> None:
        """Make a connection for whoever waits; where the server has no more, one waits for another."""
        began = self._loop.time()
        try:
            kept = await self._connect(self._seconds)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SetupError) as error:
            self._open -= 1
            self._making -= 1
            # Silence is how a pooler says it; that the server is there, the others heard meanwhile.
            silent = isinstance(error, TimeoutError) and self._heard > began
            if self._open and (silent or isinstance(error, asyncpg.TooManyConnectionsError)):
                log.warning("the server gives no more connections", connections=self._open)
                self._lower(self._open)
            elif (turn := self._next()) is not None:
                turn.set_exception(error)
                self._grow()  # each who waits has a try
        except BaseException:
            self._open -= 1
            self._making -= 1
            raise
        else:
            self._making -= 1
            self._offer(kept)

    def _close(self, kept: Kept) -> None:
        """Say goodbye to a connection, which keeps its place until the server has closed it."""
        self._retire(kept).add_done_callback(lambda _: self._leave())

    def _drop(self, kept: Kept) -> None:
        """Cut a connection off on which nothing is under way: perhaps nobody is there to say goodbye to."""
        kept.conn.terminate()
        self._leave()

    def _leave(self) -> None:
        """Give a place up, to a new connection where one is waited for."""
        self._open -= 1
        self._grow()

    def _offer(self, kept: Kept) -> None:
        if (turn := self._next()) is not None:
            turn.set_result(kept)
            return
        self._idle.append(kept)
        if self._sweep_at is None:
            self._sweep_at = self._loop.call_later(IDLE_SECONDS, self._sweep)

    def _next(self) -> "asyncio.Future[Kept] | None":
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn
        return None

    # --- What time does ---

    def _sweep(self) -> None:
        """Close what nobody needed for a while."""
        loop = self._loop
        self._sweep_at = None
        while self._idle and self._idle[0].heard + IDLE_SECONDS <= loop.time():
            self._close(self._idle.popleft())
        if self._idle:
            self._sweep_at = loop.call_at(self._idle[0].heard + IDLE_SECONDS, self._sweep)

    def _press_later(self) -> None:
        if self._hold is None or self._press_at is not None:
            return
        loop = self._loop
        coming = (lease.began + self._hold for lease in self._leases if not lease.spared)
        when = next((each for each in coming if each > loop.time()), None)
        self._press_at = loop.call_at(loop.time() if when is None else when, self._press)

    def _press(self) -> None:
        """End the uses that last longest, where somebody waits and most connections are held for long.

        What waits for a lock, ten times over, must not be all that a worker does.
        """
        self._press_at = None
        if self._hold is None or not any(not turn.done() for turn in self._waiting):
            return
        loop = self._loop
        late = [lease for lease in self._leases if lease.began + self._hold <= loop.time()]
        held, more = [lease for lease in late if not lease.spared], len(late) < len(self._leases)
        limit = self._limit()
        for lease in held[: max(0, len(held) - (limit - max(1, limit // 2)))]:
            del self._leases[lease]
            if not lease.limit.expired():  # a deadline of its own may end it at this very moment
                lease.cut = True
                lease.limit.reschedule(loop.time())
        if more:
            self._press_later()

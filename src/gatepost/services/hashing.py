"""Password work off the event loop: few threads of low priority and a queue with a limit."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from gatepost.errors import Unavailable
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher
from gatepost.services.lines import Line, Lines
from gatepost.settings import Settings
from gatepost.texts import Text

P = ParamSpec("P")
T = TypeVar("T")

QUEUE_SECONDS = 10
"""Longest time that a login may have to wait for its turn while there is one kind of callers, strangers or
known ones, and twice that while there are both; past the queue that makes, 503 (ASVS 15.2.2)."""

NICENESS = 10
"""Hashing gives way to the threads that check sessions."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def queue_limit(threads: int, seconds: float) -> int:
    """Return how many checks may wait: as many as the threads get through in `QUEUE_SECONDS`.

    Args:
        threads: that work on them.
        seconds: that each takes.
    """
    return max(4, min(1_000, int(QUEUE_SECONDS * threads / seconds)))


def _give_way() -> None:
    # Linux counts niceness by thread; elsewhere it would slow the whole process, so nothing is done.
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Hashing:
    """Makes and checks password hashes in a bounded pool of threads, and lets everybody have their turn.

    bcrypt and argon2 release the interpreter's lock, so that threads are enough; one a core uses the machine
    up. Those who are known wait beside strangers: every other turn is theirs, and as many places.
    """

    def __init__(self, hasher: PasswordHasher, *, threads: int | None = None) -> None:
        self._threads = threads or cores()
        self._hasher = hasher
        limit = queue_limit(self._threads, hasher.seconds)
        self._known: Lines[asyncio.Future[None]] = Lines(limit)
        self._strangers: Lines[asyncio.Future[None]] = Lines(limit)
        self._known_first = True
        self._busy = 0
        self._pool = ThreadPoolExecutor(
            self._threads, thread_name_prefix="gatepost-passwords", initializer=_give_way
        )

    @property
    def under_way(self) -> int:
        """How many are being worked on or wait."""
        return self._busy + len(self._known) + len(self._strangers)

    async def hash(self, password: Password, line: Line) -> str:
        """Return the hash to store.

        Raises:
            Unavailable: too many are waiting.
        """
        return await self._run(line, self._hasher.hash, password)

    async def check(self, password: Password, stored: str | None, line: Line) -> PasswordCheck:
        """Compare a password with a stored hash; None, for an unknown user, takes the same work.

        Raises:
            Unavailable: too many are waiting.
        """
        return await self._run(line, self._hasher.check, password, stored)

    def close(self) -> None:
        """Let what is under way finish and drop what waits."""
        while (turn := self._next()) is not None:
            turn.set_exception(_overload())
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run(self, line: Line, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self._take_turn(line)
        try:
            future = self._pool.submit(work, *args, **kwargs)
        except BaseException:
            self._done()
            raise
        loop = asyncio.get_running_loop()
        # The thread is taken until it is done, not until the caller stops waiting: one who hangs up makes
        # no room for more.
        future.add_done_callback(lambda _: _tell(loop, self._done))
        return await asyncio.wrap_future(future)

    async def _take_turn(self, line: Line) -> None:
        """Wait for a thread.

        Raises:
            Unavailable: there is no place to wait at, or it was given to somebody of a shorter line.
        """
        if self._busy < self._threads:
            self._busy += 1
            return
        lines = self._known if line.is_known else self._strangers
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone = lines.add(line.place, turn)
        if gone is not None and not gone.done():
            gone.set_exception(_overload())
        try:
            await turn
        except asyncio.CancelledError:
            lines.remove(line.place, turn)
            if not turn.cancelled() and turn.exception() is None:
                self._done()  # it came at the very moment when the caller hung up
            raise

    def _done(self) -> None:
        """Hand a thread over to the next who waits."""
        turn = self._next()
        if turn is None:
            self._busy -= 1
        else:
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        while self._known or self._strangers:
            lines = self._known if self._known_first else self._strangers
            self._known_first = not self._known_first
            turn = lines.next()
            if turn is not None and not turn.done():
                return turn
        return None


def _overload() -> Unavailable:
    return Unavailable(Text("error.unavailable.busy"))


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)


def hasher_of(settings: Settings) -> PasswordHasher:
    """Return what makes and checks password hashes by the settings."""
    pepper = settings.devise_pepper
    return PasswordHasher(
        settings.bcrypt_rounds,
        method=settings.password_hash,
        devise_pepper="" if pepper is None else pepper.get_secret_value(),
    )

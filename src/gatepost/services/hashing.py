"""Password work off the event loop: few threads of low priority and a queue with a limit."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from gatepost.errors import Unavailable
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher

P = ParamSpec("P")
T = TypeVar("T")

QUEUE_SECONDS = 10
"""Longest time that a login may have to wait for its turn; past the queue that makes, 503 (ASVS 15.2.2)."""

NICENESS = 10
"""bcrypt gives way to the threads that check sessions."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def queue_limit(threads: int, rounds: int) -> int:
    """Return how many checks may wait: as many as the threads get through in `QUEUE_SECONDS`.

    A check of cost 12 takes about a quarter of a second, and each step of cost doubles it.
    """
    seconds = 0.25 * 2.0 ** (rounds - 12)
    return max(4, min(1_000, int(QUEUE_SECONDS * threads / seconds)))


def _give_way() -> None:
    # Linux counts niceness by thread; elsewhere it would slow the whole process, so nothing is done.
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Hashing:
    """Makes and checks password hashes in a bounded pool of threads.

    bcrypt releases the interpreter's lock, so that threads are enough; one a core uses the machine up.
    """

    def __init__(self, hasher: PasswordHasher, *, rounds: int, threads: int | None = None) -> None:
        threads = threads or cores()
        self._hasher = hasher
        self._limit = queue_limit(threads, rounds) + threads
        self._under_way = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gatepost-bcrypt", initializer=_give_way)

    async def hash(self, password: Password) -> str:
        """Return the hash to store.

        Raises:
            Unavailable: too many are waiting already.
        """
        return await self._run(self._hasher.hash, password)

    async def check(self, password: Password, stored: str | None) -> PasswordCheck:
        """Compare a password with a stored hash; None, for an unknown user, takes the same work.

        Raises:
            Unavailable: too many are waiting already.
        """
        return await self._run(self._hasher.check, password, stored)

    def close(self) -> None:
        """Let what is under way finish and drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._under_way >= self._limit:
            raise Unavailable("Too many sign-ins at the moment, try again")
        self._under_way += 1
        try:
            future = self._pool.submit(work, *args, **kwargs)
        except BaseException:
            self._under_way -= 1
            raise
        loop = asyncio.get_running_loop()
        # Counted until the thread is done with it, not until the caller stops waiting: one who hangs up
        # takes no place in the queue away.
        future.add_done_callback(lambda _: _tell(loop, self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._under_way -= 1


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)

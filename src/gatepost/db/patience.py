"""Waiting for a database that is away, with a word each time; a mistake is told at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gatepost.db.unreachable import is_mistake
from gatepost.errors import DatabaseUnreachable

T = TypeVar("T")


async def patiently(
    attempt: Callable[[], Awaitable[T]], *, seconds: float, on_wait: Callable[[float, str], None]
) -> T:
    """Repeat an attempt for as long as the database is away.

    Args:
        attempt: what to do.
        seconds: after which to give up.
        on_wait: told the seconds until the next try and why the last one failed.

    Raises:
        DatabaseUnreachable: it stayed away, or DATABASE_URL is mistaken, which waiting does not mend.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause = 0.2
    while True:
        try:
            return await attempt()
        except DatabaseUnreachable as error:
            left = deadline - loop.time()
            if left <= 0 or error.__cause__ is None or is_mistake(error.__cause__):
                raise
            on_wait(min(pause, left), error.why)
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, 2.0)

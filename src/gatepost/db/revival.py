"""Starts a server that is ours when nobody answers where it should be."""

import asyncio
from collections.abc import Callable

from gatepost.errors import SetupError
from gatepost.log import get_logger

log = get_logger("gatepost.db")


class Revival:
    """Starts it in a thread, never twice at a time.

    Args:
        start: has it running; harmless where it is.
    """

    def __init__(self, start: Callable[[], object] | None) -> None:
        self._start = start
        self._task: asyncio.Task[None] | None = None

    def consider(self, error: OSError) -> None:
        """Start the server where the fault says that none is there."""
        if self._start is None or not isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(self._start))

    async def end(self) -> None:
        """Wait for a start that is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self, start: Callable[[], object]) -> None:
        log.warning("the embedded PostgreSQL is not there: starting it")
        try:
            await asyncio.to_thread(start)
        except SetupError as error:
            log.error("the embedded PostgreSQL does not start", why=error.message)  # noqa: TRY400 - it says it all

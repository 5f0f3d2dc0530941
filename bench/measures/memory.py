"""The worker's memory while it answers a great many requests."""

from collections.abc import Callable

from bench.measures.field import Field
from bench.processes import Memory

SETTLED = 0.1
"""The part of the requests after which a worker has taken what it needs."""


async def watch(
    field: Field, key: str, requests: int, *, seconds: float, progress: Callable[[int], None]
) -> tuple[Memory, Memory]:
    """Return the worker's memory after the first tenth of the requests and after all."""
    entry = field.entries[key]
    answered = 0
    settled: Memory | None = None
    while answered < requests:
        load = await entry.wrk.run(
            entry.server.port, entry.subject.path, seconds=seconds, size=entry.checked.size
        )
        answered += load.requests
        progress(load.requests)
        if settled is None and answered >= requests * SETTLED:
            settled = entry.server.memory()
    if settled is None:
        raise AssertionError("some requests were answered")
    return settled, entry.server.memory()

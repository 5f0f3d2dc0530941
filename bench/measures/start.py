"""From the command to the first answer, with the embedded database made before or not."""

import asyncio
import shutil
import time
from uuid import uuid4

from bench.cores import Cores
from bench.database import clean_environment
from bench.failures import NotMeasured, Wrong
from bench.places import CACHE, PROGRAMS
from bench.processes import START_SECONDS, Server, free_port
from bench.rawhttp import connection
from bench.results import Sample

HOME = CACHE / "start"


async def from_nothing(cores: Cores, round_: int) -> Sample:
    """Start where there is neither a database nor a key yet."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    return Sample(value=await _first_answer(cores), round=round_)


async def again(cores: Cores, round_: int) -> Sample:
    """Start with what the last start has left."""
    return Sample(value=await _first_answer(cores), round=round_)


async def _first_answer(cores: Cores) -> float:
    """Return seconds from the command until a token of nobody's, looked up in the database, is refused."""
    port = free_port()
    start = time.monotonic()
    server = Server.launch(
        "start",
        (PROGRAMS / "gatepost", "serve", "--port", port),
        port=port,
        cores=cores.all,
        environment=clean_environment() | {"GATEPOST_HOME": str(HOME / "home")},
        directory=HOME,
    )
    try:
        await server.ready()
        headers = {"Authorization": f"Bearer {uuid4()}"}
        while time.monotonic() - start < START_SECONDS:
            try:
                async with connection(port) as asked:
                    answer = await asked.request("GET", "/api/auth/me", headers)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)
                continue
            seconds = time.monotonic() - start
            if answer.status != 401:
                raise Wrong(f"the first answer was {answer.status}: {answer.body[:200]!r}")
            return seconds
        raise NotMeasured("there was no answer")
    finally:
        server.stop()

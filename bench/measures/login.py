"""Logins: their rate beside bcrypt's own, what they do to session checks, and what too many of them get."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.cores import pinned
from bench.database import clean_environment
from bench.failures import NotMeasured, Wrong
from bench.places import PYTHON
from bench.plan import LOGIN_CLIENTS, PASSWORD, STORM_CLIENTS, USERS
from bench.processes import Server
from bench.rawhttp import Connection, connection
from bench.results import Sample

PATH = "/api/auth/login"
REFUSED = (429, 503)
ANSWER_SECONDS = 60

RAW = """
import bcrypt, sys, time
seconds, password, stored = float(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
bcrypt.checkpw(password, stored)
count, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    assert bcrypt.checkpw(password, stored)
    count += 1
print(count / (time.perf_counter() - start))
"""


async def raw(core: int, stored: str, round_: int, *, seconds: float) -> Sample:
    """Check a password again and again, with nothing around it, on the worker's core."""
    process = await asyncio.create_subprocess_exec(
        *pinned(core, PYTHON, "-c", RAW, seconds, PASSWORD, stored),
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise NotMeasured("bcrypt failed")
    return Sample(value=float(output), round=round_)


async def rate(server: Server, round_: int, *, seconds: float) -> Sample:
    """Log in with a few clients at once; the time runs from one answer to another."""
    done: list[float] = []
    stop = time.monotonic() + seconds
    await asyncio.gather(
        *(_client(server.port, n, done, Counter(), until=stop) for n in range(LOGIN_CLIENTS))
    )
    if len(done) < 3:
        raise NotMeasured("too few logins in that time")
    # From the first answer to the last one the worker is never without work.
    return Sample(value=(len(done) - 1) / (max(done) - min(done)), round=round_)


@asynccontextmanager
async def storm(server: Server) -> AsyncIterator[Counter[int]]:
    """Have clients hammer the login in the meantime; yields how they are answered."""
    answers: Counter[int] = Counter()
    done: list[float] = []
    clients = [asyncio.create_task(_client(server.port, n, done, answers)) for n in range(STORM_CLIENTS)]
    try:
        await asyncio.sleep(1)
        yield answers
    finally:
        for client in clients:
            client.cancel()
        failed = [
            outcome
            for outcome in await asyncio.gather(*clients, return_exceptions=True)
            if isinstance(outcome, Exception)
        ]
    if failed:
        raise Wrong(f"logins failed: {failed[0]}")
    await server.until_idle()  # or what is measured next would share its core with what these left behind


@dataclass(frozen=True, slots=True)
class Overload:
    """Attributes:
    let_in, refused: how many.
    slowest_refusal_ms, slowest_login_s: of those.
    """

    let_in: int
    refused: int
    slowest_refusal_ms: float
    slowest_login_s: float


async def overload(server: Server, count: int) -> Overload:
    """Send many logins at once."""
    connections = [Connection(server.port) for _ in range(count)]
    for each in connections:  # only what is asked next is timed, not the opening of connections
        await each.request("GET", "/api/auth/me")
    try:
        outcomes = await asyncio.gather(*(_timed(each, n) for n, each in enumerate(connections)))
    finally:
        for each in connections:
            await each.close()
    refused = [seconds for status, seconds in outcomes if status in REFUSED]
    let_in = [seconds for status, seconds in outcomes if status == 200]
    if len(refused) + len(let_in) != count:
        raise Wrong(f"logins were answered {Counter(status for status, _ in outcomes)}")
    return Overload(len(let_in), len(refused), max(refused, default=0) * 1000, max(let_in, default=0))


async def _timed(asked: Connection, number: int) -> tuple[int, float]:
    start = time.monotonic()
    answer = await asyncio.wait_for(asked.request("POST", PATH, body=_body(number)), ANSWER_SECONDS)
    if answer.status in REFUSED and "retry-after" not in answer.headers:
        raise Wrong(f"{answer.status} without Retry-After")
    return answer.status, time.monotonic() - start


async def _client(
    port: int, number: int, done: list[float], answers: Counter[int], *, until: float = float("inf")
) -> None:
    async with connection(port) as asked:
        while time.monotonic() < until:
            number = (number * 7919 + 17) % USERS
            answer = await asked.request("POST", PATH, body=_body(number))
            answers[answer.status] += 1
            if answer.status in REFUSED:
                await asyncio.sleep(0.1)
            elif answer.status != 200 or _email(number).encode() not in answer.body:
                raise Wrong(f"login answered {answer.status}: {answer.body[:200]!r}")
            else:
                done.append(time.monotonic())


def _email(number: int) -> str:
    return f"user{number % USERS + 1}@example.com"


def _body(number: int) -> bytes:
    return json.dumps({"email": _email(number), "password": PASSWORD}).encode()

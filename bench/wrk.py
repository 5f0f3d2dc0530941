"""The load generator: wrk, 32 connections, a random credential for each request."""

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cores import pinned
from bench.failures import NotMeasured, Wrong
from bench.places import BENCH
from bench.plan import CONNECTIONS

LUA = BENCH / "wrk.lua"
BYTES_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw.

    Attributes:
        requests: answered.
        seconds: that took.
        size: mean bytes of an answer.
        p50_ms, p99_ms: of the time from sending to the whole answer.
    """

    requests: int
    seconds: float
    size: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Wrk:
    """Sends requests with these headers to a place; once each, or at random again and again."""

    def __init__(self, core: int, headers: Sequence[str], *, method: str = "GET", once: bool = False) -> None:
        self._core = core
        self._method = method
        self._once = once
        with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".headers", delete=False) as file:
            file.write("\n".join(headers))
        self._file = Path(file.name)

    def close(self) -> None:
        self._file.unlink(missing_ok=True)

    async def run(
        self, port: int, path: str, *, seconds: float, size: float | None = None, closes: bool = False
    ) -> Load:
        """Load the server and believe nothing but good answers.

        Args:
            port, path: where.
            seconds: how long; wrk knows whole seconds, and fractions as milliseconds never.
            size: mean bytes that a good answer has; others are told by it, a redirect for one.
            closes: the server closes the connection after each answer, which wrk counts as a read error.
        """
        script = ["-s", LUA, f"http://127.0.0.1:{port}{path}", "--", self._file, self._method]
        command = [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "10s",
            *script,
        ]
        mode = "once" if self._once else "random"
        process = await asyncio.create_subprocess_exec(
            *pinned(self._core, *command, mode, random.randrange(2**31)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
        lines = [line for line in output.splitlines() if line.startswith("JSON ")]
        if process.returncode or not lines:
            raise NotMeasured(f"wrk failed: {output.strip().splitlines()[-1:]}")
        return believed(json.loads(lines[0].removeprefix("JSON ")), size, closes=closes)


def believed(told: dict[str, float], size: float | None, *, closes: bool) -> Load:
    """Return what wrk has told.

    Raises:
        Wrong: a single request failed, or the answers were not those that were checked.
    """
    kinds = {"connect", "read", "write", "status", "timeout"} - ({"read"} if closes else set())
    faults = {kind: told[kind] for kind in sorted(kinds) if told[kind]}
    if faults or not told["requests"]:
        raise Wrong(f"of {told['requests']:.0f} requests failed: {faults or 'all'}")
    mean = told["bytes"] / told["requests"]
    # What was on its way when the time was up is in the bytes and not in the requests.
    tolerance = BYTES_TOLERANCE + CONNECTIONS / told["requests"]
    if size is not None and abs(mean - size) > size * tolerance:
        raise Wrong(f"answers had {mean:.0f} bytes and not the {size:.0f} of those that were checked")
    return Load(
        requests=int(told["requests"]),
        seconds=told["seconds"],
        size=mean,
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
    )

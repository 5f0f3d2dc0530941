"""Which core does what: the measured worker has one for itself, everything else the others."""

import os
import shutil
import sys
from dataclasses import dataclass

from bench.failures import BenchError


@dataclass(frozen=True, slots=True)
class Cores:
    """Attributes:
    all: every core there is for us.
    worker: the measured worker's, which nothing else uses.
    load: the load generator's.
    rest: every core but the worker's: PostgreSQL and this program.
    """

    all: tuple[int, ...]
    worker: int
    load: int
    rest: tuple[int, ...]

    @classmethod
    def divide(cls) -> "Cores":
        cores = tuple(sorted(os.sched_getaffinity(0)))
        if len(cores) < 2:
            raise BenchError("Two cores are needed: one for the server that is measured, one for the load")
        return cls(all=cores, worker=cores[0], load=cores[1], rest=cores[1:])


def pinned(cores: int | tuple[int, ...], *command: object) -> list[str]:
    """Return the command that runs `command` on these cores alone."""
    wanted = (cores,) if isinstance(cores, int) else cores
    return ["taskset", "-c", ",".join(map(str, wanted)), *map(str, command)]


def check_programs() -> None:
    """Raise with a line that says what to install, where a program is missing."""
    if sys.platform != "linux":
        raise BenchError("The bench needs Linux: it pins servers to cores and reads /proc")
    packages = {"wrk": "wrk", "taskset": "util-linux"}
    missing = [package for program, package in packages.items() if shutil.which(program) is None]
    if missing:
        raise BenchError(f"Missing: {', '.join(missing)}. On Debian: apt-get install {' '.join(missing)}")

"""Servers that are measured: started on their core, watched through /proc, stopped."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cores import pinned
from bench.failures import NotMeasured
from bench.places import LOGS

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60
STOP_SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from tree(int(child))


def exact_seconds(pid: int) -> float:
    """Return the processor time of a process that has one thread, to the nanosecond."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0


def cpu_seconds(pid: int, *, with_reaped: bool = False) -> float:
    """Return the processor time of one process; on request with that of its children which have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11 : 15 if with_reaped else 13]) / TICKS


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MB of a million bytes: all it has mapped, and its share of that."""

    rss: float
    pss: float

    @classmethod
    def of(cls, pid: int) -> "Memory":
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        return cls(rss=kib["Rss"] * 1024 / 1e6, pss=kib["Pss"] * 1024 / 1e6)


class Server:
    """A server process with all its children, on one core."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.name = name
        self.port = port
        self._process = process
        self._log = log

    @classmethod
    def launch(
        cls,
        name: str,
        command: Sequence[object],
        *,
        port: int,
        cores: int | tuple[int, ...],
        environment: Mapping[str, str],
        directory: Path,
    ) -> "Server":
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                pinned(cores, *command),
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, port, log)

    async def ready(self) -> None:
        """Wait until it takes connections."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            await asyncio.sleep(0.01)
        last = self._log.read_text(errors="replace").strip().splitlines()[-3:]
        self.stop()
        raise NotMeasured(f"{self.name} does not start: {' / '.join(last) or 'it said nothing'}")

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in tree(self._process.pid))

    async def until_idle(self, seconds: float = 60.0) -> None:
        """Wait until it does next to nothing: logins whose clients went away are checked to their end.

        Raises:
            NotMeasured: it never comes to rest.
        """
        for _ in range(round(seconds / 0.5)):
            before = self.cpu_seconds()
            await asyncio.sleep(0.5)
            if self.cpu_seconds() - before < 0.03:
                return
        raise NotMeasured("the server does not come to rest")

    def worker(self) -> int:
        """Return the process that answers: the one of the tree that has worked most."""
        return max(tree(self._process.pid), key=cpu_seconds)

    def memory(self) -> Memory:
        return Memory.of(self.worker())

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

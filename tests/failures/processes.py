"""Servers as processes of their own: started, told to stop, and read."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from tests import secrecy
from tests.conftest import PASSWORD, SECRET_KEY

from gatepost.settings import Settings

PATIENCE = 60.0
"""Seconds that a test waits for a process; machines may be slow, so it says nothing of Gatepost."""

GATEPOST = ("-m", "gatepost", "serve", "--json", "--port", "0")
UVICORN = ("-m", "uvicorn", "--factory", "gatepost.app:create_app", "--no-proxy-headers", "--port", "0")
SERVERS = {"gatepost serve": GATEPOST, "uvicorn": UVICORN}


def settings_for_process(dsn: str, home: Path, **overrides: str) -> dict[str, str]:
    """Return the environment of a server in production that logs all there is."""
    others = {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
    return others | {
        "DATABASE_URL": dsn,
        "SECRET_KEY": SECRET_KEY,
        "ENVIRONMENT": "production",
        "BCRYPT_ROUNDS": "10",
        "DATABASE_TIMEOUT_SECONDS": "30",
        "LOG_LEVEL": "debug",
        "GATEPOST_HOME": str(home),
        "CLEANUP_INTERVAL_SECONDS": "0",
        # Tests sign in often, and all from one address.
        "THROTTLE_ENABLED": "false",
        **overrides,
    }


class ServerProcess:
    """A server that has been started.

    Attributes:
        out, err: the files with what it writes.
        url: where it listens, once `ready` returned.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.out, self.err = directory / "out", directory / "err"
        self.url = ""
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def ready(self) -> None:
        """Return once it answers."""
        told = re.compile(r'"url": "(http://[^"]+)"|Uvicorn running on (http://\S+)')
        found = self.wait_for(told)
        self.url = found[1] or found[2]

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Return what it wrote that has this form."""
        deadline = time.monotonic() + PATIENCE
        while (found := pattern.search(self.written)) is None:
            assert self.process.poll() is None, self.written
            assert time.monotonic() < deadline, self.written
            time.sleep(0.01)
        return found

    @property
    def written(self) -> str:
        """All that it wrote."""
        return self.out.read_text("utf-8") + self.err.read_text("utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log; before it serves, what it says is text for people."""
        lines = self.err.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if not line.startswith("Waiting for the database")]

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Return its exit code."""
        return self.process.wait(PATIENCE)

    def workers(self) -> list[int]:
        """Return the processes that answer, which on Linux are the children of this one."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for each in children for pid in each.read_text().split() if _serves(pid)]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE)

    def connect(self) -> socket.socket:
        """Return a connection on which anything can be sent."""
        url = httpx.URL(self.url)
        return socket.create_connection((url.host, url.port or 80), timeout=PATIENCE)

    def accepts(self) -> bool:
        """Say whether it takes connections."""
        try:
            self.connect().close()
        except ConnectionError:
            return False
        return True


def _serves(pid: str) -> bool:
    """Say whether a child is a worker, and not what multiprocessing keeps beside them."""
    return b"tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def started(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path
) -> Iterator[ServerProcess]:
    """Start a server; at the end it is gone, and what it wrote holds no secret."""
    server = ServerProcess(arguments, environment, directory)
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    secrecy.secrets.note_password(PASSWORD, None)
    secrecy.search(server.written, "what the server wrote")
    assert not re.search(r"\$2[abxy]\$|[0-9a-f]{64}", server.written), "a hash or digest, whosever it is"

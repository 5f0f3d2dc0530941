"""Other processes that use an embedded server, and directories for it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatepost.db.embedded import binaries, find_binaries
from gatepost.db.embedded.postmaster import Postmaster
from gatepost.db.embedded.programs import Programs

# Uses the server until a line comes, then says whether its stop ended it.
USER = """
import sys
from pathlib import Path
from gatepost.db.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]), durable=False)
print(server.dsn(), flush=True)
sys.stdin.readline()
print(server.stop(), flush=True)
"""


def postmaster_of(home: Path) -> Postmaster:
    nothing = Programs(directory=Path("/nonexistent"), version="18", account=None)
    return Postmaster(
        data=home / "pgdata", sockets=home / "pgdata", log=home / "postgres.log", programs=nothing
    )


def server_pid(home: Path) -> int | None:
    return postmaster_of(home).pid()


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for a server, short enough for a socket; what still runs in it at the end is stopped."""
    with tempfile.TemporaryDirectory(prefix="gatepost-test-", ignore_cleanup_errors=True) as name:
        home = Path(name).resolve() / "home"
        yield home
        postmaster_of(home).stop()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every account can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="gatepost-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


def kill_server(home: Path) -> None:
    """Kill the server and wait until it is gone."""
    pid = server_pid(home)
    assert pid
    os.kill(pid, signal.SIGKILL)
    while server_pid(home) == pid:
        pass


def psql(dsn: str, sql: str) -> str:
    command = [str(find_binaries() / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class User:
    """Another process that uses the server under `home`."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-c", USER, str(home)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def dsn(self) -> str:
        return self.stdout.readline().strip()

    def stop(self) -> bool:
        self.stdin.write("\n")
        self.stdin.flush()
        return {"True": True, "False": False}[self.stdout.readline().strip()]

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        os.killpg(self.process.pid, number)
        self.process.wait()


@contextmanager
def another_user(home: Path) -> Iterator[User]:
    user = User(home)
    try:
        yield user
    finally:
        if user.process.poll() is None:
            user.end()
        user.stdin.close()
        user.stdout.close()


def write_program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def only_on_path(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Let programs be found in one directory alone."""

    def patch(directory: Path) -> None:
        monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
        monkeypatch.setattr(binaries, "SYSTEM_DIRECTORIES", ())
        monkeypatch.setenv("PATH", str(directory))

    return patch

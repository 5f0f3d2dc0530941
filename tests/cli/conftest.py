"""What the tests of the commands share: run one, in this process or as one of its own."""

import asyncio
import io
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
import structlog
from tests.conftest import PASSWORD, SECRET_KEY

from gatepost.cli import main
from gatepost.log import configure
from gatepost.settings import Settings

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PATIENCE = 60
"""Seconds for what a busy machine may take its time with."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that has ended.

    Attributes:
        code: its exit code.
        out, err: what it printed.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The document that it printed."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    def failed(self, code: str) -> str:
        """Hold that it failed with this code, as JSON, and return the message."""
        assert (self.code, self.json["error"]["code"]) == (1, code), self
        return str(self.json["error"]["message"])


Command: TypeAlias = Callable[..., Awaitable[Ended]]


@pytest.fixture
def settings_of(tmp_path: Path) -> dict[str, str]:
    """Settings for commands, without a database."""
    return {
        "SECRET_KEY": SECRET_KEY,
        "ENVIRONMENT": "test",
        "BCRYPT_ROUNDS": "4",
        "GATEPOST_HOME": str(tmp_path / "home"),
        "DATABASE_START_SECONDS": "0",
    }


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Undo what a command does to the logging of this process."""
    loggers = [logging.getLogger(name) for name in ("", "gatepost")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    configure()
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def command(
    settings_of: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logging_as_it_was: None,
) -> Command:
    """Run commands in this process; the test sets the DATABASE_URL, `gatepost` has done so."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in settings_of.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["gatepost"])  # its name in what it says, however pytest was started
    monkeypatch.chdir(tmp_path)

    def call(arguments: Sequence[str]) -> int:
        try:
            main(arguments)
        except SystemExit as ended:
            return int(ended.code or 0)
        raise AssertionError("main() does not return")

    async def run(*arguments: str, stdin: str | bytes = "") -> Ended:
        given = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        capsys.readouterr()
        code = await asyncio.to_thread(call, arguments)
        out, err = capsys.readouterr()
        return Ended(code=code, out=out, err=err)

    return run


@pytest.fixture
def gatepost(command: Command, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands in this process on the migrated database of the test."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    return command


@pytest.fixture
async def ada(gatepost: Command) -> int:
    """The id of a user, `ada@example.com`, whose password is PASSWORD."""
    return await create(gatepost, "ada@example.com")


async def create(gatepost: Command, email: str, *options: str) -> int:
    """Make a user by the command and return the id."""
    made = await gatepost(
        "users",
        "create",
        "--email",
        email,
        "--name",
        "Ada",
        "--password-stdin",
        "--json",
        *options,
        stdin=PASSWORD,
    )
    assert made.code == 0, made
    return int(made.json["user"]["id"])


async def events(db: Database, *actions: str) -> list[tuple[str, int | None, dict[str, Any]]]:
    """Return action, user and detail of the events of these actions, in the order of their ids."""
    rows = await db.fetch(
        "SELECT action, user_id, detail FROM auth_events WHERE action = ANY($1::varchar[]) ORDER BY id",
        actions,
    )
    return [(row["action"], row["user_id"], json.loads(row["detail"])) for row in rows]


# --- As processes of their own ---


Environment: TypeAlias = dict[str, str]


@pytest.fixture
def outside(environment: Environment, settings_of: dict[str, str]) -> Environment:
    """The environment of commands that run as processes of their own."""
    return environment | settings_of


async def run_process(environment: Environment, *arguments: str, cwd: Path, stdin: bytes = b"") -> Ended:
    """Run a command as a process and wait for its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gatepost",
        *arguments,
        env=environment,
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


@dataclass(kw_only=True)
class Serving:
    """A running `gatepost serve`.

    Attributes:
        process: the parent of its workers.
        started: what it said once it was ready.
    """

    process: asyncio.subprocess.Process
    started: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.started["url"])

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    def workers(self) -> list[int]:
        """Return the process ids of its children."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        return [int(pid) for pid in listed.split()]

    async def stop(self, number: int, *, all_of_it: bool = False) -> Ended:
        """Send a signal, to the workers too as a terminal does, and wait for the end.

        Returns what was printed since it was ready.
        """
        if all_of_it:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(code=self.process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def serving(environment: Environment, *arguments: str, cwd: Path) -> AsyncIterator[Serving]:
    """Run `gatepost serve` until the test has stopped it, or is through with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gatepost",
        "serve",
        "--json",
        *arguments,
        env=environment,
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
            assert line, (await process.communicate())[1].decode()
        yield Serving(process=process, started=json.loads(line))
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()

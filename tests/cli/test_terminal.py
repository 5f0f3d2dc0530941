"""What is asked for on a terminal: a real one, as far as the command can tell."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import httpx
from tests.cli.conftest import PATIENCE, Database, Environment, events
from tests.conftest import PASSWORD, login


class Terminal:
    """A terminal with a command in it: what it prints, and somebody who types."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process = process
        self.printed = ""
        self._read = 0
        self._descriptor = descriptor

    async def until(self, text: str) -> None:
        """Read on until this has been printed."""
        async with asyncio.timeout(PATIENCE):
            while (at := self.printed.find(text, self._read)) < 0:
                assert await self._more(), self.printed
        self._read = at + len(text)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    async def end(self) -> int:
        """Wait for the end and return the exit code."""
        async with asyncio.timeout(PATIENCE):
            while await self._more():
                pass
            os.close(self._descriptor)
            return await self.process.wait()

    async def _more(self) -> bool:
        """Read what comes next; False where nobody is at the other end any more."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._descriptor, readable.set)
        try:
            await readable.wait()
            piece = os.read(self._descriptor, 1024)
        except OSError:
            return False
        finally:
            loop.remove_reader(self._descriptor)
        self.printed += piece.decode()
        return bool(piece)


async def open_terminal(environment: Environment, cwd: Path, *arguments: str) -> Terminal:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gatepost",
        *arguments,
        env=environment | {"TERM": "dumb"},
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_own_the_terminal,
    )
    os.close(theirs)
    return Terminal(process, ours)


def _own_the_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def test_create_asks_for_all_that_is_missing(
    outside: Environment, dsn: str, db: Database, tmp_path: Path, client: httpx.AsyncClient
) -> None:
    terminal = await open_terminal(outside | {"DATABASE_URL": dsn}, tmp_path, "users", "create", "--admin")
    # The blank comes last, once what was typed too early has been thrown away.
    await terminal.until("E-mail: ")
    terminal.type("ada@example.com\n")
    await terminal.until("Name: ")
    terminal.type("Ada\n")
    await terminal.until("Password: ")
    terminal.type("not the same\n")
    await terminal.until("confirmation: ")
    terminal.type(f"{PASSWORD}\n")
    await terminal.until("Password: ")
    terminal.type(f"{PASSWORD}\n")
    await terminal.until("confirmation: ")
    terminal.type(f"{PASSWORD}\n")
    assert await terminal.end() == 0
    assert "Created the administrator ada@example.com (id 1)." in terminal.printed
    assert PASSWORD not in terminal.printed
    assert await db.fetchval("SELECT is_admin FROM users WHERE email = 'ada@example.com'")
    await login(client, "ada@example.com")


async def test_delete_asks_and_a_no_changes_nothing(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    await db.execute("INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
    arguments = ("users", "delete", "ada@example.com")
    terminal = await open_terminal(outside | {"DATABASE_URL": dsn}, tmp_path, *arguments)
    await terminal.until("[y/N]: ")
    terminal.type("n\n")
    assert await terminal.end() == 1
    assert "Nothing was done" in terminal.printed
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    terminal = await open_terminal(outside | {"DATABASE_URL": dsn}, tmp_path, *arguments)
    await terminal.until("[y/N]: ")
    terminal.type("y\n")
    assert await terminal.end() == 0
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert len(await events(db, "user.deleted")) == 1


async def test_cleanup_shows_its_progress(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    await db.execute(
        """
        INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada');
        INSERT INTO user_sessions (session_token, user_id, expires_at)
        SELECT 'expired ' || n, 1, now() - interval '1 minute' FROM generate_series(1, 2500) n
        """
    )
    terminal = await open_terminal(outside | {"DATABASE_URL": dsn}, tmp_path, "sessions", "cleanup")
    assert await terminal.end() == 0
    assert "2500/2500" in terminal.printed
    assert "Ended 2500 expired sessions, purged 0 old ones." in terminal.printed
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE end_reason = 'expired'") == 2500

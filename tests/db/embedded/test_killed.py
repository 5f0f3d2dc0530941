"""Killed processes and killed servers: nothing committed is lost, nothing stale is in the way."""

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest
from tests.db.embedded.conftest import another_user, kill_server, psql, server_pid

from gatepost.db.embedded import EmbeddedServer, find_binaries, postmaster


def killed_server(home: Path) -> None:
    """Start a server, commit a row, and end all its processes as a power failure would."""
    server = EmbeddedServer.start(home)
    psql(server.dsn(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
    kill_server(home)
    assert server.stop() is False


def test_after_a_killed_user_the_next_attaches_and_ends_the_server(home: Path) -> None:
    with another_user(home) as user:
        psql(user.dsn(), "CREATE TABLE kept AS SELECT 42 AS n")
        before = server_pid(home)
        user.end(signal.SIGKILL)
    server = EmbeddedServer.start(home, durable=False)
    assert server_pid(home) == before
    assert psql(server.dsn(), "SELECT n FROM kept") == "42"
    assert server.stop() is True
    assert server_pid(home) is None


def test_after_a_killed_server_nothing_committed_is_lost(home: Path) -> None:
    killed_server(home)
    with EmbeddedServer.start(home) as server:
        assert psql(server.dsn(), "SELECT n FROM kept") == "42"


def test_a_killed_server_with_connections_is_replaced_when_they_are_gone(home: Path) -> None:
    server = EmbeddedServer.start(home, durable=False)
    command = [str(find_binaries() / "psql"), "-Xq", "-d", server.dsn(), "-c", "SELECT pg_sleep(0.5)"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as busy:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        while psql(server.dsn(), asleep) == "0":
            assert busy.poll() is None
        kill_server(home)
        with EmbeddedServer.start(home, durable=False) as again:
            assert psql(again.dsn(), "SELECT 1") == "1"
    server.stop()


def test_a_stale_pid_that_another_process_has_by_now_is_no_hindrance(home: Path) -> None:
    killed_server(home)
    recorded = home / "pgdata" / "postmaster.pid"
    owner = recorded.stat()
    user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **user) as other:  # type: ignore[call-overload]
        lines = recorded.read_text().splitlines(keepends=True)
        recorded.write_text("".join([f"{other.pid}\n", *lines[1:]]))
        with EmbeddedServer.start(home) as server:
            assert psql(server.dsn(), "SELECT n FROM kept") == "42"
        assert other.poll() is None
        other.kill()


def test_a_server_that_is_stopping_is_waited_for_and_started_again(home: Path) -> None:
    server = EmbeddedServer.start(home, durable=False)
    before = server_pid(home)
    assert before
    started: list[EmbeddedServer] = []

    async def hold_it_up() -> None:
        conn = await asyncpg.connect(server.dsn())
        os.kill(before, signal.SIGTERM)  # waits for its clients
        recorded = home / "pgdata" / "postmaster.pid"
        while recorded.read_text().splitlines()[7].strip() != "stopping":
            pass
        thread = threading.Thread(target=lambda: started.append(EmbeddedServer.start(home, durable=False)))
        thread.start()
        await conn.close()
        await asyncio.to_thread(thread.join)

    asyncio.run(hold_it_up())
    assert psql(started[0].dsn(), "SELECT 1") == "1"
    assert server_pid(home) != before
    assert [server.stop(), started[0].stop()] == [False, True]


def test_an_interrupted_start_leaves_no_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[int] = []
    launch = postmaster.Postmaster._launch

    def recorded(server: postmaster.Postmaster, *, durable: bool) -> int:
        launched.append(launch(server, durable=durable))
        return launched[-1]

    def ctrl_c(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(postmaster.Postmaster, "_launch", recorded)
        patch.setattr(postmaster, "time", SimpleNamespace(monotonic=time.monotonic, sleep=ctrl_c))
        with pytest.raises(KeyboardInterrupt):
            EmbeddedServer.start(home, durable=False)
    with EmbeddedServer.start(home, durable=False) as server:
        assert psql(server.dsn(), "SELECT 1") == "1"
        assert [server_pid(home)] != launched


def test_a_socket_nobody_listens_on_is_no_server(home: Path) -> None:
    (home / "pgdata").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "pgdata" / ".s.PGSQL.5432"))
    assert server_pid(home) is None

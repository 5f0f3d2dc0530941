"""Processes that share one embedded server: the last one stops it."""

import asyncio
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import asyncpg
from tests.db.embedded.conftest import another_user, kill_server, psql, server_pid

from gatepost.db.embedded import EmbeddedServer


def test_five_processes_that_start_at_once_share_one_server(home: Path) -> None:
    with ExitStack() as stack:
        users = [stack.enter_context(another_user(home)) for _ in range(5)]
        found = {psql(user.dsn(), "SELECT system_identifier FROM pg_control_system()") for user in users}
        stops = [user.stop() for user in users]
    assert len(found) == 1
    assert stops == [False, False, False, False, True]
    assert (home / "postgres.log").read_text().count("starting PostgreSQL") == 1
    assert not list(home.glob("pgdata.new-*"))


def test_the_last_user_stops_the_server_and_no_other(home: Path) -> None:
    server = EmbeddedServer.start(home, durable=False)
    with another_user(home) as user:
        dsn = user.dsn()
        assert server.stop() is False
        assert psql(dsn, "SELECT 1") == "1"
        assert user.stop() is True
    assert server_pid(home) is None


def test_a_process_may_use_it_twice(home: Path) -> None:
    first = EmbeddedServer.start(home, durable=False)
    second = EmbeddedServer.start(home, durable=False)
    assert first.stop() is False
    assert first.stop() is False  # again counts for nothing
    assert psql(second.dsn(), "SELECT 1") == "1"
    assert second.stop() is True


def test_a_forked_child_leaves_the_server_to_its_parent(home: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from gatepost.db.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]), durable=False)
child = os.fork()
if child == 0:
    os._exit(7 if server.stop() else 0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), server.stop())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(home)], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["0", "True"]


def test_a_stop_does_not_wait_for_open_connections(home: Path) -> None:
    async def stop_while_connected() -> bool:
        server = EmbeddedServer.start(home, durable=False)
        conn = await asyncpg.connect(server.dsn())
        stopped = await asyncio.to_thread(server.stop)
        conn.terminate()
        return stopped

    assert asyncio.run(stop_while_connected()) is True


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(home: Path) -> None:
    with another_user(home) as user:
        dsn = user.dsn()
        user.end(signal.SIGINT)
        assert psql(dsn, "SELECT 1") == "1"


def test_a_directory_removed_under_the_server_does_not_fail_its_stop(home: Path) -> None:
    server = EmbeddedServer.start(home, durable=False)
    kill_server(home)
    shutil.rmtree(home)
    assert server.stop() is False

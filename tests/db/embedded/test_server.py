"""The embedded server from nothing, its settings, what it keeps to itself."""

import asyncio
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.db.embedded.conftest import psql, server_pid

from gatepost.db.embedded import EmbeddedServer
from gatepost.db.embedded.postmaster import SOCKET
from gatepost.errors import EmbeddedServerError


def test_from_nothing_a_server_takes_connections(home: Path) -> None:
    async def ask(dsn: str) -> str:
        conn = await asyncpg.connect(dsn)
        try:
            return str(await conn.fetchval("SELECT current_user || ' ' || current_database()"))
        finally:
            await conn.close()

    with EmbeddedServer.start(home) as server:
        assert asyncio.run(ask(server.dsn())) == "gatepost gatepost"
        assert psql(server.dsn("postgres"), "SELECT usesuper FROM pg_user WHERE usename = 'gatepost'") == "t"
        assert psql(server.dsn(), "SHOW server_version").startswith(server.version)
    assert server_pid(home) is None


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that keeps its data, started by a process with a secret and with settings for psql."""
    parent = tmp_path_factory.mktemp("shared")
    parent.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_KEY", "not-for-the-database")
        patch.setenv("PGOPTIONS", "-c timezone=Asia/Tokyo")
        server = EmbeddedServer.start(parent / "home")
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("timezone", "UTC"),
        ("server_encoding", "UTF8"),
        ("max_connections", "200"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
    ],
)
def test_settings_of_a_server_that_keeps_its_data(shared: EmbeddedServer, setting: str, value: str) -> None:
    assert psql(shared.dsn(), f"SHOW {setting}") == value


def test_letters_beyond_ascii_change_their_case(shared: EmbeddedServer) -> None:
    assert psql(shared.dsn(), "SELECT lower('ÄÖÉ') || upper('ж')") == "äöéЖ"


def test_settings_of_a_server_for_tests(home: Path) -> None:
    with EmbeddedServer.start(home, durable=False) as server:
        shown = psql(server.dsn(), "SHOW fsync; SHOW synchronous_commit; SHOW full_page_writes")
    assert shown.split() == ["off", "off", "off"]


def test_a_second_start_finds_the_data(home: Path) -> None:
    with EmbeddedServer.start(home) as server:
        psql(server.dsn(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
    with EmbeddedServer.start(home) as server:
        assert psql(server.dsn(), "SELECT n FROM kept") == "42"


def test_an_owner_can_alter_the_number_of_connections(home: Path) -> None:
    with EmbeddedServer.start(home, durable=False) as server:
        psql(server.dsn(), "ALTER SYSTEM SET max_connections = 30")
    with EmbeddedServer.start(home, durable=False) as server:
        assert psql(server.dsn(), "SHOW max_connections") == "30"


def test_nothing_listens_on_the_network(shared: EmbeddedServer) -> None:
    lines = (shared.home / "pgdata" / "postmaster.pid").read_text().splitlines()
    assert lines[4:6] == [".", ""]  # the socket's directory, the first address of TCP


def test_only_the_owner_gets_at_the_directory_its_data_and_its_log(shared: EmbeddedServer) -> None:
    home = shared.home
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.iterdir())}
    assert modes.pop("home") == 0o700
    assert modes.pop("pgdata") == 0o700
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"lock", "users", "postgres.log"}


def test_the_directories_above_keep_their_modes(shared: EmbeddedServer) -> None:
    assert shared.home.parent.stat().st_mode & 0o777 == 0o700


def test_an_unusual_path_is_no_hindrance(home: Path) -> None:
    with EmbeddedServer.start(home.with_name("a ü+%41&?=b"), durable=False) as server:
        assert psql(server.dsn("postgres"), "SELECT current_database()") == "postgres"


def test_the_environment_stays_out_of_the_database(shared: EmbeddedServer) -> None:
    psql(shared.dsn(), "CREATE TABLE env (line text); COPY env FROM PROGRAM 'env'")
    assert psql(shared.dsn(), "SELECT count(*) FROM env WHERE line LIKE '%not-for-the-database%'") == "0"
    assert psql(shared.dsn(), "SELECT count(*) FROM env WHERE line = 'TZ=UTC'") == "1"


def test_a_refused_row_is_not_quoted_in_the_log(shared: EmbeddedServer) -> None:
    psql(shared.dsn(), "CREATE TABLE t (id int PRIMARY KEY, hashed text)")
    psql(shared.dsn(), "INSERT INTO t SELECT 1, 'the-' || 'hash'")
    with pytest.raises(subprocess.CalledProcessError):
        psql(shared.dsn(), "UPDATE t SET id = NULL")
    log = (shared.home / "postgres.log").read_text()
    assert 'null value in column "id"' in log
    assert "the-hash" not in log


def test_a_path_too_long_for_a_socket_is_reached_by_a_link(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    with EmbeddedServer.start(home, durable=False) as server:
        assert psql(server.dsn(), "SELECT 1") == "1"
        (link,) = [path for path in links() if path.readlink() == home / "pgdata"]
    assert link not in links()


def links() -> list[Path]:
    return [path for path in Path(tempfile.gettempdir()).glob("gatepost-*") if path.is_symlink()]


def test_a_link_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    with EmbeddedServer.start(home, durable=False):
        (link,) = [path for path in links() if path.readlink() == home / "pgdata"]
    link.symlink_to(tmp_path)
    try:
        with pytest.raises(EmbeddedServerError, match=f"{link} does not belong to Gatepost"):
            EmbeddedServer.start(home, durable=False)
    finally:
        link.unlink()


def test_a_temporary_directory_too_long_for_a_socket_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("longer" * 20)))
    with pytest.raises(EmbeddedServerError, match="set GATEPOST_HOME to a shorter path"):
        EmbeddedServer.start(tmp_path / ("long" * 30), durable=False)


def test_a_place_that_is_no_directory_is_told_of_in_one_line(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(EmbeddedServerError, match="set GATEPOST_HOME to a directory that you own") as told:
        EmbeddedServer.start(place)
    assert "\n" not in told.value.message


def test_a_server_that_does_not_start_is_told_of_with_its_last_lines(home: Path) -> None:
    with EmbeddedServer.start(home, durable=False):
        pass
    with (home / "pgdata" / "postgresql.conf").open("a") as configuration:
        configuration.write("\nnonsense = 1\n")
    with pytest.raises(EmbeddedServerError, match=r'unrecognized configuration parameter "nonsense"'):
        EmbeddedServer.start(home, durable=False)


def test_a_server_with_many_callers_waiting_is_waited_for(home: Path) -> None:
    (home / "pgdata").mkdir(parents=True)
    place = str(home / "pgdata" / SOCKET)
    found: list[int | None] = []
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX) as first,
        socket.socket(socket.AF_UNIX) as second,
    ):
        listener.bind(place)
        listener.listen(0)
        first.connect(place)
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.connect(place)
        caller = threading.Thread(target=lambda: found.append(server_pid(home)))
        caller.start()
        state = Path(f"/proc/self/task/{caller.native_id}/stat")
        while caller.is_alive() and state.read_text().rpartition(")")[2].split()[0] != "S":
            pass
        listener.accept()[0].close()
        caller.join()
    (home / "pgdata" / SOCKET).unlink()
    assert found == [os.getpid()]

"""The data directory: made whole or not at all, and never overwritten."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.db.embedded.conftest import USER, psql, write_program

from gatepost.db.embedded import EmbeddedServer
from gatepost.errors import EmbeddedServerError


def test_an_initdb_that_was_cut_short_is_begun_anew(home: Path, open_directory: Path) -> None:
    write_program(open_directory / "postgres", "echo 'postgres (PostgreSQL) 18.0'")
    fifo = open_directory / "fifo"
    os.mkfifo(fifo)
    write_program(open_directory / "initdb", f'echo 18 > "$2/PG_VERSION"; read line < {fifo}')
    script = f"from gatepost.db.embedded import binaries; binaries.WHEEL = 'no_such_wheel'\n{USER}"
    environment = os.environ | {"PATH": str(open_directory)}
    starter = subprocess.Popen([sys.executable, "-c", script, str(home)], env=environment)
    with fifo.open("w"):  # waits for initdb to read
        starter.kill()
        starter.wait()
    assert [path.read_text() for path in home.glob("pgdata.new-*/PG_VERSION")] == ["18\n"]
    with EmbeddedServer.start(home, durable=False) as server:
        assert psql(server.dsn(), "SELECT 1") == "1"
    assert not list(home.glob("pgdata.new-*"))


def test_data_of_another_version_are_refused_and_kept(home: Path) -> None:
    with EmbeddedServer.start(home, durable=False):
        pass
    version = home / "pgdata" / "PG_VERSION"
    own = version.read_text()
    version.write_text("13\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 13.*pg_dumpall"):
        EmbeddedServer.start(home, durable=False)
    version.write_text(own)
    with EmbeddedServer.start(home, durable=False) as server:
        assert psql(server.dsn(), "SELECT 1") == "1"


def test_a_directory_that_holds_something_else_is_refused_and_kept(home: Path) -> None:
    (home / "pgdata").mkdir(parents=True)
    (home / "pgdata" / "mine").touch()
    with pytest.raises(EmbeddedServerError, match="not a PostgreSQL data directory: move it away"):
        EmbeddedServer.start(home, durable=False)
    assert (home / "pgdata" / "mine").exists()


def test_a_database_that_can_not_be_made_is_told_of_with_the_last_lines(
    home: Path, open_directory: Path, only_on_path: Callable[[Path], None]
) -> None:
    write_program(open_directory / "postgres", "echo 'postgres (PostgreSQL) 18.0'")
    write_program(open_directory / "initdb", "echo 'No space left on device' >&2; exit 1")
    only_on_path(open_directory)
    with pytest.raises(EmbeddedServerError, match="initdb could not make the database:\nNo space left"):
        EmbeddedServer.start(home)
    assert not list(home.glob("pgdata*"))


def test_a_database_without_its_first_statements_is_none(
    home: Path, open_directory: Path, only_on_path: Callable[[Path], None]
) -> None:
    answer = "--single) echo 'ERROR:  refused' >&2;; *) echo 'postgres (PostgreSQL) 18.0';;"
    write_program(open_directory / "postgres", f'case "$1" in {answer} esac')
    write_program(open_directory / "initdb", 'echo 18 > "$2/PG_VERSION"')
    only_on_path(open_directory)
    with pytest.raises(EmbeddedServerError, match="postgres could not make the database:\nERROR:  refused"):
        EmbeddedServer.start(home)
    assert not list(home.glob("pgdata*"))


def test_a_system_without_the_locale_gets_the_plain_one(
    home: Path, open_directory: Path, only_on_path: Callable[[Path], None]
) -> None:
    write_program(open_directory / "postgres", "echo 'postgres (PostgreSQL) 16.0'")
    refuse = 'case "$*" in *C.UTF-8*) echo "invalid locale name \\"C.UTF-8\\""; exit 1;; esac'
    write_program(open_directory / "initdb", f'{refuse}; echo "had: $*"; exit 1')
    only_on_path(open_directory)
    with pytest.raises(EmbeddedServerError, match=r"had: .*--locale=C$"):
        EmbeddedServer.start(home)

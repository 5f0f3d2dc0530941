"""GATEPOST_HOME: what somebody else has put there is neither read nor written to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gatepost.db.embedded import EmbeddedServer
from gatepost.errors import EmbeddedServerError, GatepostError, SettingsError
from gatepost.settings import Settings, secret_key


def keep(home: Path) -> None:
    secret_key(Settings(gatepost_home=home))


def serve(home: Path) -> None:
    EmbeddedServer.start(home, durable=False).stop()


Use = Callable[[Path], None]
USES: list[tuple[Use, type[GatepostError]]] = [(keep, SettingsError), (serve, EmbeddedServerError)]


def refused(use: Use, kind: type[GatepostError], home: Path) -> str:
    with pytest.raises(kind) as caught:
        use(home)
    return caught.value.message


@pytest.mark.parametrize(("use", "kind"), USES)
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o772, 0o1777])
def test_a_directory_that_others_may_write_to_is_refused(
    tmp_path: Path, use: Use, kind: type[GatepostError], mode: int
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    assert "others may write to it, run chmod go-w" in refused(use, kind, home)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(("use", "kind"), USES)
@pytest.mark.parametrize("planted", ["directory", "link"])
def test_a_directory_of_somebody_elses_is_refused(
    tmp_path: Path, use: Use, kind: type[GatepostError], planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    if planted == "link":
        (tmp_path / "mine").mkdir()
        home.symlink_to(tmp_path / "mine")
    else:
        home.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "it belongs to another user" in refused(use, kind, home)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("use", "kind", "name"),
    [
        (keep, SettingsError, "secret_key"),
        (serve, EmbeddedServerError, "lock"),
        (serve, EmbeddedServerError, "users"),
        (serve, EmbeddedServerError, "postgres.log"),
        (serve, EmbeddedServerError, "pgdata"),
    ],
)
@pytest.mark.parametrize("kind_of", ["link", "dangling link", "pipe"])
def test_a_link_in_the_place_of_a_file_is_not_followed(
    tmp_path: Path, use: Use, kind: type[GatepostError], name: str, kind_of: str
) -> None:
    home, target = tmp_path / "home", tmp_path / "target"
    home.mkdir(mode=0o700)
    if kind_of == "link":
        target.write_text("a-key-for-tests-that-is-long-enough-to-be-one\n")
    if kind_of == "pipe":
        os.mkfifo(home / name)
    else:
        (home / name).symlink_to(target)
    assert name in refused(use, kind, home)
    if kind_of == "link":
        assert target.read_text() == "a-key-for-tests-that-is-long-enough-to-be-one\n"
    assert target.exists() is (kind_of == "link")


def test_a_link_of_ones_own_to_a_directory_of_ones_own_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    keep(tmp_path / "home")
    assert (tmp_path / "disk" / "secret_key").is_file()

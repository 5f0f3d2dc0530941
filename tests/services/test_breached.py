"""Passwords known from data breaches: both forms of the list, and one that can't be read."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, login, serving
from tests.http.conftest import Database, assert_error, logged

from gatepost import errors
from gatepost.app import create_app
from gatepost.errors import SettingsError, Unavailable
from gatepost.gate import Gate
from gatepost.security.passwords import Password
from gatepost.services.breached import BreachedPasswords
from gatepost.texts import Text

IS_BREACHED = Text("field.password.breached")
BREACHED = ["correct horse battery", "Zo\xeb was here 1999", "trustno1 but longer"]
PADDING = "padding is no password"
UNKNOWN = "nobody has ever had this one"


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def listed() -> dict[str, int]:
    """Return hash → count: the breached, the padding, some thousand others, all ranges' first and last."""
    found = {sha1(password): 7 for password in BREACHED} | {sha1(PADDING): 0}
    return found | {sha1(f"other {n}"): n for n in range(1, 3000)} | {"0" * 40: 1, "F" * 40: 1}


def directory(path: Path, *, suffix: str = "", newline: str = "\n") -> Path:
    """Write a directory of ranges; those that no test asks for are left out."""
    path.mkdir()
    ranges: dict[str, list[str]] = {}
    for digest, count in sorted(listed().items()):
        ranges.setdefault(digest[:5], []).append(f"{digest[5:]}:{count}")
    ranges.setdefault(sha1(UNKNOWN)[:5], []).append("0" * 35 + ":1")
    for prefix, lines in ranges.items():
        (path / f"{prefix}{suffix}").write_text(newline.join(lines), newline="")
    return path


def single(path: Path, *, newline: str = "\n", count: bool = True) -> Path:
    """Write one file of whole hashes."""
    lines = (f"{digest}:{times}" if count else digest for digest, times in sorted(listed().items()))
    path.write_text("".join(f"{line}{newline}" for line in lines), newline="")
    return path


Make = Callable[[Path], Path]
FORMS: dict[str, Make] = {
    "directory": lambda path: directory(path / "ranges"),
    "directory of .txt": lambda path: directory(path / "ranges", suffix=".txt", newline="\r\n"),
    "file": lambda path: single(path / "pwned.txt"),
    "file of Windows": lambda path: single(path / "pwned.txt", newline="\r\n"),
}


@pytest.mark.parametrize("make", FORMS.values(), ids=list(FORMS))
async def test_what_is_in_the_list_is_found_and_nothing_else(make: Make, tmp_path: Path) -> None:
    breached = BreachedPasswords(make(tmp_path))
    await breached.verify()
    assert [await breached.holds(Password.read(password)) for password in BREACHED] == [True] * 3
    assert not await breached.holds(Password.read(UNKNOWN))
    assert not await breached.holds(Password.read(PADDING))


async def test_every_line_of_a_file_is_found_and_no_neighbour_of_one(tmp_path: Path) -> None:
    breached = BreachedPasswords(single(tmp_path / "pwned.txt", count=False))
    for digest in listed():
        assert breached._holds(digest)
        assert not breached._holds(digest[:-1] + ("0" if digest[-1] != "0" else "1"))
    assert not breached._holds("0" * 39 + "1")
    assert not breached._holds("F" * 39 + "E")


@pytest.mark.parametrize("lower", [True, False])
async def test_small_letters_are_the_same_digits(lower: bool, tmp_path: Path) -> None:
    paths = [single(tmp_path / "pwned.txt"), *directory(tmp_path / "ranges").iterdir()]
    for path in paths if lower else []:
        path.write_text(path.read_text().lower())
    for path in (tmp_path / "pwned.txt", tmp_path / "ranges"):
        assert await BreachedPasswords(path).holds(Password.read(BREACHED[0]))


async def test_a_password_is_looked_up_in_its_one_spelling(tmp_path: Path) -> None:
    breached = BreachedPasswords(single(tmp_path / "pwned.txt"))
    assert await breached.holds(Password.read("Zoe\N{COMBINING DIAERESIS} was here 1999"))


# --- What can't be read ---


def without_the_last(path: Path) -> Path:
    (directory(path / "ranges") / "FFFFF").unlink()
    return path / "ranges"


def written(text: str) -> Make:
    def make(path: Path) -> Path:
        (path / "pwned.txt").write_text(text)
        return path / "pwned.txt"

    return make


def by_count(path: Path) -> Path:
    lines = sorted(listed().items(), key=lambda item: (-item[1], item[0]))
    (path / "pwned.txt").write_text("".join(f"{digest}:{count}\n" for digest, count in lines))
    return path / "pwned.txt"


def empty_directory(path: Path) -> Path:
    (path / "ranges").mkdir()
    return path / "ranges"


def directory_of_pages(path: Path) -> Path:
    (directory(path / "ranges") / "00000").write_text("<html>Too many requests</html>")
    return path / "ranges"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path / "missing", "No such file or directory"),
        (empty_directory, "a range is missing in it"),
        (without_the_last, "a range is missing in it"),
        (directory_of_pages, "a range in it has lines of another form"),
        (written(""), "it is empty"),
        (written("x" * 100_000), "a line in it has another form"),
        (written("password:1\n"), "a line in it has another form"),
        (written("\ufeff" + "0" * 40 + ":1\n"), "a line in it has another form"),
        (written("0" * 32 + ":1\n"), "a line in it has another form"),
        (by_count, "it is not sorted by hash"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_list_that_is_not_there_or_of_another_form_stops_the_start(
    make: Make, why: str, tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = make(tmp_path)
    gate = Gate(make_settings(breached_passwords=path))
    with pytest.raises(SettingsError) as caught:
        await gate.open()
    accepted = "a directory of ranges or a file sorted by hash, in the form of Have I Been Pwned"
    assert caught.value.problems == [f"BREACHED_PASSWORDS: {path}: {why}; set {accepted}"]
    assert not gate.is_open


async def test_a_range_that_is_missing_is_unavailable_and_its_name_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = directory(tmp_path / "ranges")
    prefix = sha1(BREACHED[0])[:5]
    (path / prefix).unlink()
    breached = BreachedPasswords(path)
    with pytest.raises(Unavailable):
        await breached.holds(Password.read(BREACHED[0]))
    (line,) = logged(caplog, "list of breached passwords can't be read")
    assert (line["level"], line["path"], line["why"]) == ("error", str(path), "a range is missing in it")
    assert prefix not in caplog.text
    assert await breached.holds(Password.read(BREACHED[1]))


async def test_a_file_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    path = single(tmp_path / "pwned.txt")
    breached = BreachedPasswords(path)
    path.unlink()
    with pytest.raises(Unavailable):
        await breached.holds(Password.read(UNKNOWN))


# --- Through the front door ---


def body(password: str, email: str = "user@example.com") -> dict[str, str]:
    return {"email": email, "name": "John Doe", "password": password}


async def test_a_breached_password_is_refused_at_register_and_signs_in_all_the_same(
    make_settings: MakeSettings, tmp_path: Path, db: Database
) -> None:
    async with serving(create_app(make_settings())) as client:
        assert (await client.post("/api/auth/register", json=body(BREACHED[0]))).status_code == 201
    settings = make_settings(breached_passwords=single(tmp_path / "pwned.txt"))
    async with serving(create_app(settings)) as client:
        refused = await client.post("/api/auth/register", json=body(BREACHED[0], "new@example.com"))
        told = assert_error(refused, errors.PasswordTooCommon, fields={"password": str(IS_BREACHED)})
        assert "data breach" in told["message"]
        assert await db.fetchval("SELECT count(*) FROM users") == 1
        await login(client, password=BREACHED[0])
        accepted = await client.post("/api/auth/register", json=body(PASSWORD, "new@example.com"))
        assert accepted.status_code == 201


async def test_whoever_asks_is_told_by_the_name_that_the_field_has_there(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    async with Gate(make_settings(breached_passwords=single(tmp_path / "pwned.txt"))) as gate:
        with pytest.raises(errors.PasswordTooCommon) as caught:
            await gate.new_passwords.accept(BREACHED[2], email="ada@example.com", field="new_password")
        assert caught.value.fields == {"new_password": IS_BREACHED}
        await gate.new_passwords.accept(UNKNOWN, email="ada@example.com")


async def test_nobody_registers_while_the_list_can_not_be_read_and_everybody_signs_in(
    make_settings: MakeSettings, tmp_path: Path, db: Database
) -> None:
    path = single(tmp_path / "pwned.txt")
    async with serving(create_app(make_settings(breached_passwords=path))) as client:
        first = await client.post("/api/auth/register", json=body(PASSWORD))
        assert first.status_code == 201
        path.unlink()
        refused: httpx.Response = await client.post("/api/auth/register", json=body(UNKNOWN, "b@example.com"))
        assert_error(refused, errors.Unavailable)
        assert refused.headers["retry-after"] == "1"
        assert await db.fetchval("SELECT count(*) FROM users") == 1
        await login(client)

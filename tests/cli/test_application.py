"""`gatepost --app notes:auth`: commands with the settings, features and hooks of an application."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command, Database, Ended
from tests.conftest import PASSWORD

APPLICATION = """
from gatepost import Gatepost, Settings, ValidationFailed
from pydantic import BaseModel

class Fields(BaseModel):
    company: str

auth = Gatepost(Settings(app_name="Notes"), registration=Fields)
other = "no Gatepost"
seen = []

@auth.on_register
async def note(conn, user, fields):
    if user.name == "Nobody":
        raise ValidationFailed({"name": "Not you"})
    seen.append((user.email, fields))
    await conn.execute("UPDATE users SET name = $2 WHERE id = $1", user.id, f"{user.name} of {fields}")

@auth.on_delete
async def keep(conn, user):
    raise ValidationFailed({"email": "They are needed"})
"""

CREATE = ("users", "create", "--email", "ada@example.com", "--password-stdin")


@pytest.fixture
def app(gatepost: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"app_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(APPLICATION)
    (tmp_path / f"{name}_broken.py").write_text("import gatepost_has_no_such_module")
    (tmp_path / f"{name}_fails.py").write_text("1 / 0")
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


async def run(gatepost: Command, *arguments: str) -> Ended:
    return await gatepost(*arguments, stdin=PASSWORD)


async def test_commands_run_the_hooks(gatepost: Command, app: str, db: Database) -> None:
    made = await run(gatepost, "--app", f"{app}:auth", *CREATE, "--name", "Ada", "--field", "company=Acme")
    assert (made.code, made.err) == (0, "")
    assert await db.fetchval("SELECT name FROM users") == "Ada of company='Acme'"
    kept = await run(gatepost, f"--app={app}:auth", "users", "delete", "ada@example.com", "--yes")
    assert (kept.code, kept.err) == (1, "Error: email: They are needed\n")
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    gone = await run(gatepost, "users", "delete", "ada@example.com", "--yes")
    assert gone.code == 0  # which knows no hook


async def test_what_a_hook_or_a_field_refuses_is_told(gatepost: Command, app: str, db: Database) -> None:
    refused = await run(gatepost, "--app", f"{app}:auth", *CREATE, "--name", "Nobody")
    assert (refused.code, refused.err) == (1, "Error: name: Not you\n")
    unknown = await run(gatepost, "--app", f"{app}:auth", *CREATE, "--name", "Ada", "--field", "colour=red")
    assert unknown.code == 1
    assert set(unknown.err.splitlines()) == {
        "Error: colour: There is no such field",
        "Error: company: This field is required",
    }
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_what_is_next_is_said_with_it(gatepost: Command, app: str) -> None:
    await run(gatepost, *CREATE, "--name", "Ada")
    ended = await run(gatepost, "--app", f"{app}:auth", "users", "promote", "ada@example.com")
    assert ended.out.endswith(f"Next: gatepost --app {app}:auth users show ada@example.com\n")
    migrated = await run(gatepost, "--app", f"{app}:auth", "migrate", "--json")
    assert migrated.code == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{app}", "--app: '{app}' is not of the form MODULE:NAME, such as notes:auth"),
        ("{app}_none:auth", "--app: there is no module '{app}_none' in "),
        ("{app}:none", "--app: {app} has no 'none'"),
        ("{app}:other", "--app: {app}:other is no Gatepost but a str: name what your application calls"),
        ("{app}_broken:auth", "--app: {app}_broken can't be imported: No module named 'gatepost_has_no"),
        ("{app}_fails:auth", "--app: {app}_fails can't be imported: ZeroDivisionError: division by zero"),
    ],
)
async def test_a_wrong_one_is_told_in_a_sentence(gatepost: Command, app: str, name: str, told: str) -> None:
    ended = await run(gatepost, "--app", name.format(app=app), "users", "list")
    assert ended.code == 1
    assert ended.err.startswith(f"Error: {told.format(app=app)}")
    assert ended.err.count("\n") == 1
    as_json = await run(gatepost, "--app", name.format(app=app), "users", "list", "--json")
    assert as_json.failed("setup_failed").startswith(told.format(app=app))


async def test_what_an_application_does_itself_is_refused(gatepost: Command, app: str) -> None:
    ended: Any = await run(gatepost, "--app", f"{app}:auth", "serve")
    assert ended.code == 2
    assert "serve runs Gatepost alone: start your application with its own server" in ended.err
    ended = await run(gatepost, *CREATE, "--name", "Ada", "--field", "company=Acme")
    assert ended.code == 2
    assert "--field is for an application's own: gatepost --app MODULE:NAME users create" in ended.err

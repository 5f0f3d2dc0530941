"""`gatepost import django`, on a database that Django made, as the guide has it."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests.cli.conftest import Command, events
from tests.conftest import PASSWORD, bearer, load, login, register, scratch_database, serving
from tests.features.imports.conftest import HERE, commands_of, files_of, output_of, run_with, sql_of

PAGE = "coming-from-django.md"
FILES = files_of(PAGE)

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(scope="module")
async def made(
    server_dsn: str, anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The name of a database that the site before has filled, and what is in it."""
    place = tmp_path_factory.mktemp("before")
    (place / "notes").mkdir()
    for name, code in FILES.items():
        if name.startswith("before/"):
            (place / name.removeprefix("before/")).write_text(code)
    async with scratch_database(server_dsn, "template0") as dsn:
        filled = await run_with("django", HERE / "seed_django.py", cwd=place, DATABASE_URL=dsn)
        yield urlsplit(dsn).path.removeprefix("/"), filled


@pytest.fixture
async def empty_dsn(server_dsn: str, made: tuple[str, dict[str, Any]]) -> AsyncIterator[str]:
    """A copy of it, of this test alone."""
    async with scratch_database(server_dsn, made[0]) as dsn:
        yield dsn


@pytest.fixture
async def migrated(command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Commands on the copy, in which Gatepost's tables are."""
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    done = await command("migrate")
    assert done.code == 0, done
    assert "the table public.auth_user looks like one of django" in done.err
    return command


@pytest.fixture
def after(migrated: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The application with Gatepost."""
    path = tmp_path / "app.py"
    path.write_text(FILES["after/app.py"])
    return load(path, monkeypatch)


async def test_the_guide_as_it_stands(
    migrated: Command, made: tuple[str, dict[str, Any]], after: ModuleType, db: Database
) -> None:
    assert made[1]["answers"] == {"ada": [200, 200], "grace": [200, 302]}
    migrate, dry, real = commands_of(PAGE)
    assert migrate == ["migrate"]
    looked = await migrated(*dry)
    assert looked.code == 0, looked
    told = [line for line in (looked.out + looked.err).splitlines() if not line.startswith(("  ", "Next"))]
    assert told == output_of(PAGE)
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert (await migrated(*real)).code == 0
    await db.execute(sql_of(PAGE).replace("notes_note_owner_id_fk", made[1]["constraint"]))
    async with serving(after.app) as client:
        ada = bearer((await login(client, "ada@example.com"))["token"])
        assert (await client.get("/notes", headers=ada)).json() == {"notes": ["ada's"]}
        assert (await client.get("/notes/all", headers=ada)).json() == {"notes": ["ada's", "grace's"]}
        grace = bearer((await login(client, "grace@example.com"))["token"])
        assert (await client.get("/notes", headers=grace)).json() == {"notes": ["grace's"]}
        assert (await client.get("/notes/all", headers=grace)).status_code == 403
        await login(client, "nameless@users.example.com")
        for email in ("gone@example.com", "old@example.com", "sso@example.com", "same@example.com"):
            body = {"email": email, "password": PASSWORD}
            assert (await client.post("/api/auth/login", json=body)).status_code == 401
        assert (await register(client, "new@example.com"))["user"]["id"] == 9
    reasons = [detail["reason"] for _, _, detail in await events(db, "login.failed")]
    assert reasons == ["user_disabled", "unsupported_hash", "wrong_password", "unknown_user"]
    await after.engine.dispose()


async def test_what_users_are(migrated: Command, db: Database) -> None:
    done = (await migrated("import", "django", "--admins", "staff", "--json")).json
    problems = {each["id"]: each["problem"] for each in done["conflicts"]}
    assert problems == {4: "no_email", 5: "same_email", 6: "same_email"}
    assert (done["imported"], done["admins"], done["without_password"]) == (5, 2, 1)
    assert done["unsupported"] == {"md5$": 1}
    rows = await db.fetch(
        """
        SELECT u.id, u.email, u.name, u.is_admin, u.is_active, u.created_at = o.date_joined AS same_date
        FROM users u JOIN auth_user o ON o.id = u.id ORDER BY u.id
        """
    )
    assert [tuple(row) for row in rows] == [
        (1, "ada@example.com", "Ada Lovelace", True, True, True),
        (2, "grace@example.com", "grace", True, True, True),
        (3, "gone@example.com", "gone", False, False, True),
        (7, "old@example.com", "old", False, True, True),
        (8, "sso@example.com", "by_sso", False, True, True),
    ]

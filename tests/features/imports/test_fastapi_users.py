"""`gatepost import fastapi-users`, on a database that fastapi-users made, as the guide has it."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from tests.cli.conftest import Command, events
from tests.conftest import PASSWORD, MovableClock, bearer, load, login, register, scratch_database, serving
from tests.features.authenticators import enrolled
from tests.features.imports.conftest import DOCS, HERE, commands_of, files_of, output_of, run_with, sql_of

from gatepost.features.imports import service

PAGE = "coming-from-fastapi-users.md"
FILES = files_of(PAGE)

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(scope="module")
async def made(
    server_dsn: str, anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The name of a database that the application before has filled, and what is in it."""
    place = tmp_path_factory.mktemp("before")
    (place / "app.py").write_text(FILES["before/app.py"])
    async with scratch_database(server_dsn, "template0") as dsn:
        seed = HERE / "seed_fastapi_users.py"
        filled = await run_with("fastapi_users", seed, cwd=place, DATABASE_URL=dsn, SECRET_KEY="before")
        yield urlsplit(dsn).path.removeprefix("/"), filled


@pytest.fixture
async def empty_dsn(server_dsn: str, made: tuple[str, dict[str, Any]]) -> AsyncIterator[str]:
    """A copy of it, of this test alone."""
    async with scratch_database(server_dsn, made[0]) as dsn:
        yield dsn


@pytest.fixture
def seed(made: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return made[1]


@pytest.fixture
async def migrated(command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Commands on the copy, in which Gatepost's tables are."""
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    monkeypatch.setenv("USER_ID_TYPE", "uuid")
    done = await command("migrate")
    assert done.code == 0, done
    return command


@pytest.fixture
def after(migrated: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The application with Gatepost."""
    path = tmp_path / "app.py"
    path.write_text(FILES["after/app.py"])
    return load(path, monkeypatch)


async def test_the_guide_as_it_stands(
    migrated: Command, seed: dict[str, Any], after: ModuleType, db: Database
) -> None:
    migrate, dry, real = commands_of(PAGE)
    assert migrate == ["migrate"]
    looked = await migrated(*dry)
    assert looked.code == 0, looked
    told = [line for line in (looked.out + looked.err).splitlines() if not line.startswith(("  ", "Next"))]
    assert told == output_of(PAGE)
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert (await migrated(*real)).code == 0
    await db.execute(sql_of(PAGE))
    async with serving(after.app) as client:
        # By the token that fastapi-users gave out, and by the passwords that it stored.
        ada = bearer(seed["tokens"]["ada"])
        assert (await client.get("/projects", headers=ada)).json() == ["ada's"]
        assert (await client.get("/all-projects", headers=ada)).json() == ["ada's", "grace's", "gone's"]
        grace = bearer((await login(client, "grace@example.com"))["token"])
        assert (await client.get("/projects", headers=grace)).json() == ["grace's"]
        assert (await client.get("/all-projects", headers=grace)).status_code == 403
        assert (await client.get("/projects", headers=bearer(seed["tokens"]["grace"]))).status_code == 401
        refused = await client.post(
            "/api/auth/login", json={"email": "gone@example.com", "password": PASSWORD}
        )
        assert refused.json()["error"]["code"] == "invalid_credentials"
        # The imported token is refreshed as any other, and new users come beside the old ones.
        refreshed = await client.post("/api/auth/refresh", headers=ada)
        assert refreshed.status_code == 200, refreshed.text
        await register(client, "new@example.com")
    await after.engine.dispose()


async def test_a_cookie_of_fastapi_users_goes_on_to_work(
    migrated: Command,
    seed: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (await migrated("import", "fastapi-users", "--lifetime-seconds", "3600")).code == 0
    monkeypatch.setenv("PUBLIC_URL", "https://shop.example.com")
    [added] = [
        line for line in (DOCS / PAGE).read_text().splitlines() if line.startswith("app.add_middleware")
    ]
    path = tmp_path / "app.py"
    path.write_text("\n".join([FILES["after/app.py"], FILES["after/cookie.py"], added]))
    module = load(path, monkeypatch)
    cookie = {"Cookie": f"theme=dark; fastapiusersauth={seed['tokens']['ada']}"}
    async with serving(module.app) as client:
        me = await client.get("/api/auth/me", headers=cookie)
        assert me.json()["data"]["user"]["email"] == "ada@example.com"
        # It is checked as a cookie is: another site can do nothing with it.
        elsewhere = cookie | {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        assert (await client.post("/api/auth/logout", headers=elsewhere)).status_code == 403
        ours = cookie | {"Origin": "https://shop.example.com", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/api/auth/logout", headers=ours)).status_code == 200
        assert (await client.get("/api/auth/me", headers=cookie)).status_code == 401
    await module.engine.dispose()


async def test_what_was_written_before_it_broke_off_stays_and_the_rest_follows(
    migrated: Command, seed: dict[str, Any], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 1)
    last = max(seed["users"][name] for name in ("ada", "grace", "gone"))
    await db.execute(f"ALTER TABLE users ADD CONSTRAINT not_the_last CHECK (id <> '{last}')")
    broken = await migrated("import", "fastapi-users", "--json")
    broken.failed("rejected_by_database")
    assert await db.fetchval("SELECT count(*) FROM users") == 2
    await db.execute("ALTER TABLE users DROP CONSTRAINT not_the_last")
    done = (await migrated("import", "fastapi-users", "--json")).json
    assert (done["present"], done["imported"]) == (2, 1)
    assert [detail["users"] for _, _, detail in await events(db, "users.imported")] == [1, 1, 1]


async def test_rows_and_trail(migrated: Command, seed: dict[str, Any], db: Database) -> None:
    done = (await migrated("import", "fastapi-users", "--lifetime-seconds", "3600", "--json")).json
    twins = [seed["users"]["Twin"], seed["users"]["twin"]]
    assert {each["id"]: each["problem"] for each in done.pop("conflicts")} == dict.fromkeys(
        twins, "same_email"
    )
    assert done == {
        "source": "fastapi-users",
        "dry_run": False,
        "users": 5,
        "imported": 3,
        "present": 0,
        "admins": 1,
        "disabled": 1,
        "without_password": 0,
        "hashes": {"argon2": 2, "bcrypt": 1},
        "unsupported": {},
        "damaged": {},
        "tokens": {"imported": 1, "expired": 1, "left": 1},
        "providers": {"google": 1},
        "unfilled": [],
    }
    rows = await db.fetch(
        """
        SELECT u.id, u.email, u.name, u.is_admin, u.is_active, u.email_verified_at IS NOT NULL AS verified,
            u.hashed_password = o.hashed_password AS same_hash
        FROM users u JOIN "user" o ON o.id = u.id ORDER BY u.email
        """
    )
    users = seed["users"]
    assert [tuple(row) for row in rows] == [
        (UUID(users["ada"]), "ada@example.com", "ada", True, True, True, True),
        (UUID(users["gone"]), "gone@example.com", "gone", False, False, False, True),
        (UUID(users["grace"]), "grace@example.com", "grace", False, True, False, True),
    ]
    assert await db.fetchval(
        """
        SELECT s.expires_at = t.created_at + interval '1 hour' AND s.authenticated_at = t.created_at
            AND strpos(s.session_token, t.token) = 0
        FROM user_sessions s JOIN accesstoken t ON t.user_id = s.user_id
        """
    )
    assert await events(db, "users.imported") == [
        (
            "users.imported",
            None,
            {
                "by": "command",
                "source": "fastapi-users",
                "table": 'public."user"',
                "users": 3,
                "admins": 1,
                "disabled": 1,
                "sessions": 1,
                "hashes": {"argon2": 2, "bcrypt": 1},
                "unsupported": {},
                "damaged": {},
            },
        )
    ]


async def test_it_goes_on_where_it_was_and_takes_what_it_is_told(
    migrated: Command, seed: dict[str, Any], db: Database
) -> None:
    run = ("import", "fastapi-users", "--json", "--lifetime-seconds", "0")
    first = (await migrated(*run, "--admins", "none")).json
    assert (first["imported"], first["admins"], first["tokens"]) == (3, 0, {"imported": 2, "left": 1})
    again = (await migrated(*run)).json
    assert (again["imported"], again["present"], again["tokens"]) == (
        0,
        3,
        {"imported": 0, "present": 2, "left": 1},
    )
    assert len(await events(db, "users.imported")) == 1
    twin = f"{seed['users']['twin']}=Second@Example.com"
    told = (await migrated(*run, "--email", twin)).json
    assert (told["imported"], told["present"], told["conflicts"]) == (2, 3, [])
    assert await db.fetchval("SELECT count(*) FROM users WHERE email = 'second@example.com'") == 1
    assert (await migrated(*run, "--email", "nobody")).code == 2
    assert (await migrated(*run, "--admins", "staff")).code == 2
    strange = await migrated(*run, "--email", "17=third@example.com")
    assert strange.failed("validation_failed") == "--email: No user has the ID 17 in user"


async def test_a_token_is_no_way_around_the_factor_that_a_user_has_by_now(
    migrated: Command, after: ModuleType, db: Database, clock: MovableClock
) -> None:
    run = ("import", "fastapi-users", "--json", "--lifetime-seconds", "0")
    assert (await migrated(*run)).json["tokens"] == {"imported": 2, "left": 1}
    await db.execute("DELETE FROM user_sessions")  # as if these tokens were newer than that import
    async with serving(after.app) as client:
        token = (await login(client, "ada@example.com"))["token"]
        await enrolled(client, token, clock)
    hers = """
        SELECT count(*) FROM user_sessions s JOIN users u ON u.id = s.user_id
        WHERE u.email = 'ada@example.com'
    """
    began = await db.fetchval(hers)
    assert (await migrated(*run)).json["tokens"] == {"imported": 1, "left": 2}
    assert await db.fetchval(hers) == began
    await after.engine.dispose()


async def test_it_reads_beside_a_schema_of_its_own(
    command: Command, empty_dsn: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"DATABASE_URL": empty_dsn, "USER_ID_TYPE": "uuid", "DATABASE_SCHEMA": "auth"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert 'public."user" looks like one of fastapi-users' in (await command("migrate")).err
    done = await command("import", "fastapi-users", "--lifetime-seconds", "3600", "--json")
    assert done.json["imported"] == 3
    assert await db.fetchval("SELECT count(*) FROM auth.users") == 3
    assert await db.fetchval("SELECT count(*) FROM auth.user_sessions") == 1


async def test_tokens_of_a_table_that_was_adopted_come_along(
    command: Command, empty_dsn: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    await db.execute("""
        DELETE FROM "user" WHERE email = 'twin@example.com';
        ALTER TABLE "user" RENAME TO users;
        ALTER TABLE users ALTER COLUMN is_superuser SET DEFAULT false,
            ALTER COLUMN is_verified SET DEFAULT false
    """)
    assert (await command("migrate")).code == 0
    run = ("import", "fastapi-users", "--table", "users", "--lifetime-seconds", "3600", "--json")
    done = (await command(*run)).json
    assert (done["imported"], done["present"], done["conflicts"]) == (0, 4, [])
    assert done["tokens"] == {"imported": 1, "expired": 1, "left": 1}
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_who_is_here_already_is_left_out_and_named(
    migrated: Command, seed: dict[str, Any], db: Database
) -> None:
    await db.execute(
        """
        INSERT INTO users (id, email, name) VALUES
            (gen_random_uuid(), 'ada@example.com', 'Another'), ($1, 'other@example.com', 'Grace')
        """.replace("$1", f"'{seed['users']['grace']}'")
    )
    done = (await migrated("import", "fastapi-users", "--lifetime-seconds", "0", "--json")).json
    problems = {each["email"]: each["problem"] for each in done["conflicts"]}
    assert problems["ada@example.com"] == "email_taken"
    assert problems["grace@example.com"] == "id_taken"
    assert (done["imported"], done["tokens"]) == (1, {"imported": 0, "left": 3})
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0


async def test_hashes_that_cannot_be_checked_are_counted_and_never_a_wrong_password(
    migrated: Command, after: ModuleType, db: Database
) -> None:
    await db.execute(
        """
        UPDATE "user" SET hashed_password = '$argon2id$v=19$m=1' WHERE email = 'grace@example.com';
        UPDATE "user" SET hashed_password = 'sha1$salt$aaf4c61ddcc5e8a2' WHERE email = 'ada@example.com'
        """
    )
    done = await migrated("import", "fastapi-users", "--lifetime-seconds", "3600")
    assert "can't sign in by password: damaged argon2 1, sha1$ 1" in done.err
    async with serving(after.app) as client:
        for name in ("ada", "grace"):
            body = {"email": f"{name}@example.com", "password": PASSWORD}
            assert (await client.post("/api/auth/login", json=body)).status_code == 401
    failed = await events(db, "login.failed")
    assert [detail["reason"] for _, _, detail in failed] == ["unsupported_hash", "corrupt_hash"]
    await after.engine.dispose()


FILLED = """
from gatepost import Gatepost

auth = Gatepost()

@auth.on_insert("user name", "tenant")
async def own(conn, new):
    return {"user name": new.email.partition("@")[0], "tenant": 7}
"""


async def test_columns_of_the_application_are_filled_by_its_hook(
    migrated: Command, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.execute('ALTER TABLE users ADD "user name" text UNIQUE NOT NULL, ADD tenant integer')
    name = f"filled_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(FILLED)
    monkeypatch.setattr(sys, "path", [*sys.path])
    refused = await migrated("import", "fastapi-users", "--dry-run")
    told = "users.user name: Nothing fills it, and it must not be empty. Have @auth.on_insert('user name')"
    assert f"Warning: {told}" in refused.err
    refused = await migrated("import", "fastapi-users")
    assert (refused.code, await db.fetchval("SELECT count(*) FROM users")) == (1, 0)
    assert f"Error: {told}" in refused.err
    dry = await migrated("--app", f"{name}:auth", "import", "fastapi-users", "--dry-run")
    assert "Nothing fills" not in dry.err
    done = await migrated("--app", f"{name}:auth", "import", "fastapi-users", "--json")
    assert done.json["imported"] == 3
    rows = await db.fetch('SELECT "user name" AS name, tenant FROM users ORDER BY 1')
    assert [tuple(row) for row in rows] == [("ada", 7), ("gone", 7), ("grace", 7)]


async def test_without_their_lifetime_no_token_is_taken(migrated: Command) -> None:
    done = await migrated("import", "fastapi-users", "--dry-run")
    assert "Access tokens: 0 would be imported, 3 left out." in done.out
    assert "Without --lifetime-seconds no access token is imported" in done.err


async def test_a_database_that_does_not_fit_is_told(
    command: Command, empty_dsn: str, server_dsn: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scratch_database(server_dsn, template) as ours:  # its ids are integers
        monkeypatch.setenv("DATABASE_URL", ours)
        read = ("import", "fastapi-users", "--json", "--from")
        unfit = await command(*read, empty_dsn.replace("postgresql:", "postgresql+asyncpg:"))
        assert "The IDs of user are uuid, those of Gatepost's users integer" in unfit.failed(
            "validation_failed"
        )
        missing = await command(*read, ours)
        assert missing.failed("validation_failed") == "--table: There is no table user in that database"
        other = await command(*read, empty_dsn, "--table", "accesstoken")
        assert "it has no email" in other.failed("validation_failed")
        away = await command(*read, "postgresql://nobody@127.0.0.1:1/shop")
        away.failed("database_unreachable")


async def test_migrate_and_doctor_point_it_out_until_there_are_users(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    monkeypatch.setenv("USER_ID_TYPE", "uuid")
    told = 'import: Gatepost has no users, but the table public."user" looks like one of fastapi-users.'
    assert told in (await command("migrate", "--json")).json["warnings"][-1]
    checks = {each["name"]: each for each in (await command("doctor", "--json")).json["checks"]}
    assert checks["import"]["advice"].endswith("gatepost import fastapi-users --dry-run")
    assert (await command("import", "fastapi-users")).code == 0
    assert (await command("migrate", "--json")).json["warnings"] == []

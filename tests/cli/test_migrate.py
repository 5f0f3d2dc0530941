"""`gatepost migrate`: what is said, and what the database then holds."""

import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from tests.cli.conftest import Command, Environment, run_process
from tests.conftest import SCHEMAS, Role, execute, settings_for
from tests.maker import on_database

from gatepost.cli.migrate import report
from gatepost.db.grants import render_grants
from gatepost.db.migrate import HEAD, VERSIONS, Migrated
from gatepost.db.migrations import expected
from gatepost.terminal.output import Output

TABLES = """
    SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
SCHEMA = " ".join(sorted(["gatepost_version", *expected.tables(SCHEMAS)]))


async def tables(dsn: str) -> str | None:
    conn = await asyncpg.connect(dsn)
    try:
        found: str | None = await conn.fetchval(TABLES)
        return found
    finally:
        await conn.close()


async def test_an_empty_database_gets_the_schema_once(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    made = await command("migrate")
    assert (made.code, made.err) == (0, "")
    assert made.out.startswith(f"Created the schema, version {HEAD} (")
    assert made.out.endswith("Next: gatepost serve, or start your application\n")
    assert await tables(empty_dsn) == SCHEMA
    again = await command("migrate")
    assert again.out.startswith("Nothing to do: the database (")
    as_json = await command("migrate", "--json")
    assert as_json.json == {
        "database": as_json.json["database"],
        "created": False,
        "before": HEAD,
        "after": HEAD,
        "applied": [],
        "warnings": [],
    }


async def test_a_missing_database_is_created(
    command: Command, server_dsn: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"gatepost_{uuid4().hex[:12]}"
    monkeypatch.setenv("DATABASE_URL", on_database(server_dsn, name))
    try:
        made = await command("migrate")
        assert made.out.startswith("Created the database ")
        assert f"/{name}. Created the schema, version {HEAD} (" in made.out
        assert await tables(on_database(server_dsn, name)) == SCHEMA
    finally:
        await execute(server_dsn, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def test_sql_prints_what_psql_can_run_and_touches_nothing(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    printed = await command("migrate", "--sql")
    assert (printed.code, printed.err) == (0, "")
    assert await tables(empty_dsn) is None
    assert (await command("migrate", "--sql", "--json")).json["sql"].strip() == printed.out.strip()
    await execute(empty_dsn, printed.out)
    assert await tables(empty_dsn) == SCHEMA


async def test_what_an_owner_should_know_of_an_adopted_table_is_shown(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    await execute(
        empty_dsn,
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL, name text, password_hash text)",
        "INSERT INTO users (email, name, password_hash) VALUES ('a@b.test', NULL, 'md5')",
    )
    made = await command("migrate", "--json")
    assert made.code == 0
    assert made.json["warnings"]
    assert [line for line in made.err.splitlines() if line.startswith("Warning: ")] == [
        f"Warning: {warning}" for warning in made.json["warnings"]
    ]


async def test_a_table_that_cannot_be_adopted_is_refused_and_left_alone(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    await execute(empty_dsn, "CREATE TABLE users (id serial PRIMARY KEY, login text)")
    refused = await command("migrate", "--json")
    assert refused.failed("adoption_refused")
    told = (await command("migrate")).err.splitlines()
    assert told == [
        "Error: Tables exist that can't be taken over as they are:",
        "Error: users.email is missing.",
    ]
    assert await tables(empty_dsn) == "users"


async def test_a_refused_role_is_not_waited_for(
    command: Command, server_dsn: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"gatepost_{uuid4().hex[:12]}"
    await execute(server_dsn, f"CREATE ROLE {role} NOLOGIN")
    try:
        conn = await asyncpg.connect(server_dsn)
        host, port = await conn.fetchrow("SELECT inet_server_addr(), inet_server_port()") or (None, None)
        await conn.close()
        monkeypatch.setenv("DATABASE_START_SECONDS", "600")
        query = server_dsn.partition("?")[2]
        place = f"{host}:{port}" if host else ""
        monkeypatch.setenv("DATABASE_URL", f"postgresql://{role}@{place}/postgres?{query}")
        refused = await command("migrate")
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith("Error: Cannot connect to the database: ")
        assert len(refused.err.splitlines()) == 1
    finally:
        await execute(server_dsn, f"DROP ROLE {role}")


async def test_the_embedded_database_is_migrated_and_stopped_again(
    outside: Environment, tmp_path: Path
) -> None:
    made = await run_process(outside, "migrate", "--json", cwd=tmp_path)
    assert made.code == 0, made
    theirs = [f"{each.feature} {each.head}" for each in SCHEMAS]
    assert made.json["applied"] == [*VERSIONS, *theirs]
    assert made.json["database"] == f"embedded in {tmp_path / 'home'}"
    assert (tmp_path / "home" / "pgdata" / "PG_VERSION").exists()
    assert not (tmp_path / "home" / "pgdata" / "postmaster.pid").exists()
    shown = await run_process(
        outside, "psql", "-XAtc", "SELECT current_user, version_num FROM gatepost_version", cwd=tmp_path
    )
    assert (shown.code, shown.out) == (0, f"gatepost|{HEAD}\n")
    assert not (tmp_path / "home" / "pgdata" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("created", "before", "applied", "told"),
    [
        (True, None, ("0001",), "Created the database db/app. Created the schema, version 0004 (db/app)."),
        (False, "0002", ("0004",), "Migrated from version 0002 to 0004 (db/app)."),
        (False, "0004", ("email 0001",), "Migrated the tables of features: email 0001 (db/app)."),
        (False, "0004", (), "Nothing to do: the database (db/app) is at version 0004."),
    ],
)
def test_what_was_done_is_said(
    capsys: pytest.CaptureFixture[str],
    created: bool,
    before: str | None,
    applied: tuple[str, ...],
    told: str,
) -> None:
    migrated = Migrated(before=before, after="0004", applied=applied)
    settings = settings_for("postgresql://db/app", Path(".gatepost"))
    report(Output(as_json=False), settings, created=created, migrated=migrated)
    assert capsys.readouterr().out.splitlines()[0] == told


async def test_grants_are_printed_and_no_database_is_touched(command: Command) -> None:
    printed = await command("migrate", "--grants", "app")
    assert (printed.code, printed.out) == (0, render_grants("app", SCHEMAS))
    assert 'DELETE ON auth_throttles, auth_failures, auth_refusals TO "app";' in printed.out
    assert printed.err.startswith("Next: have the owner of the tables run this with psql ")
    as_json = await command("migrate", "--grants", "app", "--json")
    assert (as_json.json, as_json.err) == ({"sql": printed.out}, "")


async def test_grants_for_everybody_are_refused(command: Command) -> None:
    refused = await command("migrate", "--grants", "public")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Error: role: public is not a role")
    both = await command("migrate", "--grants", "app", "--sql")
    assert (both.code, both.out) == (2, "")


FILLED = """
from gatepost import Gatepost

auth = Gatepost()

@auth.on_insert("user name")
async def name(conn, new):
    return {"user name": new.email}
"""


async def test_columns_that_the_application_fills_are_granted_and_not_warned_of(
    command: Command,
    empty_dsn: str,
    app_role: Role,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    monkeypatch.setattr(sys, "path", [*sys.path])
    app = f"filled_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{app}.py").write_text(FILLED)
    columns = 'id serial PRIMARY KEY, email text UNIQUE, "user name" text NOT NULL, tenant int NOT NULL'
    await execute(empty_dsn, f"CREATE TABLE users ({columns})")
    done = await command("--app", f"{app}:auth", "migrate", "--json")
    about = [each for each in done.json["warnings"] if "NOT NULL" in each]
    assert [each.partition(" is")[0] for each in about] == ["users.tenant"]
    granted = await command("--app", f"{app}:auth", "migrate", "--grants", app_role.name)
    await execute(empty_dsn, granted.out)
    conn = await asyncpg.connect(app_role.on(empty_dsn))
    asked = "SELECT has_column_privilege('users', $1, 'INSERT')"
    assert [await conn.fetchval(asked, name) for name in ("user name", "tenant")] == [True, False]
    await conn.close()

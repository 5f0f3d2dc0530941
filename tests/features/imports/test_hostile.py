"""Imports that are ended on the way, and tables that no library made."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.conftest import SCHEMAS, MakeSettings, Role, execute
from tests.http.conftest import Database
from tests.walking import walked

from gatepost.db import migrate
from gatepost.db.grants import render_grants
from gatepost.errors import ValidationFailed
from gatepost.features import FEATURES
from gatepost.features.imports import service
from gatepost.features.imports.plan import Plan
from gatepost.features.imports.service import Imports
from gatepost.features.imports.sources import DJANGO, FASTAPI_USERS
from gatepost.gate import Gate
from gatepost.models import Client

DJANGO_TABLE = """
    CREATE TABLE auth_user (
        id integer PRIMARY KEY, password text, last_login timestamptz, is_superuser boolean NOT NULL,
        username text, first_name text, last_name text, email text, is_staff boolean, is_active boolean,
        date_joined timestamptz
    )
"""
FILLED = """
    INSERT INTO auth_user (id, password, is_superuser, username, email, is_staff, is_active, date_joined)
    SELECT n, '!', false, 'u' || n, 'u' || n || '@example.com', false, true, now()
    FROM generate_series(1, 7) n
"""
PLAN = Plan(source=DJANGO, table="auth_user")


@pytest.fixture
async def owner_dsn(empty_dsn: str, app_role: Role) -> str:
    """A database of integer ids, as the tables here have, whatever the others' are."""
    await migrate.migrate(empty_dsn, features=SCHEMAS)
    await execute(empty_dsn, render_grants(app_role.name, SCHEMAS))
    return empty_dsn


@pytest.fixture
async def gate(make_settings: MakeSettings, owner_dsn: str) -> AsyncIterator[Gate]:
    await execute(owner_dsn, DJANGO_TABLE, "GRANT SELECT ON auth_user TO PUBLIC")
    async with Gate(make_settings(), features=FEATURES) as gate:
        yield gate


@pytest.fixture
async def db(owner_dsn: str) -> AsyncIterator[Database]:
    conn = await asyncpg.connect(owner_dsn)
    yield conn
    await conn.close()


class Ended(Exception):
    pass


def end_after(users: int) -> Any:
    def on_batch(behind: int, _: int) -> None:
        if behind >= users:
            raise Ended

    return on_batch


@walked("behind", [2, 4, 6, 7])
async def test_whoever_registers_after_one_that_was_ended_takes_no_id_of_theirs(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    await db.execute(FILLED)
    monkeypatch.setattr(service, "BATCH", 2)
    imports = gate.service(Imports)
    with pytest.raises(Ended):
        await imports.run(PLAN, dry_run=False, on_batch=end_after(behind))
    assert await db.fetchval("SELECT count(*) FROM users") == behind
    new = await gate.administration.create(
        email="new@example.com", name="New", password=None, is_admin=False, client=Client()
    )
    assert new.id == 8
    done = await imports.run(PLAN, dry_run=False)
    assert (done.imported, done.present, done.conflicts) == (7 - behind, behind, [])


async def test_two_at_once_leave_what_one_would(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.execute(FILLED)
    monkeypatch.setattr(service, "BATCH", 2)
    imports = gate.service(Imports)
    done = await asyncio.gather(*(imports.run(PLAN, dry_run=False) for _ in range(2)), return_exceptions=True)
    assert any(not isinstance(each, BaseException) for each in done), done
    assert await db.fetchval("SELECT array_agg(id ORDER BY id) FROM users") == list(range(1, 8))
    again = await imports.run(PLAN, dry_run=False)
    assert (again.imported, again.present) == (0, 7)


@pytest.mark.parametrize("column", ["is_superuser", "is_active"])
async def test_a_text_is_no_yes_and_makes_nobody_an_administrator(
    gate: Gate, db: Database, column: str
) -> None:
    await db.execute(FILLED)
    await db.execute(f"ALTER TABLE auth_user ALTER {column} TYPE text USING 'f'")
    with pytest.raises(ValidationFailed) as refused:
        await gate.service(Imports).run(PLAN, dry_run=False)
    assert str(refused.value.fields["--table"]) == f"{column} of auth_user is text: make it boolean first"
    await db.execute(f"ALTER TABLE auth_user ALTER {column} TYPE smallint USING 0")
    done = await gate.service(Imports).run(PLAN, dry_run=False)
    assert (done.imported, done.admins) == (7, 0)


@pytest.mark.parametrize("value", ["5", "jsonb_build_object('a', 1)", "ARRAY['a@example.com']", "NULL::text"])
async def test_a_column_that_holds_no_text_is_as_good_as_empty(gate: Gate, db: Database, value: str) -> None:
    await db.execute(FILLED)
    made = """
        CREATE VIEW people AS SELECT id, {0} AS email, {0} AS password, {0} AS username, {0} AS first_name,
            is_superuser, is_active FROM auth_user
        UNION ALL SELECT NULL, {0}, {0}, {0}, {0}, false, true;
        GRANT SELECT ON people TO PUBLIC;
    """
    await db.execute(made.replace("{0}", value))
    plan = Plan(source=DJANGO, table="people", emails={"1": "ada@example.com"})
    done = await gate.service(Imports).run(plan, dry_run=False)
    assert (done.users, done.imported, done.passwordless, len(done.conflicts)) == (7, 1, 1, 6)


TOKENS = """
    CREATE TABLE "user" (id integer, email text, hashed_password text, is_active bool, is_superuser bool);
    CREATE TABLE accesstoken (token text, user_id integer, created_at timestamptz);
    INSERT INTO "user" VALUES (1, 'ada@example.com', NULL, true, false);
    INSERT INTO accesstoken VALUES (NULL, 1, now()), ('{0}1', 1, NULL), ('{0}2', 1, 'infinity'),
        ('{0}3', 1, '-infinity'), ('{0}4', 1, '9999-12-30'), ('{0}5', 1, now()), ('{0}5', 1, now()),
        ('x', 1, now());
    GRANT SELECT ON "user", accesstoken TO PUBLIC;
""".replace("{0}", "11111111-1111-4111-8111-11111111111")


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(hours=1), timedelta(days=36_600)])
async def test_tokens_that_no_library_gave_out_are_passed_over(
    gate: Gate, db: Database, lifetime: timedelta
) -> None:
    await db.execute(TOKENS)
    plan = Plan(source=FASTAPI_USERS, table="user", lifetime=lifetime)
    done = await gate.service(Imports).run(plan, dry_run=False)
    assert done.tokens == {"imported": 2, "present": 1, "unfit": 4}
    assert await db.fetchval("SELECT bool_and(created_at <= now()) FROM user_sessions")


async def test_a_look_writes_nothing(gate: Gate, db: Database) -> None:
    await db.execute(FILLED)
    await db.execute(TOKENS)
    before = await written(db)
    for plan in (PLAN, Plan(source=FASTAPI_USERS, table="user", lifetime=timedelta(hours=1))):
        assert (await gate.service(Imports).run(plan, dry_run=True)).imported > 0
    assert await written(db) == before
    await gate.service(Imports).run(PLAN, dry_run=False)
    assert await written(db) != before


async def written(db: Database) -> list[tuple[str, str]]:
    """Return what is in every table, and where every sequence stands."""
    tables = await db.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')"
    )
    names = sorted(str(row["relname"]) for row in tables)
    select = "SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM (SELECT * FROM"
    return [(name, await db.fetchval(f'{select} "{name}") t')) for name in names]

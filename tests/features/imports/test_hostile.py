"""Imports that are ended on the way, and tables that no library made."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.conftest import USER_IDS, MakeSettings, execute
from tests.http.conftest import Database

from gatepost.features import FEATURES
from gatepost.features.imports import service
from gatepost.features.imports.plan import Plan
from gatepost.features.imports.service import Imports
from gatepost.features.imports.sources import DJANGO
from gatepost.gate import Gate
from gatepost.models import Client, UserIdType

pytestmark = pytest.mark.skipif(USER_IDS is not UserIdType.INTEGER, reason="the tables here have numbers")

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


@pytest.mark.parametrize("behind", [2, 4, 6, 7])
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

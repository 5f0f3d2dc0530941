"""Gatepost's functions work from any search_path, and are not misled by what stands in it."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests.conftest import execute
from tests.walking import walked

from gatepost.db.migrate import migrate

ELSEWHERE = ("pg_catalog", "public", "pg_temp, public", "shop, auth")


@pytest.fixture
async def auth(empty_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection to a database whose tables are in the schema `auth`, with a user and a session."""
    await execute(empty_dsn, "CREATE SCHEMA auth", "CREATE SCHEMA shop", "CREATE TABLE shop.users (id text)")
    joiner = "&" if urlsplit(empty_dsn).query else "?"
    await migrate(f"{empty_dsn}{joiner}search_path=auth")
    conn = await asyncpg.connect(empty_dsn)
    await conn.execute(
        """
        INSERT INTO auth.users (email, name) VALUES ('ada@example.com', 'Ada');
        INSERT INTO auth.user_sessions (session_token, user_id, expires_at)
        VALUES ('token', 1, now() + interval '1 hour');
        """
    )
    yield conn
    await conn.close()


JOINED = "FROM auth.user_sessions s JOIN auth.users u ON u.id = s.user_id"
ANSWERS: dict[str, object] = {
    "SELECT auth.gatepost_end_sessions(1)": 1,
    "SELECT auth.gatepost_erase_user(1)": "erased",
    "SELECT auth.gatepost_purge_events(now() - interval '1 day')": 0,
    "SELECT auth.gatepost_count_events()": 0,
    "SELECT auth.gatepost_redact_events(99)": 0,
    "SELECT gatepost.to_inet('::1')::text": "::1/128",
    f"SELECT gatepost.is_live(s, u) {JOINED}": True,
    f"SELECT gatepost.refusal(s, u, now() + interval '2 hours') {JOINED}": "session_expired",
    """SELECT full_bucket FROM gatepost.charge(ARRAY['b']::varchar[], ARRAY['k']::varchar[],
        ARRAY[interval '1 s'], ARRAY[interval '9 s'])""": None,
}


@walked("path", ELSEWHERE)
async def test_a_function_is_called_from_anywhere(auth: Any, path: str) -> None:
    await auth.execute(f"SET search_path = {path}")
    for question, answer in ANSWERS.items():
        transaction = auth.transaction()
        await transaction.start()
        assert await auth.fetchval(question) == answer, question
        await transaction.rollback()


async def test_triggers_fire_from_anywhere(auth: Any) -> None:
    await auth.execute("SET search_path = shop, pg_catalog")
    await auth.execute("UPDATE auth.user_sessions SET is_active = false")
    assert await auth.fetchval("SELECT end_reason FROM auth.user_sessions") == "sql"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await auth.execute("DELETE FROM auth.auth_events")


async def test_no_function_takes_its_tables_from_its_callers_path(auth: Any) -> None:
    loose = await auth.fetch(
        """
        SELECT p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = 'auth'::regnamespace AND CASE l.lanname
            WHEN 'plpgsql' THEN NOT EXISTS (
                SELECT FROM unnest(p.proconfig) c (setting)
                WHERE c.setting ~ '^search_path=(pg_catalog, )?auth, (.*, )?pg_temp$'
            )
            ELSE p.prosrc ~ '(gatepost_|users|auth_)'
        END
        """
    )
    assert [row["proname"] for row in loose] == []


async def test_the_applications_triggers_find_what_the_server_finds(empty_dsn: str) -> None:
    await execute(
        empty_dsn,
        "CREATE SCHEMA auth; CREATE SCHEMA shop; CREATE TABLE shop.farewells (email text)",
    )
    joiner = "&" if urlsplit(empty_dsn).query else "?"
    await migrate(f"{empty_dsn}{joiner}search_path=auth,shop")
    conn: Any = await asyncpg.connect(empty_dsn)
    try:
        await conn.execute(
            """
            CREATE FUNCTION shop.goodbye() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO farewells VALUES (OLD.email); RETURN OLD; END $$;
            CREATE TRIGGER goodbye BEFORE DELETE ON auth.users FOR EACH ROW EXECUTE FUNCTION shop.goodbye();
            INSERT INTO auth.users (email, name) VALUES ('ada@example.com', 'Ada');
            """
        )
        assert await conn.fetchval("SELECT auth.gatepost_erase_user(1)") == "erased"
        assert await conn.fetchval("SELECT email FROM shop.farewells") == "ada@example.com"
    finally:
        await conn.close()

"""The schema `gatepost`: where it may be, whose it is, and that nobody takes it for the tables' own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
from tests.conftest import Role, execute, nth_user

from gatepost.db.grants import render_grants
from gatepost.db.migrate import VERSIONS, migrate, missing_objects
from gatepost.db.pool import Database
from gatepost.errors import AdoptionRefused

USERS = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'user_sessions'"


def with_path(dsn: str, path: str) -> str:
    return f"{dsn}{'&' if urlsplit(dsn).query else '?'}search_path={quote(path)}"


async def fetchval(dsn: str, sql: str) -> Any:
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetchval(sql)
    finally:
        await conn.close()


@pytest.fixture
async def namesake(empty_dsn: str) -> AsyncIterator[str]:
    """An empty database, as a role called gatepost with the path of PostgreSQL's own gets to it."""
    made = not await fetchval(empty_dsn, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gatepost')")
    if made:
        await execute(empty_dsn, "CREATE ROLE gatepost LOGIN SUPERUSER")
    name = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"ALTER DATABASE {name} SET search_path = '$user', public")
    yield f"{empty_dsn}{'&' if urlsplit(empty_dsn).query else '?'}role=gatepost"
    if made:
        await execute(empty_dsn, "DROP OWNED BY gatepost CASCADE", "DROP ROLE gatepost")


async def test_a_role_called_gatepost_finds_the_tables_where_it_made_them(namesake: str) -> None:
    assert (await migrate(namesake)).applied == VERSIONS
    assert await fetchval(namesake, USERS) == "public"
    for _ in range(2):
        assert (await migrate(namesake)).applied == ()
        # As with a dump that was read into another server: settings of roles are not in it.
        await execute(namesake, f"ALTER ROLE gatepost IN DATABASE {urlsplit(namesake).path[1:]} RESET ALL")
    assert await fetchval(namesake, "SELECT current_schema()") == "gatepost"
    database = Database(namesake, size=1, timeout=10)
    await database.open(patience=0)
    try:
        async with database.connection() as conn:
            assert await conn.fetchval("SELECT current_schema()") == "public"
            assert await missing_objects(conn) == []
    finally:
        await database.close()


async def test_the_migration_sets_the_path_of_such_a_role_also_for_programs_that_are_not_ours(
    namesake: str,
) -> None:
    await migrate(namesake)
    own = await fetchval(
        namesake,
        """
        SELECT s.setconfig FROM pg_db_role_setting s
        JOIN pg_database d ON d.oid = s.setdatabase AND d.datname = current_database()
        JOIN pg_roles r ON r.oid = s.setrole AND r.rolname = 'gatepost'
        """,
    )
    assert own == ["search_path=public"]


async def test_tables_that_stand_in_the_schema_gatepost_stay_there(empty_dsn: str) -> None:
    await execute(empty_dsn, "CREATE SCHEMA gatepost")
    dsn = with_path(empty_dsn, "gatepost, public")
    assert (await migrate(dsn)).applied == VERSIONS
    assert (await migrate(dsn)).applied == ()
    assert await fetchval(dsn, USERS) == "gatepost"
    conn: Any = await asyncpg.connect(dsn)
    try:
        assert await missing_objects(conn) == []
    finally:
        await conn.close()


async def test_a_database_holds_one_gatepost(empty_dsn: str) -> None:
    await execute(empty_dsn, "CREATE SCHEMA one", "CREATE SCHEMA two")
    await migrate(with_path(empty_dsn, "one"))
    with pytest.raises(AdoptionRefused, match=r"in the schema one\. .* a database of its own"):
        await migrate(with_path(empty_dsn, "two"))
    assert await fetchval(empty_dsn, "SELECT to_regclass('two.users') IS NULL")


async def test_a_role_that_may_make_no_schema_is_told_what_to_have_run(
    empty_dsn: str, app_role: Role
) -> None:
    name = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"CREATE SCHEMA own AUTHORIZATION {app_role.name}")
    dsn = with_path(app_role.on(empty_dsn), "own")
    with pytest.raises(AdoptionRefused) as refused:
        await migrate(dsn)
    step = f"CREATE SCHEMA gatepost AUTHORIZATION {app_role.name};"
    assert refused.value.message == (
        f"The role {app_role.name} may not create the schema gatepost in the database {name}. "
        f"Let its owner run: {step}"
    )
    await execute(empty_dsn, "CREATE SCHEMA gatepost")
    with pytest.raises(AdoptionRefused, match="GRANT USAGE, CREATE ON SCHEMA gatepost TO"):
        await migrate(dsn)
    await execute(empty_dsn, "DROP SCHEMA gatepost", step)
    assert (await migrate(dsn)).applied == VERSIONS
    await execute(empty_dsn, f"DROP OWNED BY {app_role.name} CASCADE")


async def test_whoever_writes_users_needs_no_right_to_the_rules(owner_dsn: str, app_role: Role) -> None:
    await execute(
        owner_dsn,
        render_grants(app_role.name),
        f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gatepost FROM {app_role.name}",
        "INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')",
    )
    await execute(app_role.on(owner_dsn), "UPDATE users SET email = 'other@example.com'")
    assert await fetchval(owner_dsn, "SELECT gatepost.email_key(email, email_key) FROM users")


async def test_every_function_of_gatepost_is_bound_to_a_path(db: Any) -> None:
    """By a path of its own, or by what it named when it was made; those left name what they call."""
    loose = await db.fetch(
        """
        SELECT p.oid::regprocedure::text AS name FROM pg_proc p
        WHERE p.pronamespace IN (current_schema()::regnamespace, 'gatepost'::regnamespace)
            AND p.proconfig IS NULL AND p.prosqlbody IS NULL
        ORDER BY 1
        """
    )
    assert [row["name"] for row in loose] == [
        "gatepost.credentials_stamp(users)",
        "gatepost.live_sessions(timestamp with time zone,interval)",
        "gatepost.to_inet(character varying)",
    ]


async def test_a_list_has_the_sessions_that_are_live_and_costs_no_call(db: Any) -> None:
    await db.execute(
        """
        INSERT INTO users (email, name, is_active) VALUES ('ada@example.com', 'Ada', true),
            ('bob@example.com', 'Bob', false);
        INSERT INTO user_sessions (session_token, user_id, expires_at, is_active)
        SELECT s.token, u.id, now() + s.rest, s.is_active
        FROM (VALUES
            ('live', 'Ada', interval '1 hour', true), ('over', 'Ada', '0', true),
            ('ended', 'Ada', '1 hour', false), ('disabled', 'Bob', '1 hour', true)
        ) s (token, name, rest, is_active)
        JOIN users u USING (name)
        """
    )
    rows = await db.fetch("SELECT id, user_id, methods, aal FROM gatepost.live_sessions()")
    assert [(row["user_id"], row["methods"], row["aal"]) for row in rows] == [(nth_user(1), [], 1)]
    assert await db.fetchval("SELECT session_token FROM user_sessions WHERE id = $1", rows[0]["id"]) == "live"
    idle = "SELECT count(*) FROM gatepost.live_sessions(now() + interval '1 min', '1 min')"
    assert await db.fetchval(idle) == 0
    plan = await db.fetch("EXPLAIN SELECT FROM gatepost.live_sessions() WHERE user_id = $1", nth_user(1))
    assert "Function Scan" not in str(plan)


def test_the_migration_is_one_that_a_dba_can_run(empty_dsn: str) -> None:
    from gatepost.db.migrate import render_sql

    async def run() -> None:
        await execute(empty_dsn, render_sql())
        assert (await migrate(empty_dsn)).applied == ()

    asyncio.run(run())

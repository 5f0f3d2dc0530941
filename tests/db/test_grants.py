"""The role that serves requests: it can do what Gatepost does, and nothing to the schema and the trail."""

# ruff: noqa: S608 - the values are the test's own

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
import httpx
import pytest
from tests.conftest import (
    PASSWORD,
    SCHEMAS,
    USER_IDS,
    MovableClock,
    Role,
    bearer,
    execute,
    login,
    nth_user,
    register,
    scratch_database,
    serving,
    settings_for,
    until_settled,
)
from tests.walking import walked

from gatepost.app import create_app
from gatepost.db.grants import render_grants
from gatepost.db.migrate import migrate
from gatepost.db.migrations.expected import COLUMNS, FUNCTIONS
from gatepost.errors import ValidationFailed
from gatepost.store import health

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OF_FEATURES = {table.name for schema in SCHEMAS for table in schema.tables}
"""Tables of which a feature says itself what may be done to them."""

FIRST, NOBODY = f"'{nth_user(1)}'", f"'{nth_user(99)}'"
"""The ids of the first user and of nobody, in SQL."""


@pytest.fixture
async def granted(owner_dsn: str, app_role: Role) -> str:
    """The database as a role sees it that was granted what is printed."""
    await execute(owner_dsn, render_grants(app_role.name, SCHEMAS))
    return app_role.on(owner_dsn)


@pytest.fixture
async def as_app(granted: str) -> AsyncIterator[Database]:
    conn = await asyncpg.connect(granted)
    yield conn
    await conn.close()


@pytest.fixture
async def served(granted: str, clock: MovableClock, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(granted, tmp_path / "home", session_history_days=0)
    async with serving(create_app(settings, clock=clock)) as client:
        yield client


async def privileges(db: Database, role: str) -> set[tuple[str, str]]:
    """Return what a role itself was granted on tables and columns, and to everybody."""
    rows = await db.fetch(
        """
        SELECT c.relname || coalesce('.' || g.attname, '') AS relname, a.privilege_type
        FROM pg_class c
        CROSS JOIN LATERAL (
            SELECT NULL AS attname, c.relacl AS acl
            UNION ALL SELECT t.attname, t.attacl FROM pg_attribute t WHERE t.attrelid = c.oid
        ) g
        CROSS JOIN LATERAL aclexplode(g.acl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
            AND coalesce(r.rolname, 'public') = ANY($1::text[])
        """,
        [role, "public"],
    )
    return {(row["relname"], row["privilege_type"]) for row in rows}


# --- What is granted ---


async def test_every_table_is_granted_as_far_as_it_is_used(
    db: Database, granted: str, app_role: Role
) -> None:
    rows = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    wanted = {(table, privilege) for table in COLUMNS for privilege in rows}
    wanted -= {("auth_events", "DELETE"), *(("auth_erased", privilege) for privilege in rows)}
    figures = ("auth_event_hours", "auth_housekeeping", "auth_last_sign_ins", "gatepost_features")
    wanted -= {(table, privilege) for table in figures for privilege in rows - {"SELECT"}}
    wanted |= {("gatepost_version", "SELECT")}
    wanted -= {("auth_challenges", "UPDATE")}  # of one column alone
    by_column = ("users", "user_sessions", "auth_links", "auth_blocks", "auth_events")
    wanted -= {(table, privilege) for table in by_column for privilege in ("INSERT", "UPDATE")}
    granted_ = {
        (name, privilege)
        for name, privilege in await privileges(db, app_role.name)
        if name.partition(".")[0] not in OF_FEATURES
    }
    columns = {each for each in granted_ if "." in each[0]}
    assert granted_ - columns == wanted
    assert {name for name, _ in columns if name.endswith(".id")} == {"user_sessions.id"}
    assert {name.partition(".")[0] for name, _ in columns} == {
        *by_column,
        "auth_challenges",
        "auth_housekeeping",
        "auth_last_sign_ins",
    }
    assert not {name for name, privilege in columns if privilege == "UPDATE" and "events" in name}


async def test_every_function_but_the_owners_may_be_called(as_app: Database) -> None:
    callable_ = await as_app.fetch(
        """
        SELECT p.proname FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype <> 'trigger'::regtype
            AND has_function_privilege(p.oid, 'EXECUTE')
        """
    )
    assert {row["proname"] for row in callable_} == set(FUNCTIONS) - {"gatepost_purge_events"}


async def test_nothing_is_missing_and_nothing_is_too_much(as_app: Database, app_role: Role) -> None:
    assert await health.missing_privileges(as_app) == []
    assert await health.rights(as_app) == health.Rights(
        role=app_role.name,
        is_superuser=False,
        owned="",
        may_create=False,
        may_alter_events=False,
        may_purge_events=False,
    )


async def test_a_role_that_was_granted_nothing_is_told_of_everything(
    db: Database, owner_dsn: str, app_role: Role
) -> None:
    await db.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC")
    conn = await asyncpg.connect(app_role.on(owner_dsn))
    try:
        missing = await health.missing_privileges(conn, SCHEMAS)
    finally:
        await conn.close()
    tables = {
        line.partition(" ON ")[2] for line in missing if line.startswith(("DELETE", "INSERT", "SELECT"))
    }
    assert tables == {*COLUMNS, "gatepost_version", *OF_FEATURES} - {"auth_erased"}
    functions = {line.split("(")[0].rpartition(" ")[2] for line in missing if line.startswith("EXECUTE")}
    assert functions == set(FUNCTIONS) - {"gatepost_purge_events"}
    sequences = {
        line.split()[-1].rpartition(".")[2] for line in missing if line.startswith("USAGE ON SEQUENCE")
    }
    assert sequences == {
        row["name"]
        for row in await db.fetch(
            "SELECT s.oid::regclass::text AS name FROM pg_class s WHERE s.relkind = 'S'"
        )
    }


async def test_a_second_run_takes_back_what_was_granted_besides(
    db: Database, owner_dsn: str, granted: str, app_role: Role
) -> None:
    once = await privileges(db, app_role.name)
    await db.execute(f"GRANT ALL ON auth_events, user_sessions TO {app_role.name}")
    await db.execute("GRANT DELETE ON auth_events TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC")
    await execute(owner_dsn, render_grants(app_role.name, SCHEMAS))
    assert await privileges(db, app_role.name) == once
    assert not await db.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", app_role.name)


async def test_an_adopted_table_is_granted_with_the_sequence_that_it_has(
    empty_dsn: str, app_role: Role
) -> None:
    await execute(
        empty_dsn,
        "CREATE SEQUENCE people",
        """
        CREATE TABLE users (
            id integer PRIMARY KEY DEFAULT nextval('people'), email text NOT NULL, name text
        )
        """,
    )
    await migrate(empty_dsn)
    await execute(empty_dsn, render_grants(app_role.name))
    conn = await asyncpg.connect(app_role.on(empty_dsn))
    try:
        assert (
            await conn.fetchval("INSERT INTO users (email, name) VALUES ('a@b.test', '') RETURNING id") == 1
        )
    finally:
        await conn.close()


async def test_a_closed_schema_and_database_are_opened(server_dsn: str, app_role: Role) -> None:
    async with scratch_database(server_dsn, "template0") as dsn:
        name = dsn.partition("?")[0].rpartition("/")[2]
        await execute(dsn, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC", "CREATE SCHEMA auth")
        within = f"{dsn}{'&' if '?' in dsn else '?'}search_path=auth"
        await migrate(within)
        await execute(within, render_grants(app_role.name))
        conn = await asyncpg.connect(app_role.on(within))
        try:
            assert await conn.fetchval("SELECT count(*) FROM users") == 0
            assert await health.missing_privileges(conn) == []
        finally:
            await conn.close()


async def test_a_role_that_owns_the_tables_is_refused(db: Database, app_role: Role) -> None:
    await db.execute(f"ALTER TABLE auth_events OWNER TO {app_role.name}")
    with pytest.raises(asyncpg.RaiseError, match="owns the tables: make another one"):
        await db.execute(render_grants(app_role.name, SCHEMAS))


async def test_a_name_is_quoted_wherever_it_stands(db: Database) -> None:
    name = """The "app's" $$ role"""
    quoted = name.replace('"', '""')
    await db.execute(f'CREATE ROLE "{quoted}"')
    try:
        await db.execute(render_grants(name, SCHEMAS))
        assert await db.fetchval("SELECT has_table_privilege($1, 'users', 'DELETE')", name)
    finally:
        await db.execute(f'DROP OWNED BY "{quoted}"; DROP ROLE "{quoted}"')


@pytest.mark.parametrize("name", ["", "public", "none", "two\nlines", "nul\0", "\udcff", "x" * 64, "ß" * 32])
def test_what_is_no_roles_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        render_grants(name, SCHEMAS)
    assert list(caught.value.fields) == ["role"]


# --- What the role can do ---


async def test_users_register_sign_in_refresh_and_sign_out(served: httpx.AsyncClient, db: Database) -> None:
    await register(served)
    token = (await login(served))["token"]
    refreshed = await served.post("/api/auth/refresh", headers=bearer(token))
    assert refreshed.status_code == 200, refreshed.text
    token = refreshed.json()["data"]["token"]
    for method, path in (("GET", "me"), ("GET", "sessions"), ("GET", "events"), ("POST", "logout")):
        answer = await served.request(method, f"/api/auth/{path}", headers=bearer(token))
        assert answer.status_code == 200, answer.text
    ended = await served.post("/api/auth/logout-all", headers=bearer((await login(served))["token"]))
    assert ended.json()["data"] == {"sessions_revoked": 2}
    wrong = {"email": "user@example.com", "password": PASSWORD + "?"}
    assert (await served.post("/api/auth/login", json=wrong)).status_code == 401
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'login.failed'") == 1


async def test_housekeeping_ends_and_purges_sessions(
    served: httpx.AsyncClient, db: Database, clock: MovableClock
) -> None:
    await register(served)
    await db.execute("UPDATE users SET is_admin = true")
    clock.advance(hours=1)
    headers = bearer((await login(served))["token"])
    cleaned = await served.post("/api/auth/cleanup", headers=headers)
    assert cleaned.json()["data"] == {"sessions_expired": 1, "sessions_purged": 1}
    await until_settled(db)
    await served.post("/api/auth/cleanup", headers=headers)
    assert await db.fetchval("SELECT sum(events) FROM auth_event_hours WHERE action = 'session.started'") == 1
    overview = await served.get("/api/auth/admin/overview", headers=headers)
    assert overview.json()["data"]["series"]["sign_ins"]["total"] == 2


async def test_users_change_export_and_delete_their_account(served: httpx.AsyncClient, db: Database) -> None:
    token = (await register(served))["token"]
    renamed = await served.patch("/api/auth/me", json={"name": "Jane"}, headers=bearer(token))
    assert renamed.status_code == 200, renamed.text
    body = {"email": "other@example.com", "password": PASSWORD}
    moved = await served.post("/api/auth/email", json=body, headers=bearer(token))
    assert moved.status_code == 200, moved.text
    headers = bearer(moved.json()["data"]["token"])
    assert (await served.get("/api/auth/export", headers=headers)).status_code == 200
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE ip_address <> ''") == 7
    deleted = await served.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=headers)
    assert deleted.status_code == 200, deleted.text
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE ip_address <> ''") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE user_id = $1", nth_user(1)) == 8


async def test_in_an_adopted_table_of_another_schema_accounts_are_deleted_too(
    server_dsn: str, app_role: Role, tmp_path: Path
) -> None:
    """Other types, and a trigger of the application that finds its table by the connection's search_path."""
    async with scratch_database(server_dsn, "template0") as dsn:
        await execute(dsn, "CREATE SCHEMA auth", "CREATE SCHEMA app")
        within = f"{dsn}{'&' if '?' in dsn else '?'}search_path=auth,app"
        await execute(
            within,
            """
            CREATE TABLE users (
                id smallint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, email text NOT NULL UNIQUE,
                name text, created_at timestamp, updated_at timestamp
            );
            CREATE TABLE app.leavers (id bigint);
            CREATE FUNCTION app.leave() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN INSERT INTO leavers VALUES (OLD.id); RETURN NULL; END';
            CREATE TRIGGER leave AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION leave()
            """,
        )
        await migrate(within, features=SCHEMAS)
        await execute(within, render_grants(app_role.name, SCHEMAS))
        await execute(
            within,
            f"GRANT USAGE ON SCHEMA app TO {app_role.name}",
            f"GRANT INSERT ON leavers TO {app_role.name}",
        )
        app = create_app(settings_for(app_role.on(within), tmp_path / "home"))
        async with serving(app) as client:
            token = (await register(client))["token"]
            moved = {"email": "other@example.com", "password": PASSWORD}
            response = await client.post("/api/auth/email", json=moved, headers=bearer(token))
            headers = bearer(response.json()["data"]["token"])
            assert (await client.patch("/api/auth/me", json={"name": "J"}, headers=headers)).is_success
            body = {"password": PASSWORD}
            deleted = await client.request("DELETE", "/api/auth/me", json=body, headers=headers)
            assert deleted.status_code == 200, deleted.text
        conn = await asyncpg.connect(within)
        try:
            assert await conn.fetchval("SELECT array_agg(id) FROM leavers") == [1]
            assert await conn.fetchval("SELECT count(*) FROM users") == 0
            assert await conn.fetchval("SELECT count(ip_address) FROM auth_events") == 0
        finally:
            await conn.close()


# --- What it can't ---


@walked(
    "statement",
    [
        "CREATE TABLE mine (id integer)",
        "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE users ADD COLUMN mine text",
        "ALTER TABLE auth_events DISABLE TRIGGER auth_events_append_only",
        "DROP TABLE auth_throttles",
        "TRUNCATE user_sessions",
        "CREATE INDEX ON users (name)",
        "UPDATE auth_events SET action = 'x'",
        "DELETE FROM auth_events",
        "TRUNCATE auth_events",
        "SET gatepost.purging = 'on'; DELETE FROM auth_events",
        "SET gatepost.redacting = 'on'; UPDATE auth_events SET ip_address = NULL",
        "SELECT gatepost_purge_events(now())",
        "INSERT INTO auth_event_hours VALUES (now(), 'login.failed', 1)",
        "UPDATE auth_housekeeping SET counted_id = 0",
        "UPDATE auth_last_sign_ins SET at = now()",
        "UPDATE gatepost_version SET version_num = '0001'",
        "SELECT setval('users_id_seq', 1)",
        "CREATE ROLE mine",
        "INSERT INTO auth_events (id, action) VALUES (9223372036854775807, 'x')",
        "INSERT INTO auth_links (id, purpose, digest, expires_at) VALUES (7, 'setup', '', now())",
        f"INSERT INTO users (id, email, name) VALUES ({NOBODY}, 'a', 'a')",
        f"UPDATE users SET id = {NOBODY}",
        f"UPDATE user_sessions SET id = 7, user_id = {NOBODY}",
        "UPDATE auth_links SET digest = ''",
        f"INSERT INTO auth_erased (user_id) VALUES ({FIRST})",
        "DELETE FROM auth_erased",
        "SELECT setval('auth_events_id_seq', 9223372036854775807)",
    ],
)
async def test_it_is_refused_what_a_server_never_does(as_app: Database, db: Database, statement: str) -> None:
    before = await db.fetch("SELECT * FROM auth_events ORDER BY id")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_app.execute(statement)
    assert await db.fetch("SELECT * FROM auth_events ORDER BY id") == before


async def test_it_redacts_nothing_of_a_user_who_is_there(
    served: httpx.AsyncClient, as_app: Database, db: Database
) -> None:
    await register(served)
    trail = await db.fetch("SELECT * FROM auth_events ORDER BY id")
    for named in (
        FIRST,
        f"{FIRST}, 'nobody@example.com'",
        f"{NOBODY}, 'user@example.com'",
        f"{NOBODY}, 'USER@Example.com'",
        "NULL",
    ):
        with pytest.raises(asyncpg.ObjectInUseError, match="once their user is deleted"):
            await as_app.execute(f"SELECT gatepost_redact_events({named})")
    assert await db.fetch("SELECT * FROM auth_events ORDER BY id") == trail


@pytest.mark.parametrize(
    "put_back",
    [
        "INSERT INTO users SELECT * FROM kept",
        "INSERT INTO users (email, name) SELECT email, name FROM kept",
        "INSERT INTO users (email, name) VALUES ('x', ''); UPDATE users SET email = 'USER@Example.com'",
    ],
)
async def test_nobody_is_redacted_and_put_back(
    served: httpx.AsyncClient, as_app: Database, db: Database, app_role: Role, put_back: str
) -> None:
    """Whatever the role may do on users: the table may be an application's that the same role works on."""
    await register(served)
    await db.execute(f"GRANT ALL ON users TO {app_role.name}")
    trail = await db.fetch("SELECT * FROM auth_events ORDER BY id")
    await as_app.execute("BEGIN; CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM users")
    await as_app.execute(f"DELETE FROM users; SELECT gatepost_redact_events({FIRST}, 'user@example.com')")
    await as_app.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(asyncpg.ObjectInUseError, match="took the user out of the trail"):
        await as_app.execute(put_back)
    await as_app.execute("COMMIT")  # which undoes what failed
    assert await db.fetch("SELECT * FROM auth_events ORDER BY id") == trail
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_an_e_mail_is_not_moved_away_to_redact_what_names_it(
    served: httpx.AsyncClient, as_app: Database, db: Database
) -> None:
    await register(served)
    await as_app.execute("BEGIN; UPDATE users SET email = 'x@example.com'")
    await as_app.execute(f"SELECT gatepost_redact_events({NOBODY}, 'user@example.com')")
    with pytest.raises(asyncpg.ObjectInUseError):
        await as_app.execute("UPDATE users SET email = 'user@example.com'")
    await as_app.execute("COMMIT")  # which undoes what failed


async def test_an_erased_e_mail_may_have_an_account_again(served: httpx.AsyncClient, db: Database) -> None:
    for _ in range(2):
        token = (await register(served))["token"]
        body = {"password": PASSWORD}
        deleted = await served.request("DELETE", "/api/auth/me", json=body, headers=bearer(token))
        assert deleted.status_code == 200, deleted.text
    assert await db.fetchval("SELECT count(*) FROM auth_erased") <= 1


@walked(
    "row",
    [
        "auth_events (action, at) VALUES ('x', 'infinity')",
        "auth_events (action, at) VALUES ('x', '294276-01-01')",
        "auth_events (action, at) VALUES ('x', '0044-03-15 BC')",
        # Of a number alone there is more than readers hold.
        *(["auth_events (action, user_id) VALUES ('x', 9223372036854775807)"] * isinstance(nth_user(1), int)),
        "auth_events (action, detail) VALUES ('x', '[]')",
        "auth_events (action, detail) VALUES ('x', jsonb_build_object('a', repeat('x', 200000)))",
        "auth_events (action, user_agent) VALUES ('x', repeat('x', 200000))",
        "auth_events (action) VALUES (repeat('x', 65))",
        "auth_links (purpose, digest, expires_at) VALUES ('setup', '', '294276-01-01')",
        "auth_throttles (bucket, key, tat) VALUES ('x', '', 'infinity')",
        f"auth_failures (user_id, place, last_at) VALUES ({FIRST}, '', '294276-01-01')",
        "auth_refusals (action, place, refusals, since) VALUES ('x', '', 0, now())",
        f"user_sessions (session_token, user_id, expires_at) VALUES ('x', {FIRST}, '294276-01-01')",
        "user_sessions (session_token, expires_at, last_used_at) VALUES ('x', now(), '294276-01-01')",
        f"user_sessions (id, session_token, user_id, expires_at) VALUES (-1, 'x', {FIRST}, now())",
    ],
)
async def test_no_row_is_written_that_readers_would_fail_at(
    served: httpx.AsyncClient, as_app: Database, row: str
) -> None:
    await register(served)
    with pytest.raises(asyncpg.CheckViolationError):
        await as_app.execute("INSERT INTO " + row)


async def test_the_time_of_housekeeping_is_one_that_readers_can_hold(as_app: Database) -> None:
    for at in ("infinity", "294276-01-01"):
        with pytest.raises(asyncpg.CheckViolationError):
            await as_app.execute(f"SELECT gatepost_count_events(1, '{at}')")


async def test_what_has_the_owners_rights_is_not_misled_by_tables_of_the_callers(
    served: httpx.AsyncClient, as_app: Database, db: Database
) -> None:
    await register(served)
    trail = await db.fetch("SELECT * FROM auth_events ORDER BY id")
    await as_app.execute(
        f"""
        CREATE TEMP TABLE users (id {USER_IDS}, email text);
        CREATE TEMP TABLE auth_events (LIKE public.auth_events);
        SET search_path = pg_temp, public
        """
    )
    with pytest.raises(asyncpg.ObjectInUseError):
        await as_app.execute(f"SELECT public.gatepost_redact_events({FIRST})")
    await as_app.execute(f"SELECT public.gatepost_redact_events({NOBODY})")
    after = await db.fetch("SELECT * FROM auth_events ORDER BY id")
    assert after[:-1] == trail
    assert (after[-1]["action"], after[-1]["user_id"]) == ("user.erased", nth_user(99))


async def test_counting_events_is_not_misled_by_tables_of_the_callers(
    served: httpx.AsyncClient, as_app: Database, db: Database
) -> None:
    await db.execute("INSERT INTO auth_events (at, action) VALUES ('2024-01-01Z', 'true')")
    await as_app.execute(
        """
        CREATE TEMP TABLE auth_events (LIKE public.auth_events);
        INSERT INTO auth_events VALUES (1, '2024-01-01Z', 'false', NULL, NULL, NULL, NULL, '{}');
        CREATE TEMP TABLE auth_event_hours (LIKE public.auth_event_hours);
        CREATE TEMP TABLE auth_housekeeping (LIKE public.auth_housekeeping);
        SET search_path = pg_temp, public
        """
    )
    for _ in range(2):
        await until_settled(db)
        await as_app.execute("SELECT public.gatepost_count_events(100, now() + interval '1 hour')")
    assert await as_app.fetchval("SELECT count(*) FROM auth_event_hours") == 0
    actions = "SELECT events FROM auth_event_hours WHERE action = $1"
    assert (await db.fetchval(actions, "true"), await db.fetchval(actions, "false")) == (1, None)


async def test_five_functions_have_the_owners_rights_and_nobody_else_may_call_them(db: Database) -> None:
    rows = await db.fetch(
        """
        SELECT p.proname, p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE') AS everybodys
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
        ORDER BY p.proname
        """
    )
    assert [tuple(row) for row in rows] == [
        (name, ["search_path=pg_catalog, public, pg_temp"], False)
        for name in (
            "gatepost_count_events",
            "gatepost_redact_events",
            "user_sessions_note_sign_in",
            "users_end_impersonations",
            "users_not_erased",
        )
    ]


# --- What is the owner's ---


async def test_the_owner_purges_old_events_and_that_is_on_the_trail(db: Database) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (at, action) VALUES ('2020-01-01Z', 'old'), ('2020-01-02Z', 'old'),
            ('2024-01-01Z', 'young')
        """
    )
    assert await db.fetchval("SELECT gatepost_purge_events('2021-01-01Z')") == 2
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'old'") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'young'") == 1
    (purged,) = await db.fetch("SELECT detail FROM auth_events WHERE action = 'events.purged'")
    detail = json.loads(purged["detail"])
    assert detail == {"before": "2021-01-01T00:00:00+00:00", "events": 2}


async def test_a_purge_takes_no_more_than_it_is_told_and_the_oldest_first(db: Database) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (at, action)
        SELECT '2020-01-01Z'::timestamptz + n * interval '1 day', n::text FROM generate_series(1, 5) n
        """
    )
    assert await db.fetchval("SELECT gatepost_purge_events('2021-01-01Z', 3)") == 3
    left = await db.fetch("SELECT action FROM auth_events WHERE at < '2021-01-01Z' ORDER BY id")
    assert [row["action"] for row in left] == ["4", "5"]


async def test_a_purge_opens_the_trail_for_nothing_else(db: Database) -> None:
    async with db.transaction():
        await db.execute("SELECT gatepost_purge_events('2020-01-01Z')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only: DELETE is refused"):
            async with db.transaction():
                await db.execute("DELETE FROM auth_events")
    for statement in ("DELETE FROM auth_events", "UPDATE auth_events SET action = 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await db.execute(statement)


async def test_redacting_opens_the_trail_for_nothing_else(db: Database) -> None:
    async with db.transaction():
        await db.execute(f"SELECT gatepost_redact_events({NOBODY})")
        for statement in ("UPDATE auth_events SET action = 'x'", "DELETE FROM auth_events"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                async with db.transaction():
                    await db.execute(statement)
    async with db.transaction():
        await db.execute("SET LOCAL gatepost.redacting = 'on'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only: DELETE is refused"):
            await db.execute("DELETE FROM auth_events")


async def test_rights_on_every_column_of_users_are_not_taken_back_and_told(
    owner_dsn: str, app_role: Role
) -> None:
    conn: Database = await asyncpg.connect(owner_dsn)
    told: list[str] = []
    conn.add_log_listener(lambda _, message: told.append(message.message))
    await conn.execute(render_grants(app_role.name, SCHEMAS))
    assert told == []
    await conn.execute(f'GRANT UPDATE ON users TO "{app_role.name}"')
    await conn.execute(render_grants(app_role.name, SCHEMAS))
    assert await conn.fetchval("SELECT has_table_privilege($1, 'users', 'UPDATE')", app_role.name)
    [warning] = told
    revoke = f'REVOKE INSERT, UPDATE ON users FROM PUBLIC, "{app_role.name}";'
    assert revoke.replace('"', "") in warning.replace('"', "")
    await conn.execute(revoke)
    await conn.execute(render_grants(app_role.name, SCHEMAS))
    assert len(told) == 1
    await conn.close()

"""`gatepost doctor` proves effects: it does what a server does, undoes it, and says what to do."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from tests.cli.conftest import Command, Database
from tests.cli.test_doctor import examined
from tests.conftest import PASSWORD, SCHEMAS, Role, execute
from tests.maker import on_database
from tests.pooler import pooled
from tests.security.test_hashes import VECTORS
from tests.walking import walked

from gatepost.db.grants import render_grants
from gatepost.db.migrate import render_sql
from gatepost.db.pooling import Pooling
from gatepost.doctor import effects
from gatepost.security.hashes import patterns

TABLES = (
    "users",
    "user_sessions",
    "auth_events",
    "auth_throttles",
    "auth_failures",
    "auth_links",
)


@pytest.fixture
async def granted(
    command: Command, owner_dsn: str, app_role: Role, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """A role with the least rights, as which the commands sign in; its settings are its own."""
    await execute(owner_dsn, render_grants(app_role.name, SCHEMAS))
    monkeypatch.setenv("DATABASE_URL", app_role.on(owner_dsn))
    yield app_role.name
    await execute(
        owner_dsn,
        "SET default_transaction_read_only = off",
        f"ALTER ROLE {app_role.name} RESET ALL",
        f"ALTER ROLE {app_role.name} CONNECTION LIMIT -1",
    )


async def test_what_is_tried_leaves_nothing_behind(gatepost: Command, db: Database, ada: int) -> None:
    before = [await db.fetch(f"TABLE {table}") for table in TABLES]
    assert (await examined(gatepost, 0))["effects"]["status"] == "ok"
    assert [await db.fetch(f"TABLE {table}") for table in TABLES] == before


# --- Row-level security ---

CLOSED = "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY"


@pytest.mark.parametrize("table", TABLES)
async def test_row_level_security_without_a_policy_is_wrong(
    command: Command, granted: str, db: Database, table: str
) -> None:
    await db.execute(CLOSED.format(table))
    found = await examined(command, 1)
    assert found["policies"]["status"] == found["effects"]["status"] == "wrong"
    assert f"hides rows of {table} from {granted}" in found["policies"]["found"]
    statement = f"CREATE POLICY gatepost ON {table} TO {granted} USING (true) WITH CHECK (true)"
    assert statement in found["policies"]["advice"]
    await db.execute(statement)
    found = await examined(command, 0)
    assert found["policies"]["found"] == "row-level security lets the role do everything"


@pytest.mark.parametrize(
    "policies",
    [
        "CREATE POLICY tenant ON users USING (name = current_setting('app.tenant', true))",
        "CREATE POLICY reads ON users FOR SELECT USING (true)",
        """CREATE POLICY adds ON users FOR INSERT WITH CHECK (true);
        CREATE POLICY reads ON users FOR SELECT USING (true)""",
        """CREATE POLICY everything ON users USING (true);
        CREATE POLICY not_all ON users AS RESTRICTIVE USING (email LIKE '%@example.com')""",
    ],
)
async def test_policies_that_hide_rows_are_wrong_though_rights_are_there(
    command: Command, granted: str, db: Database, policies: str
) -> None:
    await db.execute(f"{CLOSED.format('users')}; {policies}")
    found = await examined(command, 1)
    assert found["privileges"]["status"] == "ok"
    assert (found["policies"]["status"], found["policies"]["found"].split(" from ")[0]) == (
        "wrong",
        "row-level security hides rows of users",
    )


async def test_a_role_that_policies_do_not_bind_is_ok(
    gatepost: Command, owner_dsn: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", owner_dsn)
    await db.execute(CLOSED.format("users"))
    assert (await examined(gatepost, 0))["policies"]["status"] == "ok"


# --- Read-only ---


@walked("by", ["role", "database", "role in database", "url"])
async def test_a_read_only_default_is_wrong_and_says_where_it_is_set(
    command: Command, granted: str, owner_dsn: str, app_role: Role, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    name = urlsplit(owner_dsn).path[1:]
    setting = "default_transaction_read_only"
    where = {
        "role": f"ALTER ROLE {granted}",
        "database": f"ALTER DATABASE {name}",
        "role in database": f"ALTER ROLE {granted} IN DATABASE {name}",
    }
    if by == "url":
        url = app_role.on(owner_dsn)
        monkeypatch.setenv("DATABASE_URL", f"{url}{'&' if '?' in url else '?'}{setting}=on")
    else:
        await execute(owner_dsn, f"{where[by]} SET {setting} = on")
    found = await examined(command, 1)
    assert found["writable"]["found"] == "default_transaction_read_only is on"
    remedy = "Take it out of DATABASE_URL"
    if by != "url":
        remedy = f"Run: SET {setting} = off; {where[by]} RESET {setting}"
    assert found["writable"]["advice"] == remedy
    assert (found["effects"]["status"], found["effects"]["advice"]) == (
        "wrong",
        "See what was found about writing above",
    )
    if by != "url":
        await execute(owner_dsn, *remedy.removeprefix("Run: ").split("; "))
        await examined(command, 0)


# --- Rights ---


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        ("SELECT ON gatepost_version", "schema"),
        ("UPDATE ON users", "effects"),
        ("INSERT ON auth_events", "effects"),
        ("SELECT ON user_sessions", "effects"),
        ("USAGE ON SEQUENCE user_sessions_id_seq", "effects"),
        ("EXECUTE ON FUNCTION gatepost_redact_events", "effects"),
    ],
)
async def test_rights_that_lack_are_said_in_postgresqls_words(
    command: Command, granted: str, db: Database, taken: str, named: str
) -> None:
    await db.execute(f"REVOKE {taken} FROM {granted}")
    found = await examined(command, 1)
    assert found[named]["status"] == "wrong"
    assert "permission denied" in found[named]["found"]
    assert "migrate --grants" in found[named]["advice"]
    assert taken.split(" ON ")[1].split()[-1] in found["privileges"]["found"]


async def test_a_role_that_was_granted_nothing_is_told_so(
    command: Command, owner_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"gatepost_{uuid4().hex[:12]}"
    await execute(
        owner_dsn, f"CREATE ROLE {role} LOGIN PASSWORD 'p'", "REVOKE ALL ON SCHEMA public FROM PUBLIC"
    )
    try:
        monkeypatch.setenv("DATABASE_URL", Role(name=role, password="p").on(owner_dsn))
        done = await command("doctor")
        assert (done.code, done.err) == (1, "")
        assert f"search_path contains no schema that {role} may use" in done.out
        assert f"GRANT USAGE ON SCHEMA … TO {role}" in done.out
        await execute(owner_dsn, f"GRANT USAGE ON SCHEMA public TO {role}")
        done = await command("doctor")
        assert (done.code, done.err) == (1, "")
        assert "PostgreSQL says: permission denied for table gatepost_version" in done.out
        assert "GRANT SELECT ON gatepost_version TO …" in done.out
    finally:
        await execute(owner_dsn, f"DROP OWNED BY {role}; DROP ROLE {role}")


# --- The application's rules ---


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ("ALTER TABLE users ADD CONSTRAINT only_ours CHECK (email LIKE '%@corp.test')", "warning"),
        (
            """CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'only_ours'; END $$;
            CREATE TRIGGER guard BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION guard()""",
            "warning",
        ),
        ("ALTER TABLE users ADD only_ours text NOT NULL", "wrong"),
        (
            """CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
            CREATE TRIGGER only_ours BEFORE UPDATE ON user_sessions FOR EACH ROW EXECUTE FUNCTION guard()""",
            "wrong",
        ),
    ],
)
async def test_a_rule_that_stands_against_what_a_server_does_is_told(
    gatepost: Command, db: Database, rule: str, status: str
) -> None:
    await db.execute(rule)
    found = await examined(gatepost, 1 if status == "wrong" else 0)
    assert found["effects"]["status"] == status
    assert "only_ours" in found["effects"]["found"] + found["rules"]["found"]
    assert found["effects"]["advice"]


async def test_rules_on_what_is_written_are_listed(gatepost: Command, db: Database) -> None:
    await db.execute(
        """
        ALTER TABLE users ADD CONSTRAINT one_name UNIQUE (name),
            ADD CONSTRAINT long_name CHECK (length(name) > 1),
            ADD tenant integer, ADD CONSTRAINT tenants UNIQUE (tenant);
        CREATE UNIQUE INDEX one_name_whatever_the_case ON users (lower(name));
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER noted BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION noted();
        """
    )
    rules = (await examined(gatepost, 0))["rules"]
    for name in ("one_name UNIQUE", "long_name CHECK", "one_name_whatever_the_case", "noted BEFORE INSERT"):
        assert name in rules["found"]
    assert "tenants" not in rules["found"]
    assert "users_email_key" not in rules["found"]
    assert "users_temporary_password" not in rules["found"]


# --- Sequences ---


@walked("table", ["users", "user_sessions", "auth_events", "auth_links"])
async def test_a_sequence_behind_its_table_is_wrong_and_the_statement_mends_it(
    gatepost: Command, db: Database, ada: int, table: str
) -> None:
    columns = {
        "users": "(email, name) SELECT 'u' || n || '@example.com', 'U'",
        "user_sessions": f"(session_token, user_id, expires_at) SELECT 's' || n, {ada}, now()",
        "auth_events": "(action) SELECT 'user.renamed'",
        "auth_links": "(purpose, digest, expires_at) SELECT 'setup', 'd' || n, now()",
    }[table]
    await db.execute(f"INSERT INTO {table} {columns} FROM generate_series(1, 20) n")
    await db.execute(f"SELECT setval('{table}_id_seq', 1)")
    found = await examined(gatepost, 1)
    assert found["effects"]["advice"] == "A sequence is behind its table: see the sequences below"
    assert f"of {table} is " in found["sequences"]["found"]
    statement = found["sequences"]["advice"].removeprefix("Run: ")
    assert statement.startswith(f"SELECT setval('{table}_id_seq', ")
    await db.execute(statement)
    found = await examined(gatepost, 0)
    assert (found["sequences"]["status"], found["effects"]["status"]) == ("ok", "ok")


# --- E-mails ---


async def test_emails_that_nobody_can_type_are_told(gatepost: Command, db: Database, ada: int) -> None:
    await db.execute(
        "INSERT INTO users (email, name) VALUES ('jose\u0301@example.com', 'J'), ('no address', 'N'),"
        " ('jos\u00e9@example.org', 'J'), ('Plain.Name+tag@Example.com', 'P'), ('\uff41da@example.com', 'A'),"
        " ('jos\u00e9@example.com', 'J')"
    )
    emails = (await examined(gatepost, 0))["emails"]
    assert emails["status"] == "warning"
    assert emails["found"].count("(id ") == 3
    for user in (2, 3, 6):
        assert f"(id {user})" in emails["found"]
    await db.execute("DELETE FROM users WHERE id IN (2, 3, 6)")
    assert (await examined(gatepost, 0))["emails"]["status"] == "ok"


# --- Hashes ---


async def test_hashes_that_cannot_be_read_are_told_by_kind_and_never_shown(
    gatepost: Command, db: Database, ada: int
) -> None:
    stored = [
        "$2b$04$cutoff",
        "plain text",
        "$S$DFURCPdWMHpPuUUt1Nq3gcQSHPRG9QX",
        "pbkdf2_sha256$1$salt",
        "",
        "!x",
    ]
    for number, each in enumerate([*stored, None, "$1$z97CpFvI$WW50gujRWodAHVpNxaQDu."], start=11):
        await db.execute(
            "INSERT INTO users (id, email, name, hashed_password) VALUES ($1, $2, 'U', $3)",
            number,
            f"u{number}@example.com",
            each,
        )
    done = await gatepost("doctor", "--json")
    found = [check for check in done.json["checks"] if check["name"] == "hashes"]
    assert {check["status"] for check in found} == {"warning"}
    assert [check["found"].partition(" can't")[0] for check in found] == ["2 users", "2 users"]
    assert [check["found"].partition(": id ")[2] for check in found] == ["11, 14", "12, 13"]
    assert not any(text in done.out for text in ("cutoff", "plain text", "DFURCP", "pbkdf2"))
    migrated = await gatepost("migrate", "--json")
    assert [each for each in migrated.json["warnings"] if each.startswith("hashes: 2 users")] != []


@pytest.mark.parametrize("stored", [stored for _, stored in VECTORS.values()], ids=list(VECTORS))
async def test_postgresql_knows_the_same_forms_as_we_do(db: Database, stored: str) -> None:
    assert await db.fetchval("SELECT $1::text ~ ANY($2::text[])", stored, patterns())
    for damaged in (stored[:-1] + "\u00e9", "x" + stored, stored + "\n"):
        assert not await db.fetchval("SELECT $1::text ~ ANY($2::text[])", damaged, patterns())


# --- Soft deletion ---


async def test_users_that_are_marked_as_deleted_are_told(gatepost: Command, db: Database, ada: int) -> None:
    await db.execute(
        "ALTER TABLE users ADD deleted_at timestamptz;"
        " CREATE UNIQUE INDEX users_live ON users (lower(email)) WHERE deleted_at IS NULL;"
        " UPDATE users SET deleted_at = now()"
    )
    found = (await examined(gatepost, 0))["soft delete"]
    assert found["status"] == "warning"
    assert "users whom it marks are active and can sign in, 1 in all" in found["found"]
    assert "users_live lets such an e-mail be registered again" in found["found"]
    await db.execute(found["advice"].removeprefix("Run: ").partition(";")[0])
    assert await db.fetchval("SELECT is_active FROM users") is False
    assert "can sign in as long as they are active" in (await examined(gatepost, 0))["soft delete"]["found"]


async def test_the_trigger_of_the_documentation_keeps_is_active_in_step(
    gatepost: Command, db: Database, ada: int
) -> None:
    page = (Path(__file__).parents[2] / "docs/database.md").read_text()
    shown = page.partition("### Soft-deleted users")[2].partition("```sql")[2].partition("```")[0]
    await db.execute(shown)
    await db.execute("UPDATE users SET deleted_at = now()")
    assert await db.fetchval("SELECT is_active FROM users") is False
    await db.execute("UPDATE users SET deleted_at = NULL")
    await db.execute("INSERT INTO users (email, name, is_active) VALUES ('off@example.com', 'O', false)")
    active = await db.fetch("SELECT is_active FROM users ORDER BY id")
    assert [row["is_active"] for row in active] == [True, False]
    found = await examined(gatepost, 0)
    assert found["soft delete"]["status"] == found["effects"]["status"] == "ok"


@pytest.mark.parametrize(("column", "gone"), [("is_deleted boolean", "true"), ("archived_at date", "now()")])
async def test_other_marks_are_known(
    gatepost: Command, db: Database, ada: int, column: str, gone: str
) -> None:
    name = column.split()[0]
    await db.execute(f"ALTER TABLE users ADD {column} DEFAULT {gone}")
    found = (await examined(gatepost, 0))["soft delete"]
    assert f"users.{name} looks like soft deletion" in found["found"]
    await db.execute(found["advice"].removeprefix("Run: ").partition(";")[0])
    assert await db.fetchval("SELECT is_active FROM users") is False


# --- Connections ---


@pytest.mark.parametrize(
    ("statement", "who"),
    [
        ("ALTER ROLE {role} CONNECTION LIMIT 5", "the role {role} may have 5"),
        ("ALTER DATABASE {database} CONNECTION LIMIT 9", "the database {database} may have 9"),
    ],
)
async def test_fewer_connections_than_the_workers_open_are_a_warning(
    command: Command, granted: str, owner_dsn: str, monkeypatch: pytest.MonkeyPatch, statement: str, who: str
) -> None:
    names = {"role": granted, "database": urlsplit(owner_dsn).path[1:]}
    await execute(owner_dsn, statement.format(**names))
    found = (await examined(command, 0))["connections"]
    assert found["status"] == "warning"
    assert found["found"] == f"WORKERS * (DATABASE_POOL_SIZE + 2) = 12 connections, and {who.format(**names)}"
    assert "Set DATABASE_POOL_SIZE to" in found["advice"]
    monkeypatch.setenv("DATABASE_POOL_SIZE", "3")
    assert (await examined(command, 0))["connections"]["status"] == "ok"


async def test_more_workers_than_the_server_has_room_for_are_a_warning(
    gatepost: Command, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = int(await db.fetchval("SELECT current_setting('max_connections')::int")) - int(
        await db.fetchval("SELECT current_setting('superuser_reserved_connections')::int")
    )
    monkeypatch.setenv("WORKERS", "4")
    monkeypatch.setenv("DATABASE_POOL_SIZE", "300")
    found = (await examined(gatepost, 0))["connections"]
    assert found["found"].endswith(f"= 1208 connections, and the server has room for {room}")


async def test_a_pooler_that_lends_connections_by_transaction_is_found(
    gatepost: Command, owner_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pooled(owner_dsn, tmp_path) as dsn:
        monkeypatch.setenv("DATABASE_URL", dsn)
        done = await gatepost("doctor")
    (line,) = [line for line in done.out.splitlines() if line.split()[1] == "pooler"]
    assert line.split()[0] == "warning"
    assert "a pooler in transaction mode" in line
    assert "pool_mode = session" in done.out
    assert "max_prepared_statements" in done.out


@pytest.mark.parametrize(
    ("pooling", "status"),
    [
        (Pooling(is_there=True), "ok"),
        (Pooling(is_there=True, by_transaction=True), "warning"),
        (Pooling(is_there=True, by_transaction=True, keeps_statements=False), "warning"),
    ],
)
def test_a_pooler_is_judged_by_what_it_keeps(pooling: Pooling, status: str) -> None:
    assert effects.pooler(pooling).status == status


# --- Encoding ---


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "WIN1252"])
async def foreign_dsn(server_dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An empty database in another encoding."""
    name = f"gatepost_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server_dsn)
    try:
        # PostgreSQL knows more than one since 15, and ours takes another one by default.
        provider = " LOCALE_PROVIDER libc" if conn.get_server_version().major >= 15 else ""
        await conn.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{request.param}'"
            f" LC_COLLATE 'C' LC_CTYPE 'C'{provider}"
        )
    finally:
        await conn.close()
    yield on_database(server_dsn, name)
    await execute(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_database_in_another_encoding_is_refused_everywhere(
    command: Command, foreign_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", foreign_dsn)
    assert "ENCODING 'UTF8' TEMPLATE template0" in (await command("migrate", "--json")).failed(
        "database_unfit"
    )
    with pytest.raises(asyncpg.RaiseError, match="ENCODING 'UTF8' TEMPLATE template0"):
        await execute(foreign_dsn, render_sql())
    conn = await asyncpg.connect(foreign_dsn)
    try:
        assert await conn.fetchval("SELECT to_regclass('users')") is None
    finally:
        await conn.close()
    assert "ENCODING 'UTF8'" in (await command("users", "list", "--json")).failed("database_unfit")
    assert (await examined(command, 1))["encoding"]["status"] == "wrong"


async def test_what_an_adopted_table_brings_along_is_told_by_migrate(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    await execute(
        empty_dsn,
        """
        CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL, name text UNIQUE,
            deleted_at timestamptz, hashed_password text);
        CREATE UNIQUE INDEX users_live ON users (lower(email)) WHERE deleted_at IS NULL;
        INSERT INTO users (id, email, name, deleted_at)
        VALUES (7, 'no address', 'J', NULL), (8, 'gone@example.com', 'G', now());
        """,
    )
    warnings = "\n".join((await command("migrate", "--json")).json["warnings"])
    assert "Run: SELECT setval('users_id_seq', (SELECT max(id) FROM users))" in warnings
    assert "users_name_key UNIQUE (name)" in warnings
    assert "users.deleted_at looks like soft deletion" in warnings
    assert "users_live lets such an e-mail be registered again" in warnings
    assert "(id 7)" in warnings
    conn = await asyncpg.connect(empty_dsn)
    try:
        active = await conn.fetch("SELECT id, is_active FROM users ORDER BY id")
        assert [tuple(row) for row in active] == [(7, True), (8, False)]
        await conn.execute("SELECT setval('users_id_seq', (SELECT max(id) FROM users))")
    finally:
        await conn.close()
    again = (await command("migrate", "--json")).json["warnings"]
    assert not any("setval" in line or "UNIQUE (name)" in line for line in again)
    assert any("deleted_at" in line for line in again)


# --- Columns of the application's own ---

FILLED = """
from gatepost import Gatepost

auth = Gatepost()
raised = Gatepost()

@auth.on_insert("username")
async def username(conn, new):
    return {"username": await conn.fetchval("SELECT upper($1)", new.name)}

@raised.on_insert("username")
async def nothing(conn, new):
    raise LookupError("no name left")
"""


async def test_columns_of_the_application_are_filled_by_its_hooks(
    gatepost: Command, owner_dsn: str, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute(owner_dsn, "ALTER TABLE users ADD COLUMN username text NOT NULL")
    name = f"filled_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(FILLED)
    monkeypatch.setattr(sys, "path", [*sys.path])
    alone = (await examined(gatepost, 1))["effects"]
    assert (alone["status"], "@auth.on_insert" in alone["advice"]) == ("wrong", True)
    assert (await examined(gatepost, 0, "--app", f"{name}:auth"))["effects"]["status"] == "ok"
    raised = (await examined(gatepost, 1, "--app", f"{name}:raised"))["effects"]
    assert raised["found"].endswith("a hook of @auth.on_insert raised LookupError: no name left")
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_command_says_which_rule_rejected_what_it_does(gatepost: Command, owner_dsn: str) -> None:
    create = ("users", "create", "--email", "ada@example.com", "--name", "Ada", "--password-stdin")
    await execute(owner_dsn, "ALTER TABLE users ADD COLUMN username text NOT NULL")
    missing = await gatepost(*create, stdin=PASSWORD)
    told = "users.username is NOT NULL, and nothing fills it. Have @auth.on_insert('username')"
    assert f"Error: {told}" in missing.err
    await execute(
        owner_dsn,
        "ALTER TABLE users DROP COLUMN username",
        "ALTER TABLE users ADD CONSTRAINT short CHECK (length(name) < 3)",
    )
    broken = await gatepost(*create, stdin=PASSWORD)
    assert (broken.code, broken.err.splitlines()[-1]) == (1, "Error: The rule is short")

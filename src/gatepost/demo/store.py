"""Statements of `gatepost demo`: what a database holds, emptying a scratch one, and copying rows into it.

A table `gatepost_demo` marks a database whose rows were invented and may be thrown away.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gatepost.db.pool import Connection
from gatepost.models import AuditAction, Client, EndReason, UserId
from gatepost.security.tokens import StoredToken

MARK = "gatepost_demo"
"""The table, without a column, that tells a demo from what somebody would miss."""


class UserRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of `users` but for its hash."""

    id: UserId
    email: str
    name: str
    is_admin: bool
    is_active: bool
    created_at: datetime


class SessionRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of `user_sessions`; a session with `ended_at` has ended."""

    id: int
    token: StoredToken
    user_id: UserId
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    absolute_expires_at: datetime
    client: Client
    place: str | None
    remembered: bool
    family_id: int | None
    replaced_by: int | None
    nonce: bytes | None
    ended_at: datetime | None
    end_reason: EndReason | None


class EventRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of `auth_events`; the database numbers them in the order in which they are copied."""

    at: datetime
    action: AuditAction
    user_id: UserId | None
    session_id: int | None
    client: Client
    detail: Mapping[str, Any]


class FailureRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of `auth_failures`."""

    user_id: UserId
    place: str
    failures: int
    last_at: datetime


async def lock(conn: Connection) -> None:
    """Let one transaction at a time decide about a database, and empty it."""
    await conn.execute("SELECT pg_advisory_xact_lock(7449363237290111855)")


async def tables(conn: Connection) -> list[str]:
    """Return the tables of a database that are no extension's; those of another schema with its name."""
    rows = await conn.fetch(
        """
        SELECT CASE WHEN n.nspname = current_schema() THEN c.relname::text
            ELSE n.nspname || '.' || c.relname END AS name
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
            AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
            AND NOT EXISTS (
                SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
            )
        ORDER BY name
        """
    )
    return [row["name"] for row in rows]


async def drop_all(conn: Connection) -> None:
    """Drop what the migrations and `mark` made: the caller knows that it is all there is."""
    await conn.execute(
        """
        DO $$
        DECLARE
            made record;
        BEGIN
            FOR made IN
                SELECT c.oid::regclass AS name FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                    AND NOT EXISTS (
                        SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
                    )
            LOOP
                EXECUTE format('DROP TABLE %s CASCADE', made.name);
            END LOOP;
            FOR made IN
                SELECT p.oid::regprocedure AS name FROM pg_proc p
                JOIN pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = current_schema() AND p.prokind = 'f'
                    AND p.proname ~ '^(gatepost|auth_events|user_sessions|users)_'
                    AND NOT EXISTS (
                        SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                    )
            LOOP
                EXECUTE format('DROP FUNCTION %s CASCADE', made.name);
            END LOOP;
            IF current_schema() <> 'gatepost' THEN
                DROP SCHEMA IF EXISTS gatepost CASCADE;
            END IF;
        END
        $$
        """
    )


async def mark(conn: Connection) -> None:
    """Mark the database as a demo."""
    await conn.execute("CREATE TABLE gatepost_demo ()")
    await conn.execute(
        "COMMENT ON TABLE gatepost_demo IS"
        " 'All rows in this database were invented by gatepost demo, which drops them when it runs again.'"
    )


async def backdate_migrations(conn: Connection, at: datetime) -> None:
    """Have the schema be as old as what the trail tells, whose ids and times grow together.

    The trail is append-only but for the erasure of a user, whose switch this uses.
    """
    await conn.execute("SELECT set_config('gatepost.redacting', 'on', true)")
    await conn.execute("UPDATE auth_events SET at = $1", at)
    await conn.execute("SELECT set_config('gatepost.redacting', 'off', true)")


async def copy_users(conn: Connection, rows: Iterable[UserRow], *, hashed_password: str) -> None:
    """Add users, who all have the same password."""
    await conn.copy_records_to_table(
        "users",
        columns=("id", "email", "name", "hashed_password", "is_admin", "is_active", "created_at"),
        records=[
            (u.id, u.email, u.name, hashed_password, u.is_admin, u.is_active, u.created_at) for u in rows
        ],
    )


async def copy_sessions(conn: Connection, rows: Iterable[SessionRow]) -> None:
    """Add sessions, live ones and the history."""
    await conn.copy_records_to_table(
        "user_sessions",
        columns=(
            *("id", "session_token", "user_id", "is_active", "expires_at", "created_at", "last_used_at"),
            *("ip_address", "user_agent", "ended_at", "end_reason", "authenticated_at"),
            *("absolute_expires_at", "family_id", "replaced_by", "successor_nonce", "place", "remembered"),
        ),
        records=[
            (
                *(s.id, s.token, s.user_id, s.ended_at is None, s.expires_at, s.created_at, s.last_used_at),
                *(s.client.ip_address, s.client.user_agent, s.ended_at, s.end_reason, s.authenticated_at),
                *(s.absolute_expires_at, s.family_id, s.replaced_by, s.nonce, s.place, s.remembered),
            )
            for s in rows
        ],
    )


async def copy_events(conn: Connection, rows: Sequence[EventRow]) -> None:
    """Add events, which get their ids in this order."""
    await conn.copy_records_to_table(
        "auth_events",
        columns=("at", "action", "user_id", "session_id", "ip_address", "user_agent", "detail"),
        records=[
            (
                *(e.at, e.action, e.user_id, e.session_id, e.client.ip_address, e.client.user_agent),
                json.dumps(dict(e.detail)),
            )
            for e in rows
        ],
    )


async def copy_failures(conn: Connection, rows: Iterable[FailureRow]) -> None:
    """Add failures in a row."""
    await conn.copy_records_to_table(
        "auth_failures",
        columns=("user_id", "place", "failures", "last_at"),
        records=[(f.user_id, f.place, f.failures, f.last_at) for f in rows],
    )


async def number_on(conn: Connection) -> None:
    """Have new users, where ids are numbers, and sessions follow those that were copied."""
    await conn.execute(
        "SELECT setval(pg_get_serial_sequence('users', 'id'), (SELECT count(*) FROM users u)),"
        " setval(pg_get_serial_sequence('user_sessions', 'id'), (SELECT max(s.id) FROM user_sessions s))"
    )


async def analyze(conn: Connection) -> None:
    """Tell the planner of the new rows."""
    await conn.execute("ANALYZE users, user_sessions, auth_events, auth_failures")

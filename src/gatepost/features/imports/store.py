"""Statements on another system's tables, which are read, and on ours, which are filled."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gatepost.db.pool import Connection, one, parse_count
from gatepost.models import Columns, UserId, UserIdType
from gatepost.security.tokens import StoredToken

ID_TYPES = {
    "smallint": UserIdType.SMALLINT,
    "integer": UserIdType.INTEGER,
    "bigint": UserIdType.BIGINT,
    "uuid": UserIdType.UUID,
    "text": UserIdType.TEXT,
    "character varying": UserIdType.TEXT,
}
"""PostgreSQL's name → ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of another system's.

    Attributes:
        name: in a statement, with its schema: PostgreSQL has quoted it.
        schema: the schema's name alone.
        columns: their names.
        id_type: of its column `id`; None where there is none.
    """

    name: str
    schema: str
    columns: frozenset[str]
    id_type: str | None


class Token(Columns, frozen=True, kw_only=True, gc=False):
    """A bearer token of another system's, as it was given out."""

    token: str
    user_id: str
    created_at: datetime

    def __repr__(self) -> str:
        return f"Token(user_id={self.user_id!r})"


class Holder(Columns, frozen=True, kw_only=True, gc=False):
    """Who has an id or an e-mail here.

    Attributes:
        id: the user's.
        key: the canonical e-mail.
    """

    id: UserId
    key: str


# --- The other system ---


async def find_table(conn: Connection, name: str, schema: str | None = None) -> Table | None:
    """Return a table by its exact name; without a schema the one that the connection sees, or any."""
    row = await conn.fetchrow(
        """
        SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname::text AS schema,
            array_agg(a.attname::text) AS columns,
            min(format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL)) FILTER (WHERE a.attname = 'id')
                AS id_type
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND CASE WHEN $2::text IS NULL THEN n.nspname !~ '^(pg_|information_schema$)'
                ELSE n.nspname = $2 END
        GROUP BY c.oid, n.nspname, c.relname
        ORDER BY pg_table_is_visible(c.oid) DESC, n.nspname = 'public' DESC, n.nspname
        LIMIT 1
        """,
        name,
        schema,
    )
    if row is None:
        return None
    return Table(
        name=row["name"],
        schema=row["schema"],
        columns=frozenset(row["columns"]),
        id_type=row["id_type"],
    )


async def count(conn: Connection, table: Table) -> int:
    """Return how many rows a table has."""
    row = await conn.fetchrow(f"SELECT count(*) AS rows FROM {table.name}")  # noqa: S608 - PostgreSQL's quoting
    return int(one(row)["rows"])


async def page(conn: Connection, table: Table, *, after: str | None, limit: int) -> list[Mapping[str, Any]]:
    """Return rows in the order of their ids, those after `after`, whatever columns there are."""
    rows = await conn.fetch(
        f"""
        SELECT to_jsonb(u)::text AS row FROM {table.name} u
        WHERE $1::text IS NULL OR u.id > $1::text::{table.id_type}
        ORDER BY u.id
        LIMIT $2
        """,  # noqa: S608 - PostgreSQL's quoting
        after,
        limit,
    )
    return [json.loads(row["row"]) for row in rows]


async def tokens_of(conn: Connection, table: Table, users: Table, user_ids: Sequence[str]) -> list[Token]:
    """Return the tokens of these users."""
    rows = await conn.fetch(
        f"""
        SELECT t.token::text AS token, t.user_id::text AS user_id, t.created_at::timestamptz AS created_at
        FROM {table.name} t
        WHERE t.user_id = ANY($1::text[]::{users.id_type}[])
        """,  # noqa: S608 - PostgreSQL's quoting
        user_ids,
    )
    return [Token.from_row(row) for row in rows]


async def count_by(conn: Connection, table: Table, column: str) -> dict[str, int]:
    """Return how many rows a table has for each value of a column."""
    rows = await conn.fetch(
        f'SELECT i."{column}"::text AS value, count(*) AS rows FROM {table.name} i GROUP BY 1 ORDER BY 1'  # noqa: S608 - PostgreSQL's quoting, and ours
    )
    return {row["value"]: row["rows"] for row in rows}


# --- Here ---


async def is_empty(conn: Connection) -> bool:
    """Say whether there are no users here."""
    return not one(await conn.fetchrow("SELECT EXISTS (SELECT FROM users) AS found"))["found"]


async def holders(conn: Connection, ids: Sequence[UserId], keys: Sequence[str]) -> list[Holder]:
    """Return who has one of these ids or canonical e-mails here."""
    rows = await conn.fetch(
        """
        SELECT u.id, gatepost.email_key(u.email, u.email_key) AS key FROM users u
        WHERE u.id = ANY($1) OR gatepost.email_key(u.email, u.email_key) COLLATE "C" = ANY($2::text[])
        """,
        ids,
        keys,
    )
    return [Holder.from_row(row) for row in rows]


async def insert_users(conn: Connection, users: Sequence[Mapping[str, Any]], *, at: datetime | None) -> None:
    """Add users with the ids that they have."""
    await conn.execute(
        """
        INSERT INTO users (id, email, email_key, name, hashed_password, is_admin, is_active, created_at,
            updated_at, email_verified_at)
        SELECT r.id, r.email, r.email_key, r.name, r.hashed_password, r.is_admin, r.is_active,
            coalesce(r.created_at, t.now), t.now, r.email_verified_at
        FROM jsonb_populate_recordset(NULL::users, $1::text::jsonb) r
        CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
        """,
        json.dumps(users),
        at,
    )


async def known_tokens(conn: Connection, tokens: Collection[StoredToken]) -> set[str]:
    """Return which of these stored tokens have a row."""
    rows = await conn.fetch(
        "SELECT s.session_token FROM user_sessions s WHERE s.session_token = ANY($1::varchar[])", tokens
    )
    return {row["session_token"] for row in rows}


async def insert_sessions(
    conn: Connection, sessions: Sequence[Mapping[str, Any]], *, at: datetime | None
) -> int:
    """Add live sessions of users who are active; return how many those are."""
    status = await conn.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, is_active, expires_at, created_at, last_used_at,
            authenticated_at, absolute_expires_at)
        SELECT r.session_token, r.user_id, true, r.expires_at, r.created_at,
            coalesce($2::timestamptz, statement_timestamp()), r.created_at, r.absolute_expires_at
        FROM jsonb_populate_recordset(NULL::user_sessions, $1::text::jsonb) r
        JOIN users u ON u.id = r.user_id AND u.is_active
        """,
        json.dumps(sessions),
        at,
    )
    return parse_count(status)


async def raise_sequence(conn: Connection) -> None:
    """Have the sequence of users' ids, where there is one, go on above the highest id."""
    await conn.execute(
        """
        SELECT setval(q.seqrelid, m.highest)
        FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS oid) s
        JOIN pg_sequence q ON q.seqrelid = s.oid
        CROSS JOIN (
            SELECT max(u.id::text::bigint) AS highest FROM users u WHERE u.id::text ~ '^[0-9]{1,18}$'
        ) m
        WHERE m.highest >= coalesce(pg_sequence_last_value(q.seqrelid) + q.seqincrement, q.seqstart)
        """
    )

"""Statements that fill our tables with who comes from another system."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gatepost.db.pool import Connection, one, parse_count
from gatepost.models import Columns, UserId
from gatepost.security.tokens import StoredToken


class Holder(Columns, frozen=True, kw_only=True, gc=False):
    """Who has an id or an e-mail here.

    Attributes:
        id: the user's.
        key: the canonical e-mail.
    """

    id: UserId
    key: str


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


async def unfilled(conn: Connection, filled: Collection[str]) -> list[str]:
    """Return the columns of `users` that must have a value and get none, unless a trigger gives them one.

    Args:
        conn: where to ask.
        filled: columns that are written.
    """
    rows = await conn.fetch(
        """
        SELECT a.attname::text AS name FROM pg_attribute a
        WHERE a.attrelid = 'users'::regclass AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attname <> ALL($1::text[])
        ORDER BY a.attnum
        """,
        filled,
    )
    return [row["name"] for row in rows]


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
        msgspec.json.encode(users).decode(),
        at,
    )


async def insert_users_with(
    conn: Connection, users: Sequence[Mapping[str, Any]], *, at: datetime | None
) -> None:
    """Add users as `insert_users` does, each with the columns of the application's that its `own` has."""
    given = msgspec.json.encode(users).decode()
    await conn.execute(
        """
        SELECT u.id
        FROM jsonb_array_elements($1::text::jsonb) e (given)
        CROSS JOIN LATERAL jsonb_populate_record(NULL::users, e.given) r
        CROSS JOIN LATERAL gatepost.insert_user(r.email, r.name, r.hashed_password, r.is_admin,
            coalesce(r.created_at, $2::timestamptz), r.email_key, e.given -> 'own'
                || jsonb_build_object('id', r.id, 'email_verified_at', r.email_verified_at)) u
        """,
        given,
        at,
    )
    await conn.execute(
        """
        UPDATE users u
        SET is_active = r.is_active, updated_at = coalesce($2::timestamptz, statement_timestamp())
        FROM jsonb_populate_recordset(NULL::users, $1::text::jsonb) r
        WHERE u.id = r.id
        """,
        given,
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
        msgspec.json.encode(sessions).decode(),
        at,
    )
    return parse_count(status)


async def raise_sequence(conn: Connection, highest: int) -> None:
    """Have the sequence of users' ids, where there is one, go on above this id."""
    await conn.execute(
        """
        SELECT setval(q.seqrelid, $1)
        FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS oid) s
        JOIN pg_sequence q ON q.seqrelid = s.oid
        WHERE $1::bigint >= coalesce(pg_sequence_last_value(q.seqrelid) + q.seqincrement, q.seqstart)
        """,
        highest,
    )

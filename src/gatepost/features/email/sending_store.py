"""Statements by which mails are taken from `auth_messages`, sent and done with."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gatepost.db.pool import Connection, Record, parse_count
from gatepost.models import Columns, UserId


class Message(Columns, frozen=True, kw_only=True, gc=False):
    """A mail whose turn it is.

    Attributes:
        id: of its row.
        template: a name of `mails.Mail`; text, because a newer Gatepost may have written the row.
        language: of its user, or of whoever asked; None where neither is known.
        user_id: whom it is about.
        recipient: the address.
        name: of the user, where the address is theirs and proven; None elsewhere.
        link_id: of the link that it carries.
        data: for its templates.
        created_at: when it was written down.
        expires_at: after which it is of no use any more.
        attempts: to send it, this one among them.
    """

    id: int
    template: str
    language: str | None
    user_id: UserId | None
    recipient: str
    name: str | None
    link_id: int | None
    data: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    attempts: int


def _message(row: Record) -> Message:
    return Message.from_row({**row, "data": json.loads(row["data"])})


async def claim(
    conn: Connection, lease: UUID, *, limit: int, lasts: timedelta, at: datetime | None
) -> list[Message]:
    """Take mails whose turn it is, for as long as the lease lasts; nobody else takes them until then."""
    rows = await conn.fetch(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($4::timestamptz, statement_timestamp()) AS now
        ), due AS MATERIALIZED (
            SELECT m.id
            FROM auth_messages m CROSS JOIN t
            WHERE m.state = 'queued' AND m.due_at <= t.now AND m.expires_at > t.now
                AND coalesce(m.leased_until <= t.now, true)
            ORDER BY m.due_at
            LIMIT $2
            FOR UPDATE OF m SKIP LOCKED
        ), claimed AS (
            UPDATE auth_messages m
            SET lease = $1, leased_until = t.now + $3::interval, attempts = m.attempts + 1
            FROM due d CROSS JOIN t
            WHERE m.id = d.id
            RETURNING m.*
        )
        SELECT m.id, m.template, m.language, m.user_id, m.recipient, m.link_id, m.data::text AS data,
            m.created_at, m.expires_at, m.attempts, u.name
        FROM claimed m
        LEFT JOIN users u ON u.id = m.user_id AND u.email_verified_at IS NOT NULL
            AND u.email = m.recipient
        ORDER BY m.due_at, m.id
        """,
        lease,
        limit,
        lasts,
        at,
    )
    return [_message(row) for row in rows]


async def expire(conn: Connection, *, limit: int, at: datetime | None) -> list[Message]:
    """Be done with mails whose time has run out, as `finish` is; return what they were."""
    rows = await conn.fetch(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($2::timestamptz, statement_timestamp()) AS now
        ), over AS MATERIALIZED (
            SELECT m.id, m.recipient, m.data
            FROM auth_messages m CROSS JOIN t
            WHERE m.state = 'queued' AND m.expires_at <= t.now AND coalesce(m.leased_until <= t.now, true)
            LIMIT $1
            FOR UPDATE OF m SKIP LOCKED
        )
        UPDATE auth_messages m
        SET state = 'expired', done_at = t.now, recipient = NULL, data = NULL,
            lease = NULL, leased_until = NULL
        FROM over o CROSS JOIN t
        WHERE m.id = o.id
        RETURNING m.id, m.template, m.language, m.user_id, o.recipient, m.link_id, o.data::text AS data,
            m.created_at, m.expires_at, m.attempts, NULL::varchar AS name
        """,
        limit,
        at,
    )
    return [_message(row) for row in rows]


async def finish(
    conn: Connection, message_id: int, lease: UUID, state: str, *, error: str | None, at: datetime | None
) -> bool:
    """Be done with a mail, and forget for whom and with what it was; False where the lease is another's."""
    status = await conn.execute(
        """
        UPDATE auth_messages m
        SET state = $3, error = $4, done_at = coalesce($5::timestamptz, statement_timestamp()),
            recipient = NULL, data = NULL, lease = NULL, leased_until = NULL
        WHERE m.id = $1 AND m.lease = $2 AND m.state = 'queued'
        """,
        message_id,
        lease,
        state,
        error,
        at,
    )
    return parse_count(status) == 1


async def put_off(
    conn: Connection, message_id: int, lease: UUID, *, wait: timedelta, error: str, at: datetime | None
) -> bool:
    """Have a mail tried again after a while; False where the lease is another's."""
    status = await conn.execute(
        """
        UPDATE auth_messages m
        SET due_at = coalesce($5::timestamptz, statement_timestamp()) + $3::interval, error = $4,
            lease = NULL, leased_until = NULL
        WHERE m.id = $1 AND m.lease = $2 AND m.state = 'queued'
        """,
        message_id,
        lease,
        wait,
        error,
        at,
    )
    return parse_count(status) == 1


async def next_due(conn: Connection, *, at: datetime | None) -> timedelta | None:
    """Return how long it is until one can be sent; None where none waits."""
    found: timedelta | None = await conn.fetchval(
        """
        SELECT min(least(greatest(m.due_at, coalesce(m.leased_until, m.due_at)), m.expires_at))
            - coalesce($1::timestamptz, statement_timestamp())
        FROM auth_messages m
        WHERE m.state = 'queued'
        """,
        at,
    )
    return found

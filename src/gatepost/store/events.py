"""Statements on `auth_events`, the audit trail; there is no update and no delete."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gatepost.db.pool import Connection, Record
from gatepost.models import AuditAction, AuditEvent, Client


def _event(row: Record) -> AuditEvent:
    return AuditEvent.from_row({**row, "detail": json.loads(row["detail"])})


async def insert(
    conn: Connection,
    action: AuditAction,
    *,
    client: Client,
    at: datetime | None,
    user_id: int | None = None,
    session_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add an event to the trail."""
    await conn.execute(
        """
        INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
        VALUES (coalesce($1::timestamptz, statement_timestamp()), $2, $3, $4, $5, $6, $7::text::jsonb)
        """,
        at,
        action,
        user_id,
        session_id,
        client.ip_address,
        client.user_agent,
        json.dumps(dict(detail or {})),
    )


async def page_of_user(conn: Connection, user_id: int, *, before: int | None, limit: int) -> list[AuditEvent]:
    """Return a user's events, newest first, those with an id below `before`."""
    rows = await conn.fetch(
        """
        SELECT e.id, e.at, e.action, e.user_id, e.session_id, e.ip_address, e.user_agent,
            e.detail::text AS detail
        FROM auth_events e
        WHERE e.user_id = $1 AND e.id < coalesce($2::bigint, 9223372036854775807)
        ORDER BY e.id DESC
        LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [_event(row) for row in rows]


async def page(
    conn: Connection, *, before: int | None, limit: int, action: str | None = None
) -> list[AuditEvent]:
    """Return everybody's events, newest first, those with an id below `before`."""
    rows = await conn.fetch(
        """
        SELECT e.id, e.at, e.action, e.user_id, e.session_id, e.ip_address, e.user_agent,
            e.detail::text AS detail
        FROM auth_events e
        WHERE e.id < coalesce($1::bigint, 9223372036854775807) AND ($3::varchar IS NULL OR e.action = $3)
        ORDER BY e.id DESC
        LIMIT $2
        """,
        before,
        limit,
        action,
    )
    return [_event(row) for row in rows]


async def after(conn: Connection, event_id: int, *, limit: int) -> list[AuditEvent]:
    """Return the events that came after one, oldest first: what following the trail asks for."""
    rows = await conn.fetch(
        """
        SELECT e.id, e.at, e.action, e.user_id, e.session_id, e.ip_address, e.user_agent,
            e.detail::text AS detail
        FROM auth_events e
        WHERE e.id > $1
        ORDER BY e.id
        LIMIT $2
        """,
        event_id,
        limit,
    )
    return [_event(row) for row in rows]

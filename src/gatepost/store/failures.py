"""Statements on `auth_failures`: wrong passwords in a row, by user and the place they came from."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gatepost.db.pool import Connection, parse_count
from gatepost.models import AuditAction, Client, UserId


async def record(
    conn: Connection,
    action: AuditAction,
    *,
    client: Client,
    at: datetime | None,
    user_id: UserId | None,
    session_id: int | None,
    detail: Mapping[str, Any],
    counts: bool,
) -> None:
    """Put a refused password on the trail and, where it counts, add it to those in a row.

    One who is being deleted at the same moment has no failures any more.
    """
    await conn.execute(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($1::timestamptz, statement_timestamp()) AS now
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT t.now, $2, $3, $4, $5, $6, $7::text::jsonb FROM t
        ), owner AS MATERIALIZED (
            SELECT u.id FROM users u WHERE u.id = $3 AND $9::boolean FOR KEY SHARE
        )
        INSERT INTO auth_failures AS f (user_id, place, failures, last_at)
        SELECT o.id, $8, 1, t.now FROM owner o CROSS JOIN t
        ON CONFLICT (user_id, place) DO UPDATE SET failures = f.failures + 1, last_at = excluded.last_at
        """,
        at,
        action,
        user_id,
        session_id,
        client.ip_address,
        client.user_agent,
        json.dumps(dict(detail)),
        client.address_block or "",
        counts,
    )


async def clear(conn: Connection, user_id: UserId) -> None:
    """Forget the failures of a user, wherever they came from."""
    await conn.execute("DELETE FROM auth_failures WHERE user_id = $1", user_id)


async def purge_old(conn: Connection, *, older_than: timedelta, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` rows without a failure since `older_than`."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT f.user_id, f.place FROM auth_failures f
            WHERE f.last_at < coalesce($1::timestamptz, statement_timestamp()) - $3::interval
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        DELETE FROM auth_failures f USING due d WHERE f.user_id = d.user_id AND f.place = d.place
        """,
        at,
        limit,
        older_than,
    )
    return parse_count(status)

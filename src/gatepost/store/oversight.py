"""Statements on everybody's live sessions, as an administrator looks at them and ends them.

They are for `Database.planning`: a user's sessions have their own index.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

from gatepost.db.pool import Connection, one
from gatepost.models import AuditAction, Client, EndReason, OverseenSession, SessionFilter, UserId

_LIVE: LiteralString = """
    FROM user_sessions s
    CROSS JOIN (SELECT coalesce($1::timestamptz, statement_timestamp()) AS now) t
    CROSS JOIN LATERAL (
        SELECT u.email FROM users u
        WHERE u.id = s.user_id AND gatepost.is_live(s, u, t.now, $2::interval)
        LIMIT 1 -- so that they are looked up by id, however many there might be
    ) u
    WHERE s.is_active -- as the index has it
        AND CASE WHEN $3::text IS NULL THEN true
            WHEN strpos($3, '/') > 0 THEN gatepost.to_inet(s.ip_address)
                BETWEEN host(network($3::text::inet))::inet AND host(broadcast($3::text::inet))::inet
            ELSE gatepost.to_inet(s.ip_address) = $3::text::inet END
        AND ($4::timestamptz IS NULL OR s.created_at < $4)
        AND ($5::timestamptz IS NULL OR s.created_at >= $5)
        AND ($6::timestamptz IS NULL OR coalesce(s.last_used_at, '-infinity') < $6)
        AND (s.user_id = $7 OR $7 IS NULL)
"""
_SHOWN: LiteralString = """
    s.id, left(s.session_token, 8) AS token_hint, s.user_id, s.created_at, s.last_used_at, s.expires_at,
    s.ip_address, s.user_agent, s.ended_at, s.end_reason, s.impersonator_id, u.email
"""
_BUT_SPARED: LiteralString = """
        AND ($8::bigint IS NULL OR coalesce(s.family_id, s.id) IS DISTINCT FROM (
            SELECT coalesce(own.family_id, own.id) FROM user_sessions own WHERE own.id = $8))
"""


def _given(wanted: SessionFilter, at: datetime | None, idle: timedelta | None) -> tuple[object, ...]:
    """Return what `_LIVE` takes."""
    times = (wanted.started_before, wanted.started_after, wanted.unused_since)
    return (at, idle, wanted.address, *times, wanted.user_id)


async def page(
    conn: Connection,
    wanted: SessionFilter,
    *,
    before: int | None,
    limit: int,
    at: datetime | None,
    idle: timedelta | None,
) -> list[OverseenSession]:
    """Return live sessions, the one started last first, those with an id below `before`.

    Those of a network are found by `page_of_network`: on the way down the ids may come few of them.
    """
    rows = await conn.fetch(
        "SELECT "
        + _SHOWN
        + _LIVE
        + """
            AND s.id < coalesce($8::bigint, 9223372036854775807)
        ORDER BY s.id DESC
        LIMIT $9
        """,
        *_given(wanted, at, idle),
        before,
        limit,
    )
    return [OverseenSession.from_row(row) for row in rows]


async def page_of_network(
    conn: Connection,
    wanted: SessionFilter,
    *,
    before: int | None,
    limit: int,
    at: datetime | None,
    idle: timedelta | None,
) -> list[OverseenSession]:
    """Return what `page` does, for a filter with a network.

    All ids of the network are read from the index, and sorted; the newest are then looked up one by one,
    until there are enough that are live.
    """
    rows = await conn.fetch(
        """
        SELECT s.*
        FROM (
            SELECT o.id
            FROM user_sessions o
            WHERE o.is_active AND o.id < coalesce($8::bigint, 9223372036854775807)
                AND gatepost.to_inet(o.ip_address)
                    BETWEEN host(network($3::text::inet))::inet AND host(broadcast($3::text::inet))::inet
            ORDER BY o.id DESC
        ) found
        CROSS JOIN LATERAL (
            SELECT """
        + _SHOWN
        + _LIVE
        + """
                AND s.id = found.id
            LIMIT 1
        ) s
        ORDER BY found.id DESC
        LIMIT $9
        """,
        *_given(wanted, at, idle),
        before,
        limit,
    )
    return [OverseenSession.from_row(row) for row in rows]


async def matching(
    conn: Connection,
    wanted: SessionFilter,
    *,
    spared: int | None,
    most: int,
    at: datetime | None,
    idle: timedelta | None,
) -> dict[int, UserId]:
    """Return whose live sessions these are: id of the session → id of its user, in the order of users.

    `spared` is a session whose whole sign-in is left out; of more than `most` there are that many.
    """
    rows = await conn.fetch(
        # Found first, and then sorted: the order of users would lead through all sessions that there are.
        "SELECT f.id, f.user_id FROM (SELECT s.id, s.user_id"
        + _LIVE
        + _BUT_SPARED
        + "LIMIT $9) f ORDER BY f.user_id, f.id",
        *_given(wanted, at, idle),
        spared,
        most,
    )
    return {row["id"]: row["user_id"] for row in rows}


async def count(
    conn: Connection,
    wanted: SessionFilter,
    *,
    spared: int | None,
    most: int | None,
    at: datetime | None,
    idle: timedelta | None,
) -> int:
    """Count what `matching` finds, up to `most` where that is a number."""
    row = await conn.fetchrow(
        "SELECT count(*) AS count FROM (SELECT " + _LIVE + _BUT_SPARED + "LIMIT $9) found",
        *_given(wanted, at, idle),
        spared,
        most,
    )
    return int(one(row)["count"])


async def ended(conn: Connection, session_id: int, *, owner: UserId | None) -> OverseenSession | None:
    """Return a session that has ended, of this user where one is given; None where there is none."""
    row = await conn.fetchrow(
        "SELECT "
        + _SHOWN
        + """
        FROM user_sessions s
        JOIN users u ON u.id = s.user_id
        WHERE s.id = $1 AND s.ended_at IS NOT NULL AND (s.user_id = $2 OR $2 IS NULL)
        """,
        session_id,
        owner,
    )
    return None if row is None else OverseenSession.from_row(row)


async def end_each(
    conn: Connection,
    sessions: Sequence[int],
    *,
    reason: EndReason,
    client: Client,
    at: datetime | None,
    detail: Mapping[str, Any],
) -> int:
    """End these sessions, each with its event; return how many were live. Their users are locked."""
    row = await conn.fetchrow(
        """
        SELECT coalesce(sum(gatepost_end_sessions(s.user_id, $2, s.id, $3, $4, $5, $6, $7::text::jsonb)), 0)
            AS count
        FROM user_sessions s
        WHERE s.id = ANY($1::bigint[])
        """,
        sessions,
        reason,
        at,
        AuditAction.SESSION_REVOKED,
        client.ip_address,
        client.user_agent,
        json.dumps(dict(detail)),
    )
    return int(one(row)["count"])

"""Statements on `auth_events`, the audit trail; there is no update and no delete."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from gatepost.db.pool import Connection, Record, one
from gatepost.models import Action, AppAction, AuditEvent, Client, EventFilter, SeenEvent, UserId

COLUMNS: LiteralString = """
    e.id, e.at, e.action, e.user_id, e.session_id, e.ip_address, e.user_agent, e.detail::text AS detail
"""
"""Of an event."""

_EVENTS: LiteralString = "SELECT " + COLUMNS + "FROM auth_events e"
_SEEN: LiteralString = (
    "SELECT " + COLUMNS + ", u.email FROM auth_events e LEFT JOIN users u ON u.id = e.user_id"
)


def _event(row: Record) -> AuditEvent:
    return AuditEvent.from_row({**row, "detail": json.loads(row["detail"])})


def seen(row: Record) -> SeenEvent:
    """Read the columns of an event, and `email`."""
    return SeenEvent(event=_event(row), email=row["email"])


async def insert(
    conn: Connection,
    action: Action | AppAction,
    *,
    client: Client,
    at: datetime | None,
    user_id: UserId | None = None,
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


async def page_of_user(
    conn: Connection, user_id: UserId, *, before: int | None, limit: int, without: Sequence[str] = ()
) -> list[AuditEvent]:
    """Return a user's events, newest first, those with an id below `before`, none of these actions.

    For `Database.planning` where renewals are among these: what is left has an index of its own.
    """
    rows = await conn.fetch(
        _EVENTS
        + """
        WHERE e.user_id = $1 AND e.id < coalesce($2::bigint, 9223372036854775807)
            AND e.action <> ALL ($4::varchar[])
        ORDER BY e.id DESC
        LIMIT $3
        """,
        user_id,
        before,
        limit,
        list(without),
    )
    return [_event(row) for row in rows]


async def newer_of_user(
    conn: Connection, user_id: UserId, *, after: int, limit: int, without: Sequence[str] = ()
) -> list[AuditEvent]:
    """Return the events of a user that came right after one, newest first: the page before `page_of_user`.

    For `Database.planning`, likewise.
    """
    rows = await conn.fetch(
        _EVENTS
        + """
        WHERE e.user_id = $1 AND e.id > $2 AND e.action <> ALL ($4::varchar[])
        ORDER BY e.id
        LIMIT $3
        """,
        user_id,
        after,
        limit,
        list(without),
    )
    return [_event(row) for row in reversed(rows)]


async def seen_after(conn: Connection, event_id: int, *, limit: int) -> list[SeenEvent]:
    """Return the events that came after one, oldest first, with the users' e-mails."""
    rows = await conn.fetch(
        _SEEN
        + """
        WHERE e.id > $1
        ORDER BY e.id
        LIMIT $2
        """,
        event_id,
        limit,
    )
    return [seen(row) for row in rows]


async def seen_among(conn: Connection, event_ids: Sequence[int]) -> list[SeenEvent]:
    """Return those of these events that there are, oldest first, with the users' e-mails."""
    rows = await conn.fetch(
        _SEEN
        + """
        WHERE e.id = ANY($1::bigint[])
        ORDER BY e.id
        """,
        event_ids,
    )
    return [seen(row) for row in rows]


async def span(conn: Connection) -> tuple[int, int]:
    """Return the lowest id, and the first one above the highest."""
    row = one(
        await conn.fetchrow(
            """
            SELECT coalesce(min(e.id), 1)::bigint AS lowest, coalesce(max(e.id), 0)::bigint + 1 AS beyond
            FROM auth_events e
            """
        )
    )
    return row["lowest"], row["beyond"]


async def first_since(conn: Connection, at: datetime, *, lowest: int, beyond: int) -> int:
    """Return the lowest id of the events from a time on, `beyond` where there are none.

    Ids grow with time, nearly: found by halving, which reads some twenty rows of however many there are.
    """
    row = one(
        await conn.fetchrow(
            """
            WITH RECURSIVE search AS (
                SELECT $2::bigint AS low, $3::bigint AS high
                UNION ALL
                SELECT CASE WHEN e.at < $1 THEN e.id + 1 ELSE s.low END,
                    CASE WHEN e.at < $1 THEN s.high ELSE (s.low + s.high) / 2 END
                FROM search s
                CROSS JOIN LATERAL (
                    SELECT e.id, e.at FROM auth_events e
                    WHERE e.id >= (s.low + s.high) / 2
                    ORDER BY e.id
                    LIMIT 1
                ) e
                WHERE s.low < s.high
            )
            SELECT max(s.low) AS first FROM search s
            """,
            at,
            lowest,
            beyond,
        )
    )
    return int(row["first"])


async def are_few_at(conn: Connection, address: str, *, most: int) -> bool:
    """Say whether there are no more events than `most` from an address or a network, without renewals.

    For `Database.planning`.
    """
    row = await conn.fetchrow(
        """
        SELECT count(*) <= $2 AS few FROM (
            (
                SELECT FROM auth_events e
                WHERE e.action = 'session.started' AND e.ip_address IS NOT NULL
                    AND gatepost.to_inet(e.ip_address)
                        BETWEEN host(network($1::text::inet))::inet AND host(broadcast($1::text::inet))::inet
                LIMIT $2::bigint + 1
            )
            UNION ALL
            (
                SELECT FROM auth_events e
                WHERE e.action NOT IN ('session.refreshed', 'session.confirmed', 'session.started')
                    AND e.ip_address IS NOT NULL
                    AND gatepost.to_inet(e.ip_address)
                        BETWEEN host(network($1::text::inet))::inet AND host(broadcast($1::text::inet))::inet
                LIMIT $2 + 1
            )
        ) found
        """,
        address,
        most,
    )
    return bool(one(row)["few"])


_FITS: LiteralString = """
    e.id >= $1 AND e.id < $2
        AND ($4::varchar IS NULL OR e.action = $4)
        AND ($6::varchar IS NULL OR e.ip_address = $6)
        AND ($7::text IS NULL OR $14 OR gatepost.to_inet(e.ip_address) <<= $7::text::inet)
        AND ($8::timestamptz IS NULL OR e.at >= $8)
        AND ($9::timestamptz IS NULL OR e.at < $9)
        AND (e.user_id = $10 OR $10 IS NULL)
        AND ($11::text IS NULL OR e.detail ->> 'admin_id' = $11)
        AND e.action <> ALL ($12::varchar[])
        AND ($13::text IS NULL OR $13
            = lower(coalesce(e.detail ->> 'email', e.detail ->> 'user', e.detail ->> 'admin_id')))
        AND (NOT $14::boolean OR e.ip_address IS NOT NULL
            AND (e.action = 'session.started'
                OR e.action NOT IN ('session.refreshed', 'session.confirmed', 'session.started'))
            AND gatepost.to_inet(e.ip_address)
                BETWEEN host(network(coalesce($6, $7)::text::inet))::inet
                    AND host(broadcast(coalesce($6, $7)::text::inet))::inet)
"""
"""What a filter says of an event, but for its family of actions, and between which ids it is."""

_SELDOM: LiteralString = """
    e.action NOT IN ('session.refreshed', 'session.confirmed', 'session.started', 'login.failed', 'throttled')
"""
"""An event stands in the index by its action: as `services.trail.OFTEN` has it."""


async def search(
    conn: Connection,
    wanted: EventFilter,
    *,
    by_address: bool,
    lowest: int,
    before: int,
    limit: int,
) -> list[SeenEvent]:
    """Return events, newest first, those with an id from `lowest` on and below `before`.

    For `Database.planning`: a user's events have an index of their own, and so have those of an
    administrator, of an e-mail that was tried, and of an action that is seldom.

    Args:
        conn: a connection.
        wanted: which.
        by_address: find all from the address first, and then sort them; for a filter without renewals.
        lowest: an id.
        before: likewise.
        limit: events at the most.
    """
    rows = await conn.fetch(
        "SELECT "
        + COLUMNS
        + """, u.email
        FROM (
            SELECT e.* FROM auth_events e WHERE """
        + _FITS
        + """
                AND ($5::varchar IS NULL OR starts_with(e.action, $5))
            -- What was tried with an e-mail, or from an address, is found by it and then sorted.
            ORDER BY CASE WHEN $13 IS NULL AND NOT $14 THEN e.id ELSE e.id + 0 END DESC
            LIMIT $3
        ) e
        -- By id, however many there might be.
        LEFT JOIN LATERAL (SELECT u.email FROM users u WHERE u.id = e.user_id LIMIT 1) u ON true
        ORDER BY e.id DESC
        """,
        lowest,
        before,
        limit,
        *_parts(wanted),
        by_address,
    )
    return [seen(row) for row in rows]


async def search_family(
    conn: Connection, wanted: EventFilter, *, lowest: int, before: int, limit: int
) -> list[SeenEvent]:
    """Return what `search` does, for a family of actions that are all seldom.

    For `Database.planning`, likewise. The index leads from each action that there is to the next one, and to
    the newest events of each of the family.
    """
    rows = await conn.fetch(
        """
        WITH RECURSIVE kind AS (
            (SELECT e.action FROM auth_events e WHERE """
        + _SELDOM
        + """ ORDER BY e.action LIMIT 1)
            UNION ALL
            SELECT (
                SELECT e.action FROM auth_events e WHERE e.action > k.action AND """
        + _SELDOM
        + """ ORDER BY e.action LIMIT 1
            )
            FROM kind k WHERE k.action IS NOT NULL
        )
        SELECT """
        + COLUMNS
        + """, u.email
        FROM (
            SELECT e.*
            FROM kind k
            CROSS JOIN LATERAL (
                SELECT e.* FROM auth_events e WHERE e.action = k.action AND """
        + _SELDOM
        + "AND"
        + _FITS
        + """
                ORDER BY e.id DESC
                LIMIT $3
            ) e
            WHERE starts_with(k.action, $5::varchar)
            ORDER BY e.id DESC
            LIMIT $3
        ) e
        LEFT JOIN LATERAL (SELECT u.email FROM users u WHERE u.id = e.user_id LIMIT 1) u ON true
        ORDER BY e.id DESC
        """,
        lowest,
        before,
        limit,
        *_parts(wanted),
        False,
    )
    return [seen(row) for row in rows]


def _parts(wanted: EventFilter) -> tuple[object, ...]:
    """Return the parts of a filter, as the statement takes them."""
    action, family = wanted.action, None
    if action is not None and action.endswith("."):
        action, family = None, action
    address, network = wanted.address, None
    if address is not None and "/" in address:
        address, network = None, address
    return (
        action,
        family,
        address,
        network,
        wanted.since,
        wanted.until,
        wanted.user_id,
        None if wanted.by is None else str(wanted.by),
        list(wanted.without or ()),
        wanted.email,
    )

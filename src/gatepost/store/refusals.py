"""Statements on `auth_refusals`: refusals that are counted where too many came from one place."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gatepost.db.pool import Connection, parse_count
from gatepost.models import Action, AuditAction, Client, UserId
from gatepost.settings.rates import Rate


async def record(
    conn: Connection,
    action: Action,
    *,
    client: Client,
    at: datetime | None,
    user_id: UserId | None,
    session_id: int | None,
    detail: Mapping[str, Any],
    place_rate: Rate,
    site_rate: Rate,
    nobody: UserId,
) -> None:
    """Put a refusal on the trail; those of a kind that come too often from one place are counted instead.

    A kind is the action and the user whom it names. What names nobody is limited by the place, and by the
    network of many places (IPv6 /48) besides. `nobody` stands in the column where no user is named.
    """
    place, site = client.address_block or "", client.network_block or ""
    of_place = f"{action}:{place}" if user_id is None else f"{action}:{place}:{user_id}"
    of_site = f"{action}:{site}" if user_id is None and site != place else None
    await conn.execute(
        """
        WITH turn AS MATERIALIZED (
            SELECT c.full_key FROM gatepost.charge(
                ARRAY['event', 'event'], ARRAY[$15::varchar, $16::varchar],
                ARRAY[$10::interval, $12::interval], ARRAY[$11::interval, $13::interval], $1::timestamptz
            ) c
        ), written AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT coalesce($1, clock_timestamp()), $2, $3, $4, $5, $6, $7::text::jsonb
            FROM turn WHERE turn.full_key IS NULL
        )
        INSERT INTO auth_refusals AS r (action, place, user_id, refusals, since)
        SELECT $2, CASE WHEN turn.full_key = $15 THEN $8::varchar ELSE $9 END, coalesce($3, $14), 1,
            coalesce($1, clock_timestamp())
        FROM turn WHERE turn.full_key IS NOT NULL
        ON CONFLICT (action, place, user_id) DO UPDATE SET refusals = r.refusals + 1
        """,
        at,
        action,
        user_id,
        session_id,
        client.ip_address,
        client.user_agent,
        json.dumps(dict(detail)),
        place,
        site,
        place_rate.emission,
        place_rate.tolerance,
        site_rate.emission,
        site_rate.tolerance,
        nobody,
        of_place,
        of_site,
    )


async def settle(conn: Connection, *, limit: int, at: datetime | None, nobody: UserId) -> int:
    """Put at most `limit` of these numbers on the trail, an event each; return how many.

    `nobody` as in `record`.
    """
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT r.action, r.place, r.user_id FROM auth_refusals r
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        ), settled AS (
            DELETE FROM auth_refusals r USING due d
            WHERE r.action = d.action AND r.place = d.place AND r.user_id = d.user_id
            RETURNING r.*
        )
        INSERT INTO auth_events (at, action, user_id, detail)
        SELECT coalesce($1::timestamptz, statement_timestamp()), $3, nullif(s.user_id, $4),
            jsonb_build_object('action', s.action, 'address', s.place, 'refusals', s.refusals,
                'since', to_char(s.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        FROM settled s
        """,
        at,
        limit,
        AuditAction.REFUSALS_COUNTED,
        nobody,
    )
    return parse_count(status)

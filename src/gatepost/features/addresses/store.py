"""Statements on `auth_blocks`, and on what was done from an address."""

from datetime import datetime, timedelta
from typing import LiteralString

from gatepost.db.pool import Connection, Record, one, parse_count
from gatepost.models import Columns, UserId, canonical_network

_COLUMNS: LiteralString = """
    b.id, b.network::text, b.until, b.reason, b.created_at, b.created_by, b.lifted_at, b.lifted_by
"""


class Block(Columns, frozen=True, kw_only=True, gc=False):
    """A network that is blocked, or was.

    Attributes:
        id: grows with time, the cursor of lists.
        network: an address, or a network in CIDR form.
        status: `active`, or how it ended: `lifted` or `expired`.
        until: it ends by itself then; None for until it is lifted.
        reason: what an administrator noted.
        created_at, created_by: when, and by which administrator; None for a command, and for who is deleted.
        lifted_at, lifted_by: when and by whom it was lifted early; None unless it was.
    """

    id: int
    network: str
    status: str
    until: datetime | None
    reason: str | None
    created_at: datetime
    created_by: UserId | None
    lifted_at: datetime | None
    lifted_by: UserId | None


class Account(Columns, frozen=True, kw_only=True, gc=False):
    """What was done from a network with one account, or with an e-mail that is nobody's.

    Attributes:
        user_id: of the account; None where there is none.
        email: of the account, or as it was tried; None where nobody was named.
        is_active: it is not disabled; None where there is none, or none any more.
        failed: sign-ins that failed.
        refused: attempts that were refused by a throttle or a block, as far as the trail has them.
        succeeded: sign-ins that succeeded.
        failed_at: the first that failed.
        succeeded_at: the first that succeeded.
        last_at: the newest event.
        events: all of them.
        failed_before: sign-ins that had failed from there, of whomever, when the first one succeeded.
        is_known: the user signed in from there before any of those failed, or had no account yet.
        is_open: a session that began with one of these sign-ins is still live.
    """

    user_id: UserId | None
    email: str | None
    is_active: bool | None
    failed: int
    refused: int
    succeeded: int
    failed_at: datetime | None
    succeeded_at: datetime | None
    last_at: datetime
    events: int
    failed_before: int
    is_known: bool
    is_open: bool


def _block(row: Record) -> Block:
    return Block.from_row({**row, "network": canonical_network(row["network"])})


async def accounts(
    conn: Connection,
    network: str,
    *,
    within: timedelta,
    most: int,
    at: datetime | None,
    idle: timedelta | None,
) -> list[Account]:
    """Return what was done from a network lately, by account: of its newest events, `most` at the most.

    For `Database.planning`: only a plan that knows the network uses its index.
    """
    rows = await conn.fetch(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($4::timestamptz, statement_timestamp()) AS now
        ), recent AS MATERIALIZED (
            SELECT e.id, e.at, e.action, e.user_id, e.session_id,
                CASE WHEN e.user_id IS NULL THEN lower(e.detail ->> 'email') END AS email
            FROM auth_events e
            WHERE e.ip_address IS NOT NULL
                -- The same as <<=, but that no row of the index is looked at again.
                AND gatepost.to_inet(e.ip_address) BETWEEN host(network($1::text::inet))::inet
                    AND host(broadcast($1::text::inet))::inet
                AND e.action NOT IN ('session.refreshed', 'session.confirmed')
                AND e.at > coalesce($4::timestamptz, statement_timestamp()) - $2::interval
            ORDER BY e.at DESC
            LIMIT $3
        ), ordered AS (
            SELECT r.*,
                count(*) FILTER (WHERE r.action = 'login.failed') OVER (ORDER BY r.at, r.id) AS failures
            FROM recent r
            -- Whoever has a session in the place of its user is no stranger who came in.
            WHERE (r.action = 'session.started' AND r.session_id IN (
                SELECT i.session_id FROM recent i WHERE i.action = 'session.impersonated'
            )) IS NOT TRUE
        ), account AS (
            SELECT o.user_id, o.email, count(*) AS events, max(o.at) AS last_at,
                count(*) FILTER (WHERE o.action = 'login.failed') AS failed,
                min(o.at) FILTER (WHERE o.action = 'login.failed') AS failed_at,
                count(*) FILTER (WHERE o.action = 'throttled') AS refused,
                count(*) FILTER (WHERE o.action = 'session.started') AS succeeded,
                min(o.at) FILTER (WHERE o.action = 'session.started') AS succeeded_at,
                coalesce(min(o.failures) FILTER (WHERE o.action = 'session.started'), 0) AS failed_before,
                array_agg(o.session_id) FILTER (WHERE o.action = 'session.started') AS sessions
            FROM ordered o
            GROUP BY o.user_id, o.email
        ), began AS MATERIALIZED (
            SELECT min(a.failed_at) AS at FROM account a
        )
        SELECT a.user_id, coalesce(u.email, a.email) AS email,
            CASE WHEN u.id IS NOT NULL THEN coalesce(u.is_active, false) END AS is_active,
            a.failed, a.refused, a.succeeded, a.failed_at, a.succeeded_at, a.last_at, a.events,
            a.failed_before,
            a.failed_before > 0 AND (u.created_at::timestamptz >= b.at OR EXISTS (
                SELECT FROM user_sessions s
                WHERE s.user_id = a.user_id AND s.created_at < b.at AND s.impersonator_id IS NULL
                    AND gatepost.to_inet(s.ip_address) <<= $1::text::inet
            )) IS TRUE AS is_known,
            a.succeeded > 0 AND EXISTS (
                SELECT FROM user_sessions s CROSS JOIN t
                WHERE s.user_id = a.user_id AND coalesce(s.family_id, s.id) = ANY (a.sessions)
                    AND gatepost.is_live(s, u, t.now, $5::interval)
            ) AS is_open
        FROM account a CROSS JOIN began b LEFT JOIN users u ON u.id = a.user_id
        ORDER BY a.failed DESC, a.last_at DESC
        """,
        network,
        within,
        most,
        at,
        idle,
    )
    return [Account.from_row(row) for row in rows]


async def block(
    conn: Connection,
    network: str,
    *,
    lifetime: timedelta | None,
    reason: str | None,
    by: UserId | None,
    at: datetime | None,
) -> Block:
    """Block a network; a live block of just this network ends, so that the new one is what holds."""
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($5::timestamptz, statement_timestamp()) AS now
        ), replaced AS (
            UPDATE auth_blocks b SET lifted_at = t.now, lifted_by = $4
            FROM t
            WHERE b.network = $1::text::cidr AND b.lifted_at IS NULL AND coalesce(b.until > t.now, true)
        )
        INSERT INTO auth_blocks AS b (network, until, reason, created_at, created_by)
        SELECT $1::text::cidr, t.now + $2::interval, $3, t.now, $4 FROM t
        RETURNING """
        + _COLUMNS
        + ", 'active' AS status",
        network,
        lifetime,
        reason,
        by,
        at,
    )
    return _block(one(row))


async def lift(conn: Connection, block_id: int, *, by: UserId | None, at: datetime | None) -> Block | None:
    """End a live block; None where there is none with this id."""
    row = await conn.fetchrow(
        """
        UPDATE auth_blocks b SET lifted_at = t.now, lifted_by = $2
        FROM (SELECT coalesce($3::timestamptz, statement_timestamp()) AS now) t
        WHERE b.id = $1 AND b.lifted_at IS NULL AND coalesce(b.until > t.now, true)
        RETURNING """
        + _COLUMNS
        + ", 'lifted' AS status",
        block_id,
        by,
        at,
    )
    return None if row is None else _block(row)


async def blocks(conn: Connection, *, before: int | None, limit: int, at: datetime | None) -> list[Block]:
    """Return blocks, live and ended, newest first, those with an id below `before`."""
    rows = await conn.fetch(
        "SELECT "
        + _COLUMNS
        + """, CASE WHEN b.lifted_at IS NOT NULL THEN 'lifted'
                WHEN b.until <= coalesce($3::timestamptz, statement_timestamp()) THEN 'expired'
                ELSE 'active' END AS status
        FROM auth_blocks b
        WHERE b.id < coalesce($1::bigint, 9223372036854775807)
        ORDER BY b.id DESC
        LIMIT $2
        """,
        before,
        limit,
        at,
    )
    return [_block(row) for row in rows]


async def blocks_at(conn: Connection, network: str, *, limit: int, at: datetime | None) -> list[Block]:
    """Return the live blocks that touch a network, the widest first."""
    rows = await conn.fetch(
        "SELECT "
        + _COLUMNS
        + """, 'active' AS status
        FROM auth_blocks b
        WHERE b.network && $1::text::inet AND b.lifted_at IS NULL
            AND coalesce(b.until > coalesce($3::timestamptz, statement_timestamp()), true)
        ORDER BY masklen(b.network), b.id
        LIMIT $2
        """,
        network,
        limit,
        at,
    )
    return [_block(row) for row in rows]


async def purge_blocks(conn: Connection, *, kept: timedelta, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` blocks that ended longer ago than they are kept."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT b.id
            FROM auth_blocks b
            CROSS JOIN (SELECT coalesce($1::timestamptz, statement_timestamp()) AS now) t
            WHERE least(b.lifted_at, b.until) < t.now - $3::interval
            LIMIT $2
            FOR UPDATE OF b SKIP LOCKED
        )
        DELETE FROM auth_blocks b USING due d WHERE b.id = d.id
        """,
        at,
        limit,
        kept,
    )
    return parse_count(status)

"""Statements on `auth_blocks`."""

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


def _block(row: Record) -> Block:
    return Block.from_row({**row, "network": canonical_network(row["network"])})


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

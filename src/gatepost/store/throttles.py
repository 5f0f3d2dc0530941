"""Statements on `auth_throttles`: buckets of attempts by the generic cell rate algorithm (ITU-T I.371).

A bucket holds one time, `tat`, by which it would be empty again. An attempt passes where `tat` lies no
further ahead than the tolerance, and moves it on by the emission: checked and charged in one statement, by
whoever locks the row first, so that attempts at the same moment pass as often as the burst and no oftener.
A bucket that is seen to be full refuses without a lock and without writing, so that a flood costs reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from gatepost.db.pool import Connection, one, parse_count
from gatepost.models import AuditAction, Bucket, Client, Row
from gatepost.settings.rates import Rate
from gatepost.store.endings import HOUSEKEEPING_LOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One attempt on one bucket.

    Attributes:
        bucket: what is limited.
        key: whose bucket it is.
        rate: how often it may be.
    """

    bucket: Bucket
    key: str
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How full a bucket is.

    Attributes:
        bucket, key: its names.
        tat: when it would be empty again.
        now: when that was read.
    """

    bucket: str
    key: str
    tat: datetime
    now: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `page`."""
        return cls(bucket=row["bucket"], key=row["key"], tat=row["tat"], now=row["now"])


async def charge_both(
    conn: Connection, first: Charge, second: Charge, *, at: datetime | None
) -> Charge | None:
    """Charge a bucket and, where that has room, another; return the one that has none."""
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
        ), first AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT $2::varchar, $3::varchar, t.now + $4::interval
            FROM t
            WHERE NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = $2 AND f.key = $3 AND f.tat > t.now + $5::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $4, excluded.tat)
            WHERE b.tat <= excluded.tat - $4 + $5
            RETURNING b.bucket
        ), second AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT $6::varchar, $7::varchar, t.now + $8::interval
            FROM first CROSS JOIN t
            WHERE NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = $6 AND f.key = $7 AND f.tat > t.now + $9::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $8, excluded.tat)
            WHERE b.tat <= excluded.tat - $8 + $9
            RETURNING b.bucket
        )
        SELECT (SELECT count(*) FROM first) AS first, (SELECT count(*) FROM second) AS second
        """,
        at,
        first.bucket,
        first.key,
        first.rate.emission,
        first.rate.tolerance,
        second.bucket,
        second.key,
        second.rate.emission,
        second.rate.tolerance,
    )
    row = one(row)
    if not row["first"]:
        return first
    return None if row["second"] else second


async def refuse(
    conn: Connection,
    charge: Charge,
    *,
    event_rate: Rate,
    verb: str,
    user_id: int | None,
    session_id: int | None = None,
    client: Client,
    at: datetime | None,
) -> int:
    """Put a refused attempt on the trail, as often as `event_rate` lets; return when it has room again.

    Asked anew, because the statement that refused may not have seen by how much the others filled it.

    Returns:
        Whole seconds, one at the least.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
        ), turn AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT 'event', $2::varchar || ':' || $3::varchar, t.now + $5::interval
            FROM t
            WHERE NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = 'event' AND f.key = $2 || ':' || $3 AND f.tat > t.now + $6::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $5, excluded.tat)
            WHERE b.tat <= excluded.tat - $5 + $6
            RETURNING b.bucket
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT t.now, $7, $8, $12, $9, $10, jsonb_build_object('bucket', $2, 'verb', $11::varchar)
            FROM turn CROSS JOIN t
        )
        SELECT greatest(1, ceil(extract(epoch FROM b.tat - $4::interval - t.now)))::bigint AS retry_after
        FROM t LEFT JOIN auth_throttles b ON b.bucket = $2 AND b.key = $3
        """,
        at,
        charge.bucket,
        charge.key,
        charge.rate.tolerance,
        event_rate.emission,
        event_rate.tolerance,
        AuditAction.THROTTLED,
        user_id,
        client.ip_address,
        client.user_agent,
        verb,
        session_id,
    )
    return int(one(row)["retry_after"])


async def page(conn: Connection, *, limit: int, at: datetime | None) -> list[Level]:
    """Return the buckets that are not empty, the one that takes longest to be so first."""
    rows = await conn.fetch(
        """
        SELECT b.bucket, b.key, b.tat, t.now
        FROM auth_throttles b
        CROSS JOIN (SELECT coalesce($1::timestamptz, statement_timestamp()) AS now) t
        WHERE b.tat > t.now AND b.bucket <> 'event'
        ORDER BY b.tat DESC, b.bucket, b.key
        LIMIT $2
        """,
        at,
        limit,
    )
    return [Level.from_row(row) for row in rows]


async def clear(conn: Connection, patterns: Sequence[tuple[str, str]]) -> int:
    """Empty the buckets of these names, with patterns of LIKE for their keys; return how many there were."""
    status = await conn.execute(
        """
        DELETE FROM auth_throttles b USING unnest($1::varchar[], $2::varchar[]) AS c (bucket, pattern)
        WHERE b.bucket LIKE c.bucket AND b.key LIKE c.pattern
        """,
        [bucket for bucket, _ in patterns],
        [pattern for _, pattern in patterns],
    )
    return parse_count(status)


async def purge_drained(conn: Connection, *, limit: int, alone: bool, at: datetime | None) -> int:
    """Delete at most `limit` buckets that are empty; `alone` as in `store/endings.py`."""
    status = await conn.execute(
        """
        WITH turn AS MATERIALIZED (
            SELECT NOT $3::boolean OR pg_try_advisory_xact_lock($4) AS mine
        ), due AS MATERIALIZED (
            SELECT b.bucket, b.key FROM auth_throttles b
            WHERE b.tat < coalesce($1::timestamptz, statement_timestamp()) AND (SELECT mine FROM turn)
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        DELETE FROM auth_throttles b USING due d WHERE b.bucket = d.bucket AND b.key = d.key
        """,
        at,
        limit,
        alone,
        HOUSEKEEPING_LOCK,
    )
    return parse_count(status)

"""Statements on `auth_throttles`: buckets of attempts by the generic cell rate algorithm (ITU-T I.371).

A bucket holds one time, `tat`, by which it would be empty again. How one is charged, and when it is full,
stands in the function `gatepost.charge` alone, which every statement calls that limits something.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from gatepost.db.pool import Connection, one, parse_count
from gatepost.models import AuditAction, Client, Columns, Row, UserId
from gatepost.settings.rates import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One attempt on one bucket.

    Attributes:
        bucket: what is limited.
        key: whose bucket it is.
        rate: how often it may be.
    """

    bucket: str
    key: str
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """A bucket that had no room for an attempt.

    Attributes:
        bucket, key: its names.
        retry_after: whole seconds until it has room again, one at the least.
    """

    bucket: str
    key: str
    retry_after: int

    @classmethod
    def from_row(cls, row: Row) -> Self | None:
        """Read the columns of `gatepost.charge`; None where every bucket had room."""
        if row["full_bucket"] is None:
            return None
        return cls(bucket=row["full_bucket"], key=row["full_key"], retry_after=row["retry_after"])


class Level(Columns, frozen=True, kw_only=True, gc=False):
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


def spans(rates: Iterable[Rate]) -> tuple[list[timedelta], list[timedelta]]:
    """Return the emissions and the tolerances of rates, as `gatepost.charge` takes them."""
    emissions_and_tolerances = [(rate.emission, rate.tolerance) for rate in rates]
    return [each for each, _ in emissions_and_tolerances], [each for _, each in emissions_and_tolerances]


async def charge(
    conn: Connection, charges: Sequence[Charge], *, address: str | None, at: datetime | None
) -> Full | None:
    """Charge buckets in turn, each where those before it had room; return the first that has none.

    Where the address, an IPv4 one or an IPv6 /64, is blocked, that is returned, and nothing is charged.
    """
    emissions, tolerances = spans(each.rate for each in charges)
    row = await conn.fetchrow(
        """
        SELECT c.full_bucket, c.full_key, c.retry_after
        FROM gatepost.charge(
            $1::varchar[], $2::varchar[], $3::interval[], $4::interval[], $5, $6::varchar::inet
        ) c
        """,
        [each.bucket for each in charges],
        [each.key for each in charges],
        emissions,
        tolerances,
        at,
        address,
    )
    return Full.from_row(one(row))


async def refuse(
    conn: Connection,
    full: Full,
    *,
    event_rate: Rate,
    verb: str,
    user_id: UserId | None,
    session_id: int | None = None,
    client: Client,
    at: datetime | None,
) -> None:
    """Put a refused attempt on the trail, as often as `event_rate` lets."""
    await conn.execute(
        """
        WITH turn AS MATERIALIZED (
            SELECT c.full_bucket FROM gatepost.charge(
                ARRAY['event'], ARRAY[$2::varchar || ':' || $3::varchar], ARRAY[$4::interval],
                ARRAY[$5::interval], $1::timestamptz
            ) c
        )
        INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
        SELECT coalesce($1, clock_timestamp()), $6, $7, $8, $9, $10,
            jsonb_build_object('bucket', $2, 'verb', $11::varchar)
        FROM turn
        WHERE turn.full_bucket IS NULL
        """,
        at,
        full.bucket,
        full.key,
        event_rate.emission,
        event_rate.tolerance,
        AuditAction.THROTTLED,
        user_id,
        session_id,
        client.ip_address,
        client.user_agent,
        verb,
    )


async def room_at(conn: Connection, charges: Sequence[Charge], *, at: datetime | None) -> datetime | None:
    """Return from when on all of these buckets have room for an attempt; None where they have."""
    found: datetime | None = await conn.fetchval(
        """
        SELECT max(b.tat - c.tolerance)
        FROM unnest($1::varchar[], $2::varchar[], $3::interval[]) AS c (bucket, key, tolerance)
        JOIN auth_throttles b ON b.bucket = c.bucket AND b.key = c.key
        WHERE b.tat - c.tolerance > coalesce($4::timestamptz, statement_timestamp())
        """,
        [each.bucket for each in charges],
        [each.key for each in charges],
        [each.rate.tolerance for each in charges],
        at,
    )
    return found


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


async def reached(
    conn: Connection, rates: Mapping[str, Rate], *, limit: int, at: datetime | None
) -> list[Level]:
    """Return the buckets that have no room for an attempt, the one that takes longest to have some first."""
    rows = await conn.fetch(
        """
        SELECT b.bucket, b.key, b.tat, t.now
        FROM unnest($1::varchar[], $2::interval[]) AS r (bucket, tolerance)
        CROSS JOIN (SELECT coalesce($3::timestamptz, statement_timestamp()) AS now) t
        JOIN auth_throttles b ON b.bucket = r.bucket AND b.tat > t.now + r.tolerance
        ORDER BY b.tat - r.tolerance DESC, b.bucket, b.key
        LIMIT $4
        """,
        list(rates),
        [rate.tolerance for rate in rates.values()],
        at,
        limit,
    )
    return [Level.from_row(row) for row in rows]


async def named(conn: Connection, names: Sequence[tuple[str, str]], *, at: datetime | None) -> list[Level]:
    """Return those of these buckets that are not empty."""
    rows = await conn.fetch(
        """
        SELECT b.bucket, b.key, b.tat, t.now
        FROM unnest($2::varchar[], $3::varchar[]) AS n (bucket, key)
        JOIN auth_throttles b ON b.bucket = n.bucket AND b.key = n.key
        CROSS JOIN (SELECT coalesce($1::timestamptz, statement_timestamp()) AS now) t
        WHERE b.tat > t.now
        """,
        at,
        [bucket for bucket, _ in names],
        [key for _, key in names],
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


async def empty(conn: Connection, bucket: str, key: str) -> int:
    """Empty one bucket, and that of its events; return how many of the first there were."""
    row = await conn.fetchrow(
        """
        WITH emptied AS (
            DELETE FROM auth_throttles b
            WHERE b.bucket = $1::varchar AND b.key = $2::varchar
                OR b.bucket = 'event' AND b.key = $1::varchar || ':' || $2::varchar
            RETURNING b.bucket
        )
        SELECT count(*) AS count FROM emptied e WHERE e.bucket = $1
        """,
        bucket,
        key,
    )
    return int(one(row)["count"])


async def purge_drained(conn: Connection, *, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` buckets that are empty."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT b.bucket, b.key FROM auth_throttles b
            WHERE b.tat < coalesce($1::timestamptz, statement_timestamp())
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        DELETE FROM auth_throttles b USING due d WHERE b.bucket = d.bucket AND b.key = d.key
        """,
        at,
        limit,
    )
    return parse_count(status)

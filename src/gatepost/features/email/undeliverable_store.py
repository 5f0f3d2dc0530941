"""Statements on `auth_undeliverable`: addresses that a mail server refused for good."""

from datetime import datetime

from gatepost.db.pool import Connection, parse_count


async def holds(conn: Connection, address: str) -> bool:
    """Say whether a mail server refused an address for good."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM auth_undeliverable a WHERE a.address = lower($1))", address
    )
    return found


async def note(conn: Connection, address: str, error: str, *, at: datetime | None) -> None:
    """Note that a mail server refused an address for good."""
    await conn.execute(
        """
        INSERT INTO auth_undeliverable AS a (address, refused_at, error)
        VALUES (lower($1), coalesce($3::timestamptz, statement_timestamp()), $2)
        ON CONFLICT (address) DO UPDATE SET refused_at = excluded.refused_at, error = excluded.error
        """,
        address,
        error,
        at,
    )


async def forget(conn: Connection, address: str) -> None:
    """Forget that it did."""
    await conn.execute("DELETE FROM auth_undeliverable a WHERE a.address = lower($1)", address)


async def purge(conn: Connection, *, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` addresses that were refused more than half a year ago: they may be there now."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT a.address
            FROM auth_undeliverable a
            WHERE a.refused_at < coalesce($1::timestamptz, statement_timestamp()) - interval '180 days'
            LIMIT $2
            FOR UPDATE OF a SKIP LOCKED
        )
        DELETE FROM auth_undeliverable a USING due d WHERE a.address = d.address
        """,
        at,
        limit,
    )
    return parse_count(status)

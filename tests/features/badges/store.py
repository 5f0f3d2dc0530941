"""Statements on `badges`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gatepost.db.pool import Connection, parse_count
from gatepost.models import UserId


async def insert(
    conn: Connection, user_id: UserId, name: str, dedication: str | None, *, most: int, at: datetime | None
) -> bool:
    """Give a badge; False where the user has as many as there may be."""
    status = await conn.execute(
        """
        INSERT INTO badges (user_id, name, dedication, given_at)
        SELECT $1, $2, $3, coalesce($4::timestamptz, statement_timestamp())
        WHERE (SELECT count(*) FROM badges WHERE user_id = $1) < $5
        """,
        user_id,
        name,
        dedication,
        at,
        most,
    )
    return parse_count(status) == 1


async def of_user(conn: Connection, user_id: UserId) -> list[str]:
    """Return the names of a user's badges, in the order in which they were given."""
    rows = await conn.fetch("SELECT name FROM badges WHERE user_id = $1 ORDER BY id", user_id)
    return [row["name"] for row in rows]


async def count(conn: Connection) -> int:
    """Return how many there are."""
    found: int = await conn.fetchval("SELECT count(*) FROM badges")
    return found


async def export(conn: Connection, user_id: UserId) -> Sequence[Mapping[str, object]]:
    """Return what is stored about a user."""
    rows = await conn.fetch(
        "SELECT name, dedication, given_at FROM badges WHERE user_id = $1 ORDER BY id LIMIT 1000", user_id
    )
    return [dict(row) for row in rows]


async def erase(conn: Connection, user_id: UserId) -> None:
    """Take out what a user wrote."""
    await conn.execute("UPDATE badges SET dedication = NULL WHERE user_id = $1", user_id)


async def purge_faded(conn: Connection, *, limit: int, at: datetime | None) -> int:
    """Delete badges that nobody has any more, a year after they were given."""
    status = await conn.execute(
        """
        DELETE FROM badges b
        WHERE b.id IN (
            SELECT f.id FROM badges f
            WHERE f.user_id IS NULL
                AND f.given_at < coalesce($1::timestamptz, statement_timestamp()) - interval '1 year'
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        """,
        at,
        limit,
    )
    return parse_count(status)

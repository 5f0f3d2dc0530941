"""Statements on `auth_recovery_codes`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gatepost.db.pool import Connection, one, parse_count
from gatepost.models import Columns, UserId


class Standing(Columns, frozen=True, kw_only=True, gc=False):
    """What a user has of recovery codes.

    Attributes:
        total: how many were made; 0 for none.
        left: how many of them were not used.
        created_at: when they were made, UTC; None for none.
        used_at, used_from: when, and from which address, one was used last; None for never.
    """

    total: int
    left: int
    created_at: datetime | None
    used_at: datetime | None
    used_from: str | None


async def standing(conn: Connection, user_id: UserId) -> Standing:
    """Return what a user has."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS total, count(*) FILTER (WHERE c.used_at IS NULL) AS left,
            max(c.created_at) AS created_at, max(c.used_at) AS used_at,
            (array_agg(c.used_from ORDER BY c.used_at DESC NULLS LAST))[1] AS used_from
        FROM auth_recovery_codes c WHERE c.user_id = $1
        """,
        user_id,
    )
    return Standing.from_row(one(row))


async def replace(conn: Connection, user_id: UserId, digests: Sequence[str], *, at: datetime | None) -> None:
    """Give a user these codes, in the place of all that they have; the caller has begun a transaction."""
    await remove(conn, user_id)
    await conn.execute(
        """
        INSERT INTO auth_recovery_codes (digest, user_id, created_at)
        SELECT d.digest, $1, coalesce($3::timestamptz, statement_timestamp())
        FROM unnest($2::varchar[]) AS d (digest)
        """,
        user_id,
        list(digests),
        at,
    )


async def claim(
    conn: Connection, user_id: UserId, digests: Sequence[str], *, address: str | None, at: datetime | None
) -> bool:
    """Use a code up; False where it is none of this user's, or was used."""
    status = await conn.execute(
        """
        UPDATE auth_recovery_codes c
        SET used_at = coalesce($4::timestamptz, statement_timestamp()), used_from = $3
        -- Found by the user, who has ten: as an expression the digest has no index that a plan could take.
        WHERE c.user_id = $1 AND c.digest || '' = ANY($2::varchar[]) AND c.used_at IS NULL
        """,
        user_id,
        list(digests),
        address,
        at,
    )
    return parse_count(status) == 1


async def remove(conn: Connection, user_id: UserId) -> bool:
    """Take all codes of a user away; say whether there were any."""
    status = await conn.execute("DELETE FROM auth_recovery_codes WHERE user_id = $1", user_id)
    return parse_count(status) > 0


async def export(conn: Connection, user_id: UserId) -> Sequence[Mapping[str, object]]:
    """Return what is stored about a user, without what the codes are."""
    rows = await conn.fetch(
        """
        SELECT c.created_at, c.used_at, c.used_from FROM auth_recovery_codes c WHERE c.user_id = $1
        ORDER BY c.used_at LIMIT 1000
        """,
        user_id,
    )
    return [dict(row) for row in rows]


async def disown(conn: Connection, user_id: UserId) -> None:
    """Take away what somebody set up who may not own the account's e-mail."""
    await remove(conn, user_id)

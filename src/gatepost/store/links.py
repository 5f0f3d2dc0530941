"""Statements on `auth_links`: links for one use, each feature's with a `purpose` of its own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gatepost.db.pool import Connection, one, parse_count
from gatepost.models import Link, UserId
from gatepost.security.links import StoredLink


async def insert(
    conn: Connection,
    purpose: str,
    digest: StoredLink,
    *,
    lifetime: timedelta,
    email: str | None = None,
    created_by: UserId | None = None,
    at: datetime | None,
) -> Link:
    """Add a link."""
    row = await conn.fetchrow(
        """
        INSERT INTO auth_links (purpose, digest, email, created_at, created_by, expires_at)
        SELECT $1, $2, $3, t.now, $4, t.now + $5::interval
        FROM (SELECT coalesce($6::timestamptz, statement_timestamp()) AS now) t
        RETURNING id, email, 'open' AS status, created_at, created_by, expires_at, used_at, used_by,
            revoked_at
        """,
        purpose,
        digest,
        email,
        created_by,
        lifetime,
        at,
    )
    return Link.from_row(one(row))


async def find(
    conn: Connection, purpose: str, digests: Sequence[StoredLink], *, at: datetime | None
) -> Link | None:
    """Return the link that is stored in one of these forms, open or ended."""
    row = await conn.fetchrow(
        """
        SELECT l.id, l.email, l.created_at, l.created_by, l.expires_at, l.used_at, l.used_by, l.revoked_at,
            CASE WHEN l.used_at IS NOT NULL THEN 'used' WHEN l.revoked_at IS NOT NULL THEN 'revoked'
                WHEN l.expires_at <= coalesce($3::timestamptz, statement_timestamp()) THEN 'expired'
                ELSE 'open' END AS status
        FROM auth_links l
        WHERE l.digest = ANY($1::varchar[]) AND l.purpose = $2
        """,
        list(digests),
        purpose,
        at,
    )
    return None if row is None else Link.from_row(row)


async def claim(conn: Connection, link_id: int, *, email: str, at: datetime | None) -> bool:
    """Lock a link for whoever uses it, unless it is over or for another e-mail; say whether it is had.

    Whoever asks at the same moment waits for the end of this transaction, and has it only where that is
    undone or the link not used.
    """
    row = await conn.fetchrow(
        """
        SELECT l.id FROM auth_links l
        WHERE l.id = $1 AND l.used_at IS NULL AND l.revoked_at IS NULL
            AND l.expires_at > coalesce($3::timestamptz, statement_timestamp())
            AND (l.email IS NULL OR l.email = $2::varchar)
        FOR NO KEY UPDATE
        """,
        link_id,
        email,
        at,
    )
    return row is not None


async def use(conn: Connection, link_id: int, user_id: UserId, *, at: datetime | None) -> None:
    """Use up a link that was claimed, and write down who was made by it.

    One change and not two: a row that its own transaction has changed before is asked for all its foreign
    keys, and whoever made the link may be locked by who deletes them and waits for the link.
    """
    await conn.execute(
        """
        UPDATE auth_links SET used_at = coalesce($3::timestamptz, statement_timestamp()), used_by = $2
        WHERE id = $1
        """,
        link_id,
        user_id,
        at,
    )


async def page(
    conn: Connection, purpose: str, *, before: int | None, limit: int, at: datetime | None
) -> list[Link]:
    """Return links, newest first, those with an id below `before`."""
    rows = await conn.fetch(
        """
        SELECT l.id, l.email, l.created_at, l.created_by, l.expires_at, l.used_at, l.used_by, l.revoked_at,
            CASE WHEN l.used_at IS NOT NULL THEN 'used' WHEN l.revoked_at IS NOT NULL THEN 'revoked'
                WHEN l.expires_at <= coalesce($3::timestamptz, statement_timestamp()) THEN 'expired'
                ELSE 'open' END AS status
        FROM auth_links l
        WHERE l.purpose = $4 AND l.id < coalesce($1::bigint, 9223372036854775807)
        ORDER BY l.id DESC
        LIMIT $2
        """,
        before,
        limit,
        at,
        purpose,
    )
    return [Link.from_row(row) for row in rows]


async def revoke(conn: Connection, purpose: str, link_id: int, *, at: datetime | None) -> Link | None:
    """Take a link back that is open; None where there is none."""
    row = await conn.fetchrow(
        """
        UPDATE auth_links l SET revoked_at = coalesce($2::timestamptz, statement_timestamp())
        WHERE l.id = $1 AND l.purpose = $3 AND l.used_at IS NULL AND l.revoked_at IS NULL
            AND l.expires_at > coalesce($2::timestamptz, statement_timestamp())
        RETURNING l.id, l.email, 'revoked' AS status, l.created_at, l.created_by, l.expires_at, l.used_at,
            l.used_by, l.revoked_at
        """,
        link_id,
        at,
        purpose,
    )
    return None if row is None else Link.from_row(row)


async def restore(conn: Connection, purpose: str, link_id: int, *, at: datetime | None) -> Link | None:
    """Have a link work again that was taken back; None where there is none, or its time is over."""
    row = await conn.fetchrow(
        """
        UPDATE auth_links l SET revoked_at = NULL
        WHERE l.id = $1 AND l.purpose = $3 AND l.used_at IS NULL AND l.revoked_at IS NOT NULL
            AND l.expires_at > coalesce($2::timestamptz, statement_timestamp())
        RETURNING l.id, l.email, 'open' AS status, l.created_at, l.created_by, l.expires_at, l.used_at,
            l.used_by, l.revoked_at
        """,
        link_id,
        at,
        purpose,
    )
    return None if row is None else Link.from_row(row)


async def revoke_all(conn: Connection, purpose: str, *, at: datetime | None) -> None:
    """Take back every link that was not used."""
    await conn.execute(
        """
        UPDATE auth_links SET revoked_at = coalesce($1::timestamptz, statement_timestamp())
        WHERE purpose = $2 AND used_at IS NULL AND revoked_at IS NULL
        """,
        at,
        purpose,
    )


async def purge_ended(conn: Connection, *, older_than: timedelta, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` links that ended before `older_than`."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT l.id FROM auth_links l
            WHERE coalesce(l.used_at, l.revoked_at, l.expires_at)
                    < coalesce($1::timestamptz, statement_timestamp()) - $3::interval
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        DELETE FROM auth_links l USING due d WHERE l.id = d.id
        """,
        at,
        limit,
        older_than,
    )
    return parse_count(status)

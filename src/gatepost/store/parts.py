"""The statement that finds users by a part of their e-mail or name."""

from typing import LiteralString

from gatepost.db.pool import Connection
from gatepost.models import UserId
from gatepost.store.directory import Match
from gatepost.store.users import USER

_TEXT: LiteralString = """lower(left(coalesce(u.email, '')::text COLLATE "default", 320)
            || E'\\n' || left(coalesce(u.name, '')::text COLLATE "default", 100))"""
"""What is sought in, as the index has it."""

_EARLIER: LiteralString = """(
            starts_with(lower(left(coalesce(u.email, '')::text COLLATE "default", 320)), q.text)
            OR starts_with(lower(left(coalesce(u.name, '')::text COLLATE "default", 100)), q.text)
            OR starts_with(lower(split_part(rtrim(
                left(coalesce(u.name, '')::text COLLATE "default", 100)), ' ', -1)), q.text)
        )"""
"""Whom `directory.search` has found."""

_OF_KIND: LiteralString = """coalesce(u.is_admin, false) = g.is_admin
                AND coalesce(u.is_active, false) = g.is_active
                AND (coalesce(u.created_at, '-infinity'), u.id) < ($3::text::timestamptz, $4)"""

BY_PART: LiteralString = (
    """
    WITH sought AS MATERIALIZED (
        SELECT lower($6::text COLLATE "default") AS text
    ), kinds AS MATERIALIZED (
        SELECT a.is_admin, b.is_active
        FROM (VALUES (false), (true)) a (is_admin) CROSS JOIN (VALUES (false), (true)) b (is_active)
        WHERE a.is_admin = coalesce($1::boolean, a.is_admin)
            AND b.is_active = coalesce($2::boolean, b.is_active)
    ), near AS MATERIALIZED (
        SELECT g.is_admin, g.is_active, m.key, m.id
        FROM kinds g CROSS JOIN LATERAL (
            SELECT w.key, w.id
            FROM (
                SELECT coalesce(u.created_at, '-infinity') AS key, u.id, strpos("""
    + _TEXT
    + """, q.text) > 0 AND NOT """
    + _EARLIER
    + """ AS is_match
                FROM users u CROSS JOIN sought q
                WHERE """
    + _OF_KIND
    + """
                ORDER BY 1 DESC, 2 DESC
                LIMIT $7
            ) w
            WHERE w.is_match
            LIMIT $5
        ) m
    ), enough AS MATERIALIZED (
        SELECT bool_and(
            (SELECT count(*) FROM near n WHERE n.is_admin = g.is_admin AND n.is_active = g.is_active) >= $5
            OR NOT EXISTS (
                SELECT FROM users u
                WHERE """
    + _OF_KIND
    + """
                ORDER BY coalesce(u.created_at, '-infinity') DESC, u.id DESC
                OFFSET $7 LIMIT 1
            )
        ) AS is_near
        FROM kinds g
    ), page AS (
        SELECT n.key, n.id FROM near n WHERE (SELECT e.is_near FROM enough e)
        UNION ALL
        SELECT coalesce(u.created_at, '-infinity'), u.id
        FROM users u CROSS JOIN sought q
        WHERE NOT (SELECT e.is_near FROM enough e)
            AND gatepost.parts("""
    + _TEXT
    + """) COLLATE "C" @> gatepost.parts(q.text) COLLATE "C"
            AND strpos("""
    + _TEXT
    + """, q.text) > 0 AND NOT """
    + _EARLIER
    + """
            AND coalesce(u.is_admin, false) = coalesce($1, coalesce(u.is_admin, false))
            AND coalesce(u.is_active, false) = coalesce($2, coalesce(u.is_active, false))
            AND (coalesce(u.created_at, '-infinity'), u.id) < ($3::text::timestamptz, $4)
        ORDER BY 1 DESC, 2 DESC
        LIMIT $5
    )
    SELECT 6 AS rank, p.key::text AS key, u.*
    FROM page p CROSS JOIN LATERAL (SELECT """
    + USER
    + """ FROM users u WHERE u.id = p.id LIMIT 1) u
    ORDER BY p.key DESC, p.id DESC
    """
)
"""The statement of `by_part`."""


async def by_part(
    conn: Connection,
    part: str,
    *,
    is_admin: bool | None,
    is_active: bool | None,
    after_key: str,
    after_id: UserId,
    walked: int,
    limit: int,
) -> list[Match]:
    """Return users whose e-mail or name has a part, and whom `directory.search` does not find, newest first.

    What many have is found among the newest of each kind of user, of which no more than so many are looked
    at; what is too rare for that, in the index. By the index alone all who have it would be fetched before
    the first is shown: it has no order.

    Args:
        conn: a connection.
        part: what is sought, of three characters at least: the index knows nothing shorter.
        is_admin: what users must be; None for either.
        is_active: likewise.
        after_key: of the match that the page before ended with.
        after_id: likewise.
        walked: users of each kind that are looked at before the index is asked.
        limit: matches at the most.
    """
    rows = await conn.fetch(BY_PART, is_admin, is_active, after_key, after_id, limit, part, walked)
    return [Match.from_row(row) for row in rows]

"""The statement that finds users by a part of their e-mail or name."""

from typing import LiteralString

from gatepost.db.pool import Connection
from gatepost.store.matches import (
    CREATED,
    EMAIL,
    KINDS,
    LAST_NAME,
    NAME,
    OF_KIND,
    Match,
    Span,
    shown,
)

_TEXT: LiteralString = """lower(left(coalesce(u.email, '')::text COLLATE "default", 320)
            || E'\\n' || left(coalesce(u.name, '')::text COLLATE "default", 100))"""
"""What is sought in, as the index has it."""

_EARLIER: LiteralString = (
    "(starts_with("
    + EMAIL
    + ", q.text) OR starts_with("
    + NAME
    + ", q.text) OR starts_with("
    + LAST_NAME
    + ", q.text))"
)
"""Whom `search` has found."""

_BEFORE: LiteralString = "(" + CREATED + ", u.id) < ($3::text::timestamptz, $4)"

_MATCHES: LiteralString = "strpos(" + _TEXT + ", q.text) > 0 AND NOT " + _EARLIER

BY_PART: LiteralString = (
    """
    WITH sought AS MATERIALIZED (
        SELECT lower($6::text COLLATE "default") AS text
    ), """
    + KINDS
    + """, near AS MATERIALIZED (
        SELECT g.is_admin, g.is_active, m.key, m.id
        FROM kinds g CROSS JOIN LATERAL (
            SELECT w.key, w.id
            FROM (
                SELECT """
    + CREATED
    + " AS key, u.id, "
    + _MATCHES
    + " AS is_match FROM users u CROSS JOIN sought q WHERE "
    + OF_KIND
    + "AND "
    + _BEFORE
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
    + OF_KIND
    + "AND "
    + _BEFORE
    + " ORDER BY "
    + CREATED
    + """ DESC, u.id DESC
                OFFSET $7 LIMIT 1
            )
        ) AS is_near
        FROM kinds g
    ), page AS (
        SELECT n.key, n.id FROM near n WHERE (SELECT e.is_near FROM enough e)
        UNION ALL
        (
            SELECT f.key, f.id
            FROM (
                SELECT """
    + CREATED
    + """ AS key, u.id
                FROM users u
                WHERE NOT (SELECT e.is_near FROM enough e)
                    AND gatepost.parts("""
    + _TEXT
    + """) COLLATE "C" @> (SELECT gatepost.parts(q.text) FROM sought q) COLLATE "C"
                    AND coalesce(u.is_admin, false) = coalesce($1, coalesce(u.is_admin, false))
                    AND coalesce(u.is_active, false) = coalesce($2, coalesce(u.is_active, false))
                    AND """
    + _BEFORE
    + """
                ORDER BY 1 DESC, 2 DESC
            ) f
            CROSS JOIN sought q
            -- Texts are compared for those that are shown, and not for all that the index returns.
            CROSS JOIN LATERAL (SELECT FROM users u WHERE u.id = f.id AND """
    + _MATCHES
    + """ LIMIT 1) m
            ORDER BY f.key DESC, f.id DESC
            LIMIT $5
        )
        ORDER BY 1 DESC, 2 DESC
        LIMIT $5
    )
    """
    + shown("6", " DESC")
)
"""The statement of `by_part`."""


async def by_part(conn: Connection, part: str, span: Span, *, walked: int) -> list[Match]:
    """Return users whose e-mail or name has a part, and whom `search` does not find, newest first.

    What many have is found among the newest of each kind of user, of which no more than so many are looked
    at; what is too rare for that, in the index. By the index alone all who have it would be fetched before
    the first is shown: it has no order.

    Args:
        conn: a connection.
        part: what is sought, of three characters at least: the index knows nothing shorter.
        span: which of them.
        walked: users of each kind that are looked at before the index is asked.
    """
    return [Match.from_row(row) for row in await conn.fetch(BY_PART, *span.given, part, walked)]

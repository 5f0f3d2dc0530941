"""Statements that find users by how their e-mail, their name or its last word begins, or the domain."""

from typing import LiteralString

from gatepost.db.pool import Connection
from gatepost.models import UserId
from gatepost.store.matches import DOMAIN, EMAIL, KINDS, LAST_NAME, NAME, OF_KIND, Match, Span, shown
from gatepost.store.users import USER

_SOUGHT: LiteralString = """
    sought AS MATERIALIZED (
        SELECT lower($6::text COLLATE "default") COLLATE "C" AS low,
            (lower($6::text COLLATE "default") || chr(1114111)) COLLATE "C" AS high
    )
"""
"""What the texts begin with, as the range of an index."""


def _beginning(
    key: LiteralString,
    *,
    after: LiteralString = 'greatest(q.low, $3::text COLLATE "C")',
    after_id: LiteralString = "$4",
    but: LiteralString = "",
    where: LiteralString = "true",
) -> LiteralString:
    """Return what finds users whose `key` begins so, from a place on: a range of an index for each kind.

    Args:
        key: a text of the user.
        after: the key that they come after.
        after_id: the id that they come after where the key is the same.
        but: what else they have to be.
        where: whether any are wanted.
    """
    return (
        """
        SELECT m.key, m.id
        FROM kinds g CROSS JOIN sought q CROSS JOIN LATERAL (
            SELECT k.key, u.id
            FROM users u CROSS JOIN LATERAL (SELECT """
        + key
        + """ COLLATE "C" AS key) k
            WHERE """
        + OF_KIND
        + "AND (k.key, u.id) > ("
        + after
        + ", "
        + after_id
        + ") AND k.key < q.high "
        + but
        + """
            ORDER BY k.key, u.id
            LIMIT $5
        ) m
        WHERE """
        + where
        + """
        ORDER BY m.key, m.id
        LIMIT $5
        """
    )


SEARCH: LiteralString = (
    "WITH "
    + KINDS
    + ", "
    + _SOUGHT
    + ", by_email AS MATERIALIZED ("
    + _beginning(EMAIL, where="$7::integer = 0")
    + "), by_name AS MATERIALIZED ("
    + _beginning(
        NAME,
        after='CASE WHEN $7 = 1 THEN greatest(q.low, $3 COLLATE "C") ELSE q.low END',
        after_id="$8",
        but="AND NOT starts_with(" + EMAIL + ", q.low)",
        where="$7 <= 1 AND q.low <> '' AND (SELECT count(*) FROM by_email) < $5",
    )
    + "), by_last_name AS MATERIALIZED ("
    + _beginning(
        LAST_NAME,
        after='CASE WHEN $7 = 2 THEN greatest(q.low, $3 COLLATE "C") ELSE q.low END',
        after_id="$9",
        but="""AND strpos(rtrim(left(coalesce(u.name, '')::text COLLATE "default", 100)), ' ') > 0
            AND NOT starts_with("""
        + EMAIL
        + ", q.low) AND NOT starts_with("
        + NAME
        + ", q.low)",
        where="""q.low <> '' AND (SELECT count(*) FROM by_email) + (SELECT count(*) FROM by_name) < $5""",
    )
    + """), page AS (
        SELECT 0 AS rank, f.key, f.id FROM by_email f
        UNION ALL SELECT 1, f.key, f.id FROM by_name f
        UNION ALL SELECT 2, f.key, f.id FROM by_last_name f
        ORDER BY 1, 2, 3
        LIMIT $5
    )
    SELECT p.rank, p.key, u.*
    FROM page p CROSS JOIN LATERAL (SELECT """
    + USER
    + """ FROM users u WHERE u.id = p.id LIMIT 1) u
    ORDER BY p.rank, p.key, p.id
    """
)
"""The statement of `search`."""

BY_DOMAIN: LiteralString = (
    "WITH " + KINDS + ", " + _SOUGHT + ", page AS (" + _beginning(DOMAIN) + ") " + shown("3")
)
"""The statement of `in_domain`."""


async def search(
    conn: Connection, text: str, span: Span, *, after_rank: int, lowest_id: UserId
) -> list[Match]:
    """Return users whose e-mail, name or last word of the name begins with a text, whatever its case.

    First those by their e-mail, in its order, then by the name, then by the last word; each user once, where
    they come first. Each of the three is asked as far as those before leave room, for each kind of user by
    itself: a range of an index, from the place of the one before. No pattern is made of the text, so that
    no wildcard is one. What is left out because it came before is no more than was shown before.

    Args:
        conn: a connection.
        text: how it begins; all users where it is empty.
        span: which of them.
        after_rank: of the match that the page before ended with.
        lowest_id: what every id is greater than.
    """
    ids = (span.after_id if after_rank == rank else lowest_id for rank in (1, 2))
    return [Match.from_row(row) for row in await conn.fetch(SEARCH, *span.given, text, after_rank, *ids)]


async def in_domain(conn: Connection, domain: str, span: Span) -> list[Match]:
    """Return users the domain of whose e-mail begins with a text, in its order; the rest as `search`."""
    return [Match.from_row(row) for row in await conn.fetch(BY_DOMAIN, *span.given, domain)]

"""Statements by which administrators find users and see how an account stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString, Self

from gatepost.db.pool import Connection, one
from gatepost.models import Row, User, UserId
from gatepost.store.users import USER


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A user that a search found.

    Attributes:
        rank: what begins with the text: 0 the e-mail, 1 the name, 2 the last word of the name.
        key: the text that does, as the search compares it.
        user: who it is.
    """

    rank: int
    key: str
    user: User

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `search`."""
        return cls(rank=row["rank"], key=row["key"], user=User.from_row(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an account stands, besides what it is.

    Attributes:
        user: whose it is.
        active_sessions: sessions that are live.
        last_sign_in_at: when the last session began that is still kept; None without one.
        failures: wrong passwords in a row, wherever they came from.
        temporary_password_expires_at: until when the temporary password works; None where there is none.
    """

    user: User
    active_sessions: int
    last_sign_in_at: datetime | None
    failures: int
    temporary_password_expires_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `standing`."""
        return cls(
            user=User.from_row(row),
            active_sessions=row["active_sessions"],
            last_sign_in_at=row["last_sign_in_at"],
            failures=row["failures"],
            temporary_password_expires_at=row["temporary_password_expires_at"],
        )


_SOUGHT: LiteralString = """
    WITH sought AS MATERIALIZED (
        SELECT lower($1::text COLLATE "default") COLLATE "C" AS low,
            (lower($1::text COLLATE "default") || chr(1114111)) COLLATE "C" AS high
    ), kinds AS MATERIALIZED (
        SELECT a.is_admin, b.is_active
        FROM (VALUES (false), (true)) a (is_admin) CROSS JOIN (VALUES (false), (true)) b (is_active)
        WHERE a.is_admin = coalesce($2::boolean, a.is_admin)
            AND b.is_active = coalesce($3::boolean, b.is_active)
    ),
"""
"""What the texts begin with, as the range of an index, and the kinds of users that are wanted."""

_BY_EMAIL: LiteralString = """
    by_email AS MATERIALIZED (
        SELECT 0 AS rank, m.key, m.id
        FROM kinds g CROSS JOIN sought q CROSS JOIN LATERAL (
            SELECT k.key, u.id
            FROM users u CROSS JOIN LATERAL (
                SELECT lower(left(coalesce(u.email, '')::text COLLATE "default", 320)) COLLATE "C" AS key
            ) k
            WHERE coalesce(u.is_admin, false) = g.is_admin AND coalesce(u.is_active, false) = g.is_active
                AND (k.key, u.id) > (greatest(q.low, $5::text COLLATE "C"), $6)
                AND k.key < q.high
            ORDER BY k.key, u.id
            LIMIT $7
        ) m
        WHERE $4::integer = 0
        ORDER BY m.key, m.id
        LIMIT $7
    ),
"""
"""Those whose e-mail begins with it."""

_BY_NAME: LiteralString = """
    by_name AS MATERIALIZED (
        SELECT 1 AS rank, m.key, m.id
        FROM kinds g CROSS JOIN sought q CROSS JOIN LATERAL (
            SELECT k.key, u.id
            FROM users u CROSS JOIN LATERAL (
                SELECT lower(left(coalesce(u.name, '')::text COLLATE "default", 100)) COLLATE "C" AS key,
                    lower(left(coalesce(u.email, '')::text COLLATE "default", 320)) AS email
            ) k
            WHERE coalesce(u.is_admin, false) = g.is_admin AND coalesce(u.is_active, false) = g.is_active
                AND (k.key, u.id) > (
                    CASE WHEN $4 = 1 THEN greatest(q.low, $5 COLLATE "C") ELSE q.low END,
                    $8
                )
                AND k.key < q.high
                AND NOT starts_with(k.email, q.low)
            ORDER BY k.key, u.id
            LIMIT $7
        ) m
        WHERE $4 <= 1 AND q.low <> '' AND (SELECT count(*) FROM by_email) < $7
        ORDER BY m.key, m.id
        LIMIT $7
    ),
"""
"""Of the others, those whose name does."""

_BY_LAST_NAME: LiteralString = """
    by_last_name AS MATERIALIZED (
        SELECT 2 AS rank, m.key, m.id
        FROM kinds g CROSS JOIN sought q CROSS JOIN LATERAL (
            SELECT k.key, u.id
            FROM users u CROSS JOIN LATERAL (
                SELECT lower(split_part(rtrim(
                        left(coalesce(u.name, '')::text COLLATE "default", 100)), ' ', -1)
                    ) COLLATE "C" AS key,
                    lower(left(coalesce(u.email, '')::text COLLATE "default", 320)) AS email,
                    lower(left(coalesce(u.name, '')::text COLLATE "default", 100)) AS name
            ) k
            WHERE coalesce(u.is_admin, false) = g.is_admin AND coalesce(u.is_active, false) = g.is_active
                AND strpos(rtrim(left(coalesce(u.name, '')::text COLLATE "default", 100)), ' ') > 0
                AND (k.key, u.id) > (
                    CASE WHEN $4 = 2 THEN greatest(q.low, $5 COLLATE "C") ELSE q.low END,
                    $9
                )
                AND k.key < q.high
                AND NOT starts_with(k.email, q.low) AND NOT starts_with(k.name, q.low)
            ORDER BY k.key, u.id
            LIMIT $7
        ) m
        WHERE q.low <> ''
            AND (SELECT count(*) FROM by_email) + (SELECT count(*) FROM by_name) < $7
        ORDER BY m.key, m.id
        LIMIT $7
    ),
"""
"""Of the others, those the last word of whose name does."""


SEARCH: LiteralString = (
    _SOUGHT
    + _BY_EMAIL
    + _BY_NAME
    + _BY_LAST_NAME
    + """
    page AS (
        SELECT * FROM by_email
        UNION ALL SELECT * FROM by_name
        UNION ALL SELECT * FROM by_last_name
        ORDER BY 1, 2, 3
        LIMIT $7
    )
    SELECT p.rank, p.key, u.*
    FROM page p CROSS JOIN LATERAL (
        SELECT
        """
    + USER
    + """
        FROM users u
        WHERE u.id = p.id
        LIMIT 1 -- so that it is looked up by id, however many there might be
    ) u
    ORDER BY p.rank, p.key, p.id
    """
)
"""The statement of `search`."""


async def search(
    conn: Connection,
    text: str,
    *,
    is_admin: bool | None,
    is_active: bool | None,
    after_rank: int,
    after_key: str,
    after_id: UserId,
    lowest_id: UserId,
    limit: int,
) -> list[Match]:
    """Return users whose e-mail, name or last word of the name begins with a text, whatever its case.

    First those by their e-mail, in its order, then by the name, then by the last word; each user once, where
    they come first. Each of the three is asked as far as those before leave room, for each kind of user by
    itself: a range of an index, from the place of the one before. No pattern is made of the text, so that
    no wildcard is one. What is left out because it came before is no more than was shown before.

    Args:
        conn: a connection.
        text: how it begins; all users where it is empty.
        is_admin: what users must be; None for either.
        is_active: likewise.
        after_rank: of the match that the page before ended with.
        after_key: likewise.
        after_id: likewise.
        lowest_id: what every id is greater than.
        limit: matches at the most.
    """
    rows = await conn.fetch(
        SEARCH,
        text,
        is_admin,
        is_active,
        after_rank,
        after_key,
        after_id,
        limit,
        *(after_id if after_rank == rank else lowest_id for rank in (1, 2)),
    )
    return [Match.from_row(row) for row in rows]


async def standing(
    conn: Connection, user_id: UserId, *, at: datetime | None, idle: timedelta | None
) -> Standing | None:
    """Return how an account stands; None where there is none."""
    row = await conn.fetchrow(
        "SELECT "
        + USER
        + """,
            u.temporary_password_expires_at,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = u.id), 0) AS failures,
            (
                SELECT count(*) FROM user_sessions s
                WHERE s.user_id = u.id AND gatepost.is_live(s, u, t.now, $3::interval)
            ) AS active_sessions,
            (
                SELECT max(s.created_at) FROM user_sessions s WHERE s.user_id = u.id AND s.family_id IS NULL
            ) AS last_sign_in_at
        FROM users u CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
        WHERE u.id = $1
        """,
        user_id,
        at,
        idle,
    )
    return None if row is None else Standing.from_row(row)


async def last_sign_ins(conn: Connection, user_ids: Sequence[UserId]) -> dict[UserId, datetime]:
    """Return when the last session of each of these users began that is still kept."""
    rows = await conn.fetch(
        """
        SELECT s.user_id, max(s.created_at) AS at
        FROM user_sessions s
        WHERE s.user_id = ANY($1) AND s.family_id IS NULL
        GROUP BY s.user_id
        """,
        user_ids,
    )
    return {row["user_id"]: row["at"] for row in rows}


async def number(conn: Connection, *, most: int) -> tuple[int, int]:
    """Return how many users there are, counted to one more than `most`, and about how many in all."""
    row = one(
        await conn.fetchrow(
            """
            SELECT (SELECT count(*) FROM (SELECT FROM users u LIMIT $1 + 1) c) AS counted,
                (SELECT c.reltuples::bigint FROM pg_class c WHERE c.oid = 'users'::regclass) AS estimate
            """,
            most,
        )
    )
    return row["counted"], row["estimate"]

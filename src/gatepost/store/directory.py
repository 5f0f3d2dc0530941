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
        rank: what it was found by: 0 the e-mail, 1 the name, 2 the last word of the name, 3 the domain of the
            e-mail, 6 a part of e-mail or name; or what it is sorted by: 4 when the user was created, 5 when
            they last signed in.
        key: the text that begins like the one sought, or the time, as the search compares it.
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
        last_sign_in_at: when they last signed in; None for never.
        failures: wrong passwords in a row, wherever they came from.
        has_password: they have a password, whichever.
        temporary_password_expires_at: until when the temporary password works; None where there is none.
    """

    user: User
    active_sessions: int
    last_sign_in_at: datetime | None
    failures: int
    has_password: bool
    temporary_password_expires_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `standing`."""
        return cls(
            user=User.from_row(row),
            active_sessions=row["active_sessions"],
            last_sign_in_at=row["last_sign_in_at"],
            failures=row["failures"],
            has_password=row["has_password"],
            temporary_password_expires_at=row["temporary_password_expires_at"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A user of several to whom the same is to be done.

    Attributes:
        user: who it is.
        active_sessions: sessions that are live.
    """

    user: User
    active_sessions: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `chosen`."""
        return cls(user=User.from_row(row), active_sessions=row["active_sessions"])


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


_KINDS: LiteralString = """
    kinds AS MATERIALIZED (
        SELECT a.is_admin, b.is_active
        FROM (VALUES (false), (true)) a (is_admin) CROSS JOIN (VALUES (false), (true)) b (is_active)
        WHERE a.is_admin = coalesce($1::boolean, a.is_admin)
            AND b.is_active = coalesce($2::boolean, b.is_active)
    )
"""
"""The kinds of users that are wanted."""

_SHOWN: LiteralString = (
    ", p.key::text AS key, u.* FROM page p CROSS JOIN LATERAL (SELECT "
    + USER
    + " FROM users u WHERE u.id = p.id LIMIT 1) u "
)

BY_DOMAIN: LiteralString = (
    "WITH "
    + _KINDS
    + """, sought AS MATERIALIZED (
        SELECT lower($6::text COLLATE "default") COLLATE "C" AS low,
            (lower($6::text COLLATE "default") || chr(1114111)) COLLATE "C" AS high
    ), page AS (
        SELECT m.key, m.id
        FROM kinds g CROSS JOIN sought q CROSS JOIN LATERAL (
            SELECT k.key, u.id
            FROM users u CROSS JOIN LATERAL (
                SELECT lower(split_part(
                        left(coalesce(u.email, '')::text COLLATE "default", 320), '@', -1)
                    ) COLLATE "C" AS key
            ) k
            WHERE coalesce(u.is_admin, false) = g.is_admin AND coalesce(u.is_active, false) = g.is_active
                AND (k.key, u.id) > (greatest(q.low, $3::text COLLATE "C"), $4)
                AND k.key < q.high
            ORDER BY k.key, u.id
            LIMIT $5
        ) m
        ORDER BY m.key, m.id
        LIMIT $5
    )
    SELECT 3 AS rank"""
    + _SHOWN
    + "ORDER BY p.key, p.id"
)
"""The statement of `in_domain`."""

_CREATED: LiteralString = (
    "WITH "
    + _KINDS
    + """, page AS (
        SELECT m.key, m.id
        FROM kinds g CROSS JOIN LATERAL (
            SELECT coalesce(u.created_at, '-infinity') AS key, u.id
            FROM users u
            WHERE coalesce(u.is_admin, false) = g.is_admin AND coalesce(u.is_active, false) = g.is_active
                AND """
)
_CREATED_SINCE: LiteralString = "(coalesce(u.created_at, '-infinity'), u.id) > ($3::text::timestamptz, $4)"
_CREATED_BEFORE: LiteralString = "(coalesce(u.created_at, '-infinity'), u.id) < ($3::text::timestamptz, $4)"
_UP: LiteralString = """
            ORDER BY 1, 2
            LIMIT $5
        ) m
        ORDER BY m.key, m.id
        LIMIT $5
    )
"""
_DOWN: LiteralString = """
            ORDER BY 1 DESC, 2 DESC
            LIMIT $5
        ) m
        ORDER BY m.key DESC, m.id DESC
        LIMIT $5
    )
"""
_OF_CREATED: LiteralString = "SELECT 4 AS rank"
_OF_SIGN_IN: LiteralString = "SELECT 5 AS rank"

BY_CREATED: LiteralString = _CREATED + _CREATED_SINCE + _UP + _OF_CREATED + _SHOWN + "ORDER BY p.key, p.id"
"""The statement of `by_created`, the oldest first."""

BY_CREATED_DOWN: LiteralString = (
    _CREATED + _CREATED_BEFORE + _DOWN + _OF_CREATED + _SHOWN + "ORDER BY p.key DESC, p.id DESC"
)
"""The same, the newest first."""

_SIGNED_IN: LiteralString = """
    WITH page AS (
        SELECT l.at AS key, u.id
        FROM auth_last_sign_ins l JOIN users u ON u.id = l.user_id
        WHERE ($1::boolean IS NULL OR coalesce(u.is_admin, false) = $1)
            AND ($2::boolean IS NULL OR coalesce(u.is_active, false) = $2)
            AND """

BY_SIGN_IN: LiteralString = (
    _SIGNED_IN
    + """(l.at, l.user_id) > ($3::text::timestamptz, $4)
            AND (l.at, l.user_id) <= ($6::text::timestamptz, $7)
        ORDER BY l.at, l.user_id
        LIMIT $5
    )
    """
    + _OF_SIGN_IN
    + _SHOWN
    + "ORDER BY p.key, p.id"
)
"""The statement of `by_sign_in`, the one who was away longest first."""

BY_SIGN_IN_DOWN: LiteralString = (
    _SIGNED_IN
    + """(l.at, l.user_id) < ($3::text::timestamptz, $4)
            AND (l.at, l.user_id) >= ($6::text::timestamptz, $7)
        ORDER BY l.at DESC, l.user_id DESC
        LIMIT $5
    )
    """
    + _OF_SIGN_IN
    + _SHOWN
    + "ORDER BY p.key DESC, p.id DESC"
)
"""The same, the newest first."""


async def in_domain(
    conn: Connection,
    domain: str,
    *,
    is_admin: bool | None,
    is_active: bool | None,
    after_key: str,
    after_id: UserId,
    limit: int,
) -> list[Match]:
    """Return users the domain of whose e-mail begins with a text, in its order; the rest as `search`."""
    rows = await conn.fetch(BY_DOMAIN, is_admin, is_active, after_key, after_id, limit, domain)
    return [Match.from_row(row) for row in rows]


async def by_created(
    conn: Connection,
    *,
    is_admin: bool | None,
    is_active: bool | None,
    after_key: str,
    after_id: UserId,
    limit: int,
) -> list[Match]:
    """Return users in the order of their creation, those after a time and an id; the rest as `search`."""
    rows = await conn.fetch(BY_CREATED, is_admin, is_active, after_key, after_id, limit)
    return [Match.from_row(row) for row in rows]


async def by_created_down(
    conn: Connection,
    *,
    is_admin: bool | None,
    is_active: bool | None,
    after_key: str,
    after_id: UserId,
    limit: int,
) -> list[Match]:
    """Return users in the opposite order of `by_created`, those before a time and an id."""
    rows = await conn.fetch(BY_CREATED_DOWN, is_admin, is_active, after_key, after_id, limit)
    return [Match.from_row(row) for row in rows]


async def by_sign_in(
    conn: Connection,
    *,
    is_admin: bool | None,
    is_active: bool | None,
    after_key: str,
    after_id: UserId,
    end_key: str,
    end_id: UserId,
    limit: int,
) -> list[Match]:
    """Return users who have signed in, in the order of their last sign-ins; the rest as `by_created`.

    For `Database.planning`: what is wanted decides how. No further than a time and an id is looked, which
    may be `infinity`: of a kind that is rare among those who signed in, all of them would be looked at.
    """
    given = is_admin, is_active, after_key, after_id, limit, end_key, end_id
    rows = await conn.fetch(BY_SIGN_IN, *given)
    return [Match.from_row(row) for row in rows]


async def by_sign_in_down(
    conn: Connection,
    *,
    is_admin: bool | None,
    is_active: bool | None,
    after_key: str,
    after_id: UserId,
    end_key: str,
    end_id: UserId,
    limit: int,
) -> list[Match]:
    """Return users in the opposite order of `by_sign_in`."""
    given = is_admin, is_active, after_key, after_id, limit, end_key, end_id
    rows = await conn.fetch(BY_SIGN_IN_DOWN, *given)
    return [Match.from_row(row) for row in rows]


async def beyond(conn: Connection, key: str, user_id: UserId, *, steps: int) -> tuple[str, UserId] | None:
    """Return the time and the id that lie so many steps further by last sign-ins; None where those end."""
    row = await conn.fetchrow(
        """
        SELECT l.at::text AS key, l.user_id FROM auth_last_sign_ins l
        WHERE (l.at, l.user_id) > ($1::text::timestamptz, $2)
        ORDER BY l.at, l.user_id
        OFFSET $3 LIMIT 1
        """,
        key,
        user_id,
        steps - 1,
    )
    return None if row is None else (row["key"], row["user_id"])


async def beyond_down(
    conn: Connection, key: str, user_id: UserId, *, steps: int
) -> tuple[str, UserId] | None:
    """Return what `beyond` does, in the opposite order."""
    row = await conn.fetchrow(
        """
        SELECT l.at::text AS key, l.user_id FROM auth_last_sign_ins l
        WHERE (l.at, l.user_id) < ($1::text::timestamptz, $2)
        ORDER BY l.at DESC, l.user_id DESC
        OFFSET $3 LIMIT 1
        """,
        key,
        user_id,
        steps - 1,
    )
    return None if row is None else (row["key"], row["user_id"])


async def standing(
    conn: Connection, user_id: UserId, *, at: datetime | None, idle: timedelta | None
) -> Standing | None:
    """Return how an account stands; None where there is none."""
    row = await conn.fetchrow(
        "SELECT "
        + USER
        + """,
            u.hashed_password IS NOT NULL AS has_password, u.temporary_password_expires_at,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = u.id), 0) AS failures,
            (
                SELECT count(*) FROM user_sessions s
                WHERE s.user_id = u.id AND gatepost.is_live(s, u, t.now, $3::interval)
            ) AS active_sessions,
            (SELECT l.at FROM auth_last_sign_ins l WHERE l.user_id = u.id) AS last_sign_in_at
        FROM users u CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
        WHERE u.id = $1
        """,
        user_id,
        at,
        idle,
    )
    return None if row is None else Standing.from_row(row)


async def chosen(
    conn: Connection, user_ids: Sequence[UserId], *, at: datetime | None, idle: timedelta | None
) -> list[Chosen]:
    """Return those of these users that there are, in the order of their e-mails."""
    rows = await conn.fetch(
        "SELECT "
        + USER
        + """,
            (
                SELECT count(*) FROM user_sessions s
                WHERE s.user_id = u.id AND gatepost.is_live(s, u, t.now, $3::interval)
            ) AS active_sessions
        FROM users u CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
        WHERE u.id = ANY($1)
        ORDER BY u.email, u.id
        """,
        user_ids,
        at,
        idle,
    )
    return [Chosen.from_row(row) for row in rows]


async def last_sign_ins(conn: Connection, user_ids: Sequence[UserId]) -> dict[UserId, datetime]:
    """Return when each of these users last signed in."""
    rows = await conn.fetch(
        "SELECT l.user_id, l.at FROM auth_last_sign_ins l WHERE l.user_id = ANY($1)", user_ids
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

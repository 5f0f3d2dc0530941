"""Statements by which administrators see how accounts stand, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from gatepost.db.pool import Connection, one
from gatepost.models import Row, User, UserId
from gatepost.store.users import USER


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

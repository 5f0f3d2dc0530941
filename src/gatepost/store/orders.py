"""Statements that list users in the order of a time: when they were created, when they last signed in."""

from typing import LiteralString

from gatepost.db.pool import Connection
from gatepost.models import UserId
from gatepost.store.matches import CREATED, KINDS, OF_KIND, Match, Span, shown

_DOWN: LiteralString = " DESC"


def _by_created(beyond: LiteralString, down: LiteralString = "") -> LiteralString:
    """Return the statement of an order: how what lies beyond a place compares with it, and the direction."""
    return (
        "WITH "
        + KINDS
        + ", page AS (SELECT m.key, m.id FROM kinds g CROSS JOIN LATERAL (SELECT "
        + CREATED
        + " AS key, u.id FROM users u WHERE "
        + OF_KIND
        + "AND ("
        + CREATED
        + ", u.id) "
        + beyond
        + " ($3::text::timestamptz, $4) ORDER BY 1"
        + down
        + ", 2"
        + down
        + " LIMIT $5) m ORDER BY m.key"
        + down
        + ", m.id"
        + down
        + " LIMIT $5) "
        + shown("4", down)
    )


def _by_sign_in(beyond: LiteralString, within: LiteralString, down: LiteralString = "") -> LiteralString:
    """Return the statement of an order: what lies beyond one place and within another, and the direction."""
    return (
        """
        WITH page AS (
            SELECT l.at AS key, u.id
            FROM auth_last_sign_ins l JOIN users u ON u.id = l.user_id
            WHERE ($1::boolean IS NULL OR coalesce(u.is_admin, false) = $1)
                AND ($2::boolean IS NULL OR coalesce(u.is_active, false) = $2)
                AND (l.at, l.user_id) """
        + beyond
        + " ($3::text::timestamptz, $4) AND (l.at, l.user_id) "
        + within
        + " ($6::text::timestamptz, $7) ORDER BY l.at"
        + down
        + ", l.user_id"
        + down
        + " LIMIT $5) "
        + shown("5", down)
    )


def _steps(beyond: LiteralString, down: LiteralString = "") -> LiteralString:
    """Return the statement that finds the place which lies so many last sign-ins beyond another."""
    return (
        "SELECT l.at::text AS key, l.user_id FROM auth_last_sign_ins l WHERE (l.at, l.user_id) "
        + beyond
        + " ($1::text::timestamptz, $2) ORDER BY l.at"
        + down
        + ", l.user_id"
        + down
        + " OFFSET $3::bigint - 1 LIMIT 1"
    )


BY_CREATED, BY_CREATED_DOWN = _by_created(">"), _by_created("<", _DOWN)
BY_SIGN_IN, BY_SIGN_IN_DOWN = _by_sign_in(">", "<="), _by_sign_in("<", ">=", _DOWN)
BEYOND, BEYOND_DOWN = _steps(">"), _steps("<", _DOWN)


async def by_created(conn: Connection, span: Span) -> list[Match]:
    """Return users in the order of their creation, those after a time and an id."""
    return [Match.from_row(row) for row in await conn.fetch(BY_CREATED, *span.given)]


async def by_created_down(conn: Connection, span: Span) -> list[Match]:
    """Return users in the opposite order of `by_created`, those before a time and an id."""
    return [Match.from_row(row) for row in await conn.fetch(BY_CREATED_DOWN, *span.given)]


async def by_sign_in(conn: Connection, span: Span, *, end_key: str, end_id: UserId) -> list[Match]:
    """Return users who have signed in, in the order of their last sign-ins.

    For `Database.planning`: what is wanted decides how. No further than a time and an id is looked, which
    may be `infinity`: of a kind that is rare among those who signed in, all of them would be looked at.
    """
    return [Match.from_row(row) for row in await conn.fetch(BY_SIGN_IN, *span.given, end_key, end_id)]


async def by_sign_in_down(conn: Connection, span: Span, *, end_key: str, end_id: UserId) -> list[Match]:
    """Return users in the opposite order of `by_sign_in`."""
    return [Match.from_row(row) for row in await conn.fetch(BY_SIGN_IN_DOWN, *span.given, end_key, end_id)]


async def beyond(conn: Connection, key: str, user_id: UserId, *, steps: int) -> tuple[str, UserId] | None:
    """Return the time and the id that lie so many steps further by last sign-ins; None where those end."""
    row = await conn.fetchrow(BEYOND, key, user_id, steps)
    return None if row is None else (row["key"], row["user_id"])


async def beyond_down(
    conn: Connection, key: str, user_id: UserId, *, steps: int
) -> tuple[str, UserId] | None:
    """Return what `beyond` does, in the opposite order."""
    row = await conn.fetchrow(BEYOND_DOWN, key, user_id, steps)
    return None if row is None else (row["key"], row["user_id"])

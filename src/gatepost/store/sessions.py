"""Statements on `user_sessions`: start, look up, refresh, list and touch.

Ending sessions stands in `store/endings.py`. A login or refresh locks the user's row FOR SHARE and
whoever ends several sessions of a user locks it FOR NO KEY UPDATE, so that no session slips through
that starts or is refreshed while the others are being ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

import msgspec

from gatepost.db.pool import Connection, parse_count
from gatepost.errors import (
    AuthenticationError,
    SessionExpired,
    SessionReplaced,
    SessionRevoked,
)
from gatepost.models import AuditAction, Client, EndReason, Row, Session, SessionRow
from gatepost.security.tokens import StoredToken


class Found(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the row of a presented token says.

    Attributes:
        session: the session, whether or not it may be used.
        refusal: why it may not be used, None where it may.
        touch_at: the time to write to `last_used_at`, None where it is still young enough.
    """

    session: Session
    refusal: AuthenticationError | None
    touch_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `lookup`."""
        return cls(session=Session.from_row(row), refusal=refusal_of(row), touch_at=row["touch_at"])


def refusal_of(row: Row) -> AuthenticationError | None:
    """Say why a session row may not be used: ended, expired or its user disabled; None where it may."""
    if row["is_active"]:
        if row["is_expired"]:
            return SessionExpired()
        return None if row["user_is_active"] else SessionRevoked()
    if row["end_reason"] == EndReason.REFRESHED:
        return SessionReplaced()
    return SessionExpired() if row["end_reason"] == EndReason.EXPIRED else SessionRevoked()


LOOKUP = """
    SELECT s.session_token, s.id AS session_id, coalesce(s.is_active, false) AS is_active, s.end_reason,
        s.expires_at <= t.now AS is_expired,
        CASE WHEN s.last_used_at <= t.now - $3::interval THEN t.now END AS touch_at,
        s.created_at, s.expires_at, s.authenticated_at,
        u.id AS user_id, u.email, coalesce(u.name, '') AS name, coalesce(u.is_admin, false) AS is_admin,
        coalesce(u.is_active, false) AS user_is_active,
        coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at
    FROM user_sessions s
    JOIN users u ON u.id = s.user_id
    CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
    WHERE s.session_token = ANY($1::varchar[])
"""
"""The session check, the one statement that runs for every request: prepared by `services/lookups.py`.

$1 stored tokens, $2 time or NULL, $3 age of `last_used_at` from which it is written again.
"""


async def lookup(
    conn: Connection, tokens: Sequence[StoredToken], *, at: datetime | None, touch_after: timedelta
) -> dict[StoredToken, Found]:
    """Find the sessions of these stored tokens; a token without a row is not in the answer."""
    rows = await conn.fetch(LOOKUP, tokens, at, touch_after)
    return {row["session_token"]: Found.from_row(row) for row in rows}


async def start(
    conn: Connection,
    token: StoredToken,
    *,
    user_id: int,
    hashed_password: str,
    client: Client,
    at: datetime | None,
    lifetime: timedelta,
    absolute: timedelta,
) -> Session | None:
    """Start a session, with its event, for a user who is active and whose hash is still the one checked.

    None where that changed since the password was looked at: disabled or another password meanwhile.
    """
    row = await conn.fetchrow(
        """
        WITH owner AS MATERIALIZED (
            SELECT u.* FROM users u
            WHERE u.id = $2 AND u.is_active AND u.hashed_password = $3
            FOR SHARE
        ), started AS (
            INSERT INTO user_sessions (session_token, user_id, is_active, expires_at, created_at,
                last_used_at, ip_address, user_agent, authenticated_at, absolute_expires_at)
            SELECT $1, u.id, true, least(t.now + $7::interval, t.now + $8::interval), t.now, t.now,
                $4, $5, t.now, t.now + $8::interval
            FROM owner u
            CROSS JOIN (SELECT coalesce($6::timestamptz, statement_timestamp()) AS now) t
            RETURNING *
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent)
            SELECT s.created_at, $9, s.user_id, s.id, $4, $5 FROM started s
        )
        SELECT s.id AS session_id, s.created_at, s.expires_at, s.authenticated_at,
            u.id AS user_id, u.email, coalesce(u.name, '') AS name, coalesce(u.is_admin, false) AS is_admin,
            true AS user_is_active, coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at
        FROM started s CROSS JOIN owner u
        """,
        token,
        user_id,
        hashed_password,
        client.ip_address,
        client.user_agent,
        at,
        lifetime,
        absolute,
        AuditAction.SESSION_STARTED,
    )
    return None if row is None else Session.from_row(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a refresh found and did.

    Attributes:
        claimed: this very statement replaced the token.
        in_grace: it had been replaced before, so short a time ago that the answer may be repeated.
        found_id, found_user_id: the row of the presented token.
        refusal: why the presented token may not be used for anything else; None where it was claimed.
        nonce: what the successor's token is derived with, together with the old token.
        successor: the session that follows; None where there is none, or none visible yet.
        successor_token: its stored token.
        successor_refusal: why the successor itself may not be used; None where it may.
    """

    claimed: bool
    in_grace: bool
    found_id: int
    found_user_id: int
    refusal: AuthenticationError | None
    nonce: bytes | None = field(repr=False)
    successor: Session | None
    successor_token: str | None = field(repr=False)
    successor_refusal: AuthenticationError | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `refresh`."""
        has_successor = row["session_id"] is not None
        return cls(
            claimed=row["claimed"],
            in_grace=row["in_grace"],
            found_id=row["found_id"],
            found_user_id=row["user_id"],
            refusal=None
            if row["claimed"]
            else refusal_of(
                {
                    "is_active": row["found_is_active"],
                    "is_expired": row["found_is_expired"],
                    "end_reason": row["found_end_reason"],
                    "user_is_active": row["user_is_active"],
                }
            ),
            nonce=row["nonce"],
            successor=Session.from_row(row) if has_successor else None,
            successor_token=row["session_token"],
            successor_refusal=refusal_of(row) if has_successor else None,
        )


async def refresh(
    conn: Connection,
    tokens: Sequence[StoredToken],
    successor: StoredToken,
    nonce: bytes,
    *,
    client: Client,
    at: datetime | None,
    lifetime: timedelta,
    grace: timedelta,
) -> Refreshed | None:
    """Replace a live token by its successor, with its event, in one statement; None for an unknown token.

    The row of the old token is claimed by whoever locks it first. One who comes second waits for that
    lock and then sees the claim, but not yet the successor's row, because the statement looked at the
    table before it waited: asked again, the statement sees both.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($4::timestamptz, statement_timestamp()) AS now
        ), owner AS MATERIALIZED (
            SELECT u.* FROM users u
            WHERE u.id = (
                SELECT s.user_id FROM user_sessions s WHERE s.session_token = ANY($1::varchar[]) LIMIT 1
            )
            FOR SHARE
        ), found AS MATERIALIZED (
            SELECT s.* FROM owner u JOIN user_sessions s ON s.user_id = u.id
            WHERE s.session_token = ANY($1::varchar[])
            FOR UPDATE OF s
        ), claimed AS (
            UPDATE user_sessions s
            SET is_active = false, ended_at = t.now, end_reason = $9, last_used_at = t.now,
                replaced_by = nextval(pg_get_serial_sequence('user_sessions', 'id')), successor_nonce = $3
            FROM found f, owner u, t
            WHERE s.id = f.id AND f.is_active AND f.expires_at > t.now AND u.is_active
            RETURNING s.*
        ), started AS (
            INSERT INTO user_sessions (id, session_token, user_id, is_active, expires_at, created_at,
                last_used_at, ip_address, user_agent, authenticated_at, absolute_expires_at, family_id)
            SELECT c.replaced_by, $2, c.user_id, true, least(t.now + $5::interval, c.absolute_expires_at),
                t.now, t.now, $7, $8, c.authenticated_at, c.absolute_expires_at, coalesce(c.family_id, c.id)
            FROM claimed c, t
            RETURNING *
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT t.now, $10, c.user_id, c.id, $7, $8, jsonb_build_object('successor', c.replaced_by)
            FROM claimed c, t
        ), successor AS (
            SELECT * FROM started
            UNION ALL
            SELECT s.* FROM found f JOIN user_sessions s ON s.id = f.replaced_by
        )
        SELECT EXISTS (SELECT FROM claimed) AS claimed,
            f.replaced_by IS NOT NULL AND coalesce(f.ended_at + $6::interval > t.now, false) AS in_grace,
            f.id AS found_id, coalesce(f.is_active, false) AS found_is_active,
            f.expires_at <= t.now AS found_is_expired, f.end_reason AS found_end_reason,
            f.successor_nonce AS nonce,
            s.id AS session_id, s.session_token, coalesce(s.is_active, false) AS is_active, s.end_reason,
            s.expires_at <= t.now AS is_expired, s.created_at, s.expires_at, s.authenticated_at,
            u.id AS user_id, u.email, coalesce(u.name, '') AS name, coalesce(u.is_admin, false) AS is_admin,
            coalesce(u.is_active, false) AS user_is_active,
            coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at
        FROM t CROSS JOIN found f CROSS JOIN owner u LEFT JOIN successor s ON true
        """,
        tokens,
        successor,
        nonce,
        at,
        lifetime,
        grace,
        client.ip_address,
        client.user_agent,
        EndReason.REFRESHED,
        AuditAction.SESSION_REFRESHED,
    )
    return None if row is None else Refreshed.from_row(row)


async def active_of_user(conn: Connection, user_id: int, *, at: datetime | None) -> list[SessionRow]:
    """Return a user's live sessions, the one used last first."""
    rows = await conn.fetch(
        """
        SELECT s.id, left(s.session_token, 8) AS token_hint, s.user_id, s.created_at, s.last_used_at,
            s.expires_at, s.ip_address, s.user_agent, s.ended_at, s.end_reason
        FROM user_sessions s
        WHERE s.user_id = $1 AND s.is_active
            AND s.expires_at > coalesce($2::timestamptz, statement_timestamp())
        ORDER BY s.last_used_at DESC, s.id DESC
        """,
        user_id,
        at,
    )
    return [SessionRow.from_row(row) for row in rows]


async def active_page(
    conn: Connection, *, before: int | None, limit: int, at: datetime | None
) -> list[SessionRow]:
    """Return everybody's live sessions, the one started last first, those with an id below `before`."""
    rows = await conn.fetch(
        """
        SELECT s.id, left(s.session_token, 8) AS token_hint, s.user_id, s.created_at, s.last_used_at,
            s.expires_at, s.ip_address, s.user_agent, s.ended_at, s.end_reason
        FROM user_sessions s
        WHERE s.id < coalesce($1::bigint, 9223372036854775807) AND s.is_active
            AND s.expires_at > coalesce($3::timestamptz, statement_timestamp())
        ORDER BY s.id DESC
        LIMIT $2
        """,
        before,
        limit,
        at,
    )
    return [SessionRow.from_row(row) for row in rows]


async def touch(conn: Connection, used: Mapping[int, datetime]) -> int:
    """Write when these live sessions were last used; return how many rows were written.

    One that is locked is being ended or refreshed this moment and is left out, so that this statement
    waits for nobody and takes part in no deadlock. One that has ended meanwhile stays as it is.
    """
    status = await conn.execute(
        """
        WITH used AS (
            SELECT * FROM unnest($1::bigint[], $2::timestamptz[]) AS v (id, at)
        ), live AS (
            SELECT s.id FROM user_sessions s
            WHERE s.id = ANY($1::bigint[]) AND s.is_active
            FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE user_sessions s SET last_used_at = greatest(s.last_used_at, used.at)
        FROM used, live
        WHERE s.id = live.id AND used.id = live.id
        """,
        list(used.keys()),
        list(used.values()),
    )
    return parse_count(status)

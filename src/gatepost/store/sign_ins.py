"""Statements under the user's lock: which session a sign-in has come to, and how many a user may have.

A sign-in is what one password began: a session and whatever it was refreshed to since.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Self, TypeAlias
from uuid import UUID

import msgspec

from gatepost.db.pool import Connection, one
from gatepost.models import (
    AuditAction,
    Beginning,
    Client,
    EndReason,
    Row,
    Session,
    SessionCursor,
    SignIn,
    UserId,
    times_of,
)

Lock: TypeAlias = Callable[[Connection, UserId], Awaitable[UUID | None]]
"""Locks the row of a user, and returns the stamp of their credentials; None where they are gone."""


class Live(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The live session of a sign-in.

    Attributes:
        id: primary key.
        ip_address: of the client that started it.
        remembered: its cookie outlives the browser.
        proven: what was proven for it, and when.
    """

    id: int
    ip_address: str | None
    remembered: bool
    proven: dict[str, datetime]

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `lock_live`."""
        return cls(
            id=row["id"],
            ip_address=row["ip_address"],
            remembered=row["remembered"],
            proven=dict(zip(row["methods"], times_of(row), strict=True)),
        )


async def lock_owner(conn: Connection, user_id: UserId) -> UUID | None:
    """Lock a user's row, as whoever ends several sessions does: none starts or is refreshed meanwhile.

    A statement of its own, so that the next one looks at the sessions anew.
    """
    row = await conn.fetchrow(
        "SELECT gatepost.credentials_stamp(u) AS stamp FROM users u WHERE u.id = $1 FOR NO KEY UPDATE",
        user_id,
    )
    return None if row is None else row["stamp"]


async def note_language(conn: Connection, session: Session, language: str, *, place: str | None) -> None:
    """Keep what the user of a new session reads; where they have not been before, only if nothing is kept."""
    await conn.execute(
        """
        UPDATE auth_last_sign_ins l SET language = $3
        WHERE l.user_id = $1 AND l.language IS DISTINCT FROM $3 AND (l.language IS NULL OR EXISTS (
            SELECT FROM user_sessions s WHERE s.user_id = $1 AND s.place = $4 AND s.id <> $2
        ))
        """,
        session.user.id,
        session.id,
        language,
        place,
    )


async def lock_live(
    conn: Connection, session_id: int, *, at: datetime | None, idle: timedelta | None
) -> Live | None:
    """Lock and return the live session of the sign-in that this session belongs to, if there is one."""
    row = await conn.fetchrow(
        """
        SELECT s.id, s.ip_address, s.remembered, s.methods, s.methods_at, s.authenticated_at
        FROM user_sessions named
        JOIN user_sessions s ON s.user_id = named.user_id
            AND coalesce(s.family_id, s.id) = coalesce(named.family_id, named.id)
        JOIN users u ON u.id = s.user_id
        CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
        WHERE named.id = $1 AND gatepost.is_live(s, u, t.now, $3::interval)
        ORDER BY s.id DESC
        LIMIT 1
        FOR UPDATE OF s
        """,
        session_id,
        at,
        idle,
    )
    return None if row is None else Live.from_row(row)


async def end_beyond(
    conn: Connection,
    user_id: UserId,
    *,
    kept: int,
    client: Client,
    at: datetime | None,
    idle: timedelta | None,
) -> int:
    """End the live sessions of a user but for the latest sign-ins, an event each; return how many.

    Those that somebody else has in the place of the user are none of them. The caller has locked the user's
    row.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($3::timestamptz, statement_timestamp()) AS now
        ), beyond AS (
            SELECT live.id FROM (
                SELECT s.id, dense_rank() OVER (ORDER BY coalesce(s.family_id, s.id) DESC) AS rank
                FROM user_sessions s JOIN users u ON u.id = s.user_id CROSS JOIN t
                WHERE s.user_id = $1 AND s.impersonator_id IS NULL
                    AND gatepost.is_live(s, u, t.now, $4::interval)
            ) live
            WHERE live.rank > $2
        ), ended AS (
            UPDATE user_sessions s SET is_active = false, ended_at = t.now, end_reason = $5
            FROM t
            WHERE s.id = ANY(ARRAY(SELECT beyond.id FROM beyond)) AND s.is_active
            RETURNING s.id, s.user_id
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT t.now, $6, e.user_id, e.id, $7, $8, jsonb_build_object('reason', $5::varchar)
            FROM ended e, t
        )
        SELECT count(*) AS count FROM ended
        """,
        user_id,
        kept,
        at,
        idle,
        EndReason.LIMIT,
        AuditAction.SESSION_REVOKED,
        client.ip_address,
        client.user_agent,
    )
    return int(one(row)["count"])


async def end_others(
    conn: Connection,
    user_id: UserId,
    *,
    kept: int,
    client: Client,
    at: datetime | None,
    idle: timedelta | None,
) -> int:
    """End the sessions of a user but for those of one sign-in, with one event; return how many were live.

    The caller has locked the user's row, and `kept` is the live session of that sign-in.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($3::timestamptz, statement_timestamp()) AS now
        ), kept AS (
            SELECT coalesce(s.family_id, s.id) AS family FROM user_sessions s
            WHERE s.id = $2 AND s.user_id = $1
        ), due AS MATERIALIZED (
            SELECT s.id, gatepost.is_live(s, u, t.now, $8::interval) AS was_live,
                gatepost.has_expired(s, t.now) AS is_over
            FROM user_sessions s JOIN users u ON u.id = s.user_id CROSS JOIN kept k CROSS JOIN t
            WHERE s.user_id = $1 AND s.is_active AND coalesce(s.family_id, s.id) <> k.family
            FOR UPDATE OF s
        ), ended AS (
            UPDATE user_sessions s
            SET is_active = false, ended_at = least(s.expires_at, t.now),
                end_reason = CASE WHEN d.is_over THEN 'expired' ELSE $4 END
            FROM due d, t
            WHERE s.id = d.id
            RETURNING d.was_live
        ), counted AS (
            SELECT count(*) AS count FROM ended WHERE was_live
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT t.now, $5, $1, $2, $6, $7,
                jsonb_build_object('reason', $4::varchar, 'sessions', c.count, 'kept_session', $2::bigint)
            FROM counted c, t
        )
        SELECT c.count FROM counted c
        """,
        user_id,
        kept,
        at,
        EndReason.REVOKED,
        AuditAction.SESSIONS_REVOKED_ALL,
        client.ip_address,
        client.user_agent,
        idle,
    )
    return int(one(row)["count"])


async def of_user(
    conn: Connection,
    user_id: UserId,
    *,
    after: SessionCursor | None,
    limit: int,
    at: datetime | None,
    idle: timedelta | None,
) -> list[SignIn]:
    """Return a user's live sessions with the time of their sign-in, the one used last first."""
    rows = await conn.fetch(
        """
        SELECT s.id, left(s.session_token, 8) AS token_hint, s.user_id, s.created_at,
            used.last AS last_used_at, s.expires_at, s.ip_address, s.user_agent, s.ended_at, s.end_reason,
            CASE WHEN s.impersonator_id IS NULL THEN coalesce(s.authenticated_at, s.created_at)
                ELSE s.created_at END AS authenticated_at, s.impersonator_id,
            coalesce(s.family_id, s.id) AS began_id
        FROM user_sessions s
        JOIN users u ON u.id = s.user_id
        CROSS JOIN LATERAL (SELECT coalesce(s.last_used_at, s.created_at, 'epoch') AS last) used
        CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
        WHERE s.user_id = $1 AND gatepost.is_live(s, u, t.now, $3::interval)
            AND ($5::bigint IS NULL OR (used.last, s.id) < ($4::timestamptz, $5))
        ORDER BY used.last DESC, s.id DESC
        LIMIT $6
        """,
        user_id,
        at,
        idle,
        None if after is None else after.used_at,
        None if after is None else after.session_id,
        limit,
    )
    return [SignIn.from_row(row) for row in rows]


async def beginnings(conn: Connection, user_id: UserId, *, limit: int) -> list[Beginning]:
    """Return where a user's sign-ins began that are still kept, the newest first."""
    rows = await conn.fetch(
        """
        SELECT s.id, s.created_at, s.place, s.user_agent
        FROM user_sessions s
        WHERE s.user_id = $1 AND s.family_id IS NULL AND s.impersonator_id IS NULL
        ORDER BY s.id DESC
        LIMIT $2
        """,
        user_id,
        limit,
    )
    return [Beginning.from_row(row) for row in rows]


async def count(conn: Connection, user_id: UserId, *, at: datetime | None, idle: timedelta | None) -> int:
    """Count a user's live sessions."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS count
        FROM user_sessions s
        JOIN users u ON u.id = s.user_id
        CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
        WHERE s.user_id = $1 AND gatepost.is_live(s, u, t.now, $3::interval)
        """,
        user_id,
        at,
        idle,
    )
    return int(one(row)["count"])

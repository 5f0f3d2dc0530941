"""Statements that end sessions, and those that purge what ended long ago."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from gatepost.db.pool import Connection, one
from gatepost.errors import AuthenticationError
from gatepost.models import AuditAction, Client, Columns, EndReason, Row, UserId
from gatepost.security.tokens import StoredToken
from gatepost.store.sessions import refusal_of

HOUSEKEEPING_LOCK = 7_238_150_043_211_874_561
"""Key of the advisory lock that lets one worker at a time do the housekeeping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What ending sessions on behalf of a presented token found and did.

    Attributes:
        session_id, user_id: the session of the presented token, and whose it is.
        refusal: why it may not be used; None where it could be.
        count: sessions that were live and are ended now.
        unsettled: the token is a confirmation's and came for the first time.
        is_impersonation: somebody else had the session in the place of its user.
    """

    session_id: int
    user_id: UserId
    refusal: AuthenticationError | None
    count: int
    unsettled: bool = False
    is_impersonation: bool = False

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `end_by_presented`."""
        return cls(
            session_id=row["session_id"],
            user_id=row["user_id"],
            refusal=refusal_of(row["refusal"]),
            count=row["count"],
            unsettled=row["unsettled"],
            is_impersonation=row["is_impersonation"],
        )


class Batch(Columns, frozen=True, kw_only=True, gc=False):
    """What a batch of housekeeping did.

    Attributes:
        count: rows that were ended or purged.
        last: the time by which the last of them was due; None where there was none.
    """

    count: int
    last: datetime | None


class LastCleanup(Columns, frozen=True, kw_only=True, gc=False):
    """When housekeeping last ran, and what it did when it last found something to do.

    Attributes:
        ran_at, worked_at: when that was; None for never.
        ended, deleted: sessions that it ended then, and rows of ended ones that it deleted.
    """

    ran_at: datetime | None
    worked_at: datetime | None
    ended: int
    deleted: int


async def end_by_presented(
    conn: Connection,
    tokens: Sequence[StoredToken],
    *,
    reason: EndReason,
    session_id: int | None = None,
    everywhere: bool = False,
    client: Client,
    at: datetime | None,
    idle: timedelta | None,
) -> Ended | None:
    """On behalf of a live token end its sign-in, the one named, or all; None for an unknown token.

    A session that was refreshed since its id was read is ended as well: what is meant is the sign-in.
    """
    row = await conn.fetchrow(
        """
        SELECT CASE WHEN s.refusal IS NULL THEN gatepost_end_sessions(
                s.user_id, $4, CASE WHEN NOT $9 THEN coalesce($5::bigint, s.id) END, s.now, $3, $6, $7
            ) ELSE 0 END AS count,
            s.id AS session_id, s.user_id, s.refusal, s.unsettled, s.is_impersonation
        FROM (
            SELECT s.id, u.id AS user_id, t.now, gatepost.refusal(s, u, t.now, $8::interval) AS refusal,
                coalesce(s.handed_by = 'confirm', false) AS unsettled,
                s.impersonator_id IS NOT NULL AS is_impersonation
            FROM user_sessions s
            JOIN users u ON u.id = s.user_id
            CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
            WHERE s.session_token = ANY($1::varchar[])
        ) s
        """,
        tokens,
        at,
        AuditAction.SESSIONS_REVOKED_ALL if everywhere else AuditAction.SESSION_REVOKED,
        reason,
        session_id,
        client.ip_address,
        client.user_agent,
        idle,
        everywhere,
    )
    return None if row is None else Ended.from_row(row)


async def end_of_user(
    conn: Connection,
    user_id: UserId,
    *,
    reason: EndReason,
    client: Client,
    at: datetime | None,
    session_id: int | None = None,
    action: AuditAction | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """End all sessions of a user, or the sign-in of the one named; return how many were live.

    The event is `session.revoked_all` or `session.revoked` unless another action is given.
    """
    row = await conn.fetchrow(
        "SELECT gatepost_end_sessions($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb) AS count",
        user_id,
        reason,
        session_id,
        at,
        action or (AuditAction.SESSIONS_REVOKED_ALL if session_id is None else AuditAction.SESSION_REVOKED),
        client.ip_address,
        client.user_agent,
        json.dumps(dict(detail or {})),
    )
    return int(one(row)["count"])


async def owner_of(conn: Connection, session_id: int) -> int | None:
    """Return whose session this is."""
    row = await conn.fetchrow("SELECT s.user_id FROM user_sessions s WHERE s.id = $1", session_id)
    return None if row is None else row["user_id"]


async def count_expired(conn: Connection, *, at: datetime | None) -> int:
    """Count the sessions that have expired and are not ended yet."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS count FROM user_sessions s
        WHERE s.is_active AND s.expires_at <= coalesce($1::timestamptz, statement_timestamp())
        """,
        at,
    )
    return int(one(row)["count"])


async def last_cleanup(conn: Connection) -> LastCleanup:
    """Return what is kept of the last runs of housekeeping."""
    row = await conn.fetchrow(
        """
        SELECT h.ran_at, h.worked_at, coalesce(h.ended, 0) AS ended, coalesce(h.deleted, 0) AS deleted
        FROM auth_housekeeping h WHERE h.id = 1
        """
    )
    return LastCleanup.from_row(one(row))


async def note_cleanup(conn: Connection, *, ended: int, deleted: int, at: datetime | None) -> None:
    """Keep what a run did."""
    await conn.execute(
        """
        UPDATE auth_housekeeping h
        SET worked_at = coalesce($1::timestamptz, clock_timestamp()), ended = $2, deleted = $3
        WHERE h.id = 1
        """,
        at,
        ended,
        deleted,
    )


async def take_turn(conn: Connection) -> bool:
    """Say whether housekeeping is this transaction's to do, and nobody else's until it ends."""
    row = await conn.fetchrow("SELECT pg_try_advisory_xact_lock($1) AS mine", HOUSEKEEPING_LOCK)
    return bool(one(row)["mine"])


async def end_expired(
    conn: Connection, *, limit: int, at: datetime | None, since: datetime | None = None
) -> Batch:
    """End at most `limit` expired sessions, the oldest first, those that expired at `since` or later.

    Rows that somebody else holds are skipped. `since` is the `last` of the batch before: a batch that began
    at the oldest again would pass by all that the others ended, for as long as an old transaction keeps their
    former versions in the index.
    """
    row = await conn.fetchrow(
        """
        WITH due AS (
            SELECT s.id, s.expires_at FROM user_sessions s
            WHERE s.is_active AND s.expires_at <= coalesce($1::timestamptz, statement_timestamp())
                AND s.expires_at >= coalesce($4::timestamptz, '-infinity')
            ORDER BY s.expires_at
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        ), ended AS (
            -- As an array, or the planner may think of so many that it reads the whole table instead.
            UPDATE user_sessions s SET is_active = false, ended_at = s.expires_at, end_reason = $3
            WHERE s.id = ANY(ARRAY(SELECT due.id FROM due))
            RETURNING s.id
        )
        SELECT (SELECT count(*) FROM ended) AS count, (SELECT max(due.expires_at) FROM due) AS last
        """,
        at,
        limit,
        EndReason.EXPIRED,
        since,
    )
    return Batch.from_row(one(row))


async def purge_ended(
    conn: Connection,
    *,
    older_than: timedelta,
    limit: int,
    at: datetime | None,
    since: datetime | None = None,
) -> Batch:
    """Delete at most `limit` sessions that ended longer ago than `older_than`; the rest as `end_expired`."""
    row = await conn.fetchrow(
        """
        WITH due AS (
            SELECT s.id, s.ended_at FROM user_sessions s
            WHERE NOT s.is_active AND s.ended_at >= coalesce($4::timestamptz, '-infinity')
                AND s.ended_at < coalesce($1::timestamptz, statement_timestamp()) - $3::interval
            ORDER BY s.ended_at
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        ), purged AS (
            -- As an array, or the planner may think of so many that it reads the whole table instead.
            DELETE FROM user_sessions s WHERE s.id = ANY(ARRAY(SELECT due.id FROM due)) RETURNING s.id
        )
        SELECT (SELECT count(*) FROM purged) AS count, (SELECT max(due.ended_at) FROM due) AS last
        """,
        at,
        limit,
        older_than,
        since,
    )
    return Batch.from_row(one(row))

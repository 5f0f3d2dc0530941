"""Statements on `user_sessions`: start, look up and list.

Refreshing stands in `store/refreshes.py`, giving the password again in `store/confirmations.py`, what a use
leaves in `store/uses.py`, ending in `store/endings.py`. A login or refresh locks the user's row FOR SHARE and
whoever ends several sessions of a user locks it FOR NO KEY UPDATE, so that no session slips through that
starts or is refreshed while the others are being ended.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

import msgspec

from gatepost.db.pool import Connection, one
from gatepost.errors import (
    AuthenticationError,
    SessionExpired,
    SessionReplaced,
    SessionRevoked,
)
from gatepost.models import AuditAction, Client, Proof, Row, Session, UserId
from gatepost.security.tokens import StoredToken

_REFUSALS: Mapping[str, type[AuthenticationError]] = {
    kind.code: kind for kind in (SessionExpired, SessionReplaced, SessionRevoked)
}


def refusal_of(code: str | None) -> AuthenticationError | None:
    """Return the error that a statement names, None where it names none: the session may be used."""
    return None if code is None else _REFUSALS[code]()


class Refused(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session that may not be used: ended, expired or its user disabled.

    Attributes:
        session_id, user_id: which one, and whose.
        error: why.
    """

    session_id: int
    user_id: UserId
    error: AuthenticationError


class Overlap(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session whose token was replaced a moment ago, while requests of its client were on their way.

    Attributes:
        session: what the token still opens for that client: the live session that its sign-in has come to,
            with the times of the session that it opened before.
        client: who holds that live session, which is who had the token replaced.
    """

    session: Session
    client: Client


class Found(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the row of a presented token says.

    Attributes:
        stored: the form that the row holds, of those that were asked for.
        session: the session, None where it may not be used.
        refused: why not, None where it may.
        touch_at: the time to write to `last_used_at`, None where it is still young enough.
        renew_to: what the session's end is to be moved to where a browser uses it; None where it is far off.
        handed_by: `refresh` or `confirm` where the token comes for the first time since that gave it out.
        overlap: what the token still opens by cookie; None where that is nothing.
    """

    stored: StoredToken
    session: Session | None
    refused: Refused | None
    touch_at: datetime | None
    renew_to: datetime | None
    handed_by: str | None
    overlap: Overlap | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `lookup`."""
        error = refusal_of(row["refusal"])
        session, refused, overlap = None, None, None
        if error is None:
            session = Session.from_row(row)
        else:
            refused = Refused(session_id=row["session_id"], user_id=row["user_id"], error=error)
            overlap = _overlap(row)
        return cls(
            stored=row["session_token"],
            session=session,
            refused=refused,
            touch_at=row["touch_at"],
            renew_to=row["renew_to"],
            handed_by=row["handed_by"],
            overlap=overlap,
        )


def _overlap(row: Row) -> Overlap | None:
    if row["overlap"] is None:
        return None
    live_id, ip_address, user_agent = row["overlap"]
    return Overlap(
        session=msgspec.structs.replace(Session.from_row(row), id=int(live_id)),
        client=Client(ip_address=ip_address, user_agent=user_agent),
    )


LOOKUP = """
    SELECT s.session_token, s.id AS session_id, gatepost.refusal(s, u, t.now, $4::interval) AS refusal,
        CASE WHEN s.last_used_at <= t.now - $3::interval OR s.handed_by IS NOT NULL
            THEN t.now END AS touch_at,
        CASE WHEN gatepost.has_expired(s, t.now + $6::interval / 2)
                AND coalesce(s.absolute_expires_at, 'infinity') > s.expires_at
            THEN least(t.now + $6::interval, s.absolute_expires_at) END AS renew_to,
        s.handed_by,
        CASE WHEN NOT s.is_active AND s.ended_at > t.now - $7::interval
                AND NOT gatepost.has_expired(s, t.now, $4::interval)
            THEN (
                SELECT ARRAY[live.id::text, live.ip_address, live.user_agent]
                FROM user_sessions new
                JOIN user_sessions live ON live.user_id = new.user_id
                    AND coalesce(live.family_id, live.id) = coalesce(new.family_id, new.id)
                WHERE new.id = s.replaced_by AND new.user_id = s.user_id
                    AND gatepost.is_live(live, u, t.now, $4::interval)
                ORDER BY live.id DESC
                LIMIT 1
            ) END AS overlap,
        s.created_at, s.expires_at, s.authenticated_at, s.methods, s.methods_at, s.aal, s.impersonator_id,
        coalesce(s.authenticated_at > t.now - $5::interval, false) AS is_fresh,
        u.id AS user_id, u.email, coalesce(u.name, '') AS name, coalesce(u.is_admin, false) AS is_admin,
        coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at,
        u.email_verified_at IS NOT NULL AS email_verified, u.language
    FROM user_sessions s
    JOIN users u ON u.id = s.user_id
    CROSS JOIN (SELECT coalesce($2::timestamptz, statement_timestamp()) AS now) t
    WHERE s.session_token = ANY($1::varchar[])
"""
"""The session check, the one statement that runs for every request: prepared by `services/lookups.py`.

$1 stored tokens, $2 time or NULL, $3 age of `last_used_at` from which it is written again, $4 age from
which the session is over or NULL, $5 time after the password for which a session is fresh, $6 how long a
session lives from its start or renewal, $7 how long a token that was replaced opens its session by cookie.
"""


async def lookup(
    conn: Connection,
    tokens: Sequence[StoredToken],
    *,
    at: datetime | None,
    touch_after: timedelta,
    idle: timedelta | None,
    fresh: timedelta,
    lifetime: timedelta,
    grace: timedelta,
) -> dict[StoredToken, Found]:
    """Find the sessions of these stored tokens; a token without a row is not in the answer."""
    rows = await conn.fetch(LOOKUP, tokens, at, touch_after, idle, fresh, lifetime, grace)
    return {row["session_token"]: Found.from_row(row) for row in rows}


async def start(
    conn: Connection,
    token: StoredToken,
    proof: Proof,
    *,
    client: Client,
    remembered: bool,
    at: datetime | None,
    lifetime: timedelta,
    absolute: timedelta,
) -> Session | None:
    """Start a session, with its event, for a user who is active and whose credentials are those proven.

    None where that changed since: disabled, another password or another e-mail meanwhile.
    """
    row = await conn.fetchrow(
        """
        WITH owner AS MATERIALIZED (
            SELECT u.id, u.email, u.name, u.is_admin, u.created_at, u.email_verified_at, u.language
            FROM users u
            WHERE u.id = $2 AND u.is_active AND gatepost.credentials_stamp(u) = $3::uuid
            FOR SHARE
        ), started AS (
            INSERT INTO user_sessions (session_token, user_id, is_active, expires_at, created_at,
                last_used_at, ip_address, user_agent, authenticated_at, absolute_expires_at, place,
                remembered, methods, methods_at, aal)
            SELECT $1, u.id, true, least(t.now + $7::interval, t.now + $8::interval), t.now, t.now,
                $4, $5, coalesce($12::timestamptz, t.now), t.now + $8::interval, $10, $11, $13,
                $15::timestamptz[], $14
            FROM owner u
            CROSS JOIN (SELECT coalesce($6::timestamptz, statement_timestamp()) AS now) t
            RETURNING *
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT s.created_at, $9, s.user_id, s.id, $4, $5,
                CASE WHEN s.methods = '{pwd}' THEN '{}' ELSE jsonb_build_object('methods', s.methods) END
            FROM started s
        )
        SELECT s.id AS session_id, s.created_at, s.expires_at, s.authenticated_at, true AS is_fresh,
            s.methods, s.methods_at, s.aal, s.impersonator_id, u.id AS user_id, u.email,
            coalesce(u.name, '') AS name, coalesce(u.is_admin, false) AS is_admin,
            coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at,
            u.email_verified_at IS NOT NULL AS email_verified, u.language
        FROM started s CROSS JOIN owner u
        """,
        token,
        proof.user_id,
        proof.stamp,
        client.ip_address,
        client.user_agent,
        at,
        lifetime,
        absolute,
        AuditAction.SESSION_STARTED,
        client.address_block,
        remembered,
        proof.at,
        list(proof.methods),
        proof.aal,
        proof.methods_at,
    )
    return None if row is None else Session.from_row(row)


async def impersonate(conn: Connection, session_id: int, impersonator: UserId, *, live_id: int) -> datetime:
    """Have a session that has just begun be somebody else's; return when it ends, no later than theirs.

    Where they are is no place of its user.
    """
    row = one(
        await conn.fetchrow(
            """
            UPDATE user_sessions s
            SET impersonator_id = $2, impersonator_session = coalesce(theirs.family_id, theirs.id),
                place = NULL,
                expires_at = least(s.expires_at, theirs.expires_at),
                absolute_expires_at = least(s.absolute_expires_at, theirs.expires_at)
            FROM user_sessions theirs
            WHERE s.id = $1 AND theirs.id = $3
            RETURNING s.expires_at
            """,
            session_id,
            impersonator,
            live_id,
        )
    )
    ends: datetime = row["expires_at"]
    return ends

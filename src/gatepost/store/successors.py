"""What takes the place of a session besides a refresh: a fresh one, and one of changed credentials.

All of it happens under the user's lock, which the caller holds.
"""

from datetime import datetime, timedelta

from gatepost.db.pool import Connection
from gatepost.models import AuditAction, Client, EndReason, Proof, Row, Session
from gatepost.security.tokens import StoredToken


async def start_fresh(
    conn: Connection,
    token: StoredToken,
    *,
    live_id: int,
    proof: Proof,
    client: Client,
    at: datetime | None,
    lifetime: timedelta,
    absolute: timedelta,
) -> tuple[Session, bool] | None:
    """Start a fresh session of the sign-in that a live session belongs to, with its event.

    The live session stays as it is, so that a lost answer signs nobody out; `settle` ends it once the new
    token comes. What was proven for the sign-in before stays proven.

    Returns:
        The session and whether its cookie outlives the browser; None where the credentials are others by now.
    """
    row: Row | None = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($5::timestamptz, statement_timestamp()) AS now
        ), started AS (
            INSERT INTO user_sessions (session_token, user_id, is_active, expires_at, created_at,
                last_used_at, ip_address, user_agent, authenticated_at, absolute_expires_at, family_id,
                remembered, handed_by, methods, methods_at, aal)
            SELECT $1, s.user_id, true,
                least(CASE WHEN NOT s.remembered THEN t.now + $6::interval END, t.now + $7::interval),
                t.now, t.now, $8, $9, coalesce($10::timestamptz, t.now), t.now + $7::interval,
                coalesce(s.family_id, s.id), s.remembered, 'confirm',
                p.methods, p.times, greatest(s.aal, $12)
            FROM user_sessions s JOIN users u ON u.id = s.user_id CROSS JOIN t
            CROSS JOIN LATERAL (
                SELECT array_agg(m.method ORDER BY m.place) AS methods,
                    array_agg(CASE WHEN m.method = ANY($11::varchar[])
                        THEN coalesce($10::timestamptz, t.now)
                        ELSE coalesce(s.methods_at[m.place], s.authenticated_at)
                    END ORDER BY m.place) AS times
                FROM unnest(s.methods || ARRAY(
                    SELECT n FROM unnest($11::varchar[]) n WHERE n <> ALL (s.methods)
                )) WITH ORDINALITY m (method, place)
            ) p
            WHERE s.id = $2 AND u.is_active AND gatepost.credentials_stamp(u) = $3::uuid
            RETURNING *
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT s.created_at, $4, s.user_id, $2, $8, $9, jsonb_build_object('successor', s.id)
            FROM started s
        )
        SELECT s.id AS session_id, s.created_at, s.expires_at, s.authenticated_at, true AS is_fresh,
            s.methods, s.methods_at, s.aal, s.impersonator_id, s.remembered,
            u.id AS user_id, u.email, coalesce(u.name, '') AS name,
            coalesce(u.is_admin, false) AS is_admin,
            coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at,
            u.email_verified_at IS NOT NULL AS email_verified, u.language
        FROM started s JOIN users u ON u.id = s.user_id
        """,
        token,
        live_id,
        proof.stamp,
        AuditAction.SESSION_CONFIRMED,
        at,
        lifetime,
        absolute,
        client.ip_address,
        client.user_agent,
        proof.at,
        list(proof.methods),
        proof.aal,
    )
    return None if row is None else (Session.from_row(row), row["remembered"])


async def settle(conn: Connection, session_id: int, *, at: datetime | None) -> None:
    """Have a session that a confirmation began, and whose token has come, be the only one of its sign-in.

    What the others are refreshed to at this moment waits for the user's lock, and ends as well.
    """
    await conn.execute(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($2::timestamptz, statement_timestamp()) AS now
        ), first AS (
            UPDATE user_sessions s SET handed_by = NULL
            WHERE s.id = $1 AND s.handed_by = 'confirm' AND s.is_active
            RETURNING s.id, s.user_id, s.family_id
        )
        UPDATE user_sessions s
        SET is_active = false, ended_at = least(s.expires_at, t.now), replaced_by = f.id,
            end_reason = CASE WHEN gatepost.has_expired(s, t.now) THEN 'expired' ELSE $3 END
        FROM first f, t
        WHERE s.user_id = f.user_id AND s.is_active AND s.id <> f.id
            AND coalesce(s.family_id, s.id) = f.family_id
        """,
        session_id,
        at,
        EndReason.REFRESHED,
    )


async def replace(conn: Connection, session_id: int, successor_id: int) -> None:
    """Note which session took the place of one that a change of credentials has just ended.

    The others of its sign-in that ended with it are replaced as well: any of their tokens may be on its way.
    """
    await conn.execute(
        """
        UPDATE user_sessions s SET replaced_by = new.id
        FROM user_sessions named, user_sessions new
        WHERE named.id = $1 AND new.id = $2 AND s.user_id = named.user_id AND NOT s.is_active
            AND coalesce(s.family_id, s.id) = coalesce(named.family_id, named.id)
            AND s.ended_at = named.ended_at
        """,
        session_id,
        successor_id,
    )

"""Statements by which users change what is theirs, take it with them, and have it erased."""

from datetime import datetime
from uuid import UUID

from asyncpg import PostgresError

from gatepost.db.pool import Connection, one
from gatepost.db.rejections import is_rejection, sent
from gatepost.errors import AccountInUse, LastAdmin
from gatepost.models import AuditAction, Client, SessionRow, User, UserId
from gatepost.security.emails import email_key


async def rename(
    conn: Connection,
    user_id: UserId,
    name: str,
    *,
    session_id: int,
    client: Client,
    at: datetime | None,
) -> User | None:
    """Give a user another name, with its event; None where they are disabled or gone.

    Raises:
        Conflict, ValidationFailed, RejectedByDatabase: as `users.insert`.
    """
    with sent("name"):
        row = await conn.fetchrow(
            """
            WITH t AS MATERIALIZED (
                SELECT coalesce($3::timestamptz, statement_timestamp()) AS now
            ), renamed AS (
                UPDATE users u SET name = $2::varchar, updated_at = t.now
                FROM t
                WHERE u.id = $1 AND u.is_active
                RETURNING u.*
            ), event AS (
                INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent)
                SELECT t.now, $4, r.id, $5, $6, $7 FROM renamed r, t
            )
            SELECT r.id AS user_id, r.email, coalesce(r.name, '') AS name,
                coalesce(r.is_admin, false) AS is_admin, true AS user_is_active,
                coalesce(r.created_at::timestamptz, 'epoch') AS user_created_at,
                r.email_verified_at IS NOT NULL AS email_verified, r.language
            FROM renamed r
            """,
            user_id,
            name,
            at,
            AuditAction.USER_RENAMED,
            session_id,
            client.ip_address,
            client.user_agent,
        )
    return None if row is None else User.from_row(row)


async def choose_language(conn: Connection, user_id: UserId, language: str, *, at: datetime | None) -> None:
    """Keep the language that a user reads.

    Raises:
        Conflict, ValidationFailed, RejectedByDatabase: as `users.insert`.
    """
    with sent("language"):
        await conn.execute(
            """
            UPDATE users SET language = $2, updated_at = coalesce($3::timestamptz, statement_timestamp())
            WHERE id = $1
            """,
            user_id,
            language,
            at,
        )


async def change_email(conn: Connection, user_id: UserId, email: str, *, at: datetime | None) -> UUID | None:
    """Give a user another canonical e-mail; return the stamp of their credentials, None where they are gone.

    Raises:
        EmailTaken, Conflict, ValidationFailed, RejectedByDatabase: as `users.insert`.
    """
    with sent("email"):
        row = await conn.fetchrow(
            """
            UPDATE users u
            SET email = $2::varchar, email_key = $4,
                updated_at = coalesce($3::timestamptz, statement_timestamp())
            WHERE id = $1
            RETURNING gatepost.credentials_stamp(u) AS stamp
            """,
            user_id,
            email,
            at,
            email_key(email),
        )
    return None if row is None else row["stamp"]


async def sessions(conn: Connection, user_id: UserId, *, before: int | None, limit: int) -> list[SessionRow]:
    """Return a user's sessions with an id below `before`, the ended ones too, the one started last first."""
    rows = await conn.fetch(
        """
        SELECT s.id, left(s.session_token, 8) AS token_hint, s.user_id, s.created_at, s.last_used_at,
            s.expires_at, s.ip_address, s.user_agent, s.ended_at, s.end_reason,
            s.impersonator_id
        FROM user_sessions s
        WHERE s.user_id = $1 AND s.id < coalesce($2::bigint, 9223372036854775807)
        ORDER BY s.id DESC
        LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [SessionRow.from_row(row) for row in rows]


async def lock(conn: Connection, user_id: UserId) -> UUID | None:
    """Lock a user's row as one does who is going to delete it, from the start: no deadlock with anybody."""
    row = await conn.fetchrow(
        "SELECT gatepost.credentials_stamp(u) AS stamp FROM users u WHERE u.id = $1 FOR UPDATE", user_id
    )
    return None if row is None else row["stamp"]


async def erase(conn: Connection, user_id: UserId, *, session_id: int | None, at: datetime | None) -> bool:
    """Delete a user with every session, and what their events hold about the person; False if they are gone.

    Raises:
        LastAdmin: nobody would be left who may administer.
        AccountInUse: rows or rules of the application stand in the way.
    """
    try:
        row = await conn.fetchrow(
            "SELECT gatepost_erase_user($1, $2, $3) AS outcome", user_id, session_id, at
        )
    except PostgresError as error:
        if not is_rejection(error):
            raise
        raise AccountInUse from error
    outcome = one(row)["outcome"]
    if outcome == "last_admin":
        raise LastAdmin
    return bool(outcome == "erased")

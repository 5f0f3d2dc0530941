"""The statement that replaces a live token by its successor."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from gatepost.db.pool import Connection, one
from gatepost.errors import AuthenticationError
from gatepost.models import AuditAction, Client, EndReason, Row, Session, UserId
from gatepost.security.tokens import StoredToken
from gatepost.settings.rates import Rate
from gatepost.store.sessions import refusal_of
from gatepost.store.throttles import Full, spans


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRates:
    """How often tokens may be refreshed.

    Attributes:
        address: from one address (IPv6: one /64).
        session: of one sign-in.
    """

    address: Rate
    session: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Too many were tried.

    Attributes:
        full: the bucket that had no room.
        session_id, user_id: of the presented token, where there is such a session.
    """

    full: Full
    session_id: int | None
    user_id: UserId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a refresh found and did.

    Attributes:
        throttled: too many were tried, nothing else was looked at; None where they were not.
        found_id, found_user_id: the row of the presented token; None for an unknown token.
        claimed: this very statement replaced the token.
        unsettled: it did not, because the token is a confirmation's and comes for the first time.
        in_grace: the token had been replaced before, less than the grace ago.
        refusal: why the presented token may not be used for anything else; None where it could be.
        nonce: what the successor's token is derived with, together with the old token; None where no refresh
            made it.
        successor: the session that follows; None where there is none that may be used.
        successor_token: its stored token; None where there is no successor, or none visible yet.
        successor_refusal: why the successor itself may not be used; None where it may.
        successor_unused: its token has not come yet: the answer that it was in may be lost.
        claimant: who had the token replaced.
        remembered: its cookie outlives the browser.
    """

    throttled: Throttled | None
    found_id: int | None
    found_user_id: UserId | None
    claimed: bool
    unsettled: bool
    in_grace: bool
    refusal: AuthenticationError | None
    nonce: bytes | None = field(repr=False)
    successor: Session | None
    successor_token: str | None = field(repr=False)
    successor_refusal: AuthenticationError | None
    successor_unused: bool
    claimant: Client
    remembered: bool

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `refresh`."""
        successor_refusal = refusal_of(row["successor_refusal"])
        has_successor = row["session_id"] is not None
        return cls(
            throttled=_throttled(row),
            found_id=row["found_id"],
            found_user_id=row["found_user_id"],
            claimed=row["claimed"],
            unsettled=row["unsettled"],
            in_grace=row["in_grace"],
            refusal=refusal_of(row["found_refusal"]),
            nonce=row["nonce"],
            successor=Session.from_row(row) if has_successor and successor_refusal is None else None,
            successor_token=row["session_token"],
            successor_refusal=successor_refusal,
            successor_unused=row["successor_unused"],
            claimant=Client(ip_address=row["ip_address"], user_agent=row["user_agent"]),
            remembered=row["remembered"],
        )


def _throttled(row: Row) -> Throttled | None:
    full = Full.from_row(row)
    if full is None:
        return None
    return Throttled(full=full, session_id=row["presented_id"], user_id=row["presented_user_id"])


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
    idle: timedelta | None,
    fresh: timedelta,
    rates: RefreshRates | None = None,
) -> Refreshed:
    """Replace a live token by its successor, with its event, in one statement.

    The row of the old token is claimed by whoever locks it first. One who comes second waits for that
    lock and then sees the claim, but not yet the successor's row, because the statement looked at the
    table before it waited: asked again, the statement sees both.

    With `rates` the buckets of the address and of the sign-in are charged first (`gatepost.charge`); while
    one is full, or the address is blocked, nothing else happens.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($4::timestamptz, statement_timestamp()) AS now
        ), presented AS MATERIALIZED (
            SELECT s.id, s.user_id, coalesce(s.family_id, s.id)::varchar AS family FROM user_sessions s
            WHERE s.session_token = ANY($1::varchar[])
            LIMIT 1
        ), charged AS MATERIALIZED (
            SELECT c.full_bucket, c.full_key, c.retry_after
            FROM t LEFT JOIN presented p ON true CROSS JOIN gatepost.charge(
                ARRAY['refresh_address', 'refresh_session'], ARRAY[$13::varchar, p.family],
                $14::interval[], $15::interval[], t.now, nullif($13, '')::inet
            ) c
        ), owner AS MATERIALIZED (
            SELECT u FROM users u
            WHERE u.id = (SELECT p.user_id FROM presented p)
                AND (SELECT c.full_bucket IS NULL FROM charged c)
            FOR SHARE
        ), found AS MATERIALIZED (
            SELECT s.*, gatepost.refusal(s, o.u, t.now, $11::interval) AS refusal
            FROM owner o JOIN user_sessions s ON s.user_id = (o.u).id CROSS JOIN t
            WHERE s.id = (SELECT p.id FROM presented p)
            FOR UPDATE OF s
        ), claimed AS (
            UPDATE user_sessions s
            SET is_active = false, ended_at = t.now, end_reason = $9, last_used_at = t.now, handed_by = NULL,
                replaced_by = nextval(pg_get_serial_sequence('user_sessions', 'id')), successor_nonce = $3
            FROM found f, t
            WHERE s.id = f.id AND f.refusal IS NULL AND f.handed_by IS DISTINCT FROM 'confirm'
            RETURNING s.*
        ), started AS (
            INSERT INTO user_sessions (id, session_token, user_id, is_active, expires_at, created_at,
                last_used_at, ip_address, user_agent, authenticated_at, absolute_expires_at, family_id,
                remembered, handed_by, methods, methods_at, aal, impersonator_id, impersonator_session)
            SELECT c.replaced_by, $2, c.user_id, true,
                least(CASE WHEN NOT c.remembered THEN t.now + $5::interval END, c.absolute_expires_at),
                t.now, t.now, $7, $8, c.authenticated_at, c.absolute_expires_at,
                coalesce(c.family_id, c.id), c.remembered, 'refresh', c.methods, c.methods_at,
                c.aal, c.impersonator_id, c.impersonator_session
            FROM claimed c, t
            RETURNING *
        ), event AS (
            INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
            SELECT t.now, $10, c.user_id, c.id, $7, $8, jsonb_build_object('successor', c.replaced_by)
            FROM claimed c, t
        ), successor AS (
            SELECT s.*, NULL::varchar AS refusal FROM started s
            UNION ALL
            SELECT s.*, gatepost.refusal(s, o.u, t.now, $11::interval) AS refusal
            FROM owner o, t, found f JOIN user_sessions s ON s.id = f.replaced_by
        )
        SELECT
            c.full_bucket, c.full_key, c.retry_after,
            p.id AS presented_id, p.user_id AS presented_user_id,
            f.id AS found_id, f.user_id AS found_user_id, EXISTS (SELECT FROM claimed) AS claimed,
            coalesce(f.refusal IS NULL AND f.handed_by = 'confirm', false) AS unsettled,
            f.replaced_by IS NOT NULL AND coalesce(f.ended_at + $6::interval > t.now, false) AS in_grace,
            f.refusal AS found_refusal, f.successor_nonce AS nonce,
            s.id AS session_id, s.session_token, s.refusal AS successor_refusal,
            coalesce(s.handed_by = 'refresh', false) AS successor_unused, s.ip_address, s.user_agent,
            s.created_at, s.expires_at, s.authenticated_at, s.methods, s.methods_at, s.aal,
            s.impersonator_id,
            coalesce(s.authenticated_at > t.now - $12::interval, false) AS is_fresh,
            coalesce(s.remembered, false) AS remembered,
            (o.u).id AS user_id, (o.u).email, coalesce((o.u).name, '') AS name,
            coalesce((o.u).is_admin, false) AS is_admin,
            coalesce((o.u).created_at::timestamptz, 'epoch') AS user_created_at,
            (o.u).email_verified_at IS NOT NULL AS email_verified, (o.u).language
        FROM t CROSS JOIN charged c LEFT JOIN presented p ON true LEFT JOIN owner o ON true
            LEFT JOIN found f ON true LEFT JOIN successor s ON true
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
        idle,
        fresh,
        client.address_block or "",
        *spans([] if rates is None else [rates.address, rates.session]),
    )
    return Refreshed.from_row(one(row))

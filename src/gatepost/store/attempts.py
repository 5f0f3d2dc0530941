"""Statements around a password that is checked: what they charge and find before, and undo after it.

Buckets work as `store/throttles.py` tells. Whoever touches both tables takes the failures first, then the
buckets, and among those the address first, so that nobody waits in a circle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from gatepost.db.pool import Connection, one
from gatepost.models import Bucket, Client, Row
from gatepost.settings.rates import Rate
from gatepost.store.throttles import Charge, Full, spans
from gatepost.store.users import Credential

KNOWN_FOR = timedelta(days=30)
"""How long a place is known after a sign-in from it."""

_LOGIN = (Bucket.LOGIN_ADDRESS, Bucket.LOGIN_NETWORK, Bucket.LOGIN_ACCOUNT, Bucket.LOGIN_KNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a login finds when it begins.

    Attributes:
        full: the bucket that has no room; None where all have, and are charged.
        credential: what to check the password against; None for an unknown user.
        known_by: the device or place that the account is known to sign in from, None for another.
        failures: of the user, in a row, wherever they came from.
    """

    full: Full | None
    credential: Credential | None = field(repr=False)
    known_by: str | None
    failures: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `begin_login`."""
        return cls(
            full=Full.from_row(row),
            credential=None if row["user_id"] is None else Credential.from_row(row),
            known_by=row["known_by"],
            failures=row["failures"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What asking for the password again finds when it begins.

    Attributes:
        full: the bucket, where it has no room; None where it has, and is charged.
        is_known: the user signed in from this place lately.
        failures: of the user, in a row, wherever they came from.
    """

    full: Full | None
    is_known: bool
    failures: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `begin_confirmation`."""
        return cls(full=Full.from_row(row), is_known=row["is_known"], failures=row["failures"])


async def begin_login(
    conn: Connection,
    *,
    email: str,
    account: str,
    device: str | None,
    client: Client,
    rates: Mapping[str, Rate] | None,
    at: datetime | None,
) -> Login:
    """Charge the buckets of a login and find what its password is checked against.

    The address comes first, then the network, then the account, each where the one before had room: who is
    refused by the first can't drain the last. At a known place the account has another bucket than
    elsewhere. Without `rates` nothing is charged and nobody refused.

    Args:
        conn: a connection.
        email: canonical.
        account: the key of the account's bucket.
        device: the id of the device if it is known for this account.
        client: who asks.
        rates: of all buckets; None where attempts are not limited.
        at: the time, None for the database's.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
        ), owner AS MATERIALIZED (
            SELECT u.id, coalesce(u.is_active, false) AS is_active, u.hashed_password,
                u.temporary_password_expires_at
            FROM users u
            WHERE lower(u.email) = $2
        ), known AS MATERIALIZED (
            SELECT coalesce($4::varchar, (
                SELECT s.place FROM owner o JOIN user_sessions s ON s.user_id = o.id
                WHERE s.place = $5 AND s.created_at > t.now - $7::interval
                LIMIT 1
            )) AS by
            FROM t
        ), charged AS MATERIALIZED (
            SELECT c.full_bucket, c.full_key, c.retry_after
            FROM t CROSS JOIN known k CROSS JOIN gatepost_charge(
                ARRAY['login_address', 'login_network', 'login_account', 'login_known'],
                ARRAY[coalesce($5, ''), $6::varchar, CASE WHEN k.by IS NULL THEN $3::varchar END,
                    $3::varchar || ':' || k.by],
                $8::interval[], $9::interval[], t.now
            ) c
        )
        SELECT o.id AS user_id, o.is_active, o.hashed_password, k.by AS known_by,
            o.temporary_password_expires_at IS NOT NULL AS is_temporary,
            coalesce(o.temporary_password_expires_at <= (SELECT t.now FROM t), false) AS has_expired,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = o.id), 0) AS failures,
            c.full_bucket, c.full_key, c.retry_after
        FROM known k CROSS JOIN charged c LEFT JOIN owner o ON true
        """,
        at,
        email,
        account,
        device,
        client.place,
        None if client.site == client.place else client.site,
        KNOWN_FOR,
        *spans([] if rates is None else [rates[bucket] for bucket in _LOGIN]),
    )
    return Login.from_row(one(row))


async def begin_confirmation(
    conn: Connection, charge: Charge, *, user_id: int, client: Client, enabled: bool, at: datetime | None
) -> Confirmation:
    """Charge the bucket of a user who gives the password again; without `enabled` nobody is refused."""
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
        )
        SELECT c.full_bucket, c.full_key, c.retry_after,
            EXISTS (
                SELECT FROM user_sessions s
                WHERE s.user_id = $6 AND s.place = $7 AND s.created_at > t.now - $8::interval
            ) AS is_known,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = $6), 0) AS failures
        FROM t CROSS JOIN gatepost_charge(
            ARRAY[$2::varchar], ARRAY[$3::varchar], $4::interval[], $5::interval[], t.now
        ) c
        """,
        at,
        charge.bucket,
        charge.key,
        *spans([charge.rate] if enabled else []),
        user_id,
        client.place,
        KNOWN_FOR,
    )
    return Confirmation.from_row(one(row))


async def succeed(conn: Connection, charge: Charge | None, *, user_id: int, place: str) -> None:
    """Give a charge back, and clear the failures in a row of this user at this place alone."""
    await conn.execute(
        """
        WITH given_back AS (
            UPDATE auth_throttles b SET tat = b.tat - $3::interval WHERE b.bucket = $1 AND b.key = $2
        )
        DELETE FROM auth_failures f WHERE f.user_id = $4 AND f.place = $5
        """,
        None if charge is None else charge.bucket,
        None if charge is None else charge.key,
        None if charge is None else charge.rate.emission,
        user_id,
        place,
    )

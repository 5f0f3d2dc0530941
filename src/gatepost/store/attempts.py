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
from gatepost.store.throttles import Charge
from gatepost.store.users import Credential

KNOWN_FOR = timedelta(days=30)
"""How long a place is known after a sign-in from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a login finds when it begins.

    Attributes:
        refused: the bucket that has no room; None where all have, and are charged.
        credential: what to check the password against; None for an unknown user.
        known_by: the device or place that the account is known to sign in from, None for another.
        failures: of the user, in a row, wherever they came from.
    """

    refused: str | None
    credential: Credential | None = field(repr=False)
    known_by: str | None
    failures: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `begin_login`."""
        return cls(
            refused=row["refused"],
            credential=None if row["user_id"] is None else Credential.from_row(row),
            known_by=row["known_by"],
            failures=row["failures"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What asking for the password again finds when it begins.

    Attributes:
        is_refused: the bucket has no room; else it is charged.
        is_known: the user signed in from this place lately.
        failures: of the user, in a row, wherever they came from.
    """

    is_refused: bool
    is_known: bool
    failures: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `begin_confirmation`."""
        return cls(is_refused=row["is_refused"], is_known=row["is_known"], failures=row["failures"])


async def begin_login(
    conn: Connection,
    *,
    email: str,
    account: str,
    device: str | None,
    client: Client,
    rates: Mapping[str, Rate],
    enabled: bool,
    at: datetime | None,
) -> Login:
    """Charge the buckets of a login and find what its password is checked against.

    The address comes first, then the network, then the account, each where the one before had room: who is
    refused by the first can't drain the last. At a known place the account has another bucket than
    elsewhere. Without `enabled` nothing is charged and nobody refused.

    Args:
        conn: a connection.
        email: canonical.
        account: the key of the account's bucket.
        device: the id of the device if it is known for this account.
        client: who asks.
        rates: of all buckets.
        enabled: whether attempts are limited.
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
        ), address AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT 'login_address', coalesce($5::varchar, ''), t.now + $9::interval
            FROM t
            WHERE $8::boolean AND NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = 'login_address' AND f.key = coalesce($5, '')
                    AND f.tat > t.now + $10::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $9, excluded.tat)
            WHERE b.tat <= excluded.tat - $9 + $10
            RETURNING b.bucket
        ), network AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT 'login_network', $6::varchar, t.now + $11::interval
            FROM address CROSS JOIN t
            WHERE $6 IS NOT NULL AND NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = 'login_network' AND f.key = $6 AND f.tat > t.now + $12::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $11, excluded.tat)
            WHERE b.tat <= excluded.tat - $11 + $12
            RETURNING b.bucket
        ), passed AS (
            SELECT a.bucket FROM address a WHERE $6 IS NULL
            UNION ALL
            SELECT n.bucket FROM network n
        ), account AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT 'login_account', $3::varchar, t.now + $13::interval
            FROM passed CROSS JOIN known k CROSS JOIN t
            WHERE k.by IS NULL AND NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = 'login_account' AND f.key = $3 AND f.tat > t.now + $14::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $13, excluded.tat)
            WHERE b.tat <= excluded.tat - $13 + $14
            RETURNING b.bucket
        ), account_known AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT 'login_known', $3 || ':' || k.by, t.now + $15::interval
            FROM passed CROSS JOIN known k CROSS JOIN t
            WHERE k.by IS NOT NULL AND NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = 'login_known' AND f.key = $3 || ':' || k.by AND f.tat > t.now + $16::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $15, excluded.tat)
            WHERE b.tat <= excluded.tat - $15 + $16
            RETURNING b.bucket
        )
        SELECT o.id AS user_id, o.is_active, o.hashed_password, k.by AS known_by,
            o.temporary_password_expires_at IS NOT NULL AS is_temporary,
            coalesce(o.temporary_password_expires_at <= (SELECT t.now FROM t), false) AS has_expired,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = o.id), 0) AS failures,
            CASE
                WHEN NOT $8 THEN NULL
                WHEN NOT EXISTS (SELECT FROM address) THEN 'login_address'
                WHEN NOT EXISTS (SELECT FROM passed) THEN 'login_network'
                WHEN k.by IS NULL AND NOT EXISTS (SELECT FROM account) THEN 'login_account'
                WHEN k.by IS NOT NULL AND NOT EXISTS (SELECT FROM account_known) THEN 'login_known'
            END AS refused
        FROM known k LEFT JOIN owner o ON true
        """,
        at,
        email,
        account,
        device,
        client.place,
        None if client.site == client.place else client.site,
        KNOWN_FOR,
        enabled,
        rates[Bucket.LOGIN_ADDRESS].emission,
        rates[Bucket.LOGIN_ADDRESS].tolerance,
        rates[Bucket.LOGIN_NETWORK].emission,
        rates[Bucket.LOGIN_NETWORK].tolerance,
        rates[Bucket.LOGIN_ACCOUNT].emission,
        rates[Bucket.LOGIN_ACCOUNT].tolerance,
        rates[Bucket.LOGIN_KNOWN].emission,
        rates[Bucket.LOGIN_KNOWN].tolerance,
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
        ), charged AS (
            INSERT INTO auth_throttles AS b (bucket, key, tat)
            SELECT $2::varchar, $3::varchar, t.now + $4::interval
            FROM t
            WHERE $9::boolean AND NOT EXISTS (
                SELECT FROM auth_throttles f
                WHERE f.bucket = $2 AND f.key = $3 AND f.tat > t.now + $5::interval
            )
            ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat + $4, excluded.tat)
            WHERE b.tat <= excluded.tat - $4 + $5
            RETURNING b.bucket
        )
        SELECT $9 AND NOT EXISTS (SELECT FROM charged) AS is_refused,
            EXISTS (
                SELECT FROM user_sessions s
                WHERE s.user_id = $6 AND s.place = $7 AND s.created_at > t.now - $8::interval
            ) AS is_known,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = $6), 0) AS failures
        FROM t
        """,
        at,
        charge.bucket,
        charge.key,
        charge.rate.emission,
        charge.rate.tolerance,
        user_id,
        client.place,
        KNOWN_FOR,
        enabled,
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

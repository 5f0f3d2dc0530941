"""Statements around a password that is checked: what they charge and find before, and undo after it.

Buckets work as `store/throttles.py` tells. Whoever touches both tables takes the failures first, then the
buckets, and among those the address first, so that nobody waits in a circle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from gatepost.db.pool import Connection, one
from gatepost.models import Bucket, Client, Row, UserId
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
        is_known_device: the account, with this very password, has signed in on this device.
        is_known_place: it has, or did from this address lately.
        failures: of the user, in a row, wherever they came from.
    """

    full: Full | None
    credential: Credential | None = field(repr=False)
    is_known_device: bool
    is_known_place: bool
    failures: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `begin_login`."""
        return cls(
            full=Full.from_row(row),
            credential=None if row["user_id"] is None else Credential.from_row(row),
            is_known_device=row["is_known_device"],
            is_known_place=row["is_known_place"],
            failures=row["failures"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What asking for the password again finds when it begins.

    Attributes:
        key: of the bucket.
        full: the bucket, where it has no room; None where it has, and is charged.
        is_known: the user signed in from this place lately.
        failures: of the user, in a row, wherever they came from.
    """

    key: str
    full: Full | None
    is_known: bool
    failures: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `begin_confirmation`."""
        return cls(
            key=row["key"], full=Full.from_row(row), is_known=row["is_known"], failures=row["failures"]
        )


async def begin_login(
    conn: Connection,
    *,
    email: str,
    account: str,
    stamps: Sequence[UUID],
    client: Client,
    rates: Mapping[str, Rate] | None,
    at: datetime | None,
) -> Login:
    """Charge the buckets of a login and find what its password is checked against.

    The address comes first, then the network, then the account, each where the one before had room: who is
    refused by the first can't drain the last. On a known device the account has another bucket than
    elsewhere; not at a known address, where whoever else is there could tell by it who has an account.
    Without `rates` nothing is charged, and nobody refused but who is blocked.

    Args:
        conn: a connection.
        email: canonical.
        account: the key of the account's bucket.
        stamps: of the accounts that the device has signed in to.
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
                u.temporary_password_expires_at, gatepost.credentials_stamp(u) AS stamp
            FROM users u
            WHERE gatepost.email_key(u.email, u.email_key) COLLATE "C" = $2
        ), device AS MATERIALIZED (
            SELECT EXISTS (SELECT FROM owner o WHERE o.stamp = ANY($4::uuid[])) AS is_known
        ), charged AS MATERIALIZED (
            SELECT c.full_bucket, c.full_key, c.retry_after
            FROM t CROSS JOIN device d CROSS JOIN gatepost.charge(
                ARRAY['login_address', 'login_network', 'login_account', 'login_known'],
                ARRAY[coalesce($5, ''), $6::varchar, CASE WHEN NOT d.is_known THEN $3::varchar END,
                    CASE WHEN d.is_known THEN $3::varchar END],
                $8::interval[], $9::interval[], t.now, $5::varchar::inet
            ) c
        )
        SELECT o.id AS user_id, o.is_active, o.hashed_password, o.stamp, d.is_known AS is_known_device,
            d.is_known OR EXISTS (
                SELECT FROM user_sessions s
                WHERE s.user_id = o.id AND s.place = $5 AND s.created_at > t.now - $7::interval
            ) AS is_known_place,
            o.temporary_password_expires_at IS NOT NULL AS is_temporary,
            coalesce(o.temporary_password_expires_at <= t.now, false) AS has_expired,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = o.id), 0) AS failures,
            c.full_bucket, c.full_key, c.retry_after
        FROM t CROSS JOIN device d CROSS JOIN charged c LEFT JOIN owner o ON true
        """,
        at,
        email,
        account,
        stamps,
        client.address_block,
        None if client.network_block == client.address_block else client.network_block,
        KNOWN_FOR,
        *spans([] if rates is None else [rates[bucket] for bucket in _LOGIN]),
    )
    return Login.from_row(one(row))


async def begin_confirmation(
    conn: Connection,
    *,
    user_id: UserId,
    session_id: int,
    client: Client,
    rate: Rate | None,
    at: datetime | None,
) -> Confirmation:
    """Charge the bucket of a sign-in whose user gives the password again.

    Without `rate` nobody is refused but who is blocked.

    Each sign-in has one for the places that the user signed in from lately, and one for all others: whoever
    stole a token fills neither the one at its owner's place nor that of the owner's next sign-in.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
        ), place AS MATERIALIZED (
            SELECT EXISTS (
                SELECT FROM user_sessions s
                WHERE s.user_id = $2 AND s.place = $4 AND s.created_at > t.now - $5::interval
            ) AS is_known
            FROM t
        ), own AS MATERIALIZED (
            SELECT concat_ws(':', $2, coalesce((
                SELECT coalesce(s.family_id, s.id) FROM user_sessions s WHERE s.id = $3 AND s.user_id = $2
            ), $3::bigint), CASE WHEN p.is_known THEN 'known' END) AS key
            FROM place p
        )
        SELECT own.key, p.is_known, c.full_bucket, c.full_key, c.retry_after,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = $2), 0) AS failures
        FROM t CROSS JOIN place p CROSS JOIN own CROSS JOIN gatepost.charge(
            ARRAY['confirm_user'], ARRAY[own.key], $6::interval[], $7::interval[], t.now, $4::varchar::inet
        ) c
        """,
        at,
        user_id,
        session_id,
        client.address_block,
        KNOWN_FOR,
        *spans([] if rate is None else [rate]),
    )
    return Confirmation.from_row(one(row))


async def succeed(conn: Connection, charge: Charge | None, *, user_id: UserId, place: str) -> None:
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

"""Statements on `auth_passkeys`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from gatepost.db.pool import Connection, parse_count
from gatepost.features.passkeys.relying_party import Asserted, Made
from gatepost.models import Columns, UserId


class Passkey(Columns, frozen=True, kw_only=True, gc=False):
    """A passkey as its row has it.

    Attributes:
        id: names it to its owner.
        user_id: whose it is.
        credential_id: what the authenticator calls it.
        public_key: what its signatures are checked with, as a COSE key.
        user_handle: what the authenticator calls its owner.
        sign_count: how often it has signed, as it says itself; 0 where it does not count.
        aaguid: which model of authenticator made it; None where it does not say.
        name: what its owner calls it.
        transports: how browsers reach it.
        is_backup_eligible: it may be kept on several devices.
        is_backed_up: it was, when it was used last.
        verifies_user: it has checked a PIN or biometrics of its owner here.
        created_at: when it was set up, UTC.
        last_used_at, last_used_from: when, and from which address, it was used last; None for never.
        rp_id: the domain that it was made for; None where that is not known.
    """

    id: int
    user_id: UserId
    credential_id: bytes
    public_key: bytes
    user_handle: bytes
    sign_count: int
    aaguid: UUID | None
    name: str
    transports: list[str]
    is_backup_eligible: bool
    is_backed_up: bool
    verifies_user: bool
    created_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None
    rp_id: str | None


async def find(conn: Connection, credential_id: bytes) -> Passkey | None:
    """Return the passkey that an authenticator calls so."""
    row = await conn.fetchrow(
        """
        SELECT p.id, p.user_id, p.credential_id, p.public_key, p.user_handle, p.sign_count, p.aaguid, p.name,
            p.transports, p.is_backup_eligible, p.is_backed_up, p.verifies_user, p.created_at,
            p.last_used_at, p.last_used_from, p.rp_id
        FROM auth_passkeys p WHERE p.credential_id = $1
        """,
        credential_id,
    )
    return None if row is None else Passkey.from_row(row)


async def of_user(conn: Connection, user_id: UserId) -> list[Passkey]:
    """Return the passkeys of a user, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT p.id, p.user_id, p.credential_id, p.public_key, p.user_handle, p.sign_count, p.aaguid, p.name,
            p.transports, p.is_backup_eligible, p.is_backed_up, p.verifies_user, p.created_at,
            p.last_used_at, p.last_used_from, p.rp_id
        FROM auth_passkeys p WHERE p.user_id = $1 ORDER BY p.id
        """,
        user_id,
    )
    return [Passkey.from_row(row) for row in rows]


async def holders(conn: Connection, user_ids: Sequence[UserId]) -> set[UserId]:
    """Return which of these users have a passkey."""
    rows = await conn.fetch(
        "SELECT DISTINCT p.user_id FROM auth_passkeys p WHERE p.user_id = ANY($1)", user_ids
    )
    return {row["user_id"] for row in rows}


async def insert(conn: Connection, user_id: UserId, made: Made, *, name: str, at: datetime | None) -> bool:
    """Give a user a passkey; False where somebody has it already."""
    status = await conn.execute(
        """
        INSERT INTO auth_passkeys (user_id, credential_id, public_key, user_handle, sign_count, aaguid, name,
            transports, is_backup_eligible, is_backed_up, verifies_user, rp_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
            coalesce($13::timestamptz, statement_timestamp()))
        ON CONFLICT (credential_id) DO NOTHING
        """,
        user_id,
        made.credential_id,
        made.public_key,
        made.user_handle,
        made.sign_count,
        made.aaguid,
        name,
        list(made.transports),
        made.is_backup_eligible,
        made.is_backed_up,
        made.verified_user,
        made.rp_id,
        at,
    )
    return parse_count(status) == 1


async def of_other_domains(conn: Connection, rp_id: str) -> list[tuple[str, int]]:
    """Return for which other domains passkeys were made, and how many, the most first."""
    rows = await conn.fetch(
        """
        SELECT p.rp_id, count(*) AS number FROM auth_passkeys p
        WHERE p.rp_id <> $1 GROUP BY p.rp_id ORDER BY number DESC, p.rp_id LIMIT 10
        """,
        rp_id,
    )
    return [(row["rp_id"], row["number"]) for row in rows]


async def use(
    conn: Connection, passkey: Passkey, asserted: Asserted, *, address: str | None, at: datetime | None
) -> bool:
    """Note the use of a passkey; False where it has counted as far before, or is gone.

    One that does not count says 0 each time.
    """
    status = await conn.execute(
        """
        UPDATE auth_passkeys p
        SET sign_count = $2, is_backed_up = $3, verifies_user = p.verifies_user OR $4, last_used_from = $5,
            last_used_at = coalesce($6::timestamptz, statement_timestamp())
        WHERE p.id = $1 AND (p.sign_count < $2 OR (p.sign_count = 0 AND $2 = 0))
        """,
        passkey.id,
        asserted.sign_count,
        asserted.is_backed_up,
        asserted.verified_user,
        address,
        at,
    )
    return parse_count(status) == 1


async def rename(conn: Connection, user_id: UserId, passkey_id: int, name: str) -> bool:
    """Give a passkey of a user another name; False where there is no such passkey."""
    status = await conn.execute(
        "UPDATE auth_passkeys SET name = $3 WHERE user_id = $1 AND id = $2", user_id, passkey_id, name
    )
    return parse_count(status) == 1


async def remove(conn: Connection, user_id: UserId) -> bool:
    """Take all passkeys of a user away; say whether there was any."""
    return parse_count(await conn.execute("DELETE FROM auth_passkeys WHERE user_id = $1", user_id)) > 0


async def remove_one(conn: Connection, user_id: UserId, passkey_id: int) -> bool:
    """Take a passkey of a user away; say whether there was such a one."""
    status = await conn.execute(
        "DELETE FROM auth_passkeys WHERE user_id = $1 AND id = $2", user_id, passkey_id
    )
    return parse_count(status) == 1


async def export(conn: Connection, user_id: UserId) -> Sequence[Mapping[str, object]]:
    """Return what is stored about a user, but for what is of use to the authenticator alone."""
    rows = await conn.fetch(
        """
        SELECT p.name, p.aaguid, p.transports, p.is_backup_eligible, p.is_backed_up, p.created_at,
            p.last_used_at, p.last_used_from
        FROM auth_passkeys p WHERE p.user_id = $1 ORDER BY p.id LIMIT 1000
        """,
        user_id,
    )
    return [dict(row) for row in rows]


async def disown(conn: Connection, user_id: UserId) -> None:
    """Take away what somebody set up who may not own the account's e-mail."""
    await remove(conn, user_id)

"""Statements on `users`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, LiteralString, Self, TypeAlias
from uuid import UUID

import msgspec

from gatepost.db.pool import Connection, one, parse_count
from gatepost.db.rejections import sent
from gatepost.models import Proof, Row, User, UserId
from gatepost.security.emails import email_key

ADMINS_LOCK = 7_238_150_043_211_874_562
"""Key of the advisory lock under which administrators go, one at a time; `gatepost_erase_user` has it too."""


USER: LiteralString = """
    u.id AS user_id, u.email, coalesce(u.name, '') AS name, coalesce(u.is_admin, false) AS is_admin,
    coalesce(u.is_active, false) AS user_is_active,
    coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at,
    u.email_verified_at IS NOT NULL AS email_verified, u.language
"""
"""What `User` is read from."""

_USERS: LiteralString = "SELECT " + USER + " FROM users u "

LockAll: TypeAlias = Callable[[Connection, Sequence[UserId]], Awaitable[None]]
"""Locks the rows of users, in the order of their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a login is checked against.

    Attributes:
        user_id: whose it is.
        is_active: False where the user is disabled.
        hashed_password: the stored hash, None where the user has none.
        stamp: of the credentials, which a proof is bound to.
        is_temporary: the password must be changed before a session starts.
        has_expired: it is temporary, and its time is over.
    """

    user_id: UserId
    is_active: bool
    hashed_password: str | None = field(repr=False)
    stamp: UUID
    is_temporary: bool
    has_expired: bool

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `find_credential`."""
        return cls(
            user_id=row["user_id"],
            is_active=row["is_active"],
            hashed_password=row["hashed_password"],
            stamp=row["stamp"],
            is_temporary=row["is_temporary"],
            has_expired=row["has_expired"],
        )


async def find_credential(conn: Connection, email: str, *, at: datetime | None) -> Credential | None:
    """Find the credential of the user with this canonical e-mail."""
    row = await conn.fetchrow(
        """
        SELECT u.id AS user_id, coalesce(u.is_active, false) AS is_active, u.hashed_password,
            gatepost.credentials_stamp(u) AS stamp,
            u.temporary_password_expires_at IS NOT NULL AS is_temporary,
            coalesce(u.temporary_password_expires_at <= coalesce($2, statement_timestamp()), false)
                AS has_expired
        FROM users u
        WHERE gatepost.email_key(u.email, u.email_key) COLLATE "C" = $1
        """,
        email,
        at,
    )
    return None if row is None else Credential.from_row(row)


async def hash_of(conn: Connection, user_id: UserId) -> tuple[str | None, UUID | None]:
    """Return the stored hash of a user and the stamp of their credentials; None for what there is not."""
    row = await conn.fetchrow(
        """
        SELECT u.hashed_password, gatepost.credentials_stamp(u) AS stamp FROM users u WHERE u.id = $1
        """,
        user_id,
    )
    return (None, None) if row is None else (row["hashed_password"], row["stamp"])


async def has_password(conn: Connection, user_id: UserId) -> bool:
    """Say whether a user has a password, whichever."""
    return (await hash_of(conn, user_id))[0] is not None


async def has_own_password(conn: Connection, user_id: UserId) -> bool:
    """Say whether a user has a password that is no temporary one."""
    row = await conn.fetchrow(
        """
        SELECT u.hashed_password IS NOT NULL AND u.temporary_password_expires_at IS NULL AS found
        FROM users u WHERE u.id = $1
        """,
        user_id,
    )
    return row is not None and bool(row["found"])


async def insert(
    conn: Connection,
    *,
    email: str,
    name: str,
    hashed_password: str | None,
    is_admin: bool = False,
    own: Mapping[str, object] | None = None,
    at: datetime | None,
) -> tuple[User, UUID]:
    """Add a user, with what columns of the application's hold; return also the stamp of the credentials.

    Raises:
        EmailTaken, Conflict, ValidationFailed, RejectedByDatabase: once the connection is given back, as
            `gatepost.db.rejections.answered`.
    """
    if own:
        return await _insert_with(conn, email, name, hashed_password, is_admin=is_admin, own=own, at=at)
    with sent("email", "name"):
        row = await conn.fetchrow(
            """
            INSERT INTO users AS u (
                email, name, hashed_password, is_admin, is_active, created_at, updated_at, email_key
            )
            SELECT $1, $2, $3, $4, true, t.now, t.now, $6
            FROM (SELECT coalesce($5::timestamptz, statement_timestamp()) AS now) t
            RETURNING id AS user_id, email, name, is_admin, is_active AS user_is_active,
                created_at::timestamptz AS user_created_at, email_verified_at IS NOT NULL AS email_verified,
                language, gatepost.credentials_stamp(u) AS stamp
            """,
            email,
            name,
            hashed_password,
            is_admin,
            at,
            email_key(email),
        )
    made = one(row)
    return User.from_row(made), made["stamp"]


async def _insert_with(
    conn: Connection,
    email: str,
    name: str,
    hashed_password: str | None,
    *,
    is_admin: bool,
    own: Mapping[str, object],
    at: datetime | None,
) -> tuple[User, UUID]:
    with sent("email", "name", *own):
        row = await conn.fetchrow(
            """
            SELECT u.id AS user_id, u.email, u.name, u.is_admin, u.is_active AS user_is_active,
                u.created_at::timestamptz AS user_created_at,
                u.email_verified_at IS NOT NULL AS email_verified, u.language,
                gatepost.credentials_stamp(u) AS stamp
            FROM gatepost.insert_user($1, $2, $3, $4, $5, $6, $7::text::jsonb) u
            """,
            email,
            name,
            hashed_password,
            is_admin,
            at,
            email_key(email),
            msgspec.json.encode(own).decode(),
        )
    made = one(row)
    return User.from_row(made), made["stamp"]


async def get(conn: Connection, user_id: UserId) -> User | None:
    """Return one user."""
    row = await conn.fetchrow(
        _USERS + "WHERE u.id = $1",
        user_id,
    )
    return None if row is None else User.from_row(row)


async def emails(conn: Connection, user_ids: Sequence[UserId]) -> dict[UserId, str]:
    """Return the e-mails of those of these users that there are."""
    rows = await conn.fetch("SELECT u.id, u.email FROM users u WHERE u.id = ANY($1)", user_ids)
    return {row["id"]: row["email"] for row in rows}


async def find(conn: Connection, email: str) -> User | None:
    """Return the user with this canonical e-mail."""
    row = await conn.fetchrow(
        _USERS + 'WHERE gatepost.email_key(u.email, u.email_key) COLLATE "C" = $1',
        email,
    )
    return None if row is None else User.from_row(row)


async def page(conn: Connection, *, after: UserId, limit: int) -> list[User]:
    """Return users in the order of their ids, those after `after`."""
    rows = await conn.fetch(
        _USERS + "WHERE u.id > $1 ORDER BY u.id LIMIT $2",
        after,
        limit,
    )
    return [User.from_row(row) for row in rows]


async def any_admin(conn: Connection) -> bool:
    """Say whether an administrator who is active exists."""
    row = await conn.fetchrow(
        """
        SELECT EXISTS (
            SELECT FROM users u WHERE coalesce(u.is_admin, false) AND coalesce(u.is_active, false)
        ) AS found
        """
    )
    return bool(one(row)["found"])


async def lock_all(conn: Connection, user_ids: Sequence[UserId]) -> None:
    """Lock these users in the order of their ids, as whoever ends several sessions of one does."""
    await conn.execute("SELECT FROM users u WHERE u.id = ANY($1) ORDER BY u.id FOR NO KEY UPDATE", user_ids)


async def lock_all_to_delete(conn: Connection, user_ids: Sequence[UserId]) -> None:
    """Lock these users as `lock_all` does, as whoever deletes one of them does from the start."""
    await conn.execute("SELECT FROM users u WHERE u.id = ANY($1) ORDER BY u.id FOR UPDATE", user_ids)


async def lock_admins(conn: Connection) -> None:
    """Have whoever makes or removes administrators take turns until the transaction ends.

    A statement of its own, so that the next one sees what the one before has done. `gatepost_erase_user`
    takes the same lock.
    """
    await conn.execute("SELECT pg_advisory_xact_lock($1)", ADMINS_LOCK)


async def is_active_admin(conn: Connection, user_id: UserId) -> bool:
    """Say whether a user is an administrator who may sign in."""
    row = await conn.fetchrow(
        "SELECT coalesce(u.is_admin AND u.is_active, false) AS is_one FROM users u WHERE u.id = $1", user_id
    )
    return row is not None and bool(row["is_one"])


async def move_stamp(conn: Connection, user_id: UserId) -> UUID | None:
    """Have what a user signs in with count as changed; return the new stamp, None for nobody."""
    row = await conn.fetchrow(
        "UPDATE users SET credentials_stamp = gen_random_uuid() WHERE id = $1 RETURNING credentials_stamp",
        user_id,
    )
    return None if row is None else row["credentials_stamp"]


async def replace_hash(conn: Connection, proof: Proof, *, old: str, new: str) -> bool:
    """Replace a stored hash by one of the same password, unless either has changed since it was proven.

    It is the same password, so that the stamp stays: what was proven by it still is, and devices stay known.
    The caller has begun a transaction, so that nobody sees the stamp that lies between.
    """
    status = await conn.execute(
        """
        UPDATE users u SET hashed_password = $4
        WHERE u.id = $1 AND gatepost.credentials_stamp(u) = $2::uuid AND u.hashed_password = $3
        """,
        proof.user_id,
        proof.stamp,
        old,
        new,
    )
    if parse_count(status) == 0:
        return False
    await conn.execute("UPDATE users SET credentials_stamp = $2 WHERE id = $1", proof.user_id, proof.stamp)
    return True


async def change_password(
    conn: Connection, proof: Proof, new: str | None, *, at: datetime | None
) -> UUID | None:
    """Give a user another password, or none; return the stamp that their credentials have from now on.

    None where they have changed since they were proven.
    """
    row = await conn.fetchrow(
        """
        UPDATE users u
        SET hashed_password = $3, updated_at = coalesce($4::timestamptz, statement_timestamp())
        WHERE u.id = $1 AND gatepost.credentials_stamp(u) = $2::uuid
        RETURNING gatepost.credentials_stamp(u) AS stamp
        """,
        proof.user_id,
        proof.stamp,
        new,
        at,
    )
    return None if row is None else row["stamp"]


async def rename(conn: Connection, user_id: UserId, name: str, *, at: datetime | None) -> None:
    """Give a user another name.

    Raises:
        Conflict, ValidationFailed, RejectedByDatabase: as `insert`.
    """
    with sent("name"):
        await conn.execute(
            """
            UPDATE users SET name = $2, updated_at = coalesce($3::timestamptz, statement_timestamp())
            WHERE id = $1
            """,
            user_id,
            name,
            at,
        )


async def set_password(
    conn: Connection, user_id: UserId, hashed_password: str | None, *, at: datetime | None
) -> None:
    """Give a user another password, or none."""
    await conn.execute(
        """
        UPDATE users SET hashed_password = $2, updated_at = coalesce($3::timestamptz, statement_timestamp())
        WHERE id = $1
        """,
        user_id,
        hashed_password,
        at,
    )


async def prove_email(conn: Connection, user_id: UserId, *, at: datetime | None) -> None:
    """Note that a user has proven that their e-mail is theirs, unless they have before."""
    await conn.execute(
        """
        UPDATE users SET email_verified_at = coalesce($2::timestamptz, statement_timestamp())
        WHERE id = $1 AND email_verified_at IS NULL
        """,
        user_id,
        at,
    )


async def set_temporary_password(
    conn: Connection, user_id: UserId, hashed_password: str, *, lifetime: timedelta, at: datetime | None
) -> datetime | None:
    """Give a user a password for so long; return until when, None where the user is gone.

    Never the time that the one before had: a new password of the old time would count as the user's own.
    """
    row = await conn.fetchrow(
        """
        UPDATE users u
        SET hashed_password = $2, updated_at = t.now, temporary_password_expires_at =
            greatest(t.now + $3::interval, u.temporary_password_expires_at + interval '1 microsecond')
        FROM (SELECT coalesce($4::timestamptz, statement_timestamp()) AS now) t
        WHERE u.id = $1
        RETURNING u.temporary_password_expires_at AS expires_at
        """,
        user_id,
        hashed_password,
        lifetime,
        at,
    )
    return None if row is None else row["expires_at"]


async def set_flag(
    conn: Connection,
    user_id: UserId,
    flag: Literal["is_admin", "is_active"],
    *,
    value: bool,
    at: datetime | None,
) -> bool:
    """Set `is_admin` or `is_active`; say whether that changed anything."""
    if flag == "is_admin":
        status = await conn.execute(
            """
            UPDATE users SET is_admin = $2, updated_at = coalesce($3::timestamptz, statement_timestamp())
            WHERE id = $1 AND is_admin IS DISTINCT FROM $2
            """,
            user_id,
            value,
            at,
        )
    else:
        status = await conn.execute(
            """
            UPDATE users SET is_active = $2, updated_at = coalesce($3::timestamptz, statement_timestamp())
            WHERE id = $1 AND is_active IS DISTINCT FROM $2
            """,
            user_id,
            value,
            at,
        )
    return parse_count(status) == 1

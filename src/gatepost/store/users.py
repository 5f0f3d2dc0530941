"""Statements on `users`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from asyncpg import StringDataRightTruncationError, UniqueViolationError

from gatepost.db.pool import Connection, one, parse_count
from gatepost.errors import EmailTaken, ValidationFailed
from gatepost.models import User

ADMINS_LOCK = 7_238_150_043_211_874_562
"""Key of the advisory lock under which it is decided whether an administrator is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a login is checked against.

    Attributes:
        user_id: whose it is.
        is_active: False where the user is disabled.
        hashed_password: the stored hash, None where the user has none.
    """

    user_id: int
    is_active: bool
    hashed_password: str | None = field(repr=False)


@contextmanager
def fitting(*columns: str) -> Iterator[None]:
    """Turn what the table refuses of values for these columns into errors of ours.

    Raises:
        EmailTaken: the e-mail exists already, in whatever case.
        ValidationFailed: an adopted table has columns too narrow for these values.
    """
    try:
        yield
    except UniqueViolationError as error:
        # In an adopted table the index may have any name; the detail names what it is on.
        if "email" in f"{error.constraint_name} {error.detail}":
            raise EmailTaken from error
        raise
    except StringDataRightTruncationError as error:
        too_long = "It is longer than the users table of this database takes"
        raise ValidationFailed(dict.fromkeys(columns, too_long)) from error


async def find_credential(conn: Connection, email: str) -> Credential | None:
    """Find the credential of the user with this canonical e-mail."""
    row = await conn.fetchrow(
        """
        SELECT u.id, coalesce(u.is_active, false) AS is_active, u.hashed_password
        FROM users u
        WHERE lower(u.email) = $1
        """,
        email,
    )
    if row is None:
        return None
    return Credential(user_id=row["id"], is_active=row["is_active"], hashed_password=row["hashed_password"])


async def hash_of(conn: Connection, user_id: int) -> str | None:
    """Return the stored hash of a user; None where they have none."""
    row = await conn.fetchrow("SELECT u.hashed_password FROM users u WHERE u.id = $1", user_id)
    return None if row is None else row["hashed_password"]


async def insert(
    conn: Connection,
    *,
    email: str,
    name: str,
    hashed_password: str,
    is_admin: bool = False,
    at: datetime | None,
) -> User:
    """Add a user.

    Raises:
        EmailTaken, ValidationFailed: as `fitting`.
    """
    with fitting("email", "name"):
        row = await conn.fetchrow(
            """
            INSERT INTO users (email, name, hashed_password, is_admin, is_active, created_at, updated_at)
            SELECT $1, $2, $3, $4, true, t.now, t.now
            FROM (SELECT coalesce($5::timestamptz, statement_timestamp()) AS now) t
            RETURNING id AS user_id, email, name, is_admin, is_active AS user_is_active,
                created_at::timestamptz AS user_created_at
            """,
            email,
            name,
            hashed_password,
            is_admin,
            at,
        )
    return User.from_row(one(row))


async def get(conn: Connection, user_id: int) -> User | None:
    """Return one user."""
    row = await conn.fetchrow(
        """
        SELECT u.id AS user_id, u.email, coalesce(u.name, '') AS name,
            coalesce(u.is_admin, false) AS is_admin,
            coalesce(u.is_active, false) AS user_is_active,
            coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at
        FROM users u
        WHERE u.id = $1::bigint
        """,
        user_id,
    )
    return None if row is None else User.from_row(row)


async def find(conn: Connection, email: str) -> User | None:
    """Return the user with this canonical e-mail."""
    row = await conn.fetchrow(
        """
        SELECT u.id AS user_id, u.email, coalesce(u.name, '') AS name,
            coalesce(u.is_admin, false) AS is_admin,
            coalesce(u.is_active, false) AS user_is_active,
            coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at
        FROM users u
        WHERE lower(u.email) = $1
        """,
        email,
    )
    return None if row is None else User.from_row(row)


async def page(conn: Connection, *, after: int, limit: int) -> list[User]:
    """Return users in the order of their ids, those after `after`."""
    rows = await conn.fetch(
        """
        SELECT u.id AS user_id, u.email, coalesce(u.name, '') AS name,
            coalesce(u.is_admin, false) AS is_admin,
            coalesce(u.is_active, false) AS user_is_active,
            coalesce(u.created_at::timestamptz, 'epoch') AS user_created_at
        FROM users u
        WHERE u.id > $1
        ORDER BY u.id
        LIMIT $2
        """,
        after,
        limit,
    )
    return [User.from_row(row) for row in rows]


async def any_admin(conn: Connection) -> bool:
    """Say whether an administrator who is active exists."""
    row = await conn.fetchrow("SELECT EXISTS (SELECT FROM users u WHERE u.is_admin AND u.is_active) AS found")
    return bool(one(row)["found"])


async def lock_admins(conn: Connection) -> None:
    """Have whoever makes or removes administrators take turns until the transaction ends.

    A statement of its own, so that the next one sees what the one before has done. `gatepost_erase_user`
    takes the same lock.
    """
    await conn.execute("SELECT pg_advisory_xact_lock($1)", ADMINS_LOCK)


async def replace_hash(conn: Connection, user_id: int, *, old: str, new: str) -> bool:
    """Replace a stored hash by one of the same password, unless the password was changed meanwhile."""
    status = await conn.execute(
        "UPDATE users SET hashed_password = $3 WHERE id = $1 AND hashed_password = $2", user_id, old, new
    )
    return parse_count(status) == 1


async def change_password(conn: Connection, user_id: int, *, old: str, new: str, at: datetime | None) -> bool:
    """Give a user another password, unless the hash that was checked is no longer theirs."""
    status = await conn.execute(
        """
        UPDATE users SET hashed_password = $3, updated_at = coalesce($4::timestamptz, statement_timestamp())
        WHERE id = $1 AND hashed_password = $2
        """,
        user_id,
        old,
        new,
        at,
    )
    return parse_count(status) == 1


async def set_password(conn: Connection, user_id: int, hashed_password: str, *, at: datetime | None) -> None:
    """Give a user another password."""
    await conn.execute(
        """
        UPDATE users SET hashed_password = $2, updated_at = coalesce($3::timestamptz, statement_timestamp())
        WHERE id = $1
        """,
        user_id,
        hashed_password,
        at,
    )


async def set_flag(
    conn: Connection,
    user_id: int,
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


async def delete(conn: Connection, user_id: int) -> bool:
    """Delete a user and, before, every session row of theirs.

    The user's row is locked first, as everybody does who locks both: no deadlock with a refresh.
    """
    await conn.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
    await conn.execute("DELETE FROM user_sessions WHERE user_id = $1", user_id)
    return parse_count(await conn.execute("DELETE FROM users WHERE id = $1", user_id)) == 1

"""Statements on `auth_totp`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gatepost.db.pool import Connection, parse_count
from gatepost.features.totp.sealing import Sealed
from gatepost.models import Columns, UserId


class App(Columns, frozen=True, kw_only=True, gc=False):
    """The authenticator app of a user.

    Attributes:
        secret, key_id: what its codes are made of, sealed.
        created_at: when it was set up, UTC.
        last_used_at, last_used_from: when, and from which address, a code was used last; None for never.
    """

    secret: bytes
    key_id: str
    created_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None

    @property
    def sealed(self) -> Sealed:
        """Its secret."""
        return Sealed(key_id=self.key_id, data=self.secret)


async def find(conn: Connection, user_id: UserId) -> App | None:
    """Return the app of a user."""
    row = await conn.fetchrow(
        """
        SELECT a.secret, a.key_id, a.created_at, a.last_used_at, a.last_used_from
        FROM auth_totp a WHERE a.user_id = $1
        """,
        user_id,
    )
    return None if row is None else App.from_row(row)


async def holders(conn: Connection, user_ids: Sequence[UserId]) -> set[UserId]:
    """Return which of these users have an app."""
    rows = await conn.fetch("SELECT a.user_id FROM auth_totp a WHERE a.user_id = ANY($1)", user_ids)
    return {row["user_id"] for row in rows}


async def put(conn: Connection, user_id: UserId, sealed: Sealed, *, step: int, at: datetime | None) -> None:
    """Give a user an app, in the place of the one that they have."""
    await conn.execute(
        """
        INSERT INTO auth_totp (user_id, secret, key_id, last_step, created_at)
        VALUES ($1, $2, $3, $4, coalesce($5::timestamptz, statement_timestamp()))
        ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, key_id = excluded.key_id,
            last_step = excluded.last_step, created_at = excluded.created_at,
            last_used_at = NULL, last_used_from = NULL
        """,
        user_id,
        sealed.data,
        sealed.key_id,
        step,
        at,
    )


async def use(
    conn: Connection, user_id: UserId, app: App, *, step: int, address: str | None, at: datetime | None
) -> bool:
    """Use up the code of a step, and of all before; False where it is used already, or the app is another."""
    status = await conn.execute(
        """
        UPDATE auth_totp a
        SET last_step = $2, last_used_from = $4,
            last_used_at = coalesce($5::timestamptz, statement_timestamp())
        WHERE a.user_id = $1 AND a.last_step < $2 AND a.secret = $3
        """,
        user_id,
        step,
        app.secret,
        address,
        at,
    )
    return parse_count(status) == 1


async def remove(conn: Connection, user_id: UserId) -> bool:
    """Take the app of a user away; say whether there was one."""
    return parse_count(await conn.execute("DELETE FROM auth_totp WHERE user_id = $1", user_id)) == 1


async def sealed_otherwise(
    conn: Connection, key_id: str, *, but: Sequence[UserId], limit: int
) -> list[tuple[UserId, Sealed]]:
    """Return secrets that another key sealed, of other users than those."""
    rows = await conn.fetch(
        """
        SELECT a.user_id, a.secret, a.key_id FROM auth_totp a
        WHERE a.key_id <> $1 AND a.user_id <> ALL($2)
        LIMIT $3
        """,
        key_id,
        list(but),
        limit,
    )
    return [(row["user_id"], Sealed(key_id=row["key_id"], data=row["secret"])) for row in rows]


async def seal_anew(conn: Connection, user_id: UserId, old: Sealed, new: Sealed) -> bool:
    """Put a secret that was sealed anew in its place, unless the app is another one by now."""
    status = await conn.execute(
        "UPDATE auth_totp SET secret = $3, key_id = $4 WHERE user_id = $1 AND secret = $2",
        user_id,
        old.data,
        new.data,
        new.key_id,
    )
    return parse_count(status) == 1


async def export(conn: Connection, user_id: UserId) -> Sequence[Mapping[str, object]]:
    """Return what is stored about a user, without the secret."""
    rows = await conn.fetch(
        "SELECT a.created_at, a.last_used_at, a.last_used_from FROM auth_totp a WHERE a.user_id = $1", user_id
    )
    return [dict(row) for row in rows]


async def disown(conn: Connection, user_id: UserId) -> None:
    """Take away what somebody set up who may not own the account's e-mail."""
    await remove(conn, user_id)

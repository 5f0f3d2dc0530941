"""Statements on the canonical e-mails of users, `users.email_key`."""

from gatepost.db.pool import Connection
from gatepost.models import Columns, UserId


class Unkeyed(Columns, frozen=True, kw_only=True, gc=False):
    """A user whose canonical e-mail the database doesn't have.

    Attributes:
        user_id: who it is.
        email: as the application wrote it.
    """

    user_id: UserId
    email: str


async def unkeyed(conn: Connection, *, after: UserId | None, limit: int) -> list[Unkeyed]:
    """Return users, those with an id above `after` if given, whose canonical e-mail is still to be found."""
    rows = await conn.fetch(
        """
        SELECT u.id AS user_id, u.email::text AS email
        FROM users u
        WHERE u.email_key IS NULL AND NOT gatepost.email_is_plain(u.email)
            AND (u.id > $1 OR $1 IS NULL)
        ORDER BY u.id
        LIMIT $2
        """,
        after,
        limit,
    )
    return [Unkeyed.from_row(row) for row in rows]


async def set_key(conn: Connection, found: Unkeyed, key: str) -> None:
    """Give a user their canonical e-mail, unless another user has it or theirs was changed meanwhile."""
    await conn.execute(
        """
        UPDATE users u SET email_key = $3::varchar
        WHERE u.id = $1 AND u.email::text = $2 AND u.email_key IS NULL AND NOT EXISTS (
            SELECT FROM users o
            WHERE gatepost.email_key(o.email, o.email_key) COLLATE "C" = $3 AND o.id <> u.id
        )
        """,
        found.user_id,
        found.email,
        key,
    )

"""What is asked before a notice is written down."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gatepost.db.pool import Connection
from gatepost.models import UserId
from gatepost.store.attempts import KNOWN_FOR


async def is_from_new_place(
    conn: Connection,
    user_id: UserId,
    *,
    place: str | None,
    template: str,
    quiet: timedelta,
    at: datetime | None,
) -> bool:
    """Say whether the session that this transaction started is the first from a place, but not of its user.

    Args:
        conn: with the transaction.
        user_id: whose it is.
        place: where from, as `user_sessions.place` has it.
        template: of the mail that tells it; False where one was written down less than `quiet` ago.
        quiet: see above.
        at: the time; None is the database's.
    """
    found = await conn.fetchval(
        """
        SELECT
            (SELECT count(*) FROM (SELECT FROM user_sessions s WHERE s.user_id = $1 LIMIT 2) any_place) > 1
            AND (
                SELECT count(*) FROM (
                    SELECT FROM user_sessions s
                    WHERE s.user_id = $1 AND s.place = $2 AND s.created_at > t.now - $5::interval LIMIT 2
                ) same_place
            ) < 2
            AND NOT EXISTS (
                SELECT FROM auth_messages m
                WHERE m.user_id = $1 AND m.template = $3 AND m.created_at > t.now - $4::interval
            )
        FROM (SELECT coalesce($6::timestamptz, statement_timestamp()) AS now) t
        """,
        user_id,
        place,
        template,
        quiet,
        KNOWN_FOR,
        at,
    )
    return bool(found)


async def count(
    conn: Connection, user_id: UserId, templates: Sequence[str], *, since: timedelta, at: datetime | None
) -> int:
    """Return how many of these mails about a user were written down within a time."""
    found: int = await conn.fetchval(
        """
        SELECT count(*) FROM auth_messages m
        WHERE m.user_id = $1 AND m.template = ANY($2::varchar[])
            AND m.created_at > coalesce($4::timestamptz, statement_timestamp()) - $3::interval
        """,
        user_id,
        templates,
        since,
        at,
    )
    return found

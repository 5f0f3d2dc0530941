"""Statements on `auth_messages` and `auth_undeliverable`."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gatepost.db.pool import Connection, Record, parse_count
from gatepost.models import Columns, UserId
from gatepost.store.attempts import KNOWN_FOR

if TYPE_CHECKING:
    from gatepost.features.email.outbox import Draft

CHANNEL = "gatepost_mail"
"""Rings when there is something to be sent."""


class Message(Columns, frozen=True, kw_only=True, gc=False):
    """A mail whose turn it is.

    Attributes:
        id: of its row.
        template: a name of `mails.Mail`; text, because a newer Gatepost may have written the row.
        language: of its user, or of whoever asked; None where neither is known.
        user_id: whom it is about.
        recipient: the address.
        name: of the user, where the address is theirs and proven; None elsewhere.
        link_id: of the link that it carries.
        data: for its templates.
        created_at: when it was written down.
        expires_at: after which it is of no use any more.
        attempts: to send it, this one among them.
    """

    id: int
    template: str
    language: str | None
    user_id: UserId | None
    recipient: str
    name: str | None
    link_id: int | None
    data: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    attempts: int


class Row(Columns, frozen=True, kw_only=True, gc=False):
    """A mail as lists show it.

    Attributes:
        id, template, user_id, recipient, created_at, expires_at, attempts: as of a `Message`; the recipient
            is None once it is done with.
        due_at: when it is sent, or tried again.
        state: `queued`, `sent`, `failed`, `expired` or `superseded`.
        done_at: since when it is done with; None where it waits.
        error: why it was not sent the last time.
    """

    id: int
    template: str
    user_id: UserId | None
    recipient: str | None
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    attempts: int
    state: str
    done_at: datetime | None
    error: str | None


class Counts(Columns, frozen=True, kw_only=True, gc=False):
    """How the outbox stands.

    Attributes:
        queued: mails that wait.
        late: those of them that were tried in vain.
        failed: mails of the last day that were refused, or whose time ran out.
    """

    queued: int
    late: int
    failed: int


def _message(row: Record) -> Message:
    return Message.from_row({**row, "data": json.loads(row["data"])})


async def insert(conn: Connection, draft: "Draft", *, at: datetime | None) -> int | None:
    """Write a mail down; None where one of its key waits already."""
    found: int | None = await conn.fetchval(
        """
        INSERT INTO auth_messages (template, language, user_id, recipient, link_id, data, dedupe_key,
            created_at, due_at, expires_at)
        SELECT $1, coalesce((SELECT u.language FROM users u WHERE u.id = $3), $2), $3, $4, $5,
            $6::text::jsonb, $7, t.now, t.now, t.now + $8::interval
        FROM (SELECT coalesce($9::timestamptz, statement_timestamp()) AS now) t
        ON CONFLICT (dedupe_key) WHERE state = 'queued' AND dedupe_key IS NOT NULL DO NOTHING
        RETURNING id
        """,
        draft.mail,
        draft.language,
        draft.user_id,
        draft.recipient,
        draft.link_id,
        json.dumps(dict(draft.data)),
        draft.dedupe_key,
        draft.lifetime,
        at,
    )
    return found


async def supersede(conn: Connection, dedupe_key: str, *, at: datetime | None) -> int:
    """Have those that wait with a key not be sent; return how many they were."""
    status = await conn.execute(
        """
        UPDATE auth_messages m
        SET state = 'superseded', done_at = coalesce($2::timestamptz, statement_timestamp()),
            recipient = NULL, data = NULL, lease = NULL, leased_until = NULL
        WHERE m.dedupe_key = $1 AND m.state = 'queued'
        """,
        dedupe_key,
        at,
    )
    return parse_count(status)


async def ring(conn: Connection) -> None:
    """Wake who sends, once the transaction is committed."""
    await conn.execute("SELECT pg_notify($1, '')", CHANNEL)


async def claim(
    conn: Connection, lease: UUID, *, limit: int, lasts: timedelta, at: datetime | None
) -> list[Message]:
    """Take mails whose turn it is, for as long as the lease lasts; nobody else takes them until then."""
    rows = await conn.fetch(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($4::timestamptz, statement_timestamp()) AS now
        ), due AS MATERIALIZED (
            SELECT m.id
            FROM auth_messages m CROSS JOIN t
            WHERE m.state = 'queued' AND m.due_at <= t.now AND m.expires_at > t.now
                AND coalesce(m.leased_until <= t.now, true)
            ORDER BY m.due_at
            LIMIT $2
            FOR UPDATE OF m SKIP LOCKED
        ), claimed AS (
            UPDATE auth_messages m
            SET lease = $1, leased_until = t.now + $3::interval, attempts = m.attempts + 1
            FROM due d CROSS JOIN t
            WHERE m.id = d.id
            RETURNING m.*
        )
        SELECT m.id, m.template, m.language, m.user_id, m.recipient, m.link_id, m.data::text AS data,
            m.created_at, m.expires_at, m.attempts, u.name
        FROM claimed m
        LEFT JOIN users u ON u.id = m.user_id AND u.email_verified_at IS NOT NULL
            AND u.email = m.recipient
        ORDER BY m.due_at, m.id
        """,
        lease,
        limit,
        lasts,
        at,
    )
    return [_message(row) for row in rows]


async def expire(conn: Connection, *, limit: int, at: datetime | None) -> list[Message]:
    """Be done with mails whose time has run out, as `finish` is; return what they were."""
    rows = await conn.fetch(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($2::timestamptz, statement_timestamp()) AS now
        ), over AS MATERIALIZED (
            SELECT m.id, m.recipient, m.data
            FROM auth_messages m CROSS JOIN t
            WHERE m.state = 'queued' AND m.expires_at <= t.now AND coalesce(m.leased_until <= t.now, true)
            LIMIT $1
            FOR UPDATE OF m SKIP LOCKED
        )
        UPDATE auth_messages m
        SET state = 'expired', done_at = t.now, recipient = NULL, data = NULL,
            lease = NULL, leased_until = NULL
        FROM over o CROSS JOIN t
        WHERE m.id = o.id
        RETURNING m.id, m.template, m.language, m.user_id, o.recipient, m.link_id, o.data::text AS data,
            m.created_at, m.expires_at, m.attempts, NULL::varchar AS name
        """,
        limit,
        at,
    )
    return [_message(row) for row in rows]


async def finish(
    conn: Connection, message_id: int, lease: UUID, state: str, *, error: str | None, at: datetime | None
) -> bool:
    """Be done with a mail, and forget for whom and with what it was; False where the lease is another's."""
    status = await conn.execute(
        """
        UPDATE auth_messages m
        SET state = $3, error = $4, done_at = coalesce($5::timestamptz, statement_timestamp()),
            recipient = NULL, data = NULL, lease = NULL, leased_until = NULL
        WHERE m.id = $1 AND m.lease = $2 AND m.state = 'queued'
        """,
        message_id,
        lease,
        state,
        error,
        at,
    )
    return parse_count(status) == 1


async def put_off(
    conn: Connection, message_id: int, lease: UUID, *, wait: timedelta, error: str, at: datetime | None
) -> bool:
    """Have a mail tried again after a while; False where the lease is another's."""
    status = await conn.execute(
        """
        UPDATE auth_messages m
        SET due_at = coalesce($5::timestamptz, statement_timestamp()) + $3::interval, error = $4,
            lease = NULL, leased_until = NULL
        WHERE m.id = $1 AND m.lease = $2 AND m.state = 'queued'
        """,
        message_id,
        lease,
        wait,
        error,
        at,
    )
    return parse_count(status) == 1


async def next_due(conn: Connection, *, at: datetime | None) -> timedelta | None:
    """Return how long it is until one can be sent; None where none waits."""
    found: timedelta | None = await conn.fetchval(
        """
        SELECT min(least(greatest(m.due_at, coalesce(m.leased_until, m.due_at)), m.expires_at))
            - coalesce($1::timestamptz, statement_timestamp())
        FROM auth_messages m
        WHERE m.state = 'queued'
        """,
        at,
    )
    return found


async def retry(conn: Connection, message_id: int | None, *, at: datetime | None) -> int:
    """Have one that waits, or all of them, tried at once; return how many they are."""
    status = await conn.execute(
        """
        UPDATE auth_messages m
        SET due_at = coalesce($2::timestamptz, statement_timestamp())
        WHERE m.state = 'queued' AND m.lease IS NULL AND (m.id = $1 OR $1 IS NULL)
        """,
        message_id,
        at,
    )
    return parse_count(status)


async def page(conn: Connection, *, state: str | None, before: int | None, limit: int) -> list[Row]:
    """Return mails, newest first, those with a number below `before`."""
    rows = await conn.fetch(
        """
        SELECT m.id, m.template, m.user_id, m.recipient, m.created_at, m.due_at, m.expires_at, m.attempts,
            m.state, m.done_at, m.error
        FROM auth_messages m
        WHERE m.id < coalesce($1::bigint, 9223372036854775807) AND ($2::varchar IS NULL OR m.state = $2)
        ORDER BY m.id DESC
        LIMIT $3
        """,
        before,
        state,
        limit,
    )
    return [Row.from_row(row) for row in rows]


async def count(conn: Connection, *, at: datetime | None) -> Counts:
    """Count those that wait, and those that failed of late."""
    row = await conn.fetchrow(
        """
        SELECT
            (SELECT count(*) FROM auth_messages m WHERE m.state = 'queued') AS queued,
            (SELECT count(*) FROM auth_messages m WHERE m.state = 'queued' AND m.error IS NOT NULL) AS late,
            (
                SELECT count(*) FROM auth_messages m
                WHERE m.state <> 'queued' AND m.state IN ('failed', 'expired')
                    AND m.done_at > coalesce($1::timestamptz, statement_timestamp()) - interval '1 day'
            ) AS failed
        """,
        at,
    )
    assert row is not None  # noqa: S101 - the statement always has one
    return Counts.from_row(row)


async def is_undeliverable(conn: Connection, address: str) -> bool:
    """Say whether a mail server refused an address for good."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM auth_undeliverable a WHERE a.address = lower($1))", address
    )
    return found


async def note_undeliverable(conn: Connection, address: str, error: str, *, at: datetime | None) -> None:
    """Note that a mail server refused an address for good."""
    await conn.execute(
        """
        INSERT INTO auth_undeliverable AS a (address, refused_at, error)
        VALUES (lower($1), coalesce($3::timestamptz, statement_timestamp()), $2)
        ON CONFLICT (address) DO UPDATE SET refused_at = excluded.refused_at, error = excluded.error
        """,
        address,
        error,
        at,
    )


async def forget_undeliverable(conn: Connection, address: str) -> None:
    """Forget that it did."""
    await conn.execute("DELETE FROM auth_undeliverable a WHERE a.address = lower($1)", address)


async def purge_done(conn: Connection, *, kept: timedelta, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` mails that were done with longer ago than they are kept."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT m.id
            FROM auth_messages m
            WHERE m.state <> 'queued'
                AND m.done_at < coalesce($1::timestamptz, statement_timestamp()) - $3::interval
            LIMIT $2
            FOR UPDATE OF m SKIP LOCKED
        )
        DELETE FROM auth_messages m USING due d WHERE m.id = d.id
        """,
        at,
        limit,
        kept,
    )
    return parse_count(status)


async def purge_stale(conn: Connection, *, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` mails whose time ran out a day ago and more: nobody sends them here."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT m.id
            FROM auth_messages m
            WHERE m.state = 'queued'
                AND m.expires_at < coalesce($1::timestamptz, statement_timestamp()) - interval '1 day'
            LIMIT $2
            FOR UPDATE OF m SKIP LOCKED
        )
        DELETE FROM auth_messages m USING due d WHERE m.id = d.id
        """,
        at,
        limit,
    )
    return parse_count(status)


async def purge_undeliverable(conn: Connection, *, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` addresses that were refused more than half a year ago: they may be there now."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT a.address
            FROM auth_undeliverable a
            WHERE a.refused_at < coalesce($1::timestamptz, statement_timestamp()) - interval '180 days'
            LIMIT $2
            FOR UPDATE OF a SKIP LOCKED
        )
        DELETE FROM auth_undeliverable a USING due d WHERE a.address = d.address
        """,
        at,
        limit,
    )
    return parse_count(status)


async def erase(conn: Connection, user_id: UserId) -> None:
    """Delete the mails to a user's address, and what is known of it; those about the user go with them."""
    await conn.execute(
        """
        WITH theirs AS (
            SELECT u.email AS address FROM users u WHERE u.id = $1
        ), forgotten AS (
            DELETE FROM auth_undeliverable a USING theirs t WHERE a.address = lower(t.address)
        )
        DELETE FROM auth_messages m USING theirs t WHERE m.state = 'queued' AND m.recipient = t.address
        """,
        user_id,
    )


async def export(conn: Connection, user_id: UserId) -> list[Mapping[str, object]]:
    """Return the mails about a user, newest first."""
    rows = await conn.fetch(
        """
        SELECT m.template, m.state, m.created_at, m.done_at
        FROM auth_messages m
        WHERE m.user_id = $1
        ORDER BY m.id DESC
        LIMIT 1000
        """,
        user_id,
    )
    return [dict(row) for row in rows]


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

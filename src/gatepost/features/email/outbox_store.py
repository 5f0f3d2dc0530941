"""Statements on `auth_messages`, by which mails are written down, looked at and forgotten."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gatepost.db.pool import Connection, parse_count
from gatepost.models import Columns, UserId

if TYPE_CHECKING:
    from gatepost.features.email.outbox import Draft

CHANNEL = "gatepost_mail"
"""Rings when there is something to be sent."""


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


async def insert(conn: Connection, draft: "Draft", *, at: datetime | None) -> int | None:
    """Write a mail down; None where one of its key waits already."""
    found: int | None = await conn.fetchval(
        """
        INSERT INTO auth_messages (template, language, user_id, recipient, link_id, data, dedupe_key,
            created_at, due_at, expires_at)
        SELECT $1, coalesce(
                (SELECT u.language FROM users u WHERE u.id = $3),
                (SELECT l.language FROM auth_last_sign_ins l WHERE l.user_id = $3),
                $2
            ), $3, $4, $5, $6::text::jsonb, $7, t.now, t.now, t.now + $8::interval
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


async def erase(conn: Connection, user_id: UserId) -> None:
    """Delete mails and links to a user's address, and what is known of it; those about the user go with them.

    Those of nobody are there where they were invited, or were disabled when somebody asked for a link.
    """
    await conn.execute(
        """
        WITH theirs AS (
            SELECT u.email AS address, gatepost.email_key(u.email, u.email_key) COLLATE "C" AS canonical
            FROM users u WHERE u.id = $1
        ), forgotten AS (
            DELETE FROM auth_undeliverable a USING theirs t WHERE a.address = lower(t.address)
        ), unlinked AS (
            DELETE FROM auth_email_links l USING theirs t
            WHERE l.email = t.canonical AND l.user_id IS NULL
                AND l.expires_at > statement_timestamp() - interval '1 day'  -- housekeeping has the others
        )
        DELETE FROM auth_messages m USING theirs t
        WHERE m.state = 'queued' AND m.recipient IN (t.address, t.canonical)
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

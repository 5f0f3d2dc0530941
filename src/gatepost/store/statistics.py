"""Statements that count: what happened by the hour, who is signed in, whose password is being guessed."""

from datetime import datetime, timedelta

from gatepost.db.pool import Connection, one
from gatepost.models import Columns, UserId


class Tally(Columns, frozen=True, kw_only=True, gc=False):
    """Events of one action in a stretch of time.

    Attributes:
        begin: when the stretch begins.
        action: what happened.
        events: how often.
    """

    begin: datetime
    action: str
    events: int


class LiveSessions(Columns, frozen=True, kw_only=True, gc=False):
    """How many sessions are live, and of how many users.

    Attributes:
        sessions, users: what was counted.
        is_whole: nothing was left out: there are not more than the bound.
        table_rows: rows of the table, as PostgreSQL last estimated them.
    """

    sessions: int
    users: int
    is_whole: bool
    table_rows: float


class Sampled(Columns, frozen=True, kw_only=True, gc=False):
    """What a part of the sessions tells of all.

    Attributes:
        live: sessions of the sample that are live.
        users_each: users a live session: 1 where everybody has one, 0.1 where everybody has ten.
    """

    live: int
    users_each: float


class FailingAddress(Columns, frozen=True, kw_only=True, gc=False):
    """An address that failed logins came from.

    Attributes:
        ip_address: the address; None where it is unknown.
        failures: how many logins failed.
        users: of how many accounts that exist.
    """

    ip_address: str | None
    failures: int
    users: int


class AttackedUser(Columns, frozen=True, kw_only=True, gc=False):
    """A user whose logins fail.

    Attributes:
        user_id, email: who it is.
        failures: how many logins failed.
        in_a_row: failures since the last success, all places together, however long ago.
        is_locked: those are too many: the password works from known places alone.
        last_at: when the last of them failed, UTC.
    """

    user_id: UserId
    email: str
    failures: int
    in_a_row: int
    is_locked: bool
    last_at: datetime


class Condition(Columns, frozen=True, kw_only=True, gc=False):
    """The database itself.

    Attributes:
        now: the time to decide by.
        size_bytes: what the database takes on the disk, indexes included.
        server_version: of PostgreSQL, like "18.6".
        schema_version: of the migrations, like "0009".
        cleaned_at: when housekeeping last ran; None for never.
        oldest_event_at: when the oldest event on the trail happened; None where it is empty.
    """

    now: datetime
    size_bytes: int
    server_version: str
    schema_version: str | None
    cleaned_at: datetime | None
    oldest_event_at: datetime | None


async def condition(conn: Connection, *, at: datetime | None) -> Condition:
    """Return how the database is; the oldest event is the one with the least id."""
    row = await conn.fetchrow(
        """
        SELECT coalesce($1::timestamptz, statement_timestamp()) AS now,
            pg_database_size(current_database()) AS size_bytes,
            split_part(current_setting('server_version'), ' ', 1) AS server_version,
            (SELECT max(v.version_num) FROM gatepost_version v) AS schema_version,
            (SELECT h.ran_at FROM auth_housekeeping h WHERE h.id = 1) AS cleaned_at,
            (SELECT e.at FROM auth_events e ORDER BY e.id LIMIT 1) AS oldest_event_at
        """,
        at,
    )
    return Condition.from_row(one(row))


async def tallies(
    conn: Connection,
    *,
    before: tuple[datetime, datetime],
    since: tuple[datetime, datetime],
    step: timedelta,
    actions: list[str],
) -> list[Tally]:
    """Return how often these actions happened in two spans of time, by stretches of `step`.

    A span ends before its second time. `before` is the earlier one, a whole number of steps before `since`.
    What is counted already comes from `auth_event_hours` and the rest from the trail, in one look, so that
    an event is never in both or in neither. Hours are the finest that there is.
    """
    rows = await conn.fetch(
        # The upper bound of the ids excludes none. With it PostgreSQL expects few rows, as there are, and not
        # a third of the table, which it would read whole.
        """
        SELECT date_bin($3::interval, c.hour, $1) AS begin, c.action, sum(c.events)::bigint AS events
        FROM (
            SELECT h.hour, h.action::text AS action, h.events
            FROM auth_event_hours h
            WHERE h.hour >= $1::timestamptz AND h.hour < $5::timestamptz AND h.action = ANY($4::text[])
            UNION ALL
            SELECT date_trunc('hour', e.at, 'UTC'), e.action::text, count(*)
            FROM auth_events e
            WHERE e.id > (SELECT k.counted_id FROM auth_housekeeping k WHERE k.id = 1)
                AND e.id <= 9223372036854775807
                AND e.at >= $1 AND e.at < $5 AND e.action = ANY($4)
            GROUP BY 1, 2
        ) c
        WHERE c.hour < $2::timestamptz OR c.hour >= $6::timestamptz
        GROUP BY 1, 2
        ORDER BY 1, 2
        """,
        before[0],
        before[1],
        step,
        actions,
        since[1],
        since[0],
    )
    return [Tally.from_row(row) for row in rows]


async def live_sessions(
    conn: Connection, *, limit: int, idle: timedelta | None, at: datetime | None
) -> LiveSessions:
    """Count the live sessions and their users, `limit` sessions at the most."""
    row = await conn.fetchrow(
        """
        WITH live AS MATERIALIZED (
            SELECT s.user_id
            FROM user_sessions s
            JOIN users u ON u.id = s.user_id
            WHERE gatepost.is_live(s, u, coalesce($1::timestamptz, statement_timestamp()), $3::interval)
            LIMIT $2::bigint + 1
        )
        SELECT count(*) AS sessions, count(DISTINCT l.user_id) AS users, count(*) <= $2 AS is_whole,
            (SELECT greatest(c.reltuples, 0)::float8 FROM pg_class c
                WHERE c.oid = 'user_sessions'::regclass) AS table_rows
        FROM live l
        """,
        at,
        limit,
        idle,
    )
    return LiveSessions.from_row(one(row))


async def sample_sessions(
    conn: Connection, *, percent: float, asked: int, idle: timedelta | None, at: datetime | None
) -> Sampled:
    """Count the live sessions on some pages of the table, and of `asked` of them how many their user has.

    A user with n sessions is n times as likely to be asked for, so that each counts for 1/n (Horvitz and
    Thompson, 1952). The pages are the same ones each time: figures move when the sessions do, and only then.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($1::timestamptz, statement_timestamp()) AS now
        ), sampled AS MATERIALIZED (
            SELECT s.user_id, row_number() OVER () AS place
            FROM user_sessions s TABLESAMPLE SYSTEM ($2::float8) REPEATABLE (1)
            CROSS JOIN t
            CROSS JOIN LATERAL (
                SELECT FROM users u
                WHERE u.id = s.user_id AND gatepost.is_live(s, u, t.now, $4::interval)
                LIMIT 1 -- so that they are looked up by id, however many there might be
            ) u
        ), stride AS (
            SELECT 1 + count(*) / $3::bigint AS every, count(*) AS live FROM sampled
        )
        SELECT max(k.live) AS live, coalesce(avg(1.0 / greatest(own.live, 1)), 0)::float8 AS users_each
        FROM stride k
        LEFT JOIN sampled p ON p.place % k.every = 0
        LEFT JOIN LATERAL (
            SELECT count(*) AS live
            FROM user_sessions s JOIN users u ON u.id = s.user_id CROSS JOIN t
            WHERE s.user_id = p.user_id AND gatepost.is_live(s, u, t.now, $4::interval)
        ) own ON true
        """,
        at,
        percent,
        asked,
        idle,
    )
    return Sampled.from_row(one(row))


async def active_users(conn: Connection, *, limit: int) -> list[UserId]:
    """Return the ids of users who are active, `limit` at the most."""
    rows = await conn.fetch("SELECT u.id FROM users u WHERE u.is_active LIMIT $1", limit)
    return [row["id"] for row in rows]


async def sample_users(conn: Connection, *, rows: int) -> tuple[list[UserId], float]:
    """Return the ids of users who are active on some pages of the table, and how often those go into it.

    The pages have about so many rows, and are the same ones each time.
    """
    row = one(
        await conn.fetchrow(
            """
            WITH share AS MATERIALIZED (
                SELECT least(1, $1::float8 / greatest(c.reltuples, 1)) AS share
                FROM pg_class c WHERE c.oid = 'users'::regclass
            )
            SELECT (SELECT 1 / s.share FROM share s) AS times, coalesce(array_agg(u.id), '{}') AS ids
            FROM users u TABLESAMPLE SYSTEM ((SELECT 100 * s.share FROM share s)) REPEATABLE (1)
            WHERE u.is_active
            """,
            float(rows),
        )
    )
    return row["ids"], row["times"]


async def failing_addresses(
    conn: Connection, *, since: datetime, most: int, limit: int
) -> tuple[list[FailingAddress], bool]:
    """Return where most of the failed logins since a time came from, the most first; and whether that is cut.

    Of more than `most` the newest are looked at.
    """
    rows = await conn.fetch(
        """
        SELECT e.ip_address, sum(e.failures)::bigint AS failures, count(e.user_id) AS users,
            sum(sum(e.failures)) OVER () >= $3 AS is_cut
        FROM (
            -- By account first: what is counted once needs no sorting.
            SELECT e.ip_address, e.user_id, count(*)::integer AS failures
            FROM (
                SELECT e.ip_address, e.user_id FROM auth_events e
                WHERE e.action = 'login.failed' AND e.at >= $1
                ORDER BY e.at DESC
                LIMIT $3::bigint
            ) e
            GROUP BY e.ip_address, e.user_id
        ) e
        GROUP BY e.ip_address
        ORDER BY failures DESC, e.ip_address
        LIMIT $2
        """,
        since,
        limit,
        most,
    )
    return [FailingAddress.from_row(row) for row in rows], any(row["is_cut"] for row in rows)


async def attacked_users(
    conn: Connection, *, since: datetime, most: int, limit: int, failures_max: int
) -> list[AttackedUser]:
    """Return whose logins failed most since a time, the most first; who is deleted is left out.

    Of more than `most` the newest are looked at. With `failures_max` in a row a password works from known
    places alone.
    """
    rows = await conn.fetch(
        """
        SELECT u.id AS user_id, u.email::text AS email, f.failures, f.last_at, r.in_a_row,
            r.in_a_row >= $3::bigint AS is_locked
        FROM (
            SELECT e.user_id, count(*) AS failures, max(e.at) AS last_at
            FROM (
                SELECT e.at, e.user_id FROM auth_events e
                WHERE e.action = 'login.failed' AND e.at >= $1
                ORDER BY e.at DESC
                LIMIT $4::bigint
            ) e
            WHERE e.user_id IS NOT NULL
            GROUP BY e.user_id
            ORDER BY failures DESC, e.user_id
            LIMIT 2 * $2::bigint
        ) f
        JOIN users u ON u.id = f.user_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(a.failures), 0)::bigint AS in_a_row
            FROM auth_failures a WHERE a.user_id = u.id
        ) r
        ORDER BY f.failures DESC, u.id
        LIMIT $2
        """,
        since,
        limit,
        failures_max,
        most,
    )
    return [AttackedUser.from_row(row) for row in rows]


async def count_events(conn: Connection, *, limit: int, at: datetime | None) -> int:
    """Count at most `limit` events into their hours; return how many."""
    row = await conn.fetchrow(
        "SELECT gatepost_count_events($2::integer, $1::timestamptz) AS counted", at, limit
    )
    return int(one(row)["counted"])

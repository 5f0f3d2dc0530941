"""What a million users leave in a month: sign-ins, an administrator's acts, and in the last day attacks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.database import Connection, Postgres
from bench.seeds import STORED, USER_AGENT, far
from gatepost.db import migrate
from gatepost.feature import schemas_of
from gatepost.features import FEATURES

CHUNK = 500_000
DAYS = 30
FAILURES = 20
"""One event of so many is a failed login: five per cent."""

ADMIN, BUSY = 1, 2
"""The user who did one of 200 events as an administrator, and the one whose renewals are one of a hundred."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sign-ins that fail at one place, within the last 20 hours; in the midst of them one succeeds.

    Attributes:
        key: in the names of rows.
        place: an address or a network.
        addresses: how many of it take part.
        events: how many there are; one of 25 was throttled.
        accounts: whom they are about, a quarter of them nobody.
    """

    key: str
    place: str
    addresses: int
    events: int
    accounts: int

    @property
    def failures(self) -> int:
        """How many failed, nearly."""
        return self.events - self.events // 25


CROWDS = (
    Crowd("20k", "198.51.100.9", 1, 20_000, 5_000),
    Crowd("200k", "198.51.101.9", 1, 200_000, 50_000),
    Crowd("24", "198.51.102.0/24", 256, 100_000, 20_000),
    Crowd("64", "2001:db8:0:7::/64", 1_000, 50_000, 10_000),
)
FULL = 10_000_000
"""Events of a full run."""


def crowds(events: int) -> list[Crowd]:
    """Return the crowds among so many events: smaller ones among fewer than ten million."""
    part = events / FULL
    return [
        replace(each, events=int(each.events * part), accounts=max(1, int(each.accounts * part)))
        for each in CROWDS
    ]


def crowded(events: int) -> int:
    """Return how many of so many events are of crowds."""
    return sum(each.events for each in crowds(events))


OFFICE, SHARED = "192.0.2.1", "192.0.2.0/24"
"""An address of one of 250 users, and a network of one of 50; the others share theirs with twenty."""

_HOME = f"""
    CASE WHEN {{0}} % 250 = 1 THEN '{OFFICE}' WHEN {{0}} % 50 = 1 THEN '192.0.2.' || {{0}} / 50 % 250
        ELSE '203.' || {{0}} / 250 % 200 || '.' || {{0}} / 50000 % 200 || '.' || {{0}} % 250 END
"""
"""Where a user is, by their id."""

_USERS = f"""
    INSERT INTO users (email, name, hashed_password, is_admin, is_active, created_at)
    SELECT 'user' || i || '@example.com',
        CASE WHEN i > $1::integer - $1 / 20 THEN 'Malgorzata ' ELSE 'User ' END || i, '-',
        i = {ADMIN}, i <= $1 - $1 / 1000,
        now() - interval '90 days' - i * interval '1 minute'
    FROM generate_series(1, $1) i
"""
"""The disabled ones are the last by their sign-ins: the worst that a list by these can be asked for.

The oldest twentieth has a name in common: the worst for a part of it, since the newest users come first.
"""

_SESSIONS = f"""
    INSERT INTO user_sessions (session_token, user_id, is_active, created_at, expires_at, ip_address,
        user_agent, absolute_expires_at)
    SELECT {STORED.format("i")}, i, true, now() - i * interval '2 s', $2::timestamptz,
        {_HOME.format("i")}, '{USER_AGENT}', $2::timestamptz
    FROM generate_series(1, $1::integer) i
"""

_EVENTS = f"""
    SELECT now() - {DAYS} * interval '1 day' * (1 - i / $2::float8) AS at,
        CASE WHEN i % {FAILURES} = 0 THEN 'login.failed' WHEN i % 20 < 5 THEN 'session.started'
            WHEN i % 200 = 5 THEN 'user.registered' WHEN i % 100 = 7 THEN 'throttled'
            WHEN i % 200 = 9 THEN 'user.renamed' ELSE 'session.refreshed' END AS action,
        who.id AS user_id, CASE WHEN i % 20 < 5 THEN who.id END AS session_id,
        {_HOME.format("who.id")} AS ip_address,
        CASE WHEN i % 200 = 9 THEN '{{"admin_id": {ADMIN}}}' ELSE '{{}}' END::jsonb AS detail
    FROM generate_series($1::bigint, $4::bigint) i
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i % 100 = 13 THEN {BUSY}
            ELSE 1 + (i * 7919 + i / $3::integer) % $3 END::integer AS id
    ) who
"""

_CROWDS = """
    SELECT now() - interval '20 hours' * (1 - j / c.events::float8),
        CASE WHEN j = c.events / 2 THEN 'session.started' WHEN j % 25 = 0 THEN 'throttled'
            ELSE 'login.failed' END,
        CASE WHEN who.id % 4 > 0 OR j = c.events / 2 THEN who.id END,
        CASE WHEN j = c.events / 2 THEN who.id END,
        host(c.network::inet + (j * 31) % c.addresses),
        CASE WHEN who.id % 4 > 0 THEN '{}' ELSE '{"email": "nobody' || who.id || '@example.com"}' END::jsonb
    FROM unnest($5::text[], $6::integer[], $7::integer[], $8::integer[])
        AS c (network, addresses, events, accounts)
    CROSS JOIN LATERAL generate_series(1, c.events) j
    CROSS JOIN LATERAL (SELECT 10 + (j * 7919) % c.accounts AS id) who
"""

_INSERT = """
    INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
    SELECT e.at, e.action, e.user_id, e.session_id, e.ip_address, '{0}', e.detail FROM ({1}) e ORDER BY e.at
"""


async def fill(
    postgres: Postgres, database: str, *, events: int, users: int, done: Callable[[int], None]
) -> None:
    """Make a database with users, a live session each, and events of the last 30 days."""
    await postgres.create(database)
    await migrate.migrate(postgres.dsn(database), features=schemas_of(FEATURES))
    async with postgres.connection(database) as conn:
        # Millions of rows are put into an index quicker at once than one by one.
        indexes = await conn.fetch(
            """
            SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
            FROM pg_index i
            WHERE i.indrelid IN ('users'::regclass, 'auth_events'::regclass) AND NOT i.indisunique
            """
        )
        for index in indexes:
            await conn.execute(f"DROP INDEX {index['name']}")
        await conn.execute(_USERS, users, timeout=600)
        await conn.execute(_SESSIONS, users, await far(conn), timeout=600)
        await add_events(conn, events, users, done)
        await conn.execute("SET maintenance_work_mem = '1GB'")
        for index in indexes:
            await conn.execute(index["definition"], timeout=600)
    await postgres.settle(database)


async def add_events(conn: Connection, events: int, users: int, done: Callable[[int], None]) -> None:
    """Add the events in the order of their times."""
    there = [
        (each.place.partition("/")[0], each.addresses, each.events, each.accounts) for each in crowds(events)
    ]
    base = events - crowded(events)
    last_day = base - base // DAYS
    for first in range(1, last_day + 1, CHUNK):
        last = min(last_day, first + CHUNK - 1)
        await conn.execute(_INSERT.format(USER_AGENT, _EVENTS), first, base, users, last, timeout=600)
        done(last - first + 1)
    await conn.execute(
        _INSERT.format(USER_AGENT, f"{_EVENTS} UNION ALL {_CROWDS}"),
        last_day + 1,
        base,
        users,
        base,
        *(list(column) for column in zip(*there, strict=True)),
        timeout=600,
    )
    done(events - last_day)

"""The figures of the overview, on a trail of ten million events and a million live sessions."""

import time
from collections.abc import Callable

from bench.database import Connection, Postgres
from bench.failures import Wrong
from bench.plan import SECRET_KEY
from bench.results import Sample
from bench.seeds import FILL_SESSIONS, FILL_USERS, USER_AGENT, empty, far
from gatepost.gate import Gate
from gatepost.models import Client, Period
from gatepost.services.overview import Kind
from gatepost.settings import Settings

CHUNK = 500_000
DAYS = 30
FAILURES = 20
"""One event of so many is a failed login: five per cent."""

FILL_EVENTS = """
    INSERT INTO auth_events (at, action, user_id, ip_address, user_agent)
    SELECT now() - $3::integer * interval '1 day' * (1 - i / $2::float8),
        CASE WHEN i % $4::integer = 0 THEN 'login.failed' WHEN i % 20 < 5 THEN 'session.started'
            WHEN i % 200 = 5 THEN 'user.registered' WHEN i % 100 = 7 THEN 'throttled'
            ELSE 'session.refreshed' END,
        1 + (i * 7919) % $5::integer, '203.0.' || (i / 7) % 200 || '.' || (i / 3) % 250, $6
    FROM generate_series($1::bigint, least($1 + $7::bigint - 1, $2::bigint)) i
"""


async def fill(
    postgres: Postgres, database: str, *, events: int, sessions: int, done: Callable[[int], None]
) -> None:
    """Make a database with users, live sessions, ten of each user, and events of the last 30 days."""
    await empty(postgres, database)
    users = max(1, sessions // 10)
    async with postgres.connection(database) as conn:
        await conn.execute(FILL_USERS, users, "-")
        await conn.execute(FILL_SESSIONS, 1, sessions, users, await far(conn), USER_AGENT, timeout=600)
        # Ten million rows are put into an index quicker at once than one by one.
        indexes = await conn.fetch(
            """
            SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
            FROM pg_index i WHERE i.indrelid = 'auth_events'::regclass AND NOT i.indisprimary
            """
        )
        for index in indexes:
            await conn.execute(f"DROP INDEX {index['name']}")
        for first in range(1, events + 1, CHUNK):
            await _add_events(conn, first, events, users)
            done(min(CHUNK, events - first + 1))
        for index in indexes:
            await conn.execute(index["definition"], timeout=600)
    await postgres.settle(database)


async def _add_events(conn: Connection, first: int, events: int, users: int) -> None:
    await conn.execute(FILL_EVENTS, first, events, DAYS, FAILURES, users, USER_AGENT, CHUNK, timeout=600)


class OverviewFigures:
    """Asks Gatepost for its figures, without the web around it."""

    def __init__(self, postgres: Postgres, database: str, *, events: int) -> None:
        self._events = events
        settings = Settings.load(env_file=None, database_url=postgres.dsn(database), secret_key=SECRET_KEY)
        self._gate = Gate(settings)

    async def open(self) -> float:
        """Connect, and count the events by the hour as housekeeping does; return the seconds it took."""
        await self._gate.open(background=False, patient=True)
        begun = time.perf_counter()
        await self._gate.housekeeping.run(client=Client())
        return time.perf_counter() - begun

    async def close(self) -> None:
        await self._gate.close()

    async def sample(self, period: Period, number: int) -> Sample:
        """Ask once to warm up, and once for the milliseconds it takes.

        Raises:
            Wrong: it did not count what was put in.
        """
        await self._gate.overview.figures(period)
        begun = time.perf_counter()
        found = await self._gate.overview.figures(period)
        taken = 1000 * (time.perf_counter() - begun)
        counted = {series.kind: series.total for series in found.series}[Kind.FAILURES]
        # A period begins with a whole step, so that it has one step less at the least.
        expected = self._events / FAILURES * (period.length / Period.MONTH.length)
        if not expected * (1 - 1.1 / period.points) <= counted <= expected * 1.01:
            raise Wrong(f"{counted:,} failed logins in {period}, and not {expected:,.0f}")
        return Sample(value=taken, round=number)

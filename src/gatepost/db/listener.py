"""Hears PostgreSQL's NOTIFY, of new events unless another channel is named, on a connection of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import asyncpg

from gatepost.db.faults import AWAY, translated
from gatepost.db.pool import Database
from gatepost.errors import Unavailable

CHANNEL = "gatepost_events"
"""What the trigger `auth_events_ring` notifies."""

HEARD_LOCK = 7_238_150_043_211_874_581
"""Key of the advisory lock that is held while somebody listens: the trigger rings only then."""

PROBE_SECONDS = 2.0
"""Within which a NOTIFY of one's own has to come back."""

LOCK_MILLISECONDS = 500
"""How long the transactions under way, which share the lock, are waited for."""


class NotHeardError(Exception):
    """LISTEN does not work here: a pooler lends the server's connections a transaction at a time."""


class Bell:
    """A connection that listens.

    Args:
        conn: the connection.
        channel: what it listens to.

    Attributes:
        rings: of events: somebody holds the lock, so that the trigger rings.
    """

    def __init__(self, conn: "asyncpg.Connection[asyncpg.Record]", channel: str) -> None:
        self._conn = conn
        self._channel = channel
        self._rung = asyncio.Event()
        self._holds = False
        self._probe = uuid4().hex
        self._came_back = asyncio.Event()
        self.rings = False

    async def wait(self, seconds: float) -> bool:
        """Wait until it rings, but no longer than this; say whether it did.

        Raises:
            Unavailable: the connection is lost.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        if self._conn.is_closed():
            raise Unavailable
        rung = self._rung.is_set()
        self._rung.clear()
        return rung

    async def keep(self) -> None:
        """See that the connection is there, and that somebody holds the lock.

        Raises:
            Unavailable: the connection is lost.
        """
        with translated():
            async with asyncio.timeout(PROBE_SECONDS):
                others = await self._conn.fetchval(_HELD, HEARD_LOCK >> 32, HEARD_LOCK & 0xFFFF_FFFF)
                if not others:
                    with suppress(asyncpg.LockNotAvailableError):
                        await self._conn.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
                        await self._conn.execute("SELECT pg_advisory_lock($1)", HEARD_LOCK)
                        others = True
        self.rings = bool(others)

    async def _open(self, database: Database) -> None:
        await self._conn.add_listener(self._channel, self._on_notify)
        self._conn.add_termination_listener(self._on_end)
        # From another connection: one that is lent a transaction at a time still has its own while it asks.
        async with database.connection() as other:
            await other.execute("SELECT pg_notify($1, $2)", self._channel, self._probe)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._came_back.wait()
        except TimeoutError:
            raise NotHeardError from None

    def _on_notify(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        if payload == self._probe:
            self._came_back.set()
        self._rung.set()

    def _on_end(self, _conn: object) -> None:
        self._rung.set()


_HELD = """
    SELECT EXISTS (
        SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted
            AND l.mode = 'ExclusiveLock' AND l.objsubid = 1
            AND l.classid = $1::bigint AND l.objid = $2::bigint
    )
"""


@asynccontextmanager
async def listening(database: Database, channel: str = CHANNEL) -> AsyncIterator[Bell]:
    """Listen as long as the context lasts.

    Args:
        database: where.
        channel: another one than that of events: whoever writes there notifies it each time.

    Raises:
        NotHeardError: what is notified does not arrive.
        Unavailable: the database is away.
    """
    with translated():
        kept = await database.connect()
    try:
        bell = Bell(kept.conn, channel)
        with translated():
            await bell._open(database)  # noqa: SLF001 - its own module
        if channel == CHANNEL:
            await bell.keep()
        yield bell
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, *AWAY):
            await database.retire(kept)

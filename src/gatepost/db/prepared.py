"""One statement on a connection of its own, prepared once: no pool, no lock, no reset between two uses."""

import asyncio
from typing import TypeAlias

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from gatepost.db.connect import Kept
from gatepost.db.faults import AWAY, is_away, translated
from gatepost.db.pool import Database, Record
from gatepost.db.pooler import LOST

Ready: TypeAlias = "tuple[Kept, PreparedStatement[asyncpg.Record] | None]"
"""A connection, and the statement where it may be prepared."""

RENEW_SECONDS = 30.0
"""Age from which the connection is replaced, to see which server takes writes; at twice that it must be."""


class Prepared:
    """Runs one statement again and again; a lost connection is replaced, its statement asked once more.

    The statement must be one that may be repeated: it is, where an answer got lost on the way.
    Not for two at a time: the caller takes turns.

    Args:
        database: says where to connect and how long to wait.
        sql: the statement.
    """

    def __init__(self, database: Database, sql: str) -> None:
        self._database = database
        self._sql = sql
        self._ready: Ready | None = None
        self._renew_at = 0.0
        self._renewing: asyncio.Task[Ready | Exception] | None = None
        self._retired: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take the connection, before anybody else can have taken it.

        Raises:
            Unavailable: none can be had.
        """
        with translated():
            async with asyncio.timeout(self._database.timeout):
                self._ready = self._dated(await self._make())

    async def fetch(self, *args: object) -> list[Record]:
        """Run the statement.

        Raises:
            Unavailable: the database is away, also on a new connection, or answered too late.
        """
        began = self._database.now()
        with translated():
            async with asyncio.timeout(self._database.timeout) as limit:
                try:
                    return await self._fetch(*args)
                except (asyncpg.InterfaceError, *AWAY) as error:
                    # The connection may have gone stale; a new one tells whether the database is there.
                    if isinstance(error, TimeoutError) or not is_away(error):
                        raise
                    if isinstance(error, LOST):
                        self._database.lose_statements()
                    return await self._fetch(*args)
                finally:
                    if limit.expired():
                        self._database.doubt(began)

    async def close(self) -> None:
        """Close the connection."""
        if self._renewing is not None:
            made = await self._renewing
            if not isinstance(made, Exception):
                await asyncio.wait([self._database.retire(made[0])])
        self._forget()
        if self._retired is not None:
            await asyncio.wait([self._retired])

    async def _fetch(self, *args: object) -> list[Record]:
        try:
            kept, statement = self._ready = await self._get_ready()
            rows = await (statement.fetch(*args) if statement else kept.conn.fetch(self._sql, *args))
        except BaseException:
            # Whatever it was, also a cancellation: what is under way on this connection is not ours to read.
            self._forget()
            raise
        kept.heard = self._database.now()
        return rows

    async def _get_ready(self) -> Ready:
        if self._renewing is not None and self._renewing.done():
            self._adopt(self._renewing.result())
        if self._ready is None or not self._database.trusts(self._ready[0]):
            self._forget()
            return self._dated(await self._make())
        now = self._database.now()
        if now < self._renew_at:
            return self._ready
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._try())
        if now >= self._renew_at + RENEW_SECONDS:
            self._adopt(await self._renewing)
        return self._ready

    def _adopt(self, made: "Ready | Exception") -> None:
        """Go on with a younger connection; with the old one for a while, or where two have no room."""
        self._renewing = None
        if not isinstance(made, Exception):
            self._forget()
            self._ready = self._dated(made)
        elif isinstance(made, asyncpg.TooManyConnectionsError):
            self._renew_at = self._database.now() + RENEW_SECONDS
        elif self._database.now() >= self._renew_at + RENEW_SECONDS:
            raise made

    def _dated(self, ready: Ready) -> Ready:
        self._renew_at = self._database.now() + RENEW_SECONDS
        return ready

    async def _try(self) -> "Ready | Exception":
        try:
            async with asyncio.timeout(self._database.timeout):
                return await self._make()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return error

    async def _make(self) -> Ready:
        try:
            kept = await self._database.connect()
        except asyncpg.TooManyConnectionsError:
            if self._retired is None or self._retired.done():
                raise
            await asyncio.wait([self._retired])  # the place it has is the one that is wanted
            kept = await self._database.connect()
        try:
            if not self._database.prepares:
                return kept, None
            statement = await kept.conn.prepare(self._sql)
            # Planned for each use, which PostgreSQL does as long as arrays are short, it takes longer to plan
            # than to run. It comes second: preparing alone leaves the tables locked until the next message.
            await kept.conn.execute("SET plan_cache_mode = force_generic_plan")
        except BaseException:
            self._retired = self._database.retire(kept)
            raise
        return kept, statement

    def _forget(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            self._retired = self._database.retire(ready[0])

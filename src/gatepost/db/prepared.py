"""One statement on a connection of its own, prepared once: no pool, no lock, no reset between two uses."""

import asyncio

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from gatepost.db.faults import AWAY, is_away, translated
from gatepost.db.pool import Database, Record


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
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None
        self._statement: PreparedStatement[asyncpg.Record] | None = None
        self._retired: asyncio.Task[None] | None = None

    async def fetch(self, *args: object) -> list[Record]:
        """Run the statement.

        Raises:
            Unavailable: the database is away, also on a new connection, or answered too late.
        """
        with translated():
            async with asyncio.timeout(self._database.timeout):
                try:
                    return await self._fetch(*args)
                except (asyncpg.InterfaceError, *AWAY) as error:
                    # The connection may have gone stale; a new one tells whether the database is there.
                    if isinstance(error, TimeoutError) or not is_away(error):
                        raise
                    return await self._fetch(*args)

    async def close(self) -> None:
        """Close the connection."""
        self._forget()
        if self._retired is not None:
            await asyncio.wait([self._retired])

    async def _fetch(self, *args: object) -> list[Record]:
        try:
            if self._statement is None:
                if self._retired is not None:
                    await asyncio.wait([self._retired])  # never two at a time
                self._conn = await self._database.connect()
                self._statement = await self._conn.prepare(self._sql)
            return await self._statement.fetch(*args)
        except BaseException:
            # Whatever it was, also a cancellation: what is under way on this connection is not ours to read.
            self._forget()
            raise

    def _forget(self) -> None:
        conn, self._conn, self._statement = self._conn, None, None
        if conn is not None:
            self._retired = self._database.retire(conn)

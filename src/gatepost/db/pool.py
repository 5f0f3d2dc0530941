"""Connections to PostgreSQL: a pool with one deadline for all that a request waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from gatepost.db.faults import AWAY, connecting, is_away, is_spent, translated
from gatepost.db.rejections import answered
from gatepost.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""What every store function takes first."""

Record: TypeAlias = asyncpg.Record

CONNECT_SECONDS = 10.0
"""How long connecting may take where there is no other deadline."""

RETIRE_SECONDS = 1.5
"""How long a server may take to cancel what a connection is busy with, before that is cut off."""


async def _keep_state(_: object) -> None:
    # Our statements leave no state behind on a connection, so that the driver's own reset, a second
    # round trip after each use, has nothing to do.
    return


class Database:
    """A pool of connections with one deadline for everything that a request waits for.

    Args:
        dsn: a libpq connection URI.
        size: connections at the most.
        timeout: seconds that a connection may be waited for and used, together; None for no limit.
    """

    def __init__(self, dsn: str, *, size: int, timeout: float | None) -> None:
        self.dsn = dsn
        self.timeout = timeout
        self._size = size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._settings = {"application_name": "gatepost", "timezone": "UTC"}

    async def open(
        self, *, patience: float = 0.0, on_wait: Callable[[float, str], None] | None = None
    ) -> None:
        """Connect; where the database is away try again for `patience` seconds.

        Args:
            patience: seconds after which to give up.
            on_wait: told the seconds until the next try and why the last one failed.

        Raises:
            DatabaseUnreachable: no connection could be made; the message says why.
        """
        deadline = asyncio.get_running_loop().time() + patience
        pause = 0.2
        while True:
            try:
                await self._open_pool()
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                OSError,
                TimeoutError,
                ValueError,
            ) as error:
                # The driver quotes a URL that it can't read, and with it what may be a password.
                why = "DATABASE_URL can't be read" if isinstance(error, ValueError) else str(error)
                why = why or "it does not answer"
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0 or not is_away(error):
                    raise DatabaseUnreachable(f"Cannot connect to the database: {why}") from error
                if on_wait is not None:
                    on_wait(min(pause, left), why)
                await asyncio.sleep(min(pause, left))
                pause = min(pause * 2, 2.0)
            else:
                return

    async def _open_pool(self) -> None:
        pool = asyncpg.create_pool(
            self.dsn,
            # A floor would be restored in the background: a traceback a try while the database is away.
            min_size=0,
            max_size=self._size,
            timeout=self.timeout or CONNECT_SECONDS,
            reset=_keep_state,
            server_settings=self._settings,
        )
        try:
            _ = await pool
            await pool.release(await pool.acquire())
        except BaseException:
            pool.terminate()
            raise
        self._pool = pool

    async def close(self) -> None:
        """Close every connection; one that is still busy after the deadline is cut."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(self.timeout):
                await pool.close()
        except TimeoutError:
            pool.terminate()
        if self._retired:
            await asyncio.wait(self._retired)

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Open a connection outside the pool, for one who keeps it; the caller closes it."""
        with connecting():
            return await asyncpg.connect(
                self.dsn, timeout=self.timeout or CONNECT_SECONDS, server_settings=self._settings
            )

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for single statements.

        Raises:
            Unavailable: the database is away, every connection is in use, or the deadline has passed.
            EmailTaken, Conflict, ValidationFailed, RejectedByDatabase: as `answered`.
        """
        with translated():
            async with asyncio.timeout(self.timeout):
                pool = self._opened()
                with connecting():
                    conn = await pool.acquire()
                try:
                    async with answered(conn):
                        yield conn
                except BaseException as error:
                    if is_spent(error):
                        _ = self.retire(conn)
                    else:
                        await pool.release(conn)
                    raise
                else:
                    await pool.release(conn)

    def retire(self, conn: Connection) -> asyncio.Task[None]:
        """Close a connection that may still be busy; nobody has to wait for it.

        What runs on it is cancelled at the server first. Cut off alone it would run on there, or wait on
        for its lock, and with every new try one more would be in the way of everybody who uses the server.
        Until it is gone it keeps its place in the pool, which is what bounds their number.
        """
        task = asyncio.create_task(self._close_retired(conn))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)
        return task

    async def _close_retired(self, conn: Connection) -> None:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, *AWAY):
            async with asyncio.timeout(RETIRE_SECONDS):
                await conn.close()  # cuts it off where it fails

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction, committed at the end and rolled back by any error.

        Raises:
            Unavailable: as `connection`.
        """
        async with self.connection() as conn, transaction_on(conn):
            yield conn

    def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            raise RuntimeError("Gatepost is not open: pass `lifespan=auth.lifespan` to the application")
        return self._pool


@asynccontextmanager
async def transaction_on(conn: Connection) -> AsyncIterator[None]:
    """Run a transaction on a connection that is lent already; within another one, a part of that."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        yield
    except BaseException as error:
        if not is_spent(error):  # cutting the connection rolls back as well
            await transaction.rollback()
        raise
    else:
        await transaction.commit()


def one(row: Record | None) -> Record:
    """Return the row of a statement that always has one."""
    if row is None:
        raise AssertionError("the statement answered without a row")
    return row


def parse_count(status: str) -> int:
    """Return the number of rows in a command tag such as `UPDATE 3`."""
    return int(status.rpartition(" ")[2])

"""Connections to PostgreSQL, and the one place where the driver's faults become `Unavailable`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from gatepost.errors import DatabaseUnreachable, Unavailable
from gatepost.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""What every store function takes first."""

Record: TypeAlias = asyncpg.Record

log = get_logger("gatepost.db")

AWAY = (
    OSError,
    # What the driver says of a connection whose server has said goodbye and that is not closed yet.
    asyncpg.InternalClientError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)
"""Faults that say nothing about the question: the database is away, full, failing over or too slow."""


def is_away(error: BaseException) -> bool:
    """Say whether the fault is the database's absence and not a mistake of ours."""
    if isinstance(error, asyncpg.InterfaceError):
        # The driver has one class for both; a lost connection is told by its text alone.
        return "clos" in str(error) or "connection" in str(error)
    return isinstance(error, AWAY)


def is_spent(error: BaseException) -> bool:
    """Say whether nobody else may use the connection: broken, or still busy with what it was asked."""
    return isinstance(error, asyncio.CancelledError) or is_away(error)


@contextmanager
def translated() -> "Iterator[None]":
    """Turn the database's absence into `Unavailable`; every other fault passes."""
    try:
        yield
    except (asyncpg.InterfaceError, *AWAY) as error:
        if not is_away(error):
            raise
        log.warning("database unavailable", fault=type(error).__name__, why=str(error) or None)
        raise Unavailable from error


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
                why = why or type(error).__name__
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
            min_size=1,
            max_size=self._size,
            timeout=self.timeout or 60,
            reset=_keep_state,
            server_settings=self._settings,
        )
        try:
            self._pool = await pool
        except BaseException:
            pool.terminate()
            raise

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

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Open a connection outside the pool, for one who keeps it; the caller closes it."""
        return await asyncpg.connect(self.dsn, timeout=self.timeout or 60, server_settings=self._settings)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for single statements.

        Raises:
            Unavailable: the database is away, every connection is in use, or the deadline has passed.
        """
        with translated():
            async with asyncio.timeout(self.timeout):
                pool = self._opened()
                conn = await pool.acquire()
                try:
                    yield conn
                except BaseException as error:
                    if is_spent(error):
                        conn.terminate()
                    raise
                finally:
                    await pool.release(conn)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction, committed at the end and rolled back by any error.

        Raises:
            Unavailable: as `connection`.
        """
        async with self.connection() as conn:
            transaction = conn.transaction()
            await transaction.start()
            try:
                yield conn
            except BaseException as error:
                if not is_spent(error):  # cutting the connection rolls back as well
                    await transaction.rollback()
                raise
            else:
                await transaction.commit()

    def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            raise RuntimeError("Gatepost is not open: pass `lifespan=auth.lifespan` to the application")
        return self._pool


def one(row: Record | None) -> Record:
    """Return the row of a statement that always has one."""
    if row is None:
        raise AssertionError("the statement answered without a row")
    return row


def parse_count(status: str) -> int:
    """Return the number of rows in a command tag such as `UPDATE 3`."""
    return int(status.rpartition(" ")[2])

"""The database as requests use it: connections with one deadline for all that a request waits for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from gatepost.db import driver
from gatepost.db.connect import Connector, Kept
from gatepost.db.connections import Connections, Lease
from gatepost.db.faults import AWAY, connecting, is_spent, translated
from gatepost.db.patience import patiently
from gatepost.db.pooler import LOST
from gatepost.db.rejections import answered
from gatepost.db.revival import Revival
from gatepost.db.unreachable import is_mistake, unreachable
from gatepost.deadline import spending, uncounted
from gatepost.errors import DatabaseUnreachable, SettingsError
from gatepost.models import UserIdType
from gatepost.settings.address import Address

Connection: TypeAlias = driver.Connection
"""What every store function takes first."""

OptionalConnection: TypeAlias = "driver.Connection | None"

Record: TypeAlias = driver.Record

CONNECT_SECONDS = 10.0
"""How long connecting may take where there is no other deadline."""

RETIRE_SECONDS = 0.5
"""How long a server may take to cancel what a connection is busy with, before that is cut off."""

GIVEN_UP_MAX = 3
"""Connections that the pool gives back for one that is more needed; others may take the place first."""

RENEW_SECONDS = 600.0
"""Age from which a connection is replaced when it comes back."""

_SET_PATH = "SELECT set_config('search_path', $1, true)"


class _Joined(NamedTuple):
    """A connection of a caller's, and the task that goes over it: no other one that it starts."""

    database: "Database"
    conn: Connection
    task: "asyncio.Task[Any] | None"


_SET_PLANS = """
    SELECT set_config('plan_cache_mode', $1, true), set_config('max_parallel_workers_per_gather', $2, true)
"""
_PLANS = """
    SELECT current_setting('plan_cache_mode'), current_setting('max_parallel_workers_per_gather') AS workers
"""

_joined: ContextVar[_Joined | None] = ContextVar("joined", default=None)


class Database:
    """Connections to one server, with one deadline for everything that a request waits for.

    All of them lead to the server where the newest one led: after a failover none stays behind on a server
    that takes writes no longer, or on one that should not.

    Args:
        dsn: a libpq connection URI.
        size: connections at the most, besides those that `connect` gives.
        timeout: seconds that a connection may be waited for and used, together; None for no limit.
        standby_ok: a standby will do, for one who only looks.
        check: is asked about the first connection, before anybody is lent one.
        revive: starts a server that is ours; called in a thread when nobody answers.

    Attributes:
        user_ids: the type of users' ids; whoever opens the database says it.
        now: the clock of the loop it was opened in; to ask which loop runs is a system call (Python 3.11).

    Raises:
        SettingsError: the URL can't be read.
    """

    def __init__(
        self,
        dsn: str,
        *,
        size: int,
        timeout: float | None,
        standby_ok: bool = False,
        check: Callable[[Connection], Awaitable[None]] | None = None,
        revive: Callable[[], object] | None = None,
    ) -> None:
        self.dsn = dsn
        self.timeout = timeout
        self.user_ids = UserIdType.INTEGER
        try:
            address = Address.parse(dsn)
        except ValueError as error:
            raise SettingsError([f"DATABASE_URL: {error}"]) from None
        self._connector = Connector(address, standby_ok=standby_ok)
        self._size = size
        self._check = check
        self._revival = Revival(revive)
        self._pool: Connections | None = None
        self._doubted = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.now: Callable[[], float] = time.monotonic

    @property
    def prepares(self) -> bool:
        """Whether statements may be prepared and kept."""
        return self._connector.prepares

    async def open(
        self, *, patience: float = 0.0, on_wait: Callable[[float, str], None] | None = None
    ) -> None:
        """Connect; where the database is away try again for `patience` seconds.

        Args:
            patience: seconds after which to give up.
            on_wait: told the seconds until the next try and why the last one failed.

        Raises:
            DatabaseUnreachable: no connection could be made; the message says why. A mistake, which
                waiting does not mend, is told at once.
            SettingsError: the files for TLS can't be used.
            SetupError: as `check`.
        """
        self._open_pool()
        try:
            await patiently(self._reach, seconds=patience, on_wait=on_wait or _say_nothing)
        except BaseException:
            await self.close()
            raise

    async def open_anyhow(self) -> str | None:
        """Open, and try once to connect; where the database is away return why. It is asked when needed.

        Raises:
            DatabaseUnreachable: what DATABASE_URL says is mistaken.
            SettingsError, SetupError: as `open`.
        """
        try:
            await self.open()
        except DatabaseUnreachable as error:
            if is_mistake(error.__cause__):
                raise
            self._open_pool()
            return error.message
        return None

    def _open_pool(self) -> None:
        self.now = asyncio.get_running_loop().time
        self._pool = Connections(
            self._make,
            size=self._size,
            seconds=self.timeout or CONNECT_SECONDS,
            hold=self.timeout / 3 if self.timeout is not None else None,
            trusts=self.trusts,
            retire=self.retire,
        )

    async def _reach(self) -> None:
        try:
            await self._arrive()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise unreachable(error, self._connector.address) from error

    async def _arrive(self) -> None:
        async with asyncio.timeout(self.timeout) as limit:
            pool = self._opened()
            pool.take_back(await pool.lend(limit), spent=False)

    async def _make(self, seconds: float) -> Kept:
        """Connect; the first connection is checked, and the server started where it is ours."""
        try:
            kept = await self._connector.connect(seconds)
        except OSError as error:
            self._revival.consider(error)
            raise
        if self._check is not None:
            try:
                await self._check(kept.conn)
            except BaseException:
                kept.conn.terminate()
                raise
            self._check = None
        return kept

    async def close(self) -> None:
        """Close every connection; one that is still busy after the deadline is cut."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close(self.timeout)
        await self._revival.end()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def connect(self) -> Kept:
        """Open a connection outside the pool, for one who keeps it; the caller retires it.

        Where the server has no more, the pool gives one of its own back for it: who keeps a connection needs
        it for every request.
        """
        with connecting():
            for left in range(GIVEN_UP_MAX, -1, -1):
                try:
                    return await self._make(self.timeout or CONNECT_SECONDS)
                except asyncpg.TooManyConnectionsError:
                    if not left or self._pool is None or not await self._pool.give_up_one():
                        raise
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for single statements.

        Raises:
            Unavailable: the database is away, every connection is in use, or the deadline has passed.
            EmailTaken, Conflict, ValidationFailed, RejectedByDatabase: as `answered`.
        """
        if (joined := self._joined()) is not None:
            async with answered(joined.conn), self._part_of(joined.conn):
                yield joined.conn
            return
        # What turns faults into answers is entered where there is one: otherwise every use would pay for it.
        pool, began = self._opened(), self.now()
        try:
            with spending(self.timeout) as seconds:
                async with asyncio.timeout(seconds) as limit:
                    lease = await _lend(pool, limit)
                    try:
                        yield lease.kept.conn
                    except BaseException:
                        async with self._failed(pool, lease, began), answered(lease.kept.conn):
                            raise
                    pool.take_back(lease, spent=False)
        except Exception:
            with translated():
                raise

    @asynccontextmanager
    async def _failed(self, pool: Connections, lease: Lease, began: float) -> AsyncIterator[None]:
        """Take a connection back after a fault, and draw from the fault what it says of others."""
        try:
            yield
        except BaseException as error:
            if lease.limit.expired() and not lease.cut:
                self.doubt(began)
            elif isinstance(error, LOST):
                self.lose_statements()
            pool.take_back(lease, spent=is_spent(error))
            raise

    @contextmanager
    def spared(self, conn: Connection) -> Iterator[None]:
        """Have what the application does on a connection that was lent count to no request's deadline.

        It has a deadline of its own, which whoever calls it keeps.
        """
        lease, began = None if self._pool is None else self._pool.lease_of(conn), self.now()
        if lease is not None and lease.limit.expired():
            lease = None  # it ends at the next wait, whatever is done about it
        ends = None if lease is None else lease.limit.when()
        if lease is not None:
            lease.spared = True
            lease.limit.reschedule(None)
        try:
            with uncounted():
                yield
        finally:
            if lease is not None:
                passed = self.now() - began
                lease.spared, lease.began = False, lease.began + passed
                lease.limit.reschedule(None if ends is None else ends + passed)

    @asynccontextmanager
    async def _part_of(self, conn: Connection) -> AsyncIterator[None]:
        """Run a part of a caller's transaction, on the tables of this database.

        Whatever ends it early undoes it, a cancellation and a lock that took too long as well: the caller
        goes on with the connection. Where this database says where its tables are, the caller's search_path
        may lead to others of the same names.
        """
        async with conn.transaction():
            path = self._connector.path
            former = None if path is None else await conn.fetchval("SELECT current_setting('search_path')")
            if former == path:
                yield
                return
            await conn.execute(_SET_PATH, path)
            yield
            await conn.execute(_SET_PATH, former)

    def retire(self, kept: Kept) -> "asyncio.Task[None]":
        """Close a connection that may still be busy; nobody has to wait for it.

        What runs on it is cancelled at the server first. Cut off alone it would run on there, or wait on
        for its lock, and with every new try one more would be in the way of everybody who uses the server.
        """
        task = asyncio.create_task(_close_retired(kept))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def trusts(self, kept: Kept) -> bool:
        """Say whether a connection may be used once more.

        Not one that has been silent since before another one got no answer: what swallowed that one has
        forgotten all of them. Nor one to another server than the newest leads to.
        """
        return (
            not kept.conn.is_closed()
            and kept.heard >= self._doubted
            and kept.server == self._connector.server
            and kept.born + RENEW_SECONDS > self.now()
        )

    def doubt(self, since: float) -> None:
        """Trust no connection that was not heard of since then, by the loop's clock."""
        self._doubted = max(self._doubted, since)

    def lose_statements(self) -> None:
        """Prepare no statement from now on, and use no connection on which one was."""
        self._connector.unprepare()
        self.doubt(self.now())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction, committed at the end and rolled back by any error.

        Raises:
            Unavailable: as `connection`.
        """
        async with self.connection() as conn, transaction_on(conn):
            yield conn

    @contextmanager
    def joining(self, conn: OptionalConnection) -> Iterator[None]:
        """Have all that this task asks for go over a connection of the caller's, inside its transaction.

        What fails is undone to where it began, so that the caller's transaction can go on. Without a
        connection nothing changes.
        """
        if conn is None:
            yield
            return
        before = _joined.set(_Joined(self, conn, asyncio.current_task()))
        try:
            yield
        finally:
            _joined.reset(before)

    @asynccontextmanager
    async def planning(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction in which statements are planned for their very values.

        For those with conditions that may be left open (`$1 IS NULL OR …`): a plan for all values would use
        no index for any of them. They are planned for one process: what they read takes less time than it
        takes to start another.

        Raises:
            Unavailable: as `connection`.
        """
        async with self.transaction() as conn:
            before = None if self._joined() is None else await conn.fetchrow(_PLANS)
            await conn.execute(_SET_PLANS, "force_custom_plan", "0")
            yield conn
            if before is not None:
                await conn.execute(_SET_PLANS, *before)  # the caller's transaction goes on

    def _joined(self) -> _Joined | None:
        """Return what `joining` has this task go over."""
        joined = _joined.get()
        is_ours = joined is not None and joined.database is self and joined.task is asyncio.current_task()
        return joined if is_ours else None

    def _opened(self) -> Connections:
        if self._pool is None:
            raise RuntimeError("Gatepost is not open: pass `lifespan=auth.lifespan` to the application")
        return self._pool


async def _lend(pool: Connections, limit: asyncio.Timeout) -> Lease:
    try:
        return await pool.lend(limit)
    except Exception:
        with connecting():
            raise


async def _close_retired(kept: Kept) -> None:
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, *AWAY):
        async with asyncio.timeout(RETIRE_SECONDS):
            await kept.conn.close()  # cuts it off where it fails


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


async def goes_on(conn: Connection) -> bool:
    """Say whether a transaction can go on that others worked in; cut a connection that is still busy."""
    if not conn.is_in_transaction():
        return False
    try:
        await conn.execute("SELECT")
    except asyncpg.InFailedSQLTransactionError:
        return False
    except asyncpg.InterfaceError:  # a task of theirs uses it
        conn.terminate()
        return False
    return True


def _say_nothing(_seconds: float, _why: str) -> None:
    return


def one(row: Record | None) -> Record:
    """Return the row of a statement that always has one."""
    if row is None:
        raise AssertionError("the statement answered without a row")
    return row


def parse_count(status: str) -> int:
    """Return the number of rows in a command tag such as `UPDATE 3`."""
    return int(status.rpartition(" ")[2])

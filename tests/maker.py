"""Makes databases, over one connection for the whole run, and what asyncpg would ask for over each new one.

Thousands of tests have a database of their own: what one of them spares is minutes.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit, urlunsplit

import anyio.from_thread
import asyncpg

T = TypeVar("T")

FIRST_ID_OF_A_USERS_TYPE = 16_384
"""PostgreSQL's own types have lower ones, the same in every database."""


class Maker:
    """A connection to a server that outlives the event loops of the tests, in a thread."""

    _of: ClassVar[dict[str, "Maker"]] = {}

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._thread = anyio.from_thread.start_blocking_portal()
        self._portal = self._thread.__enter__()
        self._conn = self._portal.call(asyncpg.connect, dsn)
        self.version = self._conn.get_server_version().major

    @classmethod
    def of(cls, dsn: str) -> "Maker":
        """Return the one for this server."""
        if dsn not in cls._of:
            cls._of[dsn] = cls(dsn)
        return cls._of[dsn]

    @classmethod
    def end(cls) -> None:
        """Close all connections."""
        while cls._of:
            _, maker = cls._of.popitem()
            maker._portal.call(maker._conn.close)
            maker._thread.__exit__(None, None, None)

    async def run(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Call something in the thread, where connections live on from one test to the next."""
        return await asyncio.wrap_future(self._portal.start_task_soon(function, *arguments))

    def wait(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """As `run`, outside of an event loop."""
        return self._portal.call(function, *arguments)

    async def make(self, name: str, template: str) -> None:
        """Make a database; in the thread."""
        # Half the time of the default, for a server that need not be durable; PostgreSQL 14 knows no other.
        is_ours = "GATEPOST_TEST_DATABASE_URL" not in os.environ
        copied = " STRATEGY FILE_COPY" if is_ours and self.version > 14 else ""
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template}{copied}")

    async def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it; in the thread."""
        await self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        if self._conn.is_closed():  # a test may have ended everybody's
            self._conn = await asyncpg.connect(self.dsn)
        await self._conn.execute(statement)


def on_database(dsn: str, database: str) -> str:
    """Return the DSN of another database on the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def remember_types() -> None:
    """Have asyncpg ask once what arrays of PostgreSQL's own types are, not over each new connection."""
    ask: Callable[..., Any] = asyncpg.Connection._introspect_types  # type: ignore[attr-defined]  # its own
    known: dict[frozenset[int], Any] = {}
    nothing_prepared = SimpleNamespace(name="what was prepared before is still there")

    async def introspect(conn: Any, ids: set[int], *rest: Any) -> tuple[Any, Any]:
        asked = frozenset(ids)
        if asked in known:
            return known[asked], nothing_prepared
        types, statement = await ask(conn, ids, *rest)
        if max(asked) < FIRST_ID_OF_A_USERS_TYPE:
            known[asked] = types
        return types, statement

    asyncpg.Connection._introspect_types = introspect  # type: ignore[attr-defined]

"""Makes databases, over one connection for the whole run, and what asyncpg would ask for over each new one.

Thousands of tests have a database of their own: what one of them spares is minutes.
"""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import anyio.from_thread
import asyncpg

FIRST_ID_OF_A_USERS_TYPE = 16_384
"""PostgreSQL's own types have lower ones, the same in every database."""


class Maker:
    """A connection to a server that outlives the event loops of the tests, in a thread."""

    _of: ClassVar[dict[str, "Maker"]] = {}

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
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

    async def execute(self, statement: str) -> None:
        await asyncio.wrap_future(self._portal.start_task_soon(self._execute, statement))

    async def _execute(self, statement: str) -> None:
        if self._conn.is_closed():  # a test may have ended everybody's
            self._conn = await asyncpg.connect(self._dsn)
        await self._conn.execute(statement)


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

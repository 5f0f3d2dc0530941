"""Migrated databases that tests have one after the other: what a test has written is deleted for the next.

To make a database and to drop it takes ten times as long. One whose tables, functions or rights a test has
changed, that somebody is still connected to or that has grown is dropped all the same.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias
from uuid import uuid4

import anyio
import asyncpg
from tests import secrecy
from tests.maker import FIRST_ID_OF_A_USERS_TYPE, Maker, on_database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MANY_ROWS, MANY_TESTS = 300, 30
"""What is deleted stays in the files: after so many a database would be slower, and plans might be others."""

LEAVING_SECONDS = 1.0
"""A connection that was closed is there for a moment longer."""

_MADE_OF = {
    "pg_attrdef": "oid",
    "pg_attribute": "attrelid",
    "pg_class": "oid",
    "pg_constraint": "oid",
    "pg_depend": "objid",
    "pg_extension": "oid",
    "pg_index": "indexrelid",
    "pg_namespace": "oid",
    "pg_policy": "oid",
    "pg_proc": "oid",
    "pg_rewrite": "oid",
    "pg_statistic": "starelid",
    "pg_statistic_ext": "oid",
    "pg_trigger": "oid",
    "pg_type": "oid",
}
"""What PostgreSQL notes of a database → the column that tells what is a user's from what is its own."""

_COUNTED = "SELECT count(*), max(xmin::text::bigint) FROM {} WHERE {} >= {}".format
_DATABASE = """
    SELECT sum(relpages), sum(reltuples::bigint) FROM pg_class
    WHERE relnamespace <> 'pg_catalog'::regnamespace
    UNION ALL SELECT count(*), max(xmin::text::bigint) FROM pg_default_acl
    UNION ALL SELECT oid, xmin::text::bigint FROM pg_namespace WHERE nspname = 'public'
    UNION ALL SELECT oid, xmin::text::bigint FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT count(*), max(s.xmin::text::bigint) FROM pg_db_role_setting s
    JOIN pg_database d ON d.oid = s.setdatabase AND d.datname = current_database()
"""
_SHAPE = " UNION ALL ".join(
    [_DATABASE, *(_COUNTED(name, column, FIRST_ID_OF_A_USERS_TYPE) for name, column in _MADE_OF.items())]
)
"""What changes with the database itself, and not with the rows of its tables."""

_TABLES = """
    SELECT c.oid::regclass::text AS name, string_agg(quote_ident(a.attname), ', ') AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY c.oid
"""

_SEQUENCES = """
    SELECT format('setval(%L, %s, %L)', format('%I.%I', schemaname, sequencename),
        coalesce(last_value, start_value), last_value IS NOT NULL)
    FROM pg_sequences
"""


@dataclass(kw_only=True)
class Database:
    """A database, with the connection by which it is emptied.

    Attributes:
        name: its name.
        shape: what it was made of before the first test.
        restoring: the statements that put back what a migrated database has, each with its argument.
        tests: how many have had it.
    """

    name: str
    conn: Connection
    shape: list[asyncpg.Record]
    deleting: str
    restoring: dict[str, tuple[Any, ...]]
    tests: int = 0

    @classmethod
    async def connected(cls, dsn: str, name: str) -> "Database":
        """Connect to a database that nobody has had yet, and note what it is like."""
        conn = await asyncpg.connect(
            on_database(dsn, name), server_settings={"application_name": "tests.stock"}
        )
        # Neither foreign keys nor what guards the trail is in the way of this connection.
        await conn.execute("SET session_replication_role = replica")
        tables = await conn.fetch(_TABLES)
        numbers = ", ".join(value for (value,) in await conn.fetch(_SEQUENCES))
        restoring: dict[str, tuple[Any, ...]] = {f"SELECT {numbers}": ()}
        for table, columns in tables:
            if rows := await conn.fetchval(f"SELECT jsonb_agg(t) FROM {table} t"):  # noqa: S608 - of the catalogue
                restoring[
                    f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE "  # noqa: S608 - as above
                    f"SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1)"
                ] = (rows,)
        return cls(
            name=name,
            conn=conn,
            shape=await conn.fetch(_SHAPE),
            deleting=_deleting([table for table, _ in tables]),
            restoring=restoring,
        )

    async def restored(self) -> bool:
        """Put back what it was; say whether another test can have it."""
        self.tests += 1
        if self.tests == MANY_TESTS or not await self._is_left():
            return False
        if await self.conn.fetch(_SHAPE) != self.shape:
            return False
        return await self.emptied() <= MANY_ROWS

    async def emptied(self) -> int:
        """Put back the rows that there were; return how many were deleted for that."""
        deleted: int = await self.conn.fetchval(self.deleting)
        for statement, arguments in self.restoring.items():
            await self.conn.fetch(statement, *arguments)
        return deleted

    async def _is_left(self) -> bool:
        """Wait until nobody else is connected, or say that somebody stays."""
        asked = "SELECT numbackends FROM pg_stat_database WHERE datname = current_database()"
        until = monotonic() + LEAVING_SECONDS
        while await self.conn.fetchval(asked) > 1:
            if monotonic() > until:
                return False
            await anyio.sleep(0.001)
        return True


def _deleting(tables: Iterable[str]) -> str:
    """Return a statement that empties tables and says how many rows they had."""
    parts = {f"emptied_{number}": table for number, table in enumerate(tables)}
    emptied = ", ".join(f"{part} AS (DELETE FROM {table} RETURNING 1)" for part, table in parts.items())  # noqa: S608
    counted = " UNION ALL ".join(f"SELECT count(*) AS rows FROM {part}" for part in parts)  # noqa: S608 - ours
    return f"WITH {emptied} SELECT sum(rows) FROM ({counted}) counted"  # noqa: S608 - ours


class Stock:
    """The databases that are made of one template, in one process of the run."""

    def __init__(self, maker: Maker, template: str) -> None:
        self._maker = maker
        self._template = template
        self._spare: list[Database] = []

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[str]:
        """Lend the name of a database that is as migrated; at the end it has no secrets in it."""
        database = await self._maker.run(self._taken)
        try:
            yield database.name
            for table, row in await self._maker.run(self._told, database):
                secrecy.search(row, f"a row of {table}")
        finally:
            await self._maker.run(self._given_back, database)

    def clear(self) -> None:
        """Drop them all."""
        while self._spare:
            self._maker.wait(self._dropped, self._spare.pop())

    async def _taken(self) -> Database:
        if self._spare:
            return self._spare.pop()
        name = f"gatepost_{uuid4().hex[:12]}"
        await self._maker.make(name, self._template)
        return await Database.connected(self._maker.dsn, name)

    async def _told(self, database: Database) -> list[tuple[str, str]]:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # the test has seen to its end
            return await secrecy.rows(database.conn)
        return []

    async def _given_back(self, database: Database) -> None:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            if await database.restored():
                self._spare.append(database)
                return
        await self._dropped(database)

    async def _dropped(self, database: Database) -> None:
        database.conn.terminate()
        await self._maker.drop(database.name)

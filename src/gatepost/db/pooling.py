"""Whether a pooler stands between here and PostgreSQL, and what it does to a session."""

from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from gatepost.db.faults import translated
from gatepost.db.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """What lies between.

    Attributes:
        is_there: the process that answers is another one than the greeting named.
        by_transaction: a server's connection is ours for a transaction at a time.
        keeps_statements: what was prepared is there on the next of them as well.
    """

    is_there: bool
    by_transaction: bool = False
    keeps_statements: bool = True


async def look(database: Database) -> Pooling:
    """Find out, with two connections at once.

    Raises:
        Unavailable: the two connections could not be made.
    """
    with translated():
        first = await database.connect()
        try:
            second = await database.connect()
            try:
                return await _look(first, second)
            finally:
                await second.close()
        finally:
            await first.close()


async def _look(
    first: "asyncpg.Connection[asyncpg.Record]", second: "asyncpg.Connection[asyncpg.Record]"
) -> Pooling:
    statement = await first.prepare("SELECT pg_backend_pid()")
    before = await statement.fetchval()
    if before == first.get_server_pid():
        return Pooling(is_there=False)
    # The second one keeps a server's connection: the first one's, where that was free to be lent.
    async with second.transaction():
        lent = await second.fetchval("SELECT pg_backend_pid()")
        after = None
        with suppress(asyncpg.PostgresError):
            after = await statement.fetchval()
    return Pooling(
        is_there=True,
        by_transaction=lent == before or after != before,
        keeps_statements=after is not None,
    )

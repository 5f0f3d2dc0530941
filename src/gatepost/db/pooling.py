"""Whether a pooler stands between here and PostgreSQL, and what it does to a session."""

from dataclasses import dataclass

from gatepost.db.connect import Kept
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
            before = await _process(first)
            if before == first.conn.get_server_pid():
                return Pooling(is_there=False)
            return Pooling(
                is_there=True,
                by_transaction=await _is_lent(database, first, before),
                keeps_statements=database.prepares,
            )
        finally:
            first.conn.terminate()


async def _is_lent(database: Database, first: Kept, before: int) -> bool:
    """Say whether a second client, which keeps a server's connection, gets that of the first one."""
    second = await database.connect()
    try:
        async with second.conn.transaction():
            lent: int = await second.conn.fetchval("SELECT pg_backend_pid()")
            return lent == before or await _process(first) != before
    finally:
        second.conn.terminate()


async def _process(kept: Kept) -> int:
    """Return the number of the process that answers; in a transaction, which one process has to itself."""
    async with kept.conn.transaction():
        process: int = await kept.conn.fetchval("SELECT pg_backend_pid()")
    return process

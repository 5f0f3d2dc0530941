"""Whether a pooler between us and PostgreSQL keeps the statements that are prepared."""

from collections.abc import Awaitable, Callable

import asyncpg

from gatepost.db.driver import Connection

LOST = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""What is said of a statement that was prepared on another connection of the pooler's, or twice on one."""


async def keeps_statements(conn: Connection, connect: Callable[[], Awaitable[Connection]]) -> bool:
    """Say whether what is prepared on a connection is there the next time.

    While a transaction of another client has the server's connection, a pooler by transaction must take
    another one, where the statement is only if the pooler sees to that (PgBouncer's
    `max_prepared_statements`).

    Args:
        conn: a connection on which nothing is under way.
        connect: makes the other client's.
    """
    other = await connect()
    try:
        statement = await conn.prepare("SELECT pg_backend_pid()")
        await statement.fetchval()
        async with other.transaction():
            await other.execute("SELECT 1")
            await statement.fetchval()
    except (*LOST, asyncpg.PostgresConnectionError):
        return False
    finally:
        other.terminate()
    return True

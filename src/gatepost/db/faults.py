"""The one place where the driver's faults become `Unavailable`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from gatepost.db.pooler import LOST
from gatepost.errors import DatabaseUnfit, HookFailed, HookTimeout, SetupError, Unavailable
from gatepost.log import get_logger

log = get_logger("gatepost.db")

AWAY = (
    OSError,
    # What the driver says of a connection whose server has said goodbye and that is not closed yet.
    asyncpg.InternalClientError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    # A table was altered under a statement that is prepared already; prepared again it works.
    asyncpg.InvalidCachedStatementError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # What was prepared was prepared on another connection of a pooler's.
    *LOST,
)
"""Faults that say nothing about the question: the database is away, full, failing over or too slow."""


def is_away(error: BaseException) -> bool:
    """Say whether the fault is the database's absence and not a mistake of ours."""
    if isinstance(error, asyncpg.InterfaceError):
        # The driver has one class for both; a lost connection is told by its text alone.
        return "clos" in str(error) or "connection" in str(error)
    if isinstance(error, asyncpg.DatatypeMismatchError):
        # A table was altered under the plan that a trigger keeps; on a new connection it is planned again.
        return str(error.server_source_function or "").startswith("plpgsql_param_eval")
    return isinstance(error, AWAY)


def is_spent(error: BaseException) -> bool:
    """Say whether nobody else may use the connection: broken, or still busy with what it was asked."""
    return isinstance(error, asyncio.CancelledError | HookTimeout | HookFailed) or is_away(error)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's absence into `Unavailable`; every other fault passes."""
    try:
        yield
    except (asyncpg.InterfaceError, asyncpg.DatatypeMismatchError, *AWAY) as error:
        if not is_away(error):
            raise
        log.warning("database unavailable", fault=type(error).__name__, why=str(error) or None)
        raise Unavailable from error


@contextmanager
def connecting() -> Iterator[None]:
    """Take whatever the server says to one who wants in for its absence: no question was asked yet.

    Tables of another version too: a server that waited for its database finds out here.
    """
    try:
        yield
    except SetupError as error:
        log.error("could not start", why=error.message)  # noqa: TRY400 - the message says it all
        raise Unavailable from error
    except asyncpg.PostgresError as error:
        if is_away(error):
            raise
        raise asyncpg.CannotConnectNowError(str(error)) from error


@contextmanager
def translating() -> Iterator[None]:
    """Turn whatever PostgreSQL says into a line for the operator who asked.

    Raises:
        DatabaseUnfit: with PostgreSQL's own words.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        raise DatabaseUnfit(f"PostgreSQL says: {error.args[0]}") from error

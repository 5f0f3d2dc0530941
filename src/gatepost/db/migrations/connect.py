"""A connection for migrating, and PostgreSQL's answers in an operator's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from gatepost.db.connect import Connector
from gatepost.db.unreachable import unreachable
from gatepost.errors import AdoptionRefused, DatabaseUnreachable, SetupError
from gatepost.settings.address import Address

CONNECT_TIMEOUT = 10.0
"""Seconds."""

REFUSED = "GP001"
"""The SQLSTATE with which a migration refuses a table."""

DSN_FORM = (
    "The database's URL can't be read. Accepted: postgresql://user:password@host:5432/database, "
    "special characters in the password percent-encoded"
)


async def connect(dsn: str, database: str | None = None) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect for a migration.

    Args:
        dsn: as in DATABASE_URL.
        database: another database than the URL names.

    Raises:
        DatabaseUnreachable: no connection could be made; the message says why and holds no password.
        SettingsError: the files for TLS can't be used.
    """
    try:
        address = Address.parse(dsn)
    except ValueError as error:
        raise DatabaseUnreachable(f"{DSN_FORM} ({error})") from None
    connector = Connector(address, standby_ok=True)
    connector.prepares = False  # nothing outlives its use, for a pooler in transaction mode
    try:
        return (await connector.connect(CONNECT_TIMEOUT, database=database)).conn
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise unreachable(error, address, seconds=CONNECT_TIMEOUT) from error


@contextmanager
def explained() -> Iterator[None]:
    """Turn what PostgreSQL says of a migration into a line for the operator.

    Raises:
        AdoptionRefused: the migration itself refused a table.
        DatabaseUnreachable: the connection was lost.
        SetupError: PostgreSQL refused a statement.
    """
    try:
        yield
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.AdminShutdownError,
        asyncpg.InterfaceError,
        OSError,
    ) as error:
        raise DatabaseUnreachable(f"The connection to the database was lost: {error}") from error
    except asyncpg.PostgresError as error:
        text = str(error.args[0])
        if error.sqlstate == REFUSED:
            raise AdoptionRefused(text) from error
        raise SetupError(f"The migration failed and nothing was changed: {text}. {_advice(error)}") from error


def _advice(error: asyncpg.PostgresError) -> str:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return "Have the owner of the schema and its tables run the output of `gatepost migrate --sql`"
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return "It is read-only, possibly a standby: migrate the primary, or see gatepost doctor"
    if isinstance(error, asyncpg.InvalidSchemaNameError):
        return "search_path contains no existing schema that this role may use"
    return "`gatepost migrate --sql` prints what was run"

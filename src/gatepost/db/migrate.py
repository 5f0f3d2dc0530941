"""The schema of a database: its version, the way to the newest one, and a database where there is none.

The driver runs exactly the text that `gatepost migrate --sql` prints. At most starts the database is at the
newest version, which one query tells.
"""

from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from gatepost.db import fitness
from gatepost.db.feature import Schema, Schemas
from gatepost.db.migrations.connect import connect, explained
from gatepost.db.migrations.expected import missing_objects
from gatepost.db.migrations.render import VERSIONS, render, render_feature, render_transaction, script
from gatepost.db.migrations.user_ids import type_in
from gatepost.db.pool import Connection
from gatepost.errors import (
    DatabaseNotMigrated,
    DatabaseTooNew,
    DatabaseUnreachable,
    SetupError,
)
from gatepost.models import UserIdType
from gatepost.settings.address import Address

__all__ = [
    "HEAD",
    "VERSIONS",
    "Migrated",
    "check",
    "current_version",
    "ensure_database",
    "ensure_schema",
    "migrate",
    "missing_objects",
    "render_sql",
    "type_in",
]

HEAD = VERSIONS[-1]
"""The version that this Gatepost works with."""

_WARNED = "GP002"  # the SQLSTATE of a migration's warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What a migration did.

    Attributes:
        before: the version it found, None in a database without Gatepost's tables.
        after: the version it left.
        applied: the versions it applied, oldest first, then those of features with their names; empty where
            there was nothing to do.
        warnings: what the owner of an adopted table should know, one sentence or two each.
    """

    before: str | None
    after: str
    applied: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


async def current_version(conn: Connection) -> str | None:
    """Return the schema's version, None where there is none.

    The schema is the one that `search_path` names first, where the tables are made too.
    """
    # Not to_regclass: it may answer from a cache that is older than the wait for the lock.
    if not await conn.fetchval(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = current_schema() AND c.relname = 'gatepost_version')"
    ):
        return None
    version: str | None = await conn.fetchval("SELECT max(version_num) FROM gatepost_version")
    return version


async def feature_versions(conn: Connection) -> dict[str, str]:
    """Return the version of each feature that has tables."""
    rows = await conn.fetch("SELECT feature, version FROM gatepost_features")
    return {row["feature"]: row["version"] for row in rows}


async def check(conn: Connection, features: Schemas = ()) -> None:
    """Make sure that the database has the version that this Gatepost works with, and those of its features.

    Raises:
        DatabaseNotMigrated: it has an older one or none.
        DatabaseTooNew: it has one that this Gatepost does not know.
    """
    version = await current_version(conn)
    _refuse_newer(version)
    if version is None:
        raise DatabaseNotMigrated
    if version != HEAD:
        raise DatabaseNotMigrated(
            f"The database is at version {version} and this Gatepost needs {HEAD}: run `gatepost migrate`"
        )
    found = await feature_versions(conn) if features else {}
    for schema in features:
        _refuse_newer_feature(schema, found.get(schema.feature))
        if found.get(schema.feature) != schema.head:
            raise DatabaseNotMigrated(
                f"The tables of {schema.feature} are at version {found.get(schema.feature, 'none')} and this"
                f" Gatepost needs {schema.head}: run `gatepost migrate`"
            )


def _refuse_newer(version: str | None) -> None:
    if version is not None and version not in VERSIONS:
        raise DatabaseTooNew(
            f"The database is at version {version}, created by a newer Gatepost. This one supports versions"
            f" up to {HEAD}: install the newer Gatepost"
        )


def _refuse_newer_feature(schema: Schema, version: str | None) -> None:
    if version is not None and version not in schema.versions:
        raise DatabaseTooNew(
            f"The tables of {schema.feature} are at version {version}, which this one does not know: it knows"
            f" versions up to {schema.head}"
        )


async def migrate(
    dsn: str,
    ids: UserIdType = UserIdType.INTEGER,
    *,
    features: Schemas = (),
    schema: str | None = None,
) -> Migrated:
    """Bring a database and the tables of features to the newest version; any number may do so at once.

    Args:
        dsn: as in DATABASE_URL.
        ids: the type of users' ids where there is no table of users; an application's keeps its own.
        features: whose tables are brought there too.
        schema: made where it is missing; `dsn` names it as its search_path.

    Raises:
        AdoptionRefused: a table exists that can't be taken over as it is; nothing was changed.
        DatabaseTooNew: the database has a version that this Gatepost does not know.
        DatabaseUnfit: the database's encoding is not UTF8.
        DatabaseUnreachable: no connection could be made.
        SetupError: PostgreSQL refused a statement; nothing was changed.
    """
    warnings: list[str] = []
    conn = await connect(dsn)
    try:
        with explained():
            is_new = schema is not None and await _ensure_schema(conn, schema)
            try:
                before = await current_version(conn)
                _refuse_newer(before)
                if before == HEAD and not await _due(conn, features):
                    return Migrated(before=before, after=HEAD)
                await fitness.check(conn)
                conn.add_log_listener(
                    lambda _, told: warnings.append(str(told.message)) if told.sqlstate == _WARNED else None
                )
                before, theirs = await _upgrade(conn, ids, features)
            except asyncpg.PostgresError:
                if is_new:
                    await _drop_empty(conn, str(schema))
                raise
    finally:
        await conn.close()
    applied = (*(VERSIONS[VERSIONS.index(before) + 1 :] if before else VERSIONS), *theirs)
    return Migrated(before=before, after=HEAD, applied=applied, warnings=tuple(warnings))


async def ensure_schema(dsn: str, name: str) -> None:
    """Make a schema where it is missing.

    Raises:
        DatabaseUnreachable: no connection could be made.
        SetupError: the role may not.
    """
    conn = await connect(dsn)
    try:
        await _ensure_schema(conn, name)
    finally:
        await conn.close()


async def _ensure_schema(conn: Connection, name: str) -> bool:
    """Make a schema where it is missing; say whether it was."""
    if await conn.fetchval("SELECT to_regnamespace($1) IS NOT NULL", name):
        return False
    statement = f'CREATE SCHEMA IF NOT EXISTS "{name}"'
    try:
        await conn.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        role = await conn.fetchval("SELECT quote_ident(current_user)")
        raise SetupError(
            f"The schema {name} does not exist, and the role {role} may not create it."
            f" Let one who may run: {statement} AUTHORIZATION {role};"
        ) from error
    return True


async def _drop_empty(conn: Connection, schema: str) -> None:
    """Drop a schema that was made for nothing; one that holds anything by now stays."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
        await conn.execute(f'DROP SCHEMA "{schema}"')


async def _due(conn: Connection, features: Schemas) -> list[tuple[Schema, str | None]]:
    """Return the features whose tables are not at the newest version, with the one they are at."""
    found = await feature_versions(conn) if features else {}
    for schema in features:
        _refuse_newer_feature(schema, found.get(schema.feature))
    at = [(schema, found.get(schema.feature)) for schema in features]
    return [(schema, version) for schema, version in at if version != schema.head]


async def _upgrade(
    conn: "asyncpg.Connection[asyncpg.Record]", ids: UserIdType, features: Schemas
) -> tuple[str | None, list[str]]:
    """Upgrade in one transaction; return the version that stood there before, and what features applied."""
    # Under a stricter isolation the version would be read as it was before the wait for the lock.
    async with conn.transaction(isolation="read_committed"):
        await conn.execute(script("before"))
        before = await current_version(conn)
        _refuse_newer(before)
        if before != HEAD:
            await conn.execute(render(before=before, ids=await type_in(conn) or ids))
        due = await _due(conn, features)
        found = await type_in(conn) or ids
        for schema, version in due:
            await conn.execute(render_feature(schema, before=version, ids=found))
    return before, [f"{schema.feature} {schema.head}" for schema, _ in due]


def render_sql(
    ids: UserIdType = UserIdType.INTEGER, *, features: Schemas = (), schema: str | None = None
) -> str:
    """Return the whole schema as SQL in one transaction, for an administrator to run with psql."""
    return render_transaction(ids, features, schema)


async def ensure_database(dsn: str) -> bool:
    """Create the database that a URL names where it does not exist; say whether it was created.

    Raises:
        DatabaseUnreachable: no connection to the server could be made.
        SetupError: it does not exist and can't be created; the message says what to run.
    """
    try:
        conn = await connect(dsn)
    except DatabaseUnreachable as error:
        if not isinstance(error.__cause__, asyncpg.InvalidCatalogNameError):
            raise
        address = Address.parse(dsn)
        if not address.names_database:
            raise
        name = address.database
    else:
        await conn.close()
        return False

    maintenance = await _connect_to_any(dsn, name)
    try:
        return await _create_database(maintenance, name)
    finally:
        await maintenance.close()


async def _connect_to_any(dsn: str, name: str) -> "asyncpg.Connection[asyncpg.Record]":
    why = ""
    for database in ("postgres", "template1"):
        try:
            return await connect(dsn, database=database)
        except DatabaseUnreachable as error:
            why = error.message
    raise SetupError(
        f"The database {name} does not exist, and creating it requires access to the database postgres or"
        f" template1. {why}. Ask a role with CREATEDB to run: {_creation(name)};"
    )


async def _create_database(conn: "asyncpg.Connection[asyncpg.Record]", name: str) -> bool:
    try:
        # template0, because only from there a database may have another encoding than the server's:
        # names and passwords are of any script.
        await conn.execute(f"{_creation(name)} ENCODING 'UTF8' TEMPLATE template0")
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return False  # another process was faster
    except asyncpg.InsufficientPrivilegeError as error:
        role = await conn.fetchval("SELECT quote_ident(current_user)")
        raise SetupError(
            f"The database {name} does not exist, and the role {role} may not create it."
            f" Ask a role with CREATEDB to run: {_creation(name)} OWNER {role};"
        ) from error
    except asyncpg.PostgresError as error:
        raise SetupError(
            f"The database {name} does not exist and can't be created: {error.args[0]}"
        ) from error
    return True


def _creation(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'CREATE DATABASE "{quoted}"'

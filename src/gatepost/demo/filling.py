"""Makes a scratch database anew and fills it: never one that holds somebody's data."""

from collections.abc import Callable

from gatepost.db import migrate
from gatepost.db.feature import Schemas
from gatepost.db.migrations.expected import tables
from gatepost.db.pool import Connection, Database, transaction_on
from gatepost.demo import store
from gatepost.demo.numbering import Invented
from gatepost.errors import DemoRefused
from gatepost.models import UserIdType

_OURS = {"gatepost_version", store.MARK}
_BATCH = 2_000
"""Events that are copied at once, between two steps of the progress bar."""


async def make_anew(
    dsn: str,
    ids: UserIdType = UserIdType.INTEGER,
    *,
    features: Schemas = (),
    schema: str | None = None,
) -> bool:
    """Empty a demo database, or take an empty one, and migrate it; say whether it was a demo already.

    Args:
        dsn: where it is.
        ids: the type of users' ids.
        features: whose tables are made too.
        schema: made where it is missing, as by `migrate.migrate`.

    Raises:
        DemoRefused: it holds what is no demo's; nothing was changed.
        SetupError: as `migrate.migrate` and `Database.open`.
    """
    if schema is not None:
        await migrate.ensure_schema(dsn, schema)
    database = Database(dsn, size=1, timeout=None)
    await database.open()
    try:
        async with database.transaction() as conn:
            was_demo = await _empty(conn, {*_OURS, *tables(features)})
    finally:
        await database.close()
    await migrate.migrate(dsn, ids, features=features)
    return was_demo


async def _empty(conn: Connection, ours: set[str]) -> bool:
    await store.lock(conn)
    found = await store.tables(conn)
    others = [name for name in found if name not in ours] if store.MARK in found else found
    if others:
        named = ", ".join(others[:5]) + (" and others" if len(others) > 5 else "")
        raise DemoRefused(
            f"The database contains tables ({named}) that are not a demo's, so it is not overwritten: set"
            " DATABASE_URL to one that is empty or does not exist yet, or unset it to use an embedded one"
        )
    if found:
        await store.drop_all(conn)
    # Before the schema: what is interrupted from here on may be made anew, too.
    await store.mark(conn)
    return bool(found)


async def fill(
    dsn: str, invented: Invented, *, hashed_password: str, progress: Callable[[int], None]
) -> None:
    """Copy the rows into a database that `make_anew` made, all or none.

    Args:
        dsn: where it is.
        invented: the rows.
        hashed_password: of the password that all users have.
        progress: told how many rows were copied since it was told last.
    """
    database = Database(dsn, size=1, timeout=None)
    await database.open()
    try:
        async with database.connection() as conn:
            async with transaction_on(conn):
                await _copy(conn, invented, hashed_password, progress)
            await store.analyze(conn)
    finally:
        await database.close()


async def _copy(
    conn: Connection, invented: Invented, hashed_password: str, progress: Callable[[int], None]
) -> None:
    await store.backdate_migrations(conn, invented.began_at)
    await store.copy_users(conn, invented.users, hashed_password=hashed_password)
    progress(len(invented.users))
    await store.copy_sessions(conn, invented.sessions)
    progress(len(invented.sessions))
    for start in range(0, len(invented.events), _BATCH):
        batch = invented.events[start : start + _BATCH]
        await store.copy_events(conn, batch)
        progress(len(batch))
    await store.copy_failures(conn, invented.failures)
    progress(len(invented.failures))
    await store.number_on(conn)

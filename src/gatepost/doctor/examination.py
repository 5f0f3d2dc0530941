"""What is looked at, in order: the settings, then the database and all that lies in it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from gatepost.doctor import effects, judgements
from gatepost.doctor.check import Check, Status, ok
from gatepost.errors import DatabaseUnfit, Unavailable
from gatepost.feature import Feature, schemas_of
from gatepost.terminal.connection import connected, location

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.services.hooks import Hooks
    from gatepost.settings import Settings
    from gatepost.store.health import Server

Tell: TypeAlias = Callable[[Check], None]
"""Is told of each check once it is made."""


async def examine_settings(
    settings: "Settings", tell: Tell, *, pages: Sequence[Check], features: Sequence[Feature]
) -> None:
    """Look at the settings.

    Args:
        settings: those in force.
        tell: is told what was found.
        pages: what was found of the owner's templates.
        features: those of the Gatepost.
    """
    tell(ok("settings", f"for {settings.environment}"))
    for check in [*judgements.secret_key(settings), *judgements.exposure(settings), *pages]:
        tell(check)
    tell(judgements.throttle(enabled=settings.throttle_enabled))
    for feature in features:
        if feature.examine is not None:
            await _ask(feature.name, feature.examine(settings), tell)


async def examine_database(
    settings: "Settings",
    dsn: str,
    tell: Tell,
    *,
    features: Sequence[Feature],
    hooks: "Hooks | None" = None,
) -> None:
    """Look at the database, over connections that have no deadline.

    Args:
        settings: those in force.
        dsn: where it is.
        tell: is told what was found.
        features: those of the Gatepost.
        hooks: those of the application, if they are known; they are open.

    Raises:
        GatepostError: it can't be reached.
    """
    from gatepost.db.faults import translating
    from gatepost.store import health

    async with connected(dsn) as conn:
        before = datetime.now(UTC)
        with translating():
            server = await health.server(conn)
        after = datetime.now(UTC)
        took = judgements.milliseconds(after - before)
        tell(ok("database", f"{location(settings)}, answers in {took} ms"))
        tell(judgements.version(server))
        tell(judgements.encoding(server))
        tell(judgements.writable(server))
        tell(judgements.clock(server.now - (before + (after - before) / 2)))
        await _examine_way(settings, dsn, conn, server, tell)
        if await _examine_schema(settings, conn, server, tell, features):
            await _examine_effects(conn, server, tell, hooks)
            for feature in features:
                if feature.checks is not None:
                    await _ask(feature.name, feature.checks(conn, settings), tell)
        await _ask("numbers", _numbers(conn), tell)


async def _examine_way(
    settings: "Settings", dsn: str, conn: "Connection", server: "Server", tell: Tell
) -> None:
    """Look at what lies between here and the database."""
    from gatepost.db import pooling
    from gatepost.db.pool import Database
    from gatepost.store import footing

    async def pooler() -> list[Check]:
        database = Database(dsn, size=1, timeout=None, standby_ok=True)
        return [effects.pooler(await pooling.look(database))]

    async def connections() -> list[Check]:
        return [effects.connections(await footing.capacity(conn), settings, server)]

    await _ask("pooler", pooler(), tell)
    await _ask("connections", connections(), tell)


async def _examine_schema(
    settings: "Settings", conn: "Connection", server: "Server", tell: Tell, features: Sequence[Feature]
) -> bool:
    """Look at the tables and at the role's rights there; say whether the tables are what they should be."""
    from gatepost.store import footing, health

    if server.schema is None:
        tell(judgements.no_schema(server, settings.database_schema))
        return False
    schemas = schemas_of(features)

    async def rights() -> list[Check]:
        return [judgements.rights(await health.rights(conn, schemas), embedded=settings.database_url is None)]

    async def policies() -> list[Check]:
        return [effects.policies(await footing.policies(conn), server.role)]

    async def single(check: Awaitable[Check]) -> list[Check]:
        return [await check]

    whole = await _ask("schema", single(judgements.schema(conn, schemas)), tell)
    whole &= await _ask("objects", single(judgements.objects(conn, schemas)), tell)
    await _ask("ids", judgements.user_ids(conn, settings), tell)
    await _ask("privileges", single(judgements.privileges(conn, schemas)), tell)
    await _ask("rights", rights(), tell)
    await _ask("policies", policies(), tell)
    await _ask("indexes", single(judgements.indexes(conn, schemas)), tell)
    return whole


async def _examine_effects(conn: "Connection", server: "Server", tell: Tell, hooks: "Hooks | None") -> None:
    """Do what a server does, then look at what else is in the tables."""
    from gatepost.store import rehearsal

    own_columns = hooks.own_columns if hooks is not None and hooks.columns else None

    async def rehearsed() -> list[Check]:
        return [effects.effects(await rehearsal.rehearse(conn, own_columns=own_columns), server)]

    await _ask("effects", rehearsed(), tell)
    await _ask("adoption", effects.brought_along(conn), tell)


async def _numbers(conn: "Connection") -> list[Check]:
    from gatepost.store import health

    return [judgements.numbers(numbering) for numbering in await health.numberings(conn)]


async def _ask(name: str, question: Awaitable[list[Check]], tell: Tell) -> bool:
    """Tell what came of a question, its own failure too; say whether nothing is wrong."""
    from gatepost.db.faults import translating

    try:
        with translating():
            found = await question
    except (DatabaseUnfit, Unavailable) as error:
        found = [judgements.unanswered(name, error)]
    for check in found:
        tell(check)
    return all(check.status is not Status.WRONG for check in found)

"""`gatepost doctor`: look at everything that Gatepost needs, and say what to do where it is not so."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gatepost.cli import checks, effects
from gatepost.cli.checks import Check, Status
from gatepost.cli.connection import configured_dsn, connected, location
from gatepost.cli.pages import pages
from gatepost.errors import DatabaseUnfit, GatepostError, SettingsError, Unavailable
from gatepost.feature import schemas_of
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output, lines_of
from gatepost.terminal.running import in_use, load_settings

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.settings import Settings
    from gatepost.store.health import Server

Tell: TypeAlias = Callable[[Check], None]


def doctor(
    *,
    asvs: Annotated[
        bool, typer.Option("--asvs", help="Report on each requirement of OWASP ASVS 5.0 instead.")
    ] = False,
    level: Annotated[
        int | None,
        typer.Option(
            "--level",
            min=1,
            max=3,
            help="With --asvs: check up to this level; the exit code is 1 if a requirement is not met.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that Gatepost needs, and say how to fix it. Exit code 1 if something is wrong."""
    out = Output(as_json=as_json)
    if level is not None and not asvs:
        raise typer.BadParameter("--level is for --asvs")
    if asvs:
        from gatepost.cli.asvs import report

        report(out, level=level)
        return
    made = examine(out)
    wrong = [check for check in made if check.status is Status.WRONG]
    if as_json:
        listed = [{"name": c.name, "status": c.status, "found": c.found, "advice": c.advice} for c in made]
        out.document({"ok": not wrong, "checks": listed})
    if wrong:
        raise typer.Exit(1)


def examine(out: Output) -> list[Check]:
    """Make every check that can be made, and say of each how it went."""
    made: list[Check] = []

    def tell(check: Check) -> None:
        made.append(check)
        if out.as_json:
            return
        style = {Status.OK: "green", Status.WARNING: "yellow", Status.WRONG: "red"}[check.status]
        out.line(f"{check.status:8} {check.name:12} {check.found}", style=style)
        if check.advice is not None:
            out.line(f"{'':8} {'':12} {check.advice}")

    try:
        settings = load_settings()
    except SettingsError as error:
        for problem in error.problems:
            tell(checks.wrong("settings", problem, "Change it in the environment or in .env"))
        return made
    tell(checks.ok("settings", f"for {settings.environment}"))
    for check in [*checks.secret_key(settings), *checks.exposure(settings), *pages(settings)]:
        tell(check)
    tell(checks.throttle(enabled=settings.throttle_enabled))
    for feature in in_use.get():
        if feature.examine is not None:
            asyncio.run(_examine_settings(feature.name, feature.examine(settings), tell))
    try:
        with configured_dsn(settings) as dsn:
            asyncio.run(_examine(settings, dsn, tell))
    except GatepostError as error:
        tell(checks.wrong("database", " ".join(lines_of(error)), f"It should be at {location(settings)}"))
    return made


async def _examine_settings(name: str, question: Awaitable[list[Check]], tell: Tell) -> None:
    await _ask(name, question, tell)


async def _examine(settings: "Settings", dsn: str, tell: Tell) -> None:
    from gatepost.db.faults import translating
    from gatepost.store import health

    async with connected(dsn) as conn:
        before = datetime.now(UTC)
        with translating():
            server = await health.server(conn)
        after = datetime.now(UTC)
        tell(
            checks.ok(
                "database", f"{location(settings)}, answers in {checks.milliseconds(after - before)} ms"
            )
        )
        tell(checks.version(server))
        tell(checks.encoding(server))
        tell(checks.writable(server))
        tell(checks.clock(server.now - (before + (after - before) / 2)))
        await _examine_way(settings, dsn, conn, server, tell)
        if await _examine_schema(settings, conn, server, tell):
            await _examine_effects(conn, server, tell)
            for feature in in_use.get():
                if feature.checks is not None:
                    await _ask(feature.name, feature.checks(conn), tell)
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


async def _examine_schema(settings: "Settings", conn: "Connection", server: "Server", tell: Tell) -> bool:
    """Look at the tables and at the role's rights there; say whether the tables are what they should be."""
    from gatepost.store import footing, health

    if server.schema is None:
        tell(checks.no_schema(server, settings.database_schema))
        return False

    async def rights() -> list[Check]:
        return [
            checks.rights(
                await health.rights(conn, schemas_of(in_use.get())), embedded=settings.database_url is None
            )
        ]

    async def policies() -> list[Check]:
        return [effects.policies(await footing.policies(conn), server.role)]

    async def single(check: Awaitable[Check]) -> list[Check]:
        return [await check]

    whole = await _ask("schema", single(checks.schema(conn)), tell)
    whole &= await _ask("objects", single(checks.objects(conn)), tell)
    await _ask("ids", checks.user_ids(conn, settings), tell)
    await _ask("privileges", single(checks.privileges(conn)), tell)
    await _ask("rights", rights(), tell)
    await _ask("policies", policies(), tell)
    await _ask("indexes", single(checks.indexes(conn)), tell)
    return whole


async def _examine_effects(conn: "Connection", server: "Server", tell: Tell) -> None:
    """Do what a server does, then look at what else is in the tables."""
    from gatepost.store import rehearsal

    async def rehearsed() -> list[Check]:
        return [effects.effects(await rehearsal.rehearse(conn), server)]

    await _ask("effects", rehearsed(), tell)
    await _ask("adoption", effects.brought_along(conn), tell)


async def _numbers(conn: "Connection") -> list[Check]:
    from gatepost.store import health

    return [checks.numbers(numbering) for numbering in await health.numberings(conn)]


async def _ask(name: str, question: Awaitable[list[Check]], tell: Tell) -> bool:
    """Tell what came of a question, its own failure too; say whether nothing is wrong."""
    from gatepost.db.faults import translating

    try:
        with translating():
            found = await question
    except (DatabaseUnfit, Unavailable) as error:
        found = [checks.unanswered(name, error)]
    for check in found:
        tell(check)
    return all(check.status is not Status.WRONG for check in found)

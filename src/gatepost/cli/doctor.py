"""`gatepost doctor`: look at everything that Gatepost needs, and say what to do where it is not so."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gatepost.cli import checks
from gatepost.cli.checks import Check, Status
from gatepost.cli.connection import configured_dsn, connected, location
from gatepost.cli.options import AsJson
from gatepost.cli.output import Output, lines_of
from gatepost.cli.running import load_settings
from gatepost.errors import SettingsError, SetupError

if TYPE_CHECKING:
    from gatepost.settings import Settings

Tell: TypeAlias = Callable[[Check], None]


def doctor(
    *,
    asvs: Annotated[
        bool, typer.Option("--asvs", help="Say how each requirement of OWASP ASVS 5.0 stands instead.")
    ] = False,
    level: Annotated[
        int | None,
        typer.Option(
            "--level",
            min=1,
            max=3,
            help="With --asvs: up to this level, and exit code 1 where one is not met.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that Gatepost needs, and say what to do; exit code 1 where something is wrong."""
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
    tell(checks.throttle(enabled=settings.throttle_enabled))
    try:
        with configured_dsn(settings) as dsn:
            asyncio.run(_examine(settings, dsn, tell))
    except SetupError as error:
        tell(checks.wrong("database", " ".join(lines_of(error)), f"It should be at {location(settings)}"))
    return made


async def _examine(settings: "Settings", dsn: str, tell: Tell) -> None:
    from gatepost.store import health

    async with connected(dsn) as conn:
        before = datetime.now(UTC)
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
        tell(await checks.schema(conn))
        tell(await checks.objects(conn))
        tell(await checks.privileges(conn))
        tell(checks.rights(await health.rights(conn), embedded=settings.database_url is None))
        tell(await checks.indexes(conn))
        for numbering in await health.numberings(conn):
            tell(checks.numbers(numbering))

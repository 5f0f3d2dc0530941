"""`gatepost doctor`: look at everything that Gatepost needs, and say what to do where it is not so."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gatepost.cli.pages import pages
from gatepost.doctor import judgements
from gatepost.doctor.check import Check, Status, wrong
from gatepost.doctor.examination import examine_database, examine_settings
from gatepost.errors import GatepostError, SettingsError
from gatepost.terminal.connection import configured_dsn
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output
from gatepost.terminal.running import application, in_use, load_settings

if TYPE_CHECKING:
    from gatepost.services.hooks import Hooks
    from gatepost.settings import Settings

STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.WRONG: "red"}


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
    wrongs = [check for check in made if check.status is Status.WRONG]
    if as_json:
        listed = [{"name": c.name, "status": c.status, "found": c.found, "advice": c.advice} for c in made]
        out.document({"ok": not wrongs, "checks": listed})
    if wrongs:
        raise typer.Exit(1)


def examine(out: Output) -> list[Check]:
    """Make every check that can be made, and say of each how it went."""
    made: list[Check] = []

    def tell(check: Check) -> None:
        made.append(check)
        if out.as_json:
            return
        out.line(f"{check.status:8} {check.name:12} {check.found}", style=STYLES[check.status])
        if check.advice is not None:
            out.line(f"{'':8} {'':12} {check.advice}")

    try:
        settings = load_settings()
    except SettingsError as error:
        for problem in error.problems:
            tell(wrong("settings", problem, "Change it in the environment or in .env"))
        return made
    asyncio.run(examine_settings(settings, tell, pages=pages(settings), features=in_use.get()))
    try:
        with configured_dsn(settings) as dsn:
            asyncio.run(
                examine_database(settings, dsn, tell, features=in_use.get(), hooks=_hooks(settings, dsn))
            )
    except GatepostError as error:
        tell(judgements.unreachable(settings, error))
    return made


def _hooks(settings: "Settings", dsn: str) -> "Hooks | None":
    """Return the hooks of the application, None where there is none or it fills no columns of its own."""
    from gatepost.db.pool import Database

    gate = application.get()
    if gate is None or not gate.hooks.columns:
        return None
    gate.hooks.open(Database(dsn, size=1, timeout=None), seconds=settings.hook_timeout_seconds)
    return gate.hooks

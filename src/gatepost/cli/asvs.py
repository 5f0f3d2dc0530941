"""`gatepost doctor --asvs`: how each requirement of OWASP ASVS 5.0 stands under the settings in force."""

import asyncio
from typing import TYPE_CHECKING

import typer

from gatepost.cli import checks
from gatepost.cli.connection import connected
from gatepost.errors import GatepostError
from gatepost.feature import schemas_of
from gatepost.terminal.output import Output
from gatepost.terminal.running import in_use, load_settings

if TYPE_CHECKING:
    from gatepost.asvs import Standing
    from gatepost.settings import Settings

COLUMNS = {
    "number": "No",
    "level": "L",
    "state": "State",
    "requires": "Requirement",
    "why": "How, or why not",
}


def report(out: Output, *, level: int | None) -> None:
    """Show the requirements, those up to `level` where one is asked for.

    Raises:
        typer.Exit: with code 1, a requirement of a level that was asked for is not met.
    """
    from gatepost.asvs import State, count, judge

    settings = load_settings()
    standings = [
        standing
        for standing in judge(settings, features=in_use.get(), excess=_excess(settings))
        if level is None or standing.requirement.level <= level
    ]
    missed = any(standing.state is State.MISSED for standing in standings)
    counts = count(standings)
    rows = [_row(standing) for standing in standings]
    levels = {str(number): {str(state): n for state, n in of.items()} for number, of in counts.items()}
    out.table(
        {"ok": not missed, "level": level, "levels": levels, "requirements": rows}, rows, COLUMNS, empty=""
    )
    if not out.as_json:
        for number, of in counts.items():
            told = ", ".join(f"{n} {state}" for state, n in of.items())
            out.line(f"Level {number}: {told}", style="red" if of[State.MISSED] else "green")
    if missed and level is not None:
        raise typer.Exit(1)


def _row(standing: "Standing") -> dict[str, object]:
    requirement = standing.requirement
    why = standing.why if standing.setting is None else f"{standing.setting}: {standing.why}"
    return {
        "number": requirement.number,
        "level": requirement.level,
        "requires": requirement.requires,
        "state": standing.state,
        "why": why,
        "setting": standing.setting,
        "tests": requirement.tests,
        "documents": requirement.documents,
    }


def _excess(settings: "Settings") -> list[str]:
    """Return what the role may do too much; a database that can't be asked is no good sign."""
    if settings.database_url is None:
        return []
    try:
        return asyncio.run(_excess_at(settings.located(settings.database_url.get_secret_value())))
    except GatepostError:
        return ["can't be asked what it may do, because the database is away"]


async def _excess_at(dsn: str) -> list[str]:
    from gatepost.store import health

    async with connected(dsn) as conn:
        return checks.excess_of(await health.rights(conn, schemas_of(in_use.get())))

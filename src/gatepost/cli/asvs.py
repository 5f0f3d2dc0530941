"""`gatepost doctor --asvs`: how each requirement of OWASP ASVS 5.0 stands under the settings in force."""

import asyncio
from typing import TYPE_CHECKING

import typer

from gatepost.terminal.output import Output
from gatepost.terminal.running import in_use, load_settings

if TYPE_CHECKING:
    from gatepost.asvs import Standing

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
    from gatepost.asvs import State, count
    from gatepost.doctor.standings import standings_of

    settings = load_settings()
    url = settings.database_url
    dsn = None if url is None else settings.located(url.get_secret_value())
    found = asyncio.run(standings_of(settings, dsn, features=in_use.get()))
    standings = [each for each in found if level is None or each.requirement.level <= level]
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

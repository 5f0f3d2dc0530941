"""The results as tables: Markdown for the pages, rich for the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.results import Results, Row, Verdict

GROUPS = {
    "gatepost": "Gatepost",
    "app": "A route of FastAPI",
    "peer": "Others",
    "limit": "Limits",
}


NONE = "-"


def number(value: float | None) -> str:
    """Write a figure with three digits, more where it is larger: differences below that mean nothing."""
    if value is None:
        return NONE
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if value >= 0.001 else "0"


def verdict(met: bool | None) -> str:
    return {True: "met", False: "**not met**", None: "not measured"}[met]


def spread(values: tuple[float, float] | None) -> str:
    return NONE if values is None or values[0] == values[1] else f"{number(values[0])} … {number(values[1])}"


def found(target: Verdict) -> str:
    return number(target.value) + (f" {target.unit}" if target.unit and target.value is not None else "")


def bound(target: Verdict) -> str:
    return f"{target.bound} {target.unit}".strip()


def targets_markdown(targets: Sequence[Verdict]) -> str:
    """Return the table of targets: what was to be reached, what was found, and whether it was."""
    lines = ["| Measure | Target | Found | Rounds | |", "|---|---|---|---|---|"]
    lines += [
        f"| {each.measure} | {bound(each)} | {found(each)} | {spread(each.spread)} | {verdict(each.met)} |"
        for each in targets
    ]
    return "\n".join(lines)


def rows_markdown(rows: Sequence[Row]) -> str:
    """Return the table of all that was measured, group by group, the fastest first."""
    lines = [
        "| | Found | Rounds | p50 ms | p99 ms | Worker CPU µs | PostgreSQL CPU µs | Memory MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group, title in GROUPS.items():
        lines.append(f"| **{title}** | | | | | | | |")
        lines += [_row_markdown(row) for row in ordered(rows, group)]
    return "\n".join(lines)


def growth_markdown(growth: Results) -> str:
    """Return the table of a growth run."""
    lines = [
        "| | Checks a second | Rounds | p50 ms | p99 ms | PostgreSQL CPU µs |",
        "|---|---|---|---|---|---|",
    ]
    for row in growth.rows:
        if row.unit != "requests/s":
            continue
        figures = [number(row.median(name)) for name in ("p50_ms", "p99_ms", "database_us")]
        lines.append("| " + " | ".join([row.name, value(row), spread(row.spread()), *figures]) + " |")
    return "\n".join(lines)


def overview_markdown(trail: Results) -> str:
    """Return the table of the overview's figures, and of what pages ask for."""
    lines = ["| | Found | Rounds | PostgreSQL works |", "|---|---|---|---|"]
    for row in trail.rows:
        works = row.median("database_ms")
        cells = [row.name, value(row), spread(row.spread()), "-" if works is None else f"{number(works)} ms"]
        lines.append("| " + " | ".join(cells) + " |")
    plan, seconds = trail.plan, trail.facts["overview_count_seconds"]
    return "\n".join(lines) + (
        f"\n\nWith {plan['events']:,} events over 30 days, half of them renewals and one of 20 a failed "
        f"login, and {plan['live']:,} users who are signed in. In the last day, passwords are guessed at "
        f"four places. Counting the events by the hour, which housekeeping does once, took "
        f"{number(seconds)} s." + _disturbed(trail)
    )


def _disturbed(results: Results) -> str:
    """Return that other work was under way, where a core had more than one program to run before it began."""
    load, cores = results.machine["load_before"], results.machine["cores"]
    return f" Other work was under way: a load of {load:g} on {cores} cores." if load > cores else ""


def notes_markdown(rows: Sequence[Row]) -> str:
    """Return what is to be said of single rows, those among them that have no figure."""
    return "\n".join(f"- {row.name}: {row.note}." for row in rows if row.note)


def ordered(rows: Sequence[Row], group: str) -> list[Row]:
    """Return the rows of a group: requests a second first, the fastest before the others."""
    return sorted(
        (row for row in rows if row.group == group),
        key=lambda row: (row.unit != "requests/s", -(row.median() or 0) if row.unit == "requests/s" else 0),
    )


def _row_markdown(row: Row) -> str:
    cells = [row.name, value(row), spread(row.spread())]
    cells += [number(row.median(name)) for name in ("p50_ms", "p99_ms", "cpu_us", "database_us")]
    return "| " + " | ".join([*cells, number(row.rss_mb)]) + " |"


def value(row: Row) -> str:
    median = row.median()
    return (
        "not measured"
        if median is None
        else f"{number(median)} {'/s' if row.unit == 'requests/s' else row.unit}"
    )


def machine_words(results: Results) -> str:
    """Return machine, date and versions in one paragraph."""
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    kind = " (virtual)" if machine["virtual"] else ""
    return (
        f"Measured {results.date.partition('T')[0]} on {machine['cpu']}{kind}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, {machine['system']}, Linux {machine['kernel']}. Versions: {versions}."
    )


def show(results: Results, console: Console) -> None:
    """Print one table of all rows and one of the targets."""
    table = Table(title="What was measured", title_justify="left")
    table.add_column("")
    for name in ("found", "rounds", "p50 ms", "p99 ms", "worker µs", "PG µs", "MB"):
        table.add_column(name, justify="right")
    for group, title in GROUPS.items():
        rows = ordered(results.rows, group)
        if rows:
            table.add_section()
            table.add_row(f"[bold]{title}")
        for row in rows:
            figures = [number(row.median(name)) for name in ("p50_ms", "p99_ms", "cpu_us", "database_us")]
            table.add_row(f"  {row.name}", value(row), spread(row.spread()), *figures, number(row.rss_mb))
    console.print(table)
    targets = Table(title="Targets", title_justify="left")
    for name in ("measure", "target", "found", "rounds", ""):
        targets.add_column(name)
    colours = {True: "green", False: "red", None: "yellow"}
    for each in results.targets:
        mark = f"[{colours[each.met]}]{verdict(each.met).strip('*')}"
        targets.add_row(each.measure.replace("`", ""), bound(each), found(each), spread(each.spread), mark)
    console.print(targets)
    for row in results.rows:
        if row.note:
            console.print(f"{row.name}: {row.note}", highlight=False, markup=False)

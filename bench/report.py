"""Writes what a run has found: JSON, tables and charts in `results/`, figures in the pages."""

import asyncio
import re
import subprocess
from pathlib import Path

from rich.console import Console

from bench import chart, install, sizing, tables
from bench.failures import NotMeasured
from bench.places import RESULTS, ROOT
from bench.results import Results

LATEST, GROWTH, TRAIL = RESULTS / "latest.json", RESULTS / "growth.json", RESULTS / "trail.json"
PAGE = ROOT / "docs" / "performance.md"
PAGES = (PAGE, ROOT / "README.md")
PICTURES = ROOT / "docs" / "images"
NOTHING = "Nothing has been measured yet."

PNG = """
import pathlib, resvg_py, sys
picture = resvg_py.svg_to_bytes(svg_path=sys.argv[1], zoom=2)
pathlib.Path(sys.argv[2]).write_bytes(bytes(picture))
"""


def keep(results: Results) -> Path:
    """Write a run's JSON to where its kind belongs; a quick one never replaces one to publish."""
    kind = next((each for each in ("growth", "trail") if results.plan.get(each)), "latest")
    path = RESULTS / f"{'quick-' if results.plan['quick'] else ''}{kind}.json"
    results.write(path)
    return path


def read(path: Path) -> Results | None:
    return Results.read(path) if path.exists() else None


def show(results: Results) -> None:
    tables.show(results, Console(width=160) if not Console().is_terminal else Console())


def publish() -> None:
    """Write tables, charts and pages anew from the JSON of the last runs."""
    latest, growth, trail = read(LATEST), read(GROWTH), read(TRAIL)
    for path in PAGES:
        path.write_text(inserted(path, latest, growth, trail), "utf-8")
    if latest is not None:
        (RESULTS / "latest.md").write_text(report(latest, growth, trail), "utf-8")
        drawing = RESULTS / "chart.svg"
        drawing.write_text(chart.svg(latest), "utf-8")
        picture = drawing.with_suffix(".png")
        draw(drawing, picture)
        for each in (drawing, picture):
            (PICTURES / f"performance{each.suffix}").write_bytes(each.read_bytes())


def draw(drawing: Path, picture: Path) -> None:
    """Make a PNG of an SVG.

    Raises:
        NotMeasured: what draws could not be installed, or failed.
    """
    interpreter = asyncio.run(install.python("chart"))
    done = subprocess.run(
        [interpreter, "-c", PNG, drawing, picture], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotMeasured(f"The chart could not be drawn: {done.stderr.strip()}")


def report(latest: Results, growth: Results | None, trail: Results | None) -> str:
    """Return everything as one page of Markdown."""
    parts = ["# Measured", parts_of(latest, growth, trail)["targets"], "## All rows", rows(latest)]
    if growth is not None:
        parts += ["## Growth", growth_of(growth)]
    if trail is not None:
        parts += ["## Overview and pages", tables.overview_markdown(trail)]
    return "\n\n".join([*parts, tables.machine_words(latest)]) + "\n"


def rows(latest: Results) -> str:
    parts = [tables.rows_markdown(latest.rows), tables.notes_markdown(latest.rows)]
    return "\n\n".join(part for part in parts if part)


def growth_of(growth: Results) -> str:
    """Return the rows of a growth run, with what is to be said of them."""
    notes = tables.notes_markdown(growth.rows)
    return "\n\n".join(part for part in (tables.growth_markdown(growth), notes) if part)


def parts_of(latest: Results | None, growth: Results | None, trail: Results | None) -> dict[str, str]:
    """Return what stands between the markers of the pages, by their names."""
    if latest is None:
        return dict.fromkeys(
            ("targets", "rows", "machine", "sizing", "assumptions", "growth", "overview", "chart"), NOTHING
        )
    targets = [verdict for run in (latest, growth, trail) if run for verdict in run.targets]
    return {
        "targets": tables.targets_markdown(targets),
        "rows": rows(latest),
        "machine": tables.machine_words(latest),
        "sizing": sizing.markdown(latest),
        "assumptions": sizing.assumptions(),
        "growth": NOTHING if growth is None else growth_of(growth),
        "overview": NOTHING if trail is None else tables.overview_markdown(trail),
    }


def inserted(page: Path, latest: Results | None, growth: Results | None, trail: Results | None) -> str:
    """Return the text of a page with what belongs between `<!-- bench:NAME -->` and `<!-- /bench -->`."""
    parts = parts_of(latest, growth, trail)
    if latest is not None:
        picture = (PICTURES / "performance.svg").relative_to(page.parent)
        parts["chart"] = f"![{chart.words(latest)}]({picture})"

    def part(found: re.Match[str]) -> str:
        return f"<!-- bench:{found[1]} -->\n\n{parts[found[1]]}\n\n<!-- /bench -->"

    return re.sub(r"<!-- bench:(\w+) -->\n.*?<!-- /bench -->", part, page.read_text("utf-8"), flags=re.DOTALL)

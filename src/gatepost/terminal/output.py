"""What commands print: text for people, or one JSON document for programs.

Results go to standard output, everything else to standard error, so that the one can be piped on.
"""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gatepost.errors import AdoptionRefused, GatepostError, SettingsError, ValidationFailed
from gatepost.models import utc_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

PIPED_WIDTH = 250
"""Columns of a table that no terminal limits."""

_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line and paragraph separators, changes of direction, lone surrogates."""


class Output:
    """Prints what a command has to say.

    Args:
        as_json: one JSON document instead of text.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def done(self, data: Mapping[str, Any], text: str, *, then: str | None = None) -> None:
        """Say what was done, and what to do next where there is something."""
        if self.as_json:
            self.document(data)
            return
        self.line(text)
        if then is not None:
            self.line(f"Next: {then}", style="dim")

    def table(
        self,
        data: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        columns: Mapping[str, str],
        *,
        empty: str,
        then: str | None = None,
    ) -> None:
        """Show rows.

        Args:
            data: the JSON document.
            rows: what stands in the table.
            columns: keys of the rows → heads of the columns.
            empty: what to say where there are no rows.
            then: what to do next.
        """
        if self.as_json:
            self.document(data)
            return
        if not rows:
            self.line(empty)
        else:
            self._print_table(rows, columns)
        if then is not None:
            self.line(f"Next: {then}", style="dim")

    def document(self, data: Mapping[str, Any], *, indent: int | None = 2) -> None:
        """Print a JSON document."""
        text = json.dumps(data, default=_plain, indent=indent)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def line(self, text: str, *, style: str = "") -> None:
        """Print a line of a result."""
        _write(_console(), text, style)

    def note(self, text: str, *, style: str = "dim") -> None:
        """Print a line that is no result."""
        _write(_console(stderr=True), text, style)

    def warn(self, text: str) -> None:
        """Print what should be known before going on."""
        self.note(f"Warning: {text}", style="yellow")

    def waiting(self, seconds: float, why: str) -> None:
        """Say that the database is away and when it is tried again."""
        self.note(f"Waiting for the database, retrying in {seconds:.1f} s: {why}", style="yellow")

    def fail(self, code: str, *lines: str) -> None:
        """Say why nothing, or not all, was done."""
        if self.as_json:
            self.document({"error": {"code": code, "message": "\n".join(lines)}})
            return
        for line in lines:
            self.note(f"Error: {line}", style="red")

    def _print_table(self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in columns.values():
            table.add_column(head, overflow="fold")
        for row in rows:
            table.add_row(*(Text(_visible(shown(row[key]))) for key in columns))
        _console().print(table)


def lines_of(error: GatepostError) -> list[str]:
    """Return what an error says, a line a mistake, with the notes that it has for the operator."""
    if isinstance(error, SettingsError):
        return error.problems
    if isinstance(error, AdoptionRefused):
        return error.message.split("\n")
    notes = getattr(error, "__notes__", ())
    if isinstance(error, ValidationFailed) and error.fields:
        return [*(f"{field}: {problem}" for field, problem in error.fields.items()), *notes]
    return [str(error), *notes]


def shown(value: object) -> str:
    """Return a value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={shown(item)}" for key, item in value.items())
    return str(value)


def _plain(value: datetime | UUID) -> str:
    """Return what is no JSON by itself, a time or an id, as JSON has it."""
    return utc_text(value) if isinstance(value, datetime) else str(value)


app_option: ContextVar[str | None] = ContextVar("app_option", default=None)
"""What `--app` names; None where it was not given."""


def program() -> str:
    """Return how to call this program from here: by its name where the PATH leads to it."""
    called, app = Path(sys.argv[0]), app_option.get()
    return f"{_program(called)} --app {shlex.quote(app)}" if app else _program(called)


def _program(called: Path) -> str:
    if called.name == "__main__.py":
        return "python -m gatepost"
    if called.suffix == ".py":
        return f"python {_from_here(called)}"  # a program of the application's own
    found = shutil.which("gatepost")
    if called.name != "gatepost" or (found is not None and Path(found).resolve() == called.resolve()):
        return "gatepost"
    return _from_here(called)


def _from_here(called: Path) -> str:
    path, here = called.absolute(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def progress_bar() -> "Progress":
    """Return how far work has come, to be shown on standard error while it is entered; on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, markup=False, width=None if stream.isatty() else PIPED_WIDTH)


def _write(console: "Console", text: str, style: str) -> None:
    from rich.text import Text

    console.print(Text(_visible(text), style=style), soft_wrap=True)


def _visible(text: str) -> str:
    """Return text that can't act on the terminal, whoever wrote it."""
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

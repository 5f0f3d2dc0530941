"""What is going on, for whoever waits."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)


class Progress:
    """A bar for the whole run, and what is being done just now beside it."""

    def __init__(self) -> None:
        self.console = Console(file=sys.stderr)
        self._bars = Bars(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self.console,
            transient=True,
        )
        self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def expect(self, steps: float) -> None:
        """Begin a bar of this many steps."""
        self._bars.update(self._task, total=steps, completed=0)

    def doing(self, what: str) -> None:
        self._bars.update(self._task, description=what)
        if not self.console.is_terminal:
            self.console.print(what, highlight=False)

    def done(self, steps: float = 1) -> None:
        self._bars.advance(self._task, steps)

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False)

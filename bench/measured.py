"""Rows that are not session checks: each knows by itself how it is measured."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bench.failures import NotMeasured, Wrong
from bench.results import Row, Sample


class Measured:
    """Gathers samples by row."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._faults: dict[str, str] = {}

    def row(self, key: str, group: str, name: str, unit: str = "requests/s") -> None:
        self._rows[key] = Row(key=key, group=group, name=name, unit=unit)

    def name(self, key: str) -> str:
        return self._rows[key].name

    def add(self, key: str, sample: Sample) -> None:
        row = self._rows[key]
        self._rows[key] = replace(row, samples=(*row.samples, sample))

    def note(self, key: str, note: str) -> None:
        self._rows[key] = replace(self._rows[key], note=note)

    async def take(self, key: str, sample: Callable[[], Awaitable[Sample]]) -> None:
        """Add a sample; what went wrong stands in the place of the whole row."""
        if key in self._faults:
            return
        try:
            self.add(key, await sample())
        except (NotMeasured, Wrong) as reason:
            self._faults[key] = f"not measured: {reason}"

    def rows(self) -> list[Row]:
        return [
            replace(row, samples=(), note=self._faults[row.key]) if row.key in self._faults else row
            for row in self._rows.values()
        ]

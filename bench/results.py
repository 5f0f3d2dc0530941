"""What a run leaves: rows of samples, the targets, the machine; as JSON and back."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement of a row, in one round.

    Attributes:
        value: in the row's unit.
        round: when it was taken; samples of a round belong together.
        p50_ms, p99_ms: of the answers' times.
        cpu_us: the worker's processor time an answer, in microseconds.
        database_us: PostgreSQL's.
    """

    value: float
    round: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_us: float | None = None
    database_us: float | None = None

    @property
    def database_ms(self) -> float | None:
        """The same in milliseconds."""
        return None if self.database_us is None else self.database_us / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured of one thing.

    Attributes:
        key: its name in the targets and the JSON.
        group: "limit", "gatepost", "app" or "peer".
        name: for people.
        unit: of its values, "requests/s" for most.
        samples: one a round; none where it could not be measured.
        rss_mb, pss_mb: the worker's memory after all rounds.
        note: what else a reader should know; why there are no samples.
    """

    key: str
    group: str
    name: str
    unit: str = "requests/s"
    samples: tuple[Sample, ...] = ()
    rss_mb: float | None = None
    pss_mb: float | None = None
    note: str | None = None

    def of(self, attribute: str = "value") -> tuple[float, ...]:
        """Return one figure of all samples that have it."""
        found = (getattr(sample, attribute) for sample in self.samples)
        return tuple(value for value in found if value is not None)

    def median(self, attribute: str = "value") -> float | None:
        """Return the median over the rounds; None where nothing was measured."""
        values = self.of(attribute)
        return statistics.median(values) if values else None

    def spread(self) -> tuple[float, float] | None:
        """Return the least and the greatest value."""
        return (min(self.of()), max(self.of())) if self.samples else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target and what was found.

    Attributes:
        key, measure: its name, and its words.
        bound: in words, like "≥ 0.55".
        value: what was found; None where it was not measured.
        spread: the least and the greatest of the rounds.
        met: None where it was not measured.
        unit: of the value; empty for a ratio.
    """

    key: str
    measure: str
    bound: str
    value: float | None
    spread: tuple[float, float] | None
    met: bool | None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A run."""

    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    plan: Mapping[str, Any]
    rows: Sequence[Row]
    targets: Sequence[Verdict] = ()
    facts: Mapping[str, float] = field(default_factory=dict)
    schema: int = SCHEMA

    def row(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.key == key), None)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_rounded(asdict(self)), indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Results":
        told = json.loads(path.read_text("utf-8"))
        if told.get("schema") != SCHEMA:
            raise ValueError(f"{path.name} has schema {told.get('schema')}, not {SCHEMA}")
        rows = [
            Row(**row | {"samples": tuple(Sample(**each) for each in row["samples"])}) for row in told["rows"]
        ]
        targets = [Verdict(**each | {"spread": _pair(each["spread"])}) for each in told["targets"]]
        return cls(**told | {"rows": rows, "targets": targets})


def ratios(over: Row, under: Row, attribute: str = "value") -> list[float]:
    """Return the ratios of the rounds that both rows have."""
    below = {sample.round: getattr(sample, attribute) for sample in under.samples}
    pairs = ((getattr(sample, attribute), below.get(sample.round)) for sample in over.samples)
    return [above / base for above, base in pairs if above is not None and base]


def _pair(values: Iterable[float] | None) -> tuple[float, float] | None:
    if values is None:
        return None
    least, greatest = values
    return least, greatest


def _rounded(value: Any) -> Any:
    """Four significant digits are more than a benchmark has to say."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value

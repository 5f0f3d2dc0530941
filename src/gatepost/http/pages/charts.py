"""Bars over time: their places are in percent, so that a chart fits any width with letters of one size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatepost.http.pages.language import Language
from gatepost.texts import Text

_GAP = 0.28
"""What of a bar's room is left free."""

_LEAST = 1.5
"""Percent that a bar is high at the least, so that one is not taken for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar; all places in percent of the chart, from its upper left corner.

    Attributes:
        x, y, width, height: where it stands.
        label: when, and how many.
        at, until: of the step it stands for.
        count: how many, as text.
    """

    x: str
    y: str
    width: str
    height: str
    label: str
    at: datetime
    until: datetime
    count: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A word below the chart.

    Attributes:
        x: its middle, in percent.
        text: a time.
        at: that time, where scripts put it into the reader's zone: days stay those of UTC.
    """

    x: str
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars over time, the last of them for a step that is not over.

    Attributes:
        bars: those that are not zero.
        is_last_open: the last of `bars` is the step that is not over.
        marks: what the lines at the top, in the middle and at the bottom stand for.
        ticks: times below.
        label: all of it in a sentence, for those who do not see it.
    """

    bars: tuple[Bar, ...]
    is_last_open: bool
    marks: tuple[str, str, str]
    ticks: tuple[Tick, ...]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The times that several charts share.

    Attributes:
        starts: when each step begins.
        step: how long each is.
    """

    starts: tuple[datetime, ...]
    step: timedelta

    @classmethod
    def of(cls, since: datetime, step: timedelta, points: int) -> "Axis":
        """Return the axis of so many steps since a time."""
        return cls(starts=tuple(since + step * number for number in range(points)), step=step)

    def label(self, language: Language, at: datetime) -> str:
        """Return how a step is called: by its day, and by its hour where it is shorter."""
        return language.short_day(at) if self.step >= timedelta(days=1) else language.short_time(at)

    def ticks(self, language: Language) -> tuple[Tick, ...]:
        """Return what stands below: every sixth hour, every day or every Monday."""
        if self.step >= timedelta(days=1):
            return self._ticks(language, lambda at: at.weekday() == 0, language.short_day)
        if self.step > timedelta(hours=1):
            return self._ticks(language, lambda at: at.hour == 12, language.weekday, shift=0.0)
        return self._ticks(language, lambda at: at.hour % 6 == 0, language.full_hour)

    def _ticks(
        self,
        language: Language,
        stands: Callable[[datetime], bool],
        text: Callable[[datetime], str],
        shift: float = 0.5,
    ) -> tuple[Tick, ...]:
        is_mirrored = language.direction == "rtl"
        places = ((index + shift) * 100 / len(self.starts) for index in range(len(self.starts)))
        return tuple(
            Tick(
                x=_percent(100 - x if is_mirrored else x),
                text=text(at),
                at=at if self.step <= timedelta(hours=1) else None,
            )
            for x, at in zip(places, self.starts, strict=True)
            # A word at the very edge would be cut off.
            if stands(at) and 3 <= x <= 97
        )


def chart(language: Language, axis: Axis, points: Sequence[int]) -> Chart:
    """Return the chart of what was counted in each step of an axis."""
    top = _top(max(points))
    room = 100 / len(points)
    bars = []
    for index, (at, count) in enumerate(zip(axis.starts, points, strict=True)):
        if not count:
            continue
        height = max(_LEAST, count * 100 / top)
        # Time goes as one reads.
        place = len(points) - 1 - index if language.direction == "rtl" else index
        bars.append(
            Bar(
                x=_percent((place + _GAP / 2) * room),
                y=_percent(100 - height),
                width=_percent(room * (1 - _GAP)),
                height=_percent(height),
                label=f"{axis.label(language, at)}: {language.number(count)}",
                at=at,
                until=at + axis.step,
                count=language.number(count),
            )
        )
    return Chart(
        bars=tuple(bars),
        is_last_open=bool(points[-1]),
        marks=(language.compact(top), language.compact(top // 2), language.number(0)),
        ticks=axis.ticks(language),
        label=_label(language, axis, points),
    )


def _label(language: Language, axis: Axis, points: Sequence[int]) -> str:
    most = max(points)
    if not most:
        return language.say(Text("chart.none"))
    when = axis.label(language, axis.starts[points.index(most)])
    return language.say(Text("chart.summary", total=sum(points), when=when, most=most))


def _top(most: int) -> int:
    """Return the next round number that has a whole half."""
    if most <= 10:
        return max(2, most + most % 2)
    power = 10
    while True:
        for tenths in (12, 16, 20, 30, 40, 50, 60, 80, 100):
            if most <= tenths * power // 10:
                return tenths * power // 10
        power *= 10


def _percent(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"

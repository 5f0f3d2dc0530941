"""How often something may be tried: `10 then 1/minute`."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_FORM = re.compile(r"(?P<burst>[0-9]{1,6}) then (?P<count>[0-9]{1,6})/(?P<unit>second|minute|hour|day)")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and then so many in each while.

    Attributes:
        burst: attempts at once.
        count: attempts that come back in each `unit`, one by one.
        unit: second, minute, hour or day.
    """

    burst: int
    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `10 then 1/minute`.

        Raises:
            ValueError: it is written in another way.
        """
        match = _FORM.fullmatch(" ".join(text.lower().split()))
        if match is None or not int(match["burst"]) or not int(match["count"]):
            raise ValueError(f"{text!r} is not a rate")
        return cls(int(match["burst"]), int(match["count"]), match["unit"])

    @property
    def emission(self) -> timedelta:
        """The time after which one attempt has come back: T of GCRA (ITU-T I.371)."""
        return timedelta(seconds=_UNITS[self.unit]) / self.count

    @property
    def tolerance(self) -> timedelta:
        """How far attempts may run ahead of their times: tau of GCRA."""
        return self.emission * (self.burst - 1)

    def __str__(self) -> str:
        return f"{self.burst} then {self.count}/{self.unit}"


def rate(value: object) -> object:
    """Read a rate from a setting; what is no text is left to the validation."""
    return Rate.parse(value) if isinstance(value, str) else value

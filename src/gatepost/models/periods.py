"""How far figures look back."""

from datetime import timedelta
from enum import StrEnum


class Period(StrEnum):
    """How far an overview looks back."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def step(self) -> timedelta:
        """How long one point of its series is."""
        return timedelta(hours={Period.DAY: 1, Period.WEEK: 6, Period.MONTH: 24}[self])

    @property
    def points(self) -> int:
        """How many points its series has."""
        return {Period.DAY: 24, Period.WEEK: 28, Period.MONTH: 30}[self]

    @property
    def length(self) -> timedelta:
        """How long all of them are together."""
        return self.points * self.step

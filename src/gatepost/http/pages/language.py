"""The language of a visit: its texts, and how it writes times and numbers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from babel.units import format_unit

from gatepost.models.bounds import ACCEPT_LANGUAGE_MAX
from gatepost.texts import LANGUAGES, Text, catalogue

_TAGS_MAX = 20
_TRADITIONAL = {"hant", "tw", "hk", "mo"}


class Language:
    """One of `LANGUAGES`.

    Args:
        name: of the catalogue.

    Attributes:
        tag: as HTML and HTTP write it (RFC 5646), like "zh-Hans".
    """

    def __init__(self, name: str) -> None:
        self.tag = name.replace("_", "-")
        self._name = name
        self._locale = Locale.parse(name)

    def say(self, text: Text) -> str:
        """Return a text in this language, its numbers with the separators of the language."""
        return catalogue(self._name).say(text, self.number)

    def pattern(self, id: str, count: int) -> str:  # noqa: A002 - the field's name for it
        """Return the sentence of a number of things with its placeholders, for scripts to fill in."""
        return catalogue(self._name).pattern(id, count) or id

    def time(self, at: datetime) -> str:
        """Return a time to the minute, in UTC; scripts put it into the reader's zone."""
        at = at.astimezone(UTC)
        return f"{self.day(at)}, {format_time(at, 'short', locale=self._locale)} UTC"

    def day(self, at: datetime) -> str:
        """Return the day of a time, in UTC."""
        return format_date(at.astimezone(UTC), "medium", locale=self._locale)

    def short_day(self, at: datetime) -> str:
        """Return the day of a time without its year, in UTC."""
        return str(format_skeleton("MMMd", at.astimezone(UTC), locale=self._locale))

    def short_time(self, at: datetime) -> str:
        """Return a time without its year, in UTC."""
        return f"{self.short_day(at)}, {self.hour(at)}"

    def weekday(self, at: datetime) -> str:
        """Return the day of the week of a time, in UTC, in a few letters."""
        return format_date(at.astimezone(UTC), "EEE", locale=self._locale)

    def hour(self, at: datetime) -> str:
        """Return the time of the day, in UTC."""
        return format_time(at.astimezone(UTC), "short", locale=self._locale)

    def full_hour(self, at: datetime) -> str:
        """Return the hour of the day, in UTC, in a few letters."""
        halves = "a" in str(self._locale.time_formats["short"].pattern)
        return format_time(at.astimezone(UTC), "h a" if halves else "HH:mm", locale=self._locale)

    def size(self, size: int) -> str:
        """Return a number of bytes in the unit that suits it, like 12.6 MB."""
        power = max(1, min(4, (len(str(size)) - 1) // 3))
        unit = ("kilobyte", "megabyte", "gigabyte", "terabyte")[power - 1]
        return format_unit(
            round(size / 1000**power, 1), f"digital-{unit}", length="short", locale=self._locale
        )

    def change(self, share: float) -> str:
        """Return by which share something has grown, 0.5 being by a half, with its sign."""
        sign = "+" if share > 0 else "\N{MINUS SIGN}" if share < 0 else "±"
        return sign + self.percent(abs(share))

    def number(self, number: float) -> str:
        """Return a number with the separators of this language."""
        return format_decimal(number, locale=self._locale)

    def compact(self, number: float) -> str:
        """Return a number in a few characters, like 12K."""
        return format_compact_decimal(number, locale=self._locale, fraction_digits=1)

    def percent(self, share: float) -> str:
        """Return a share, 0.5 being a half."""
        return format_percent(share, locale=self._locale)


@cache
def language(name: str) -> Language:
    """Return one of `LANGUAGES`."""
    return Language(name)


def negotiated(accepted: str) -> Language:
    """Return the language that a browser asks for most, of those there are (RFC 9110 §12.5.4).

    Args:
        accepted: the header `Accept-Language`.
    """
    for tag in _by_quality(accepted[:ACCEPT_LANGUAGE_MAX]):
        if tag == "*":
            break
        primary, *subtags = tag.lower().split("-")
        # Chinese without a script is written as where it is spoken.
        name = "zh_Hans" if primary == "zh" and not _TRADITIONAL.intersection(subtags) else primary
        if name in LANGUAGES:
            return language(name)
    return language(LANGUAGES[0])


def _by_quality(accepted: str) -> Iterator[str]:
    tags = []
    for item in accepted.split(",")[:_TAGS_MAX]:
        tag, _, quality = item.partition(";")
        try:
            weight = float(quality.strip().lower().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > 0:
            tags.append((-weight, tag.strip()))
    return (tag for _, tag in sorted(tags, key=lambda each: each[0]) if tag)

"""The language of a visit: its texts, and how it writes times and numbers."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import takewhile
from typing import Literal

from babel import Locale, localedata
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from babel.units import format_unit

from gatepost.models.bounds import ACCEPT_LANGUAGE_MAX
from gatepost.texts import LANGUAGES, Text, catalogue

_TAGS_MAX = 20
_TRADITIONAL = {"hant", "tw", "hk", "mo"}
_WRITTEN_AS = {"zh": "zh_Hans", "pt": "pt_BR"}
"""Language → the catalogue that there is of it, where the catalogue's name says more."""
_EXAMPLES = (0, 1, 2, 3, 11, 100)
"""A number for each plural category that a language may have."""
_REGION = re.compile(r"[a-z]{2}|[0-9]{3}")


class Language:
    """One of `LANGUAGES`, as a region writes it.

    Args:
        name: of the catalogue.
        region: by whose custom times and numbers are written, like "CH"; None is the language's own.

    Attributes:
        name, region: as given.
        tag: as HTML and HTTP write it (RFC 5646), like "zh-Hans" or "de-CH".
        direction: of its script.
    """

    def __init__(self, name: str, region: str | None = None) -> None:
        self.name, self.region = name, region
        self.tag = name.replace("_", "-") + ("" if region is None else f"-{region}")
        self._locale = Locale.parse(name if region is None else f"{name}_{region}")
        self.direction: Literal["ltr", "rtl"] = "rtl" if self._locale.text_direction == "rtl" else "ltr"

    @property
    def own_name(self) -> str:
        """What those who speak it call it, without a region."""
        named = str(Locale.parse(self.name).get_display_name())
        return named[:1].upper() + named[1:]

    def say(self, text: Text) -> str:
        """Return a text in this language, its numbers with the separators of the language."""
        return catalogue(self.name).say(text, self.number, self._isolated)

    def _isolated(self, value: str) -> str:
        """Keep what may be written in the other direction from turning the sentence (UAX 9 §2.7)."""
        if self.direction == "ltr" and (
            value.isascii() or not any(unicodedata.bidirectional(each) in {"R", "AL"} for each in value)
        ):
            return value
        return f"\u2068{value}\u2069"

    def patterns(self, id: str) -> dict[str, str]:  # noqa: A002 - the field's name for it
        """Return the sentences of numbers of things with their placeholders, for scripts to fill in.

        Returns:
            CLDR's plural category, as `Intl.PluralRules` names it → the sentence.
        """
        rule, said = self._locale.plural_form, catalogue(self.name)
        return {rule(count): said.pattern(id, count) or id for count in _EXAMPLES}

    def time(self, at: datetime, since: datetime | None = None) -> str:
        """Return a time to the minute, or a span of it, in UTC; scripts put it into the reader's zone."""
        told = f"{self.day(at)}, {self.hour(at)}"
        began = told if since is None else f"{self.day(since)}, {self.hour(since)}"
        if since is None or began == told:
            return f"{told} UTC"
        return f"{began} \N{EN DASH} {self.hour(at) if self.day(since) == self.day(at) else told} UTC"

    def clock(self, at: datetime) -> str:
        """Return the time of the day to the second, in UTC."""
        return format_time(at.astimezone(UTC), "medium", locale=self._locale)

    def full_day(self, at: datetime) -> str:
        """Return the day of a time with its day of the week, in UTC."""
        return format_date(at.astimezone(UTC), "full", locale=self._locale)

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
        # The sign stays before the number in a line that runs to the left.
        return ("\u200e" if self.direction == "rtl" else "") + sign + self.percent(abs(share))

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
def language(name: str, region: str | None = None) -> Language:
    """Return one of `LANGUAGES`, as a region writes it if Unicode's data knows how."""
    return Language(name, region)


def find_language(tag: str) -> Language | None:
    """Return the language that a tag means (RFC 5646), None where there is no catalogue of it."""
    primary, *subtags = tag.lower().split("-")
    # Chinese without a script is written as where it is spoken.
    if primary == "zh" and _TRADITIONAL.intersection(subtags):
        return None
    name = _WRITTEN_AS.get(primary, primary)
    if name not in LANGUAGES:
        return None
    # A letter by itself begins an extension, which names other things than regions.
    regions = filter(_REGION.fullmatch, takewhile(lambda each: len(each) > 1, subtags))
    region = next(regions, "").upper()
    known = region and localedata.exists(f"{name}_{region}")
    return language(name, region if known else None)


def negotiated(accepted: str, chosen: str | None = None) -> Language:
    """Return the language that was chosen, or else that a browser asks for most, of those there are.

    Where the choice names no region, the browser's for this language counts (RFC 9110 §12.5.4).

    Args:
        accepted: the header `Accept-Language`.
        chosen: a tag.
    """
    return _negotiated(accepted[:ACCEPT_LANGUAGE_MAX], chosen)


@lru_cache(maxsize=256)
def _negotiated(accepted: str, chosen: str | None) -> Language:
    tags = takewhile(lambda tag: tag != "*", _by_quality(accepted))
    asked = [found for tag in tags if (found := find_language(tag))]
    own = None if chosen is None else find_language(chosen)
    if own is None:
        return asked[0] if asked else language(LANGUAGES[0])
    regional = (each for each in asked if each.name == own.name)
    return next(regional, own) if own.region is None else own


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

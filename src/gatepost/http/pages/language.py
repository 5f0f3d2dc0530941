"""The language of a visit: its texts, and how it writes times and numbers.

The catalogues are gettext's, in `locale/`; a message without a translation stays English. They are
read as they are written (`.po`), once a process and language, so that nothing has to be compiled first.
"""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from babel.support import NullTranslations, Translations
from babel.units import format_unit

from gatepost.models.bounds import ACCEPT_LANGUAGE_MAX

LANGUAGES = ("en", "de", "es", "fr", "hi", "ja", "zh_Hans")
"""What there are catalogues of; the first is the language of the source."""

LOCALE_DIR = Path(__file__).parent / "locale"

_TAGS_MAX = 20
_TRADITIONAL = {"hant", "tw", "hk", "mo"}


def N_(message: str) -> str:  # noqa: N802 - gettext's name for it
    """Mark a text for the catalogues where it stands; it is translated where it is shown."""
    return message


SENTENCES = (
    N_("Use at most %(number)s characters"),
    N_("Use at least %(number)s characters"),
    N_("Use at most %(number)s accents or other marks on one character"),
    N_("Use valid Unicode: a half of a surrogate pair is no character"),
    N_("Give the address alone, without a name and angle brackets"),
    N_("The part before the @-sign has a character that only looks like a plain one"),
    N_("A name has no control characters, line breaks or halves of surrogate pairs"),
    N_("Give a name"),
    N_("Use another e-mail than the current one"),
    N_("Use another password than the current one"),
    N_("It is longer than the users table of this database takes"),
    N_("Another record has this already, and it may be there once"),
    N_("Another record has this value already"),
    N_("The rules of this application's database do not allow this"),
    N_("This value is not accepted here"),
    N_("This one is known from a data breach: choose another, and change it wherever you use it"),
    N_("This password is known from a data breach, and attackers try such passwords first"),
    N_("An email address must have an @-sign"),
    N_("There must be something before the @-sign"),
    N_("There must be something after the @-sign"),
    N_("An email address cannot have two periods in a row"),
    N_("Many people use this one: choose another, such as several words that do not belong together"),
    N_("This is the e-mail or the name of this service, or one of them backwards: choose another"),
    N_("The form can't be read"),
    N_("The password is wrong"),
    N_("There is no such session"),
)
"""What services say of fields; a number in it is left out."""


class Language:
    """One of `LANGUAGES`.

    Args:
        name: of the catalogue.

    Attributes:
        tag: as HTML and HTTP write it (RFC 5646), like "zh-Hans".
    """

    def __init__(self, name: str) -> None:
        self.tag = name.replace("_", "-")
        self._locale = Locale.parse(name)
        self._texts = _catalogue(name)

    def gettext(self, message: str) -> str:
        """Return a text in this language."""
        return self._texts.ugettext(message)

    def told(self, sentence: str, otherwise: str | None = None) -> str:
        """Return what a service says, in this language.

        Args:
            sentence: in English.
            otherwise: a text of the catalogues that stands in for one that has no translation; without it
                such a sentence stays English.
        """
        if (known := self.gettext(sentence)) != sentence:
            return known
        if number := re.search(r"\d+", sentence):
            general = sentence.replace(number[0], "%(number)s", 1)
            return self.gettext(general).replace("%(number)s", number[0])
        return sentence if otherwise is None else self.gettext(otherwise)

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return a text in the form that this language has for a number of things."""
        return self._texts.ungettext(one, many, count)

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


def _catalogue(name: str) -> NullTranslations:
    file = LOCALE_DIR / f"{name}.po"
    if not file.exists():
        return NullTranslations()
    compiled = io.BytesIO()
    with file.open("rb") as source:
        write_mo(compiled, read_po(source, locale=name))
    compiled.seek(0)
    return Translations(compiled)

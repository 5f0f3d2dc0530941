"""Texts and the catalogues that say them, read when a sentence of their language is first needed."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from gettext import c2py
from pathlib import Path
from typing import Self, TypeAlias

from gatepost.texts.po import Forms, read_po

Value: TypeAlias = str | int
"""What goes into a sentence; numbers are written as the language writes them, `str` as it is."""

LANGUAGES = ("en", "de", "es", "fr", "hi", "ja", "zh_Hans", "ar", "pt_BR")
"""What there are catalogues of; a text that one of the others lacks is said in the first."""

KERNEL = Path(__file__).parent / "locale"
"""Where the catalogues of all that is no feature's are."""

_directories = [KERNEL]
_PLURAL = re.compile(r"plural=([^;]+);")


def add(directory: Path) -> None:
    """Read the catalogues of this directory too, as a feature brings them."""
    if directory not in _directories:
        _directories.append(directory)
        catalogue.cache_clear()


class Text:
    """A sentence before it is in a language: its id and the values that go into it.

    Args:
        id: of the catalogues, such as `field.too_short`.
        values: for the placeholders; one called `count` chooses between singular and plural.

    Attributes:
        id, values: as given.
    """

    __slots__ = ("id", "values")

    def __init__(self, id: str, /, **values: Value) -> None:  # noqa: A002 - the field's name for it
        self.id = id
        self.values = values

    @classmethod
    def verbatim(cls, sentence: str) -> Self:
        """Return a sentence that has no id and stays as it is: a library's, or one for the operator."""
        return cls(sentence)

    @property
    def exists(self) -> bool:
        """Whether there is a sentence for it."""
        return catalogue(LANGUAGES[0]).pattern(self.id) is not None

    def __str__(self) -> str:
        """Say it in English."""
        return catalogue(LANGUAGES[0]).say(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self.id, self.values) == (other.id, other.values)

    def __hash__(self) -> int:
        return hash((self.id, *sorted(self.values.items())))

    def __repr__(self) -> str:
        values = "".join(f", {name}={value!r}" for name, value in self.values.items())
        return f"Text({self.id!r}{values})"


class Catalogue:
    """The sentences of one language.

    Args:
        messages: id → what is said.
        plural: number → index of its plural form.
        fallback: asked for what has no sentence here.
    """

    def __init__(
        self, messages: Mapping[str, Forms], plural: Callable[[int], int], fallback: "Catalogue | None"
    ) -> None:
        self._messages = messages
        self._plural = plural
        self._fallback = fallback

    def say(self, text: Text, number: Callable[[int], str] = str, word: Callable[[str], str] = str) -> str:
        """Return a text in this language.

        Args:
            text: to be said.
            number: writes its numbers.
            word: writes its strings.
        """
        count = text.values.get("count", 1)
        pattern = self.pattern(text.id, count if isinstance(count, int) else 1)
        if pattern is None:
            return text.id
        return pattern % {
            name: number(value) if isinstance(value, int) else word(value)
            for name, value in text.values.items()
        }

    def pattern(self, id: str, count: int = 1) -> str | None:  # noqa: A002 - the field's name for it
        """Return the sentence of an id with its placeholders, None where there is none.

        Args:
            id: of the text.
            count: what the plural form is for.
        """
        forms = self._messages.get(id)
        if forms is not None:
            return forms[self._plural(count)] if len(forms) > 1 else forms[0]
        return None if self._fallback is None else self._fallback.pattern(id, count)


@cache
def catalogue(language: str) -> Catalogue:
    """Return the catalogue of one of `LANGUAGES`."""
    messages: dict[str, Forms] = {}
    plural: Callable[[int], int] = lambda count: int(count != 1)  # noqa: E731 - the common rule
    for directory in _directories:
        file = directory / f"{language}.po"
        if file.exists():
            found = read_po(file.read_text("utf-8").splitlines())
            if rule := _PLURAL.search(found.pop("", ("",))[0]):
                plural = c2py(rule[1])
            messages |= found
    is_first = language == LANGUAGES[0]
    return Catalogue(messages, plural, None if is_first else catalogue(LANGUAGES[0]))

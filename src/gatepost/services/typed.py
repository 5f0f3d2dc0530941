"""What was typed into a field, read by a rule."""

from collections.abc import Callable
from typing import TypeVar

from gatepost.errors import InvalidValue, ValidationFailed

Read = TypeVar("Read")


def read(field: str, typed: str, rule: Callable[[str], Read]) -> Read:
    """Return what a rule makes of a text.

    Args:
        field: what the text is called where it was typed.
        typed: any text, of any length.
        rule: bounds it first; raises InvalidValue for what does not fit.

    Raises:
        ValidationFailed: it does not fit; `fields` has the sentence.
    """
    try:
        return rule(typed)
    except InvalidValue as error:
        raise ValidationFailed({field: error.text}) from None

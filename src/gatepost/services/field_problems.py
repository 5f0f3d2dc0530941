"""What pydantic finds wrong with a field, in the words of the catalogues."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from gatepost.texts import Text, Value

_NOT_A_NUMBER, _NOT_WHOLE = Text("field.not_number"), Text("field.not_integer")
_NOT_A_DATE, _NOT_A_URL = Text("field.date"), Text("field.url")
_NONE_OF_THESE, _NOT_BOOLEAN = Text("field.choose_one"), Text("field.not_boolean")

_BY_TYPE: Mapping[str, Text] = {
    "missing": Text("field.required"),
    "string_type": Text("field.not_text"),
    "string_pattern_mismatch": Text("field.pattern"),
    "bool_type": _NOT_BOOLEAN,
    "bool_parsing": _NOT_BOOLEAN,
    "int_type": _NOT_WHOLE,
    "int_parsing": _NOT_WHOLE,
    "int_parsing_size": _NOT_WHOLE,
    "int_from_float": _NOT_WHOLE,
    "float_type": _NOT_A_NUMBER,
    "float_parsing": _NOT_A_NUMBER,
    "decimal_type": _NOT_A_NUMBER,
    "decimal_parsing": _NOT_A_NUMBER,
    "finite_number": _NOT_A_NUMBER,
    "date_type": _NOT_A_DATE,
    "date_parsing": _NOT_A_DATE,
    "date_from_datetime_parsing": _NOT_A_DATE,
    "date_from_datetime_inexact": _NOT_A_DATE,
    "url_type": _NOT_A_URL,
    "url_parsing": _NOT_A_URL,
    "url_scheme": _NOT_A_URL,
    "enum": _NONE_OF_THESE,
    "literal_error": _NONE_OF_THESE,
}
"""pydantic's name of a mistake (docs.pydantic.dev/latest/errors/validation_errors) → what is accepted."""


def described(problem: ErrorDetails) -> Text:
    """Return what is accepted instead. Rules of the application speak for themselves, in their own words."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if kind == "value_error":
        return _raised(problem, context)
    return _bounded(kind, context) or Text.verbatim(problem["msg"])


def _raised(problem: ErrorDetails, context: Mapping[str, Any]) -> Text:
    if isinstance(error := context.get("error"), ValueError):
        return Text.verbatim(str(error))
    is_about_an_email = re.match("value is not a valid email address", problem["msg"])
    return Text("field.email.invalid") if is_about_an_email else Text.verbatim(problem["msg"])


def _bounded(kind: str, context: Mapping[str, Any]) -> Text | None:
    """Return what is said of a value beyond a bound; None of another mistake."""
    match kind:
        case "string_too_short" if context["min_length"] == 1:
            return Text("field.required")
        case "string_too_short":
            return Text("field.too_short", count=context["min_length"])
        case "string_too_long":
            return Text("field.too_long", count=context["max_length"])
        case "greater_than":
            return Text("field.above", limit=_number(context["gt"]))
        case "greater_than_equal":
            return Text("field.at_least", limit=_number(context["ge"]))
        case "less_than":
            return Text("field.below", limit=_number(context["lt"]))
        case "less_than_equal":
            return Text("field.at_most", limit=_number(context["le"]))
    return None


def _number(limit: object) -> Value:
    return limit if isinstance(limit, int) else str(limit)

"""What a filter asks for, in words."""

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gatepost.models.times import utc_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def told(asked: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a filter that are set, as the detail of an event has them."""
    found = {each.name: getattr(asked, each.name) for each in fields(asked)}
    return {
        name: utc_text(value) if isinstance(value, datetime) else value
        for name, value in found.items()
        if value is not None
    }

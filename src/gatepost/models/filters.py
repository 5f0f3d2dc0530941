"""What a filter asks for, in words."""

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gatepost.models.times import utc_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return utc_text(value)
    return str(value) if isinstance(value, UUID) else value


def as_detail(asked: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a filter that are set, as the detail of an event has them."""
    found = {each.name: getattr(asked, each.name) for each in fields(asked)}
    return {name: _plain(value) for name, value in found.items() if value is not None}

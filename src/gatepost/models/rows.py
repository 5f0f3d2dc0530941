"""A row of the database, as values are read from it."""

from typing import Any, Protocol, Self

import msgspec


class Row(Protocol):
    """A row of the database, read by the columns' names."""

    def __getitem__(self, column: str, /) -> Any: ...  # noqa: ANN401 - a column may hold anything


class Columns(msgspec.Struct, frozen=True, gc=False):
    """A value whose fields are columns of a row, by the same names."""

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns that have the names of the fields."""
        return cls(**{name: row[name] for name in cls.__struct_fields__})


def row_id(text: str) -> int | None:
    """Return the id of a row that a text names; None for what can't be one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

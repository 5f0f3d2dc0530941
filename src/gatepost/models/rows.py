"""A row of the database, as values are read from it."""

from typing import Any, Protocol


class Row(Protocol):
    """A row of the database, read by the columns' names."""

    def __getitem__(self, column: str, /) -> Any: ...  # noqa: ANN401 - a column may hold anything

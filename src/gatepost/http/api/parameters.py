"""Parameters that several operations have: the id of a row, and the pages of a list."""

from typing import Annotated, TypeAlias

from fastapi import Path, Query

from gatepost.models.bounds import CURSOR_MAX

_FOLLOWING = "`next_cursor` of the previous page."

RowId: TypeAlias = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="From the list.")]
"""The `id` in a path, of what is no user."""

Limit: TypeAlias = Annotated[int, Query(ge=1, le=200, description="How many a page has.")]
"""How many a page of a list has."""

RowCursor: TypeAlias = Annotated[int | None, Query(ge=1, le=2**63 - 1, description=_FOLLOWING)]
"""Where a page of a list begins that is in the order of ids."""

Cursor: TypeAlias = Annotated[str | None, Query(max_length=CURSOR_MAX, description=_FOLLOWING)]
"""Where a page of a list begins that is in another order."""

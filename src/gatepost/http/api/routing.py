"""The routers of the API: every operation has the name of its function."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from fastapi import APIRouter, Depends


def router_of(tag: str, *asked: Callable[..., Any]) -> APIRouter:
    """Return a router for the operations under a tag.

    Args:
        tag: the tag.
        asked: dependencies of each operation.
    """
    return APIRouter(
        tags=[tag],
        dependencies=[Depends(each) for each in asked],
        generate_unique_id_function=attrgetter("name"),
    )

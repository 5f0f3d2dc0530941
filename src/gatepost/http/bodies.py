"""Bodies as JSON, taken only where nobody would read them otherwise (ASVS 1.5.3)."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from starlette.requests import Request

from gatepost.errors import MalformedJson


async def unambiguous_body(request: Request) -> None:
    """Refuse a body that another program may read differently, a proxy or a log in front.

    Of what the framework takes these are another encoding than UTF-8 and a byte order mark (RFC 8259 §8.1),
    a name that an object has twice (§4), `NaN` and `Infinity` (§6). A dependency of every router with an
    operation that takes a body.

    Raises:
        MalformedJson: it is such a body.
    """
    if body := await request.body():
        try:
            json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise MalformedJson from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")

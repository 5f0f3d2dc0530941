"""What binds the codes of mails to the browser in which they were asked for, a cookie (ASVS 6.6.2).

A code that somebody is talked out of, or that is read over their shoulder, is of no use elsewhere, and nobody
else takes its tries. A link works in any browser, because mail is often read on another device; its page says
whose account it opens, and that it was asked for elsewhere.
"""

import re
import secrets

from starlette.responses import Response
from starlette.types import Scope

from gatepost.http.edge import Edge
from gatepost.security.links import CODE_LIFETIME

_BYTES = 32

_is_ours = re.compile(r"[\w-]{43}", re.ASCII).fullmatch


def browser_of(edge: Edge, scope: Scope) -> str:
    """Return what the browser keeps, or what it is to keep from now on: two requests don't end each other."""
    kept = edge.cookies.asked(scope)
    return kept if kept is not None and _is_ours(kept) else secrets.token_urlsafe(_BYTES)


def bind(response: Response, edge: Edge, browser: str | None) -> Response:
    """Have the browser keep it for as long as a code works."""
    if browser is not None:
        seconds = int(CODE_LIFETIME.total_seconds())
        response.raw_headers.append(edge.cookies.set_asked(browser, seconds=seconds))
    return response

"""A secret that a link has in its address: the page moves it into a cookie, and shows itself without.

Neither the address nor the history nor a `Referer` keeps it. Whatever fetches the page (mail scanners do, and
run its scripts) may do so as often as it likes.
"""

import re
from datetime import timedelta

from starlette.responses import Response

from gatepost.http.pages.visit import Visit
from gatepost.models.bounds import TOKEN_MAX

KEPT = timedelta(minutes=30)
"""How long a browser keeps the token of a link that was followed."""

_is_token = re.compile(rf"[\w-]{{1,{TOKEN_MAX}}}", re.ASCII).fullmatch


def moved(visit: Visit, purpose: str, *, named: str, to: str) -> Response | None:
    """Lead on from the address with a token to the one without; None where there is none in it.

    Args:
        visit: the request.
        purpose: what the link is for.
        named: the parameter of the address that has the token.
        to: the address without.
    """
    token = visit.request.query_params.get(named)
    if token is None:
        return None
    response = visit.redirect(to)
    kept = token if _is_token(token) else "none"
    seconds = int(KEPT.total_seconds())
    response.raw_headers.append(visit.edge.cookies.set_link(f"{purpose}.{kept}", seconds=seconds))
    return response


def kept_token(visit: Visit, purpose: str) -> str | None:
    """Return the token of the link that was followed last; None where none was, or one for something else."""
    kept_for, _, token = (visit.edge.cookies.link(visit.request.scope) or "").partition(".")
    return token if kept_for == purpose else None


def forgotten(visit: Visit, response: Response) -> Response:
    """Have the browser keep the token no longer."""
    response.raw_headers += visit.edge.cookies.clear_link(visit.request.scope)
    return response

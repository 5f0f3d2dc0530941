"""Where a mailed link leads: the token moves out of the address, and a button has to be pressed.

Whatever fetches the page (mail scanners do, and run its scripts) may do so as often as it likes. The first
answer leads to the page without the token, which a cookie holds for a while: neither the address nor the
history nor a `Referer` keeps it.
"""

import hashlib
import re
from datetime import timedelta

from starlette.responses import Response

from gatepost.errors import FormExpired
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.links import Shown
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models.bounds import TOKEN_MAX

KEPT = timedelta(minutes=30)
"""How long a browser keeps the token of a link that was followed."""

_is_token = re.compile(rf"[\w-]{{1,{TOKEN_MAX}}}", re.ASCII).fullmatch


def moved(visit: Visit, purpose: Purpose) -> Response | None:
    """Lead on from the address with a token to the one without; None where there is none in it."""
    token = visit.request.query_params.get("token")
    if token is None:
        return None
    response = visit.redirect(visit.url(visit.path))
    kept = token if _is_token(token) else "none"
    seconds = int(KEPT.total_seconds())
    response.raw_headers.append(visit.edge.cookies.set_link(f"{purpose}.{kept}", seconds=seconds))
    return response


def kept_token(visit: Visit, purpose: Purpose) -> str | None:
    """Return the token of the link that was followed, for its page; None where none was that is for it."""
    token = _kept(visit, purpose)
    visit.followed = None if token is None else _name_of(token)
    return token


def sent_token(visit: Visit, form: Form, purpose: Purpose) -> str:
    """Return the token of the link whose page a form was sent from; empty where the browser keeps none.

    Raises:
        FormExpired: another link was followed meanwhile, in another tab; its page is shown first.
    """
    token = _kept(visit, purpose)
    if token is not None and form.get("followed") != _name_of(token):
        raise FormExpired
    return token or ""


def _kept(visit: Visit, purpose: Purpose) -> str | None:
    kept_for, _, token = (visit.edge.cookies.link(visit.request.scope) or "").partition(".")
    return token if kept_for == purpose else None


def _name_of(token: str) -> str:
    """Return what names a link on its page, where the token itself is not to be read."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def shown(visit: Visit, form: Form, purpose: Purpose) -> Shown:
    """Return what a form has been sent with: a code that was typed, or else the link that was followed.

    Raises:
        FormExpired: as `sent_token`.
    """
    if "code" in form:
        browser = visit.edge.cookies.asked(visit.request.scope)
        return Shown(email=form.get("email"), code=form["code"], browser=browser)
    return Shown(token=sent_token(visit, form, purpose))


def forgotten(visit: Visit, response: Response) -> Response:
    """Have the browser keep the token no longer."""
    response.raw_headers += visit.edge.cookies.clear_link(visit.request.scope)
    return response


def not_good(visit: Visit, *, again: str | None) -> Response:
    """Answer that a link is not good, or no longer, and where one has another sent, where one can."""
    page = visit.render("mail_link_invalid.html", again=again, status=InvalidLink.status)
    return forgotten(visit, page)

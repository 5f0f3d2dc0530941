"""Where a mailed link leads: the token moves out of the address, and a button has to be pressed.

The first answer leads to the page without the token, which a cookie holds for a while.
"""

import hashlib

from starlette.responses import Response

from gatepost.errors import FormExpired
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.links import Shown
from gatepost.http.pages import followed_links
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


def moved(visit: Visit, purpose: Purpose) -> Response | None:
    """Lead on from the address with a token to the one without; None where there is none in it."""
    return followed_links.moved(visit, purpose, named="token", to=visit.url(visit.path))


def kept_token(visit: Visit, purpose: Purpose) -> str | None:
    """Return the token of the link that was followed, for its page; None where none was that is for it."""
    token = followed_links.kept_token(visit, purpose)
    visit.followed = None if token is None else _name_of(token)
    return token


def sent_token(visit: Visit, form: Form, purpose: Purpose) -> str:
    """Return the token of the link whose page a form was sent from; empty where the browser keeps none.

    Raises:
        FormExpired: another link was followed meanwhile, in another tab; its page is shown first.
    """
    token = followed_links.kept_token(visit, purpose)
    if token is not None and form.get("followed") != _name_of(token):
        raise FormExpired
    return token or ""


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


def not_good(visit: Visit, *, again: str | None) -> Response:
    """Answer that a link is not good, or no longer, and where one has another sent, where one can."""
    page = visit.render("mail_link_invalid.html", again=again, status=InvalidLink.status)
    return followed_links.forgotten(visit, page)

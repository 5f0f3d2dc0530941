"""Sign out: asks once, because links may be followed by programs."""

from contextlib import suppress

from starlette.responses import Response

from gatepost.errors import AuthenticationError, NotAuthenticated, SessionReplaced
from gatepost.http import browser
from gatepost.http.dependencies import ERROR_KEY
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Ask; who is signed in no more, however that came, is where this would lead.

    A cookie that opens nothing goes as well, unless another request has put a newer one in its place.
    """
    if visit.session is None:
        response = visit.redirect(visit.url("/sign-in"))
        if not isinstance(visit.request.scope[ERROR_KEY], NotAuthenticated | SessionReplaced):
            browser.forget(response, visit.edge, visit.request.scope, by_cookie=True)
        return response
    return visit.render("sign_out.html", done=False)


async def submit(visit: Visit, _: Form) -> Response:
    """End the session; the browser keeps nothing of it."""
    with suppress(AuthenticationError):  # it has ended meanwhile
        await visit.gate.session_tokens.revoke(visit.token, visit.client, by_cookie=visit.by_cookie)
    visit.session = None
    response = visit.render("sign_out.html", done=True)
    browser.forget(response, visit.edge, visit.request.scope, by_cookie=True)
    return response

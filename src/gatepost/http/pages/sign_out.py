"""Sign out: asks once, because links may be followed by programs."""

from contextlib import suppress

from starlette.responses import Response

from gatepost.errors import AuthenticationError
from gatepost.http import browser
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Ask; who is signed in no more, however that came, is where this would lead."""
    if visit.session is None:
        return visit.redirect(visit.url("/sign-in"))
    return visit.render("sign_out.html", done=False)


async def submit(visit: Visit, _: Form) -> Response:
    """End the session; the browser keeps nothing of it."""
    with suppress(AuthenticationError):  # it has ended meanwhile
        await visit.gate.sessions.revoke(visit.token, visit.client, by_cookie=visit.by_cookie)
    visit.session = None
    response = visit.render("sign_out.html", done=True)
    browser.forget(response, visit.edge, visit.request.scope, by_cookie=True)
    return response

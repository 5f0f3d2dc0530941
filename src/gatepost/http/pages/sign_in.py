"""Sign in with e-mail and password, and go on to where one was."""

from typing import Any

from starlette.responses import Response

from gatepost.errors import PasswordChangeRequired
from gatepost.http import browser
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit, **shown: Any) -> Response:  # noqa: ANN401 - what templates show
    """Show the form, and what features have to show with it; who is signed in already goes on."""
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    ways = [template for each in visit.site.sign_in_ways if (template := each(visit)) is not None]
    is_open = visit.gate.settings.registration == "open"
    return visit.render("sign_in.html", is_open=is_open, ways=ways, **shown)


async def submit(visit: Visit, form: Form) -> Response:
    """Start a session; who has a temporary password goes on to choose their own first.

    Raises:
        ValidationFailed, InvalidCredentials, TooManyAttempts: as `Logins.by_password`.
    """
    try:
        signed_in = await visit.gate.logins.by_password(
            email=form.get("email", ""),
            password=form.get("password", ""),
            client=visit.client,
            device=visit.edge.cookies.device(visit.request.scope),
            remembered="remember" in form,
            by_cookie=True,
            asks_next=True,
        )
    except PasswordChangeRequired as error:
        response = visit.redirect(visit.url("/sign-in/new-password", next=visit.next))
        browser.keep_challenge(response, visit.edge, error)
        return response
    return await visit.begin(signed_in)

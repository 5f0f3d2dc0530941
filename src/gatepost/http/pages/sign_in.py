"""Sign in with e-mail and password, and go on to where one was."""

from starlette.responses import Response

from gatepost.errors import FormExpired
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on, who sent the form twice among them."""
    if visit.session is not None and (visit.error is None or isinstance(visit.error, FormExpired)):
        return visit.redirect(visit.next or visit.url("/account"))
    return visit.render("sign_in.html")


async def submit(visit: Visit, form: Form) -> Response:
    """Start a session.

    Raises:
        ValidationFailed, InvalidCredentials, TooManyAttempts: as `Accounts.login`.
    """
    signed_in = await visit.gate.accounts.login(
        email=form.get("email", ""),
        password=form.get("password", ""),
        client=visit.client,
        device=visit.edge.cookies.device(visit.request.scope),
        remembered="remember" in form,
    )
    return await visit.begin(signed_in)

"""Make an account."""

from starlette.responses import Response

from gatepost.errors import FormExpired
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on, who sent the form twice among them."""
    if visit.session is not None and (visit.error is None or isinstance(visit.error, FormExpired)):
        return visit.redirect(visit.next or visit.url("/account"))
    return visit.render("sign_up.html", min_length=visit.gate.settings.password_min_length)


async def submit(visit: Visit, form: Form) -> Response:
    """Make the account and start its first session.

    Raises:
        ValidationFailed, EmailTaken, TooManyAttempts: as `Accounts.register`.
    """
    signed_in = await visit.gate.accounts.register(
        email=form.get("email", ""),
        name=form.get("name", ""),
        password=form.get("password", ""),
        client=visit.client,
    )
    return await visit.begin(signed_in)

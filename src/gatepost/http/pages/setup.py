"""The first administrator, made by the link that the server prints while there is none."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form.

    Raises:
        InvalidSetupLink, TooManyAttempts: the link is not good.
    """
    if visit.has_begun:
        return visit.redirect(visit.url("/admin"))
    token = _token(visit, visit.typed)
    await visit.gate.setup.look(token, client=visit.client)
    return visit.render("setup.html", token=token, min_length=visit.gate.settings.password_min_length)


async def submit(visit: Visit, form: Form) -> Response:
    """Make the administrator, and go on to the console.

    Raises:
        InvalidSetupLink, ValidationFailed, EmailTaken, TooManyAttempts: as `Setup.redeem`.
    """
    signed_in = await visit.gate.setup.redeem(
        token=_token(visit, form),
        email=form.get("email", ""),
        name=form.get("name", ""),
        password=form.get("password", ""),
        client=visit.client,
    )
    return await visit.begin(signed_in, path="/admin")


def _token(visit: Visit, form: Form) -> str:
    return form.get("token") or visit.request.query_params.get("token") or ""

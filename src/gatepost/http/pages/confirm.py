"""The password again, before something that a session alone is not enough for (ASVS 7.5.3)."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form."""
    return visit.render("confirm.html")


async def submit(visit: Visit, form: Form) -> Response:
    """Make the session fresh and go on.

    Raises:
        ValidationFailed, InvalidCredentials, TooManyAttempts: as `Credentials.confirm`.
    """
    signed_in = await visit.gate.credentials.confirm(
        visit.token, form.get("password", ""), visit.client, by_cookie=visit.by_cookie
    )
    return visit.go_on(signed_in, visit.next or visit.url("/account"))

"""The end of an account: says what goes and what stays, and asks for the password and a yes."""

from starlette.responses import Response

from gatepost.errors import ValidationFailed
from gatepost.http import browser
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text

_NOT_SURE = Text("field.delete_sure")


async def show(visit: Visit) -> Response:
    """Show what would happen, and the form."""
    own = await visit.gate.own_passwords.of(visit.signed_in.user.id)
    return visit.render("delete.html", done=False, own=own)


async def submit(visit: Visit, form: Form) -> Response:
    """Delete the account; the browser keeps nothing of it.

    Raises:
        ValidationFailed: it was not said for sure, or as `Profiles.erase`.
        InvalidCredentials, TooManyAttempts, LastAdmin, AccountInUse: as `Profiles.erase`.
    """
    if "sure" not in form:
        raise ValidationFailed({"sure": _NOT_SURE})
    await visit.gate.profiles.erase(
        visit.token, form.get("password"), visit.client, by_cookie=visit.by_cookie
    )
    visit.session = None
    response = visit.render("delete.html", done=True)
    browser.forget(response, visit.edge, visit.request.scope, by_cookie=True)
    return response

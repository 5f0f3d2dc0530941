"""Another password; every other session ends with the change."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form."""
    return visit.render("password.html", min_length=visit.gate.settings.password_min_length)


async def submit(visit: Visit, form: Form) -> Response:
    """Change the password and go on with a new session.

    Raises:
        ValidationFailed, InvalidCredentials, TooManyAttempts: as `OwnPasswords.change`.
    """
    signed_in = await visit.gate.own_passwords.change(
        visit.token, form.get("current"), form.get("new", ""), visit.client, by_cookie=visit.by_cookie
    )
    return visit.go_on(signed_in, visit.url("/security"), notice=f"password_changed.{signed_in.others_ended}")

"""Another e-mail; every other session ends with the change."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form."""
    return visit.render("email.html")


async def submit(visit: Visit, form: Form) -> Response:
    """Change the e-mail and go on with a new session.

    Raises:
        ValidationFailed, InvalidCredentials, EmailTaken, TooManyAttempts: as `Profiles.change_email`.
    """
    signed_in = await visit.gate.profiles.change_email(
        visit.token, form.get("email", ""), form.get("password", ""), visit.client, by_cookie=visit.by_cookie
    )
    return visit.go_on(signed_in, visit.url("/security"), notice=f"email_changed.{signed_in.others_ended}")

"""Another password, a first one, or none any more; every other session ends with the change."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form."""
    own = await visit.gate.own_passwords.of(visit.signed_in.user.id)
    return visit.render("password.html", own=own, min_length=visit.gate.settings.password_min_length)


async def submit(visit: Visit, form: Form) -> Response:
    """Change the password and go on with a new session.

    Raises:
        ValidationFailed, InvalidCredentials, FreshSessionRequired, TooManyAttempts: as `OwnPasswords.change`.
    """
    signed_in = await visit.gate.own_passwords.change(
        visit.token, form.get("current"), form.get("new", ""), visit.client, by_cookie=visit.by_cookie
    )
    return visit.go_on(signed_in, visit.url("/security"), notice=f"password_changed.{signed_in.others_ended}")


async def ask_to_remove(visit: Visit) -> Response:
    """Say what goes with it; whose password can't go is led back."""
    own = await visit.gate.own_passwords.of(visit.signed_in.user.id)
    if not own.may_go:
        return visit.redirect(visit.url("/security"))
    return visit.render("remove_password.html")


async def remove(visit: Visit, _: Form) -> Response:
    """Remove it and go on with a new session.

    Raises:
        NotFound, LastWayIn, FreshSessionRequired: as `OwnPasswords.remove`.
    """
    signed_in = await visit.gate.own_passwords.remove(visit.token, visit.client, by_cookie=visit.by_cookie)
    return visit.go_on(signed_in, visit.url("/security"), notice="password_removed")

"""Another e-mail; every other session ends with the change."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import PendingEmail


async def show(visit: Visit) -> Response:
    """Show the form."""
    own = await visit.gate.own_passwords.of(visit.signed_in.user.id)
    return visit.render("email.html", own=own)


async def submit(visit: Visit, form: Form) -> Response:
    """Change the e-mail and go on with a new session, or say that its mailbox has to answer first.

    Raises:
        ValidationFailed, InvalidCredentials, EmailTaken, FreshSessionRequired, TooManyAttempts: as
            `Profiles.change_email`.
    """
    changed = await visit.gate.profiles.change_email(
        visit.token, form.get("email", ""), form.get("password"), visit.client, by_cookie=visit.by_cookie
    )
    if isinstance(changed, PendingEmail):
        return visit.redirect(visit.url("/security"), notice="email_pending")
    return visit.go_on(changed, visit.url("/security"), notice=f"email_changed.{changed.others_ended}")

"""Sign in with e-mail and password, and go on to where one was."""

from starlette.responses import Response

from gatepost.errors import PasswordChangeRequired
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on. A temporary password asks for another one."""
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    settings = visit.gate.settings
    return visit.render(
        "sign_in.html",
        is_open=settings.registration == "open",
        is_temporary=isinstance(visit.error, PasswordChangeRequired) or "new_password" in visit.typed,
        min_length=settings.password_min_length,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Start a session; who has a temporary password is asked for another one first.

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
            new_password=form.get("new_password"),
        )
    except PasswordChangeRequired as error:
        visit.error = error  # no mistake: nothing is told as one
        response = await show(visit)
        response.status_code = error.status
        return response
    return await visit.begin(signed_in)

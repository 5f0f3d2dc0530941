"""Forgotten passwords: where one has a link sent, and where another password is chosen."""

from starlette.responses import Response

from gatepost.features.email import landing
from gatepost.features.email.again import waiting
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.mailroom import see_that
from gatepost.features.email.mails import Mail
from gatepost.features.email.passwords import ForgottenPasswords
from gatepost.http import binding
from gatepost.http.pages import followed_links
from gatepost.http.pages.forms import Form
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit

FORGOT, RESET = "/forgot-password", "/reset-password"


async def ask(visit: Visit) -> Response:
    """Show the form.

    Raises:
        NotFound: there is no way to send mail.
    """
    see_that(visit.gate.service(ForgottenPasswords).is_on)
    return visit.render("forgot_password.html")


async def send(visit: Visit, form: Form) -> Response:
    """Have a mail sent, and say so, whoever it is.

    Raises:
        NotFound, ValidationFailed, TooManyAttempts: as `ForgottenPasswords.forgot`.
    """
    browser = binding.browser_of(visit.edge, visit.request.scope)
    email = await visit.gate.service(ForgottenPasswords).forgot(
        form.get("email", ""), client=visit.client, browser=browser
    )
    return binding.bind(await _code_form(visit, email), visit.edge, browser)


async def show(visit: Visit) -> Response:
    """Show the form for another password: by the link that was followed, or else by the code.

    Raises:
        NotFound: there is no way to send mail.
    """
    passwords = visit.gate.service(ForgottenPasswords)
    see_that(passwords.is_on)
    if (led_on := landing.moved(visit, Purpose.PASSWORD_RESET)) is not None:
        return led_on
    token = landing.kept_token(visit, Purpose.PASSWORD_RESET)
    if token is None or "code" in visit.typed:
        return await _code_form(visit, visit.typed.get("email", ""))
    try:
        link = await passwords.look(token, client=visit.client)
    except InvalidLink:
        return landing.not_good(visit, again=FORGOT)
    return visit.render(
        "reset_password.html", email=link.email, min_length=visit.gate.settings.password_min_length
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Set the password, and lead to where one signs in with it.

    Raises:
        NotFound, ValidationFailed, InvalidLink, TooManyAttempts: as `ForgottenPasswords.reset`.
    """
    shown = landing.shown(visit, form, Purpose.PASSWORD_RESET)
    try:
        await visit.gate.service(ForgottenPasswords).reset(
            shown, form.get("new_password", ""), client=visit.client
        )
    except InvalidLink:
        if shown.token is None:
            raise
        return landing.not_good(visit, again=FORGOT)
    response = visit.redirect(visit.url("/sign-in"), notice="password_reset")
    return followed_links.forgotten(visit, response)


async def _code_form(visit: Visit, email: str) -> Response:
    return visit.render(
        "reset_by_code.html",
        email=email,
        min_length=visit.gate.settings.password_min_length,
        **await waiting(visit, Mail.PASSWORD_RESET, email),
    )


PAGES = (
    Page(path=FORGOT, show=ask, submit=send),
    Page(path=RESET, show=show, submit=submit, fields={InvalidLink: "code"}),
)

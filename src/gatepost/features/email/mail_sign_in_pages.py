"""Signing in by mail: where the mail is asked for, and where its link or code signs in."""

from starlette.responses import Response

from gatepost.features.email import landing
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.links import Shown
from gatepost.features.email.mail_sign_ins import MailSignIns
from gatepost.features.email.mailroom import see_that
from gatepost.http.pages.forms import Form
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit
from gatepost.services.sign_in import Arrival

ASK, FINISH = "/sign-in/email", "/sign-in/email/finish"


async def ask(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on.

    Raises:
        NotFound: nobody signs in by mail.
    """
    see_that(visit.gate.service(MailSignIns).is_on)
    if visit.session is not None and visit.problems is None:
        return visit.redirect(visit.next or visit.url("/account"))
    return visit.render("mail_sign_in.html")


async def send(visit: Visit, form: Form) -> Response:
    """Have a mail sent, and say so, whoever it is.

    Raises:
        NotFound, ValidationFailed, TooManyAttempts: as `MailSignIns.ask`.
    """
    email = await visit.gate.service(MailSignIns).ask(
        form.get("email", ""), client=visit.client, language=visit.language.tag
    )
    return _sent(visit, email)


async def show(visit: Visit) -> Response:
    """Show a button, by the link that was followed, or else the form for the code.

    Raises:
        NotFound: nobody signs in by mail.
    """
    mail_sign_ins = visit.gate.service(MailSignIns)
    see_that(mail_sign_ins.is_on)
    if visit.has_begun:
        return visit.redirect(visit.next or visit.url("/account"))
    if (led_on := landing.moved(visit, Purpose.SIGN_IN)) is not None:
        return led_on
    token = landing.kept_token(visit, Purpose.SIGN_IN)
    if token is None and "code" not in visit.typed:
        return visit.redirect(visit.url(ASK))
    if token is None or "code" in visit.typed:
        return _sent(visit, visit.typed.get("email", ""))
    try:
        link, is_verified = await mail_sign_ins.look(token, client=visit.client)
    except InvalidLink:
        return landing.not_good(visit, again=ASK)
    return visit.render("mail_sign_in_finish.html", email=link.email, is_verified=is_verified)


async def submit(visit: Visit, form: Form) -> Response:
    """Start a session, or go on to the step that is due.

    Raises:
        NotFound, InvalidLink, ValidationFailed, TooManyAttempts, SecondFactorRequired: as
            `MailSignIns.finish`.
    """
    token = None if "code" in form else landing.kept_token(visit, Purpose.SIGN_IN) or ""
    shown = Shown(token=token, email=form.get("email"), code=form.get("code"))
    arrival = Arrival(client=visit.client, by_cookie=True, remembered="remember" in form)
    try:
        signed_in = await visit.gate.service(MailSignIns).finish(shown, arrival)
    except InvalidLink:
        if token is None:
            raise
        return landing.not_good(visit, again=ASK)
    return landing.forgotten(visit, await visit.begin(signed_in))


def _sent(visit: Visit, email: str) -> Response:
    mode = visit.gate.service(MailSignIns).mode
    return visit.render(
        "mail_sign_in_sent.html", email=email, has_code=mode != "link", has_link=mode != "code"
    )


PAGES = (
    Page(path=ASK, show=ask, submit=send),
    Page(path=FINISH, show=show, submit=submit, fields={InvalidLink: "code"}),
)

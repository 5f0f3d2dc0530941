"""Signing in by mail: where the mail is asked for, and where its link or code signs in, or up."""

from starlette.responses import Response

from gatepost.errors import ValidationFailed
from gatepost.features.email import landing
from gatepost.features.email.again import waiting
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.mail_sign_ins import MailSignIns, Newly
from gatepost.features.email.mailroom import see_that
from gatepost.features.email.mails import Mail
from gatepost.http import binding
from gatepost.http.pages import followed_links
from gatepost.http.pages.forms import Form
from gatepost.http.pages.own_inputs import typed_fields
from gatepost.http.pages.page import Page
from gatepost.http.pages.sign_up import begin
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
    return visit.render("mail_sign_in.html", signs_up=visit.gate.service(MailSignIns).signs_up)


async def send(visit: Visit, form: Form) -> Response:
    """Have a mail sent, and say so, whoever it is.

    Raises:
        NotFound, ValidationFailed, TooManyAttempts: as `MailSignIns.ask`.
    """
    browser = binding.browser_of(visit.edge, visit.request.scope)
    email = await visit.gate.service(MailSignIns).ask(
        form.get("email", ""), client=visit.client, browser=browser
    )
    return binding.bind(await _sent(visit, email), visit.edge, browser)


async def show(visit: Visit) -> Response:
    """Show a button, or what an account needs, by the link that was followed; or the form for the code.

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
        email = visit.typed.get("email", "")
        return _newcomer(visit, email) if "name" in visit.typed else await _sent(visit, email)
    try:
        link, user = await mail_sign_ins.look(token, client=visit.client)
    except InvalidLink:
        return landing.not_good(visit, again=ASK)
    browser = visit.edge.cookies.asked(visit.request.scope)
    is_elsewhere = not mail_sign_ins.is_from(link, browser)
    if user is None:
        return _newcomer(visit, link.email, is_elsewhere=is_elsewhere)
    return visit.render(
        "mail_sign_in_finish.html",
        email=link.email,
        is_verified=user.email_verified,
        is_elsewhere=is_elsewhere,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Start a session, or go on to the step that is due; whoever has no account yet is asked for a name.

    Raises:
        NotFound, InvalidLink, ValidationFailed, EmailTaken, TooManyAttempts, SecondFactorRequired: as
            `MailSignIns.finish`.
    """
    shown = landing.shown(visit, form, Purpose.SIGN_IN)
    arrival = Arrival(client=visit.client, by_cookie=True, remembered="remember" in form)
    own = typed_fields(visit.site.own_inputs, form)
    newly = Newly(name=form.get("name"), own=own)
    try:
        signed_in, is_new = await visit.gate.service(MailSignIns).finish(shown, arrival, newly)
    except InvalidLink:
        if shown.token is None:
            raise
        return landing.not_good(visit, again=ASK)
    except ValidationFailed as error:
        if "name" in form or "name" not in error.fields:
            raise
        return _newcomer(visit, form.get("email", ""))
    begun = await (begin(visit, signed_in) if is_new else visit.begin(signed_in))
    return followed_links.forgotten(visit, begun)


async def _sent(visit: Visit, email: str) -> Response:
    mail_sign_ins = visit.gate.service(MailSignIns)
    return visit.render(
        "mail_sign_in_sent.html",
        email=email,
        has_code=mail_sign_ins.mode != "link",
        has_link=mail_sign_ins.mode != "code",
        signs_up=mail_sign_ins.signs_up,
        **await waiting(visit, Mail.SIGN_IN, email),
    )


def _newcomer(visit: Visit, email: str, *, is_elsewhere: bool = False) -> Response:
    """Ask for what an account needs, by the link that was followed or with the code that was typed."""
    return visit.render(
        "mail_sign_up.html",
        email=email,
        code=visit.typed.get("code"),
        inputs=visit.site.own_inputs,
        is_elsewhere=is_elsewhere,
    )


PAGES = (
    Page(path=ASK, show=ask, submit=send),
    Page(path=FINISH, show=show, submit=submit, fields={InvalidLink: "code"}),
)

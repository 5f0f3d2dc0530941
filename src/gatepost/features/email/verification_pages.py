"""Verified addresses: the page of the link, and where one who is signed in types the code."""

from starlette.responses import Response

from gatepost.features.email import landing
from gatepost.features.email.again import waiting
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.links import Shown
from gatepost.features.email.mailroom import see_that
from gatepost.features.email.mails import Mail
from gatepost.features.email.verification import Verifications
from gatepost.http.pages import followed_links
from gatepost.http.pages.feature import Callout
from gatepost.http.pages.forms import Form
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text

VERIFY = "/verify-email"


async def show(visit: Visit) -> Response:
    """Show a button, by the link that was followed, or else a form for the code.

    Raises:
        NotFound: addresses are not verified.
    """
    verifications = visit.gate.service(Verifications)
    see_that(verifications.is_on)
    if (led_on := landing.moved(visit, Purpose.VERIFY_EMAIL)) is not None:
        return led_on
    token = landing.kept_token(visit, Purpose.VERIFY_EMAIL)
    if token is None or "code" in visit.typed:
        return await _code_form(visit)
    try:
        link = await verifications.look(token, client=visit.client)
    except InvalidLink:
        return landing.not_good(visit, again=VERIFY if visit.session is not None else None)
    is_own = visit.session is not None and visit.session.user.id == link.user_id
    return visit.render("verify_email.html", email=link.email, is_own=is_own)


async def submit(visit: Visit, form: Form) -> Response:
    """Verify the address; or have the mail sent again.

    Raises:
        NotFound, InvalidLink, TooManyAttempts: as `Verifications.verify` and `Verifications.send`.
    """
    verifications = visit.gate.service(Verifications)
    if "again" in form and visit.session is not None:
        await verifications.send(visit.session, client=visit.client)
        return visit.redirect(visit.url(VERIFY), notice="verification_sent")
    token = None if "code" in form else landing.sent_token(visit, form, Purpose.VERIFY_EMAIL)
    email = None if visit.session is None else visit.session.user.email
    shown = Shown(token=token, email=email, code=form.get("code"))
    try:
        disowned = await verifications.verify(shown, session=visit.session, client=visit.client)
    except InvalidLink:
        if token is None:
            raise
        return landing.not_good(visit, again=VERIFY if visit.session is not None else None)
    if disowned:
        response = visit.redirect(visit.url("/forgot-password"), notice="address_verified_anew")
    else:
        response = visit.redirect(visit.url("/account"), notice="address_verified")
    return followed_links.forgotten(visit, response)


async def callout(visit: Visit) -> Callout | None:
    """Remind a user whose address is not verified."""
    user = visit.signed_in.user
    if user.email_verified or not visit.gate.service(Verifications).is_on:
        return None
    return Callout(
        text=Text("verify.reminder", email=user.email), link=Text("verify.reminder_link"), path=VERIFY
    )


async def _code_form(visit: Visit) -> Response:
    """Show the form for the code; who is not signed in has only the link."""
    if visit.session is None:
        return visit.redirect(visit.url("/sign-in", next=visit.url(VERIFY)))
    if visit.session.user.email_verified:
        return visit.redirect(visit.url("/account"))
    email = visit.session.user.email
    waits = await waiting(visit, Mail.VERIFY_EMAIL, email)
    return visit.render("verify_by_code.html", email=email, **waits)


PAGES = (Page(path=VERIFY, show=show, submit=submit, fields={InvalidLink: "code"}),)

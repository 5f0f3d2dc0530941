"""The page behind the link of somebody who signs up: the password is chosen there."""

from collections.abc import Mapping

from starlette.responses import Response

from gatepost.features.email import landing
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.mailroom import see_that
from gatepost.features.email.sign_ups import SignUps
from gatepost.http.pages import followed_links
from gatepost.http.pages.forms import Form
from gatepost.http.pages.newcomers import read_instead, telling
from gatepost.http.pages.own_inputs import OwnInput, filled_in, typed_fields
from gatepost.http.pages.page import Page
from gatepost.http.pages.sign_up import begin
from gatepost.http.pages.visit import Visit
from gatepost.services.sign_in import Arrival

FINISH = "/finish-sign-up"


async def show(visit: Visit) -> Response:
    """Show the form for the password: by the link that was followed, or else by the code.

    Raises:
        NotFound: accounts are made otherwise.
    """
    sign_ups = visit.gate.service(SignUps)
    see_that(sign_ups.is_on)
    if visit.has_begun:
        return visit.redirect(visit.url("/account"))
    if (led_on := landing.moved(visit, Purpose.SIGN_UP)) is not None:
        return led_on
    token = landing.kept_token(visit, Purpose.SIGN_UP)
    if token is None or "code" in visit.typed:
        return sent(visit, visit.typed.get("email", ""))
    try:
        link = await sign_ups.look(token, client=visit.client)
    except InvalidLink:
        return landing.not_good(visit, again="/sign-up")
    return visit.render(
        "finish_sign_up.html",
        email=link.email,
        name=link.kept.name,
        inputs=filled_in(_inputs(visit), link.kept.own),
        is_elsewhere=not sign_ups.is_from(link, visit.edge.cookies.asked(visit.request.scope)),
        min_length=visit.gate.settings.password_min_length,
        ways=[template for each in visit.site.newcomer_ways if (template := each(visit)) is not None],
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Make the account, and start its first session.

    Raises:
        NotFound, InvalidLink, InvalidCode, ValidationFailed, EmailTaken, TooManyAttempts: as
            `SignUps.finish`.
    """
    shown = landing.shown(visit, form, Purpose.SIGN_UP)
    try:
        with telling():
            signed_in = await visit.gate.service(SignUps).finish(
                shown,
                form.get("password", ""),
                name=form.get("name"),
                own=_corrected(visit, form) if shown.token is not None else None,
                arrival=Arrival(client=visit.client, by_cookie=True),
                instead=read_instead(form),
            )
    except InvalidLink:
        if shown.token is None:
            raise
        return landing.not_good(visit, again="/sign-up")
    return followed_links.forgotten(visit, await begin(visit, signed_in))


def _inputs(visit: Visit) -> list[OwnInput]:
    """Return the inputs that are shown once more: whoever typed the address may have filled them in."""
    return [each for each in visit.site.own_inputs if each.kind != "password"]


def _corrected(visit: Visit, form: Form) -> Mapping[str, object] | None:
    """Return what the form of the page was sent with; that of a passkey has none of these inputs."""
    if "credential" in form:
        return None
    inputs = _inputs(visit)
    return {each.name: None for each in inputs} | typed_fields(inputs, form)


def sent(visit: Visit, email: str) -> Response:
    """Say that a mail is on its way, whoever it is, with the form for its code."""
    return visit.render("sign_up_sent.html", email=email, min_length=visit.gate.settings.password_min_length)


PAGES = (Page(path=FINISH, show=show, submit=submit, fields={InvalidLink: "code"}),)

"""Sign up: anybody, who has an invitation, or nobody, as REGISTRATION has it."""

from contextlib import suppress

from starlette.responses import Response

from gatepost.errors import NotFound, ValidationFailed
from gatepost.http.binding import bind, browser_of
from gatepost.http.pages import followed_links, recovery
from gatepost.http.pages.forms import Form
from gatepost.http.pages.language import find_language
from gatepost.http.pages.newcomers import read_instead, telling
from gatepost.http.pages.own_inputs import typed_fields
from gatepost.http.pages.visit import Visit
from gatepost.models import Link, PendingEmail, SignedIn

_INVITED = "invited"
"""What the link of an invitation is for, as the cookie of links that were followed has it."""


async def show(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on.

    Raises:
        GatepostError: there is no form for them, as `Admission.look`.
    """
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    if (led_on := invited(visit)) is not None:
        return led_on
    token = invitation_of(visit, visit.typed)
    invitation = await visit.gate.admission.look(token, client=visit.client)
    return visit.render(
        "sign_up.html",
        token=token,
        email=invitation.email if invitation is not None else None,
        inviter=await _inviter(visit, invitation),
        min_length=visit.gate.settings.password_min_length,
        inputs=visit.site.own_inputs,
        asks_password=visit.gate.wiring.registrar is None,
    )


async def _inviter(visit: Visit, invitation: Link | None) -> str | None:
    """Return the name of who made an invitation; None where a command did, or nobody is left."""
    if invitation is None or invitation.created_by is None:
        return None
    with suppress(NotFound):
        return (await visit.gate.administration.get(invitation.created_by)).name
    return None


async def submit(visit: Visit, form: Form) -> Response:
    """Make the account, with the language that was chosen before, and start its first session.

    Raises:
        RegistrationClosed, ValidationFailed, EmailTaken, TooManyAttempts: as `Accounts.register`.
    """
    browser = browser_of(visit.edge, visit.request.scope)
    with telling():
        made = await visit.gate.accounts.register(
            email=form.get("email", ""),
            name=form.get("name", ""),
            password=form.get("password", ""),
            client=visit.client,
            by_cookie=True,
            invitation=form.get("invitation") or None,
            own=typed_fields(visit.site.own_inputs, form),
            instead=read_instead(form),
            browser=browser,
        )
    if isinstance(made, PendingEmail):
        return bind(visit.site.sign_up_sent(visit, made.email), visit.edge, browser)
    return followed_links.forgotten(visit, await begin(visit, made))


async def begin(visit: Visit, made: SignedIn) -> Response:
    """Answer whoever has made an account, which keeps the language that was chosen before."""
    if (chosen := find_language(visit.edge.cookies.language(visit.request.scope) or "")) is not None:
        # A column of the application's own may have no room for it; the account is there all the same.
        with suppress(ValidationFailed):
            await visit.gate.profiles.choose_language(made.token, chosen.tag, visit.client, by_cookie=True)
    return await recovery.begin(visit, made)


def invited(visit: Visit) -> Response | None:
    """Lead who follows an invitation to the page without its token in the address; None for others."""
    to = visit.url(visit.path, next=visit.next)
    return followed_links.moved(visit, _INVITED, named="invitation", to=to)


def invitation_of(visit: Visit, form: Form) -> str | None:
    """Return the token of the invitation that a newcomer has come with, for the form to send on."""
    return form.get("invitation") or followed_links.kept_token(visit, _INVITED)

"""Proving who one is again, before what a session alone is not enough for (ASVS 7.5.3)."""

from urllib.parse import urlsplit

from starlette.responses import Response

from gatepost.errors import ChallengeExpired, SecondFactorRequired
from gatepost.http.pages.carrying import CARRIED, Carried
from gatepost.http.pages.factor import labels
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import Answer, SignedIn
from gatepost.texts import Text


async def show(visit: Visit) -> Response:
    """Show the form: of the step, where one is due after the password."""
    due = await visit.gate.confirmations.due(visit.signed_in)
    return visit.render(
        "confirm.html",
        methods=None if due is None else labels(visit, due),
        lead=_lead(visit),
        carried=visit.typed.get(CARRIED),
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Make the session fresh and go on; or back to the form, where another answer is wanted.

    A form that was carried along is done. Where it can't be, the page that it is on says so.

    Raises:
        ValidationFailed, InvalidCredentials, InvalidCode, TooManyAttempts: as `Confirmations`.
    """
    try:
        signed_in = await _confirmed(visit, form)
    except (SecondFactorRequired, ChallengeExpired) as error:
        return await _again(visit, form, error)
    place = visit.next or visit.url("/account")
    if CARRIED not in form:
        return visit.go_on(signed_in, place)
    carried = Carried.opened(visit, form[CARRIED])
    if carried is None:
        return visit.go_on(signed_in, place, notice="not_done")
    return await carried.send(visit, signed_in)


async def _confirmed(visit: Visit, form: Form) -> SignedIn:
    confirmations, by_cookie = visit.gate.confirmations, visit.by_cookie
    if "method" in form:
        answer = Answer(method=form["method"], code=form.get("code", "").strip())
        return await confirmations.by_step(visit.token, answer, visit.client, by_cookie=by_cookie)
    password = form.get("password", "")
    return await confirmations.by_password(visit.token, password, visit.client, by_cookie=by_cookie)


async def _again(visit: Visit, form: Form, error: SecondFactorRequired | ChallengeExpired) -> Response:
    """Ask for what is due now; a form that is carried along is in the page, and no redirect holds it."""
    is_over = isinstance(error, ChallengeExpired)
    if CARRIED not in form:
        return visit.redirect(visit.url("/confirm", next=visit.next), notice=error.code if is_over else None)
    if is_over:
        visit.show_again(form, error)
    return await show(visit)


def _lead(visit: Visit) -> Text:
    """Return whose password is asked for, and what for."""
    email = visit.signed_in.user.email
    if visit.typed.get(CARRIED):
        return Text("confirm.to_do", email=email)
    path = urlsplit(visit.next or "").path
    for link in (*visit.site.links("console"), *visit.site.links("account")):
        place = visit.url(link.path)
        if path == place or (not link.exact and path.startswith(f"{place}/")):
            return Text("confirm.to_open", email=email, page=visit.language.say(link.text))
    return Text("confirm.lead", email=email)

"""Proving who one is again, before what a session alone is not enough for (ASVS 7.5.3)."""

from starlette.responses import Response

from gatepost.errors import ChallengeExpired, SecondFactorRequired
from gatepost.http.pages.factor import labels
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import Answer, SignedIn


async def show(visit: Visit) -> Response:
    """Show the form: of the step, where one is due after the password."""
    due = await visit.gate.confirmations.due(visit.signed_in)
    return visit.render("confirm.html", methods=None if due is None else labels(visit, due))


async def submit(visit: Visit, form: Form) -> Response:
    """Make the session fresh and go on; or back to the form, where another answer is wanted.

    Raises:
        ValidationFailed, InvalidCredentials, InvalidCode, TooManyAttempts: as `Confirmations`.
    """
    try:
        signed_in = await _confirmed(visit, form)
    except SecondFactorRequired:
        return visit.redirect(visit.url("/confirm", next=visit.next))
    except ChallengeExpired as error:
        return visit.redirect(visit.url("/confirm", next=visit.next), notice=error.code)
    return visit.go_on(signed_in, visit.next or visit.url("/account"))


async def _confirmed(visit: Visit, form: Form) -> SignedIn:
    confirmations, by_cookie = visit.gate.confirmations, visit.by_cookie
    if "method" in form:
        answer = Answer(method=form["method"], code=form.get("code", "").strip())
        return await confirmations.by_step(visit.token, answer, visit.client, by_cookie=by_cookie)
    password = form.get("password", "")
    return await confirmations.by_password(visit.token, password, visit.client, by_cookie=by_cookie)

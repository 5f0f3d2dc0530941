"""Proving who one is again, before what a session alone is not enough for (ASVS 7.5.3)."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.responses import Response

from gatepost.errors import ChallengeExpired, InvalidCode, SecondFactorRequired
from gatepost.http.pages.answers import METHOD, about, read_answer
from gatepost.http.pages.carrying import CARRIED, Carried
from gatepost.http.pages.factor import labels, preferred, why_not
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import PASSWORD, SignedIn
from gatepost.texts import Text

ANOTHER = "another"
"""The field that names another way than the one that is shown."""

_BY_PASSWORD = "password"  # noqa: S105 - what the first of these ways is called


async def show(visit: Visit) -> Response:
    """Show the form of one way, and lead to the others."""
    ways, is_step = await _ways(visit)
    if not ways:
        return visit.render("confirm_by_sign_in.html")
    wanted = visit.typed.get(ANOTHER) or visit.typed.get(METHOD)
    method = wanted if wanted is not None and wanted in ways else preferred(visit, list(ways))
    shown, options = visit.site.factors.get(method), None
    if shown is not None and shown.asks and why_not(visit, method) is None:
        options = await visit.gate.confirmations.options(
            visit.token, method, visit.client, by_cookie=visit.by_cookie
        )
    return visit.render(
        "confirm.html",
        method=method,
        label=ways[method],
        others={name: label for name, label in ways.items() if name != method},
        shown=shown,
        options=options,
        enrols=False,
        why_not=why_not(visit, method),
        lead=Text("confirm.step", email=visit.signed_in.user.email) if is_step else _lead(visit),
        carried=visit.typed.get(CARRIED),
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Make the session fresh and go on; or back to the form, where another answer is wanted.

    A form that was carried along is done. Where it can't be, the page that it is on says so.

    Raises:
        ValidationFailed, InvalidCredentials, InvalidCode, TooManyAttempts: as `Confirmations`.
    """
    if ANOTHER in form:
        return await show(visit)
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


async def _ways(visit: Visit) -> tuple[Mapping[str, str], bool]:
    """Return what would do now, and what each is called; and whether it is the step after the first.

    Whoever signed in without the password is asked for the same first. Who has none, and nothing else that
    would do, has to sign in once more.
    """
    session = visit.signed_in
    due = await visit.gate.confirmations.due(session)
    own = await visit.gate.own_passwords.of(session.user.id)
    password = {_BY_PASSWORD: visit.language.say(Text("word.password"))} if own.is_set else {}
    if due is None:
        return password, False
    if not due.suffices:
        return labels(visit, due), True
    alone = labels(visit, due)
    return (password | alone if PASSWORD in session.methods else alone | password), False


async def _confirmed(visit: Visit, form: Form) -> SignedIn:
    confirmations, by_cookie = visit.gate.confirmations, visit.by_cookie
    if METHOD not in form:
        password = form.get("password", "")
        return await confirmations.by_password(visit.token, password, visit.client, by_cookie=by_cookie)
    answer = read_answer(form)
    try:
        return await confirmations.by_step(visit.token, answer, visit.client, by_cookie=by_cookie)
    except InvalidCode as error:
        raise about(error) from None


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

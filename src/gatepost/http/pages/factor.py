"""The step of a sign-in after the password: a second factor, which may have to be set up first."""

from starlette.responses import Response

from gatepost.errors import ChallengeExpired
from gatepost.http import browser
from gatepost.http.pages.forms import Form
from gatepost.http.pages.recovery import show_codes
from gatepost.http.pages.visit import Visit
from gatepost.models import Due
from gatepost.texts import Text

METHOD = "method"
"""The field, and the parameter of the address, that names one of the methods that would do."""


async def show(visit: Visit) -> Response:
    """Show the form of one method, and lead to the others; where no sign-in waits, it starts over.

    Raises:
        ChallengeExpired: no sign-in of this browser waits for a step, or not any more.
    """
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    sign_ins, token = visit.gate.sign_ins, _token(visit)
    due = await sign_ins.due(token, by_cookie=True)
    if due is None:
        raise ChallengeExpired
    methods = labels(visit, due)
    wanted = visit.typed.get(METHOD) or visit.request.query_params.get(METHOD)
    method = wanted if wanted in methods else due.methods[0]
    options = None
    if due.enrols:
        options = await sign_ins.options(token, method=method, client=visit.client, by_cookie=True)
    return visit.render(
        "factor.html",
        method=method,
        label=methods[method],
        others={name: label for name, label in methods.items() if name != method},
        shown=visit.site.factors.get(method),
        options=options,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Answer the step, and go on; recovery codes that were made with it are shown before.

    Raises:
        InvalidCode, ChallengeExpired, ValidationFailed, TooManyAttempts, SecondFactorRequired: as
            `SignIns.answer`.
    """
    signed_in = await visit.gate.sign_ins.answer(
        _token(visit),
        method=form.get(METHOD, ""),
        code=form.get("code", "").strip(),
        credential=None,
        client=visit.client,
        by_cookie=True,
    )
    if not signed_in.recovery_codes:
        return await visit.begin(signed_in)
    await browser.supersede(visit.edge, visit.request.scope)
    place = visit.next or visit.url("/account")
    return show_codes(visit, signed_in.recovery_codes, place=place, signed_in=signed_in)


def _token(visit: Visit) -> str:
    """Return the challenge of this browser.

    Raises:
        ChallengeExpired: it has none.
    """
    token = visit.edge.cookies.challenge(visit.request.scope)
    if token is None:
        raise ChallengeExpired
    return token


def labels(visit: Visit, due: Due) -> dict[str, str]:
    """Return the methods that would do, and what each is called: by its feature, or by its text."""
    return {method: _label(visit, method) for method in due.methods}


def _label(visit: Visit, method: str) -> str:
    shown = visit.site.factors.get(method)
    text = Text(f"factor.method.{method}") if shown is None else shown.name
    return visit.language.say(text) if text.exists else method

"""The step of a sign-in that is due after the password: a code of a second factor."""

from starlette.responses import Response

from gatepost.errors import ChallengeExpired
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import Due
from gatepost.texts import Text


async def show(visit: Visit) -> Response:
    """Show the form; where no sign-in waits, it starts over.

    Raises:
        ChallengeExpired: no sign-in of this browser waits for a step, or not any more.
    """
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    due = await visit.gate.sign_ins.due(_token(visit), by_cookie=True)
    if due is None:
        raise ChallengeExpired
    return visit.render("factor.html", methods=labels(visit, due))


async def submit(visit: Visit, form: Form) -> Response:
    """Answer the step, and go on.

    Raises:
        InvalidCode, ChallengeExpired, ValidationFailed, TooManyAttempts, SecondFactorRequired: as
            `SignIns.answer`.
    """
    signed_in = await visit.gate.sign_ins.answer(
        _token(visit),
        method=form.get("method", ""),
        code=form.get("code", "").strip(),
        credential=None,
        client=visit.client,
        by_cookie=True,
    )
    return await visit.begin(signed_in)


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
    """Return the methods that would do, and what each is called, by the texts of its feature."""
    texts = {method: Text(f"factor.method.{method}") for method in due.methods}
    return {method: visit.language.say(text) if text.exists else method for method, text in texts.items()}

"""The step of a sign-in after the password: a second factor, which may have to be set up first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from gatepost.errors import ChallengeExpired, InvalidCode
from gatepost.http.pages.answers import METHOD, about, read_answer
from gatepost.http.pages.forms import Form
from gatepost.http.pages.recovery import begin
from gatepost.http.pages.visit import Visit
from gatepost.models import Due, UserId
from gatepost.texts import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose sign-in waits, for whoever has begun it: somebody else would begin another one."""

    email: str
    id: UserId


async def show(visit: Visit) -> Response:
    """Show the form of one method, and lead to the others; where no sign-in waits, it starts over.

    Raises:
        ChallengeExpired: no sign-in of this browser waits for a step, or not any more.
    """
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    sign_ins, token = visit.gate.sign_ins, _token(visit)
    waiting = await sign_ins.pending(token, by_cookie=True)
    due = None if waiting is None else await sign_ins.due(waiting)
    if waiting is None or due is None:
        raise ChallengeExpired
    methods = labels(visit, due)
    wanted = visit.typed.get(METHOD) or visit.request.query_params.get(METHOD)
    method = wanted if wanted in methods else preferred(visit, due.methods)
    shown, options = visit.site.factors.get(method), None
    if (due.enrols or (shown is not None and shown.asks)) and why_not(visit, method) is None:
        options = await sign_ins.options(token, method=method, client=visit.client, by_cookie=True)
    who = Whose(email=waiting.email, id=waiting.user_id)
    return render(visit, method, methods, options, who=who, enrols=due.enrols)


def render(
    visit: Visit,
    method: str,
    methods: Mapping[str, str],
    options: Mapping[str, object] | None,
    *,
    who: Whose,
    enrols: bool,
) -> Response:
    """Answer with the form of one method.

    Args:
        visit: of who is to answer it.
        method: which it is.
        methods: those that would do, and what each is called.
        options: what it hands out before it is answered.
        who: signs in.
        enrols: it has to be set up first.
    """
    return visit.render(
        "factor.html",
        method=method,
        label=methods[method],
        others={name: label for name, label in methods.items() if name != method},
        shown=visit.site.factors.get(method),
        options=options,
        who=who,
        enrols=enrols,
        why_not=why_not(visit, method),
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Answer the step, and go on; recovery codes that were made with it are shown before.

    Raises:
        InvalidCode, InvalidCredentials, ChallengeExpired, ValidationFailed, TooManyAttempts,
            SecondFactorRequired: as `SignIns.answer`.
    """
    answer = read_answer(form)
    try:
        signed_in = await visit.gate.sign_ins.answer(
            _token(visit),
            method=answer.method,
            code=answer.code,
            credential=answer.credential,
            client=visit.client,
            by_cookie=True,
        )
    except InvalidCode as error:
        raise about(error) from None
    return await begin(visit, signed_in)


def _token(visit: Visit) -> str:
    """Return the challenge of this browser.

    Raises:
        ChallengeExpired: it has none.
    """
    token = visit.edge.cookies.challenge(visit.request.scope)
    if token is None:
        raise ChallengeExpired
    return token


def why_not(visit: Visit, method: str) -> Text | None:
    """Return why a visitor can't use a method at this page; None where they can."""
    shown = visit.site.factors.get(method)
    return None if shown is None or shown.unusable is None else shown.unusable(visit)


def preferred(visit: Visit, methods: Sequence[str]) -> str:
    """Return the first of some methods that can be used at this page."""
    return next((method for method in methods if why_not(visit, method) is None), methods[0])


def labels(visit: Visit, due: Due) -> dict[str, str]:
    """Return the methods that would do, and what each is called: by its feature, or by its text."""
    return {method: _label(visit, method) for method in due.methods}


def _label(visit: Visit, method: str) -> str:
    shown = visit.site.factors.get(method)
    text = Text(f"factor.method.{method}") if shown is None else shown.name
    return visit.language.say(text) if text.exists else method

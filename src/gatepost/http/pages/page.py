"""How a page is served: who may see it, that its form is ours, and what becomes of errors."""

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatepost.errors import (
    AuthenticationError,
    ChallengeExpired,
    CrossOriginRefused,
    Forbidden,
    FormExpired,
    FreshSessionRequired,
    GatepostError,
    InternalError,
    InvalidCode,
    InvalidCredentials,
    NotAuthenticated,
    NotFound,
    SecondFactorRequired,
    TooManyAttempts,
    Unavailable,
)
from gatepost.http.console import ConsoleSessionScheme, note_look
from gatepost.http.dependencies import CurrentSessionScheme, find_session
from gatepost.http.errors import as_raised
from gatepost.http.pages import confirm
from gatepost.http.pages.carrying import CARRIED, Carried
from gatepost.http.pages.forms import Form, read_form
from gatepost.http.pages.notices import ended_session
from gatepost.http.pages.site import Site
from gatepost.http.pages.visit import Problems, Visit
from gatepost.models import OverseenSession
from gatepost.texts import Text

Show = Callable[[Visit], Awaitable[Response]]
Submit = Callable[[Visit, Form], Awaitable[Response]]


_TITLES = {
    404: Text("error_page.title.404"),
    429: Text("error_page.title.429"),
    500: Text("error_page.title.500"),
    503: Text("error_page.title.503"),
}
"""Status → what the page of an error without a title is called; where there is none, as the error says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page.

    Attributes:
        path: below `/auth`.
        show: answers GET, and shows the form again after a mistake.
        submit: answers the form; None where the page has none.
        who: may see it, by the scheme that the API has for them; None is everybody.
        in_development: there is no such page anywhere else.
        fields: error → the field of the form that it is about, where the form says more than the service.
    """

    path: str
    show: Show
    submit: Submit | None = None
    who: type[CurrentSessionScheme] | None = None
    in_development: bool = False
    fields: Mapping[type[GatepostError], str] = field(default_factory=dict)

    @property
    def is_console(self) -> bool:
        """Whether it is for administrators, who gave the password or read on a while ago."""
        return self.who is not None and issubclass(self.who, ConsoleSessionScheme)

    def route(self, site: Site) -> Route:
        """Return the route that serves it."""

        async def endpoint(request: Request) -> Response:
            return await _serve(self, Visit(site, request))

        methods = ["GET"] if self.submit is None else ["GET", "POST"]
        return Route(self.path, endpoint, methods=methods)


async def _serve(page: Page, visit: Visit) -> Response:
    try:
        if visit.request.method != "POST":
            visit.edge.guard.check_shown(visit.request.scope)
        visit.session = await find_session(visit.edge, visit.request.scope)
        if page.who is not None:
            await page.who(visit.edge)(visit.request)
        if page.submit is None or visit.request.method != "POST":
            visit.ended = await _ended(page, visit)
            return _noted(page, visit, await page.show(visit))
        return await _submitted(page, page.submit, visit)
    except FreshSessionRequired as error:
        try:
            return await _asked_first(visit, error)
        except GatepostError as other:
            return refused(visit, other)
    except GatepostError as error:
        return refused(visit, error)


async def _ended(page: Page, visit: Visit) -> OverseenSession | None:
    """Return the session whose end the notice is about: on the console anybody's, else one's own."""
    session_id = ended_session(visit.edge.cookies.notice(visit.request.scope) or "")
    if session_id is None or visit.session is None:
        return None
    owner = None if page.is_console else visit.session.user.id
    return await visit.gate.oversight.ended(session_id, owner=owner)


def _noted(page: Page, visit: Visit, response: Response) -> Response:
    """Have a page of the console be a look at it, unless its browser asks for it by itself."""
    if page.is_console and visit.session is not None and "refresh" not in visit.request.query_params:
        note_look(response, visit.edge, visit.session)
    return response


async def _asked_first(visit: Visit, error: FreshSessionRequired) -> Response:
    """Ask for the password, in the place of what it is needed for; a form is carried along.

    Whoever has nothing to confirm with, because a second factor is asked for, is told to set one up.
    """
    if error.aal > 1 and not error.methods:
        return error_page(visit, error)
    if visit.request.method != "POST":
        return visit.redirect(visit.url("/confirm", next=visit.here))
    form = await read_form(visit.request)
    try:
        await _check(visit, form)
        carried = Carried.of(visit, form).sealed(visit)
    except FormExpired:
        carried = ""
    visit.typed = {"next": visit.here, CARRIED: carried}
    response = await confirm.show(visit)
    response.status_code = error.status
    return response


async def _submitted(page: Page, submit: Submit, visit: Visit) -> Response:
    form = await read_form(visit.request)
    try:
        await _check(visit, form)
        visit.typed = form
        return await submit(visit, form)
    except (GatepostError, HTTPException) as raised:
        error = as_raised(raised) if isinstance(raised, HTTPException) else raised
        if _ends_the_visit(error):
            raise
        if isinstance(error, FormExpired) and "cookie" not in visit.request.headers:
            error = FormExpired(Text("error.form_expired.no_cookie"))
        visit.error = error
        visit.show_again(form, error, about=page.fields.get(type(error)))
        if visit.problems is not None and not visit.problems.fields:
            visit.problems = Problems(visit.language.say(_for_people(error)))
        response = await page.show(visit)
        if response.status_code == 200:
            # A 401 would have to name a scheme for programs to authenticate by (RFC 9110 §15.5.2).
            response.status_code = 422 if isinstance(error, AuthenticationError) else error.status
        return _with_wait(response, error)


async def _check(visit: Visit, form: Form) -> None:
    """See that a form comes from a page of ours, and from one that this visitor was given.

    Raises:
        CrossOriginRefused: it comes from another site.
        FormExpired: its token is not one of this visitor.
    """
    try:
        visit.edge.guard.check(visit.request.scope)
    except CrossOriginRefused as refusal:
        await visit.edge.note_refusal(visit.request.scope, refusal)
        raise
    if not visit.owns(form):
        raise FormExpired


def _ends_the_visit(error: GatepostError) -> bool:
    """Say whether there is no form to be shown again."""
    if isinstance(error, InvalidCredentials | InvalidCode | FormExpired):
        return False
    return isinstance(error, AuthenticationError | Forbidden | NotFound | Unavailable | InternalError)


def refused(visit: Visit, error: GatepostError) -> Response:
    """Answer what can't be shown: lead to where the visitor can go on from, or say why not."""
    if isinstance(error, SecondFactorRequired):
        return visit.ask_for_step(error)
    if isinstance(error, ChallengeExpired):
        return visit.redirect(visit.url("/sign-in", next=visit.next), notice=error.code)
    if isinstance(error, AuthenticationError):
        notice = None if isinstance(error, NotAuthenticated) else error.code
        # Back to the page, not to what its form did.
        return visit.redirect(visit.url("/sign-in", next=visit.here), notice=notice)
    return error_page(visit, error)


def error_page(visit: Visit, error: GatepostError) -> Response:
    """Return the page that tells of an error and nothing else."""
    visit.error = error
    said = visit.language.say(_for_people(error))
    visit.problems = Problems(said)
    own = Text(f"error.{error.code}.title")
    title = own if own.exists else _TITLES.get(error.status)
    page = visit.render(
        "error.html",
        status=error.status,
        title=said if title is None else visit.language.say(title),
        in_console=_in_console(visit),
        exits=list(_exits(visit, error)),
        request_id=visit.request.scope.get("gatepost.request_id"),
    )
    return _with_wait(page, error)


def _in_console(visit: Visit) -> bool:
    return visit.session is not None and visit.session.user.is_admin and visit.path.startswith("/admin")


def _exits(visit: Visit, error: GatepostError) -> Iterator[tuple[Text, str]]:
    """Yield where one can go on from an error: near to where it happened."""
    if isinstance(error, InternalError | Unavailable) and visit.request.method == "GET":
        yield Text("error_page.again"), visit.here
    if isinstance(error, FreshSessionRequired):
        yield Text("account.security"), visit.url("/security")
    elif _in_console(visit):
        for link in visit.site.links("console"):
            if not link.exact and f"{visit.path}/".startswith(f"{link.path}/"):
                yield link.text, visit.url(link.path)
        yield Text("admin.overview.title"), visit.url("/admin")
    elif visit.session is not None:
        yield Text("word.go_to_account"), visit.url("/account")
    elif not isinstance(error, Unavailable):
        yield Text("word.sign_in"), visit.url("/sign-in")


def _for_people(error: GatepostError) -> Text:
    """Return what a page says of an error: its own sentence where the other is for programmers."""
    if isinstance(error, TooManyAttempts):
        minutes = max(1, math.ceil(error.retry_after / 60))
        return Text("error.too_many_attempts.page", count=minutes)
    if isinstance(error, FreshSessionRequired):
        return Text("error.fresh_session_required.page")  # others are asked to confirm, and see no error
    for_people = Text(f"error.{error.code}.page")
    return for_people if error.text == type(error).standard() and for_people.exists else error.text


def _with_wait(response: Response, error: GatepostError) -> Response:
    if isinstance(error, TooManyAttempts | Unavailable):
        response.headers.update(error.headers)
    return response

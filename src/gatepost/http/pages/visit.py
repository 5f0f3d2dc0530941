"""One visit of a page: who came, in which language, and how they are answered."""

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gatepost.errors import FormExpired, GatepostError, SecondFactorRequired, ValidationFailed
from gatepost.gate import Gate
from gatepost.http import browser
from gatepost.http.edge import Edge
from gatepost.http.headers import PAGE_HEADERS
from gatepost.http.own_pages import address_of
from gatepost.http.pages.forms import TOKEN, Form
from gatepost.http.pages.language import Language, language, negotiated
from gatepost.http.pages.notices import read_notice
from gatepost.http.pages.site import Site
from gatepost.models import Client, OverseenSession, Session, SignedIn, UserId, canonical_network
from gatepost.security.csrf_tokens import sign_in_binding
from gatepost.texts import LANGUAGES

NO_FORM: Form = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Problems:
    """Why a form is shown again.

    Attributes:
        message: one sentence, in the language of the visit.
        fields: name of a field → what is wrong with it.
    """

    message: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def only_field(self) -> str | None:
        """The one field that something is wrong with; None where that is none, or several."""
        return next(iter(self.fields)) if len(self.fields) == 1 else None


class Visit:
    """One request to a page.

    Args:
        site: whose page it is.
        request: what was asked.

    Attributes:
        site, request: as given.
        session: of the visitor, None where there is none.
        typed: what was typed into the form that is shown again; templates never show a password of it.
        problems: why it is shown again, None where it is not.
        error: what `problems` tells of.
        ended: the session whose end the page tells of, where it is for the visitor to see.
        followed: names the mailed link that the forms of the page are for; None where they are for none.
        binding: what the tokens of this visitor's forms are bound to.
    """

    def __init__(self, site: Site, request: Request) -> None:
        self.site = site
        self.request = request
        self.session: Session | None = None
        self.typed: Form = NO_FORM
        self.problems: Problems | None = None
        self.error: GatepostError | None = None
        self.ended: OverseenSession | None = None
        self.followed: str | None = None
        self._new_form_cookie: str | None = None

    # --- Who and what ---

    @property
    def edge(self) -> Edge:
        """What the pages stand at."""
        return self.site.edge.at(self.request.scope)

    @property
    def gate(self) -> Gate:
        """The services."""
        return self.site.edge.gate

    @property
    def client(self) -> Client:
        """Who is at the other end, and what they read."""
        return replace(self.edge.client_of(self.request.scope), language=self.language.tag)

    @property
    def token(self) -> str:
        """The visitor's session token, for the verbs that check it themselves.

        Raises:
            NotAuthenticated, InvalidSession, CrossOriginRefused: as `Edge.presented`.
        """
        return self.edge.presented(self.request.scope)[0]

    @property
    def by_cookie(self) -> bool:
        """Whether the token came by cookie.

        Raises:
            NotAuthenticated, InvalidSession, CrossOriginRefused: as `Edge.presented`.
        """
        return self.edge.presented(self.request.scope)[1]

    @property
    def signed_in(self) -> Session:
        """The session of a page that asks for one."""
        if self.session is None:
            raise RuntimeError("This page is open to visitors without a session")
        return self.session

    @property
    def next(self) -> str | None:
        """Where to go on to, of the places that may be led to."""
        return self.site.redirects.safe(self.typed.get("next") or self.request.query_params.get("next"))

    @property
    def next_host(self) -> str | None:
        """Which other site that is; None where it is one of this server's own pages, or none is named."""
        return urlsplit(self.next or "").netloc or None

    @property
    def here(self) -> str:
        """The path of this page with its query, to come back to."""
        return address_of(self.request.scope)

    @property
    def path(self) -> str:
        """The path of this page below `/auth`."""
        return str(self.request.scope["path"]).removeprefix(self.request.scope["root_path"])

    def url(self, path: str, **query: object) -> str:
        """Return where a page is, whatever the application is mounted below."""
        given = {name: value for name, value in query.items() if value not in {None, ""}}
        return f"{self.request.scope['root_path']}{path}" + (f"?{urlencode(given)}" if given else "")

    def user_url(self, user_id: UserId) -> str:
        """Return where the console's page of a user is."""
        return self.url(f"/admin/users/{quote(str(user_id), safe='')}")

    def address_url(self, address: str | None) -> str | None:
        """Return where the console tells of an address: on its page, or in the events; None if it is none."""
        if address is None or canonical_network(address) is None:
            return None
        if self.site.address_path is None:
            return self.url("/admin/events", address=address)
        return self.url(f"{self.site.address_path}/{quote(address, safe='/:')}")

    @property
    def language(self) -> Language:
        """What the user chose, or else was chosen in this browser, or else the browser asks for most."""
        own = None if self.session is None else self.session.user.language
        chosen = own or self.edge.cookies.language(self.request.scope)
        return negotiated(self.request.headers.get("accept-language", ""), chosen)

    # --- Forms ---

    @property
    def has_begun(self) -> bool:
        """Whether a form that starts a session has nothing to do: it was sent twice."""
        return self.session is not None and isinstance(self.error, FormExpired)

    @property
    def binding(self) -> str:
        """What the tokens of forms are bound to: the sign-in, or before it a cookie of this browser."""
        if self.session is not None:
            return sign_in_binding(self.session)
        kept = self.edge.cookies.form(self.request.scope) or self._new_form_cookie
        if kept is None:
            kept = self._new_form_cookie = uuid4().hex
        # The word apart keeps whoever writes a cookie of their own from binding a form to a sign-in.
        return f"browser {kept}"

    def form_token(self) -> str:
        """Return a token for a form of this page."""
        return self.gate.csrf_tokens.issue(self.binding)

    def owns(self, form: Form) -> bool:
        """Say whether a form is one that this visitor was given."""
        return self.gate.csrf_tokens.check(form.get(TOKEN, ""), self.binding)

    def show_again(self, form: Form, error: GatepostError, *, about: str | None = None) -> None:
        """Have the page show what was typed, and what is wrong with it.

        Args:
            form: what was typed.
            error: what is wrong.
            about: the one field that it is about, None where the error names them itself or is about none.
        """
        text, fields = error.text, error.fields if isinstance(error, ValidationFailed) else {}
        if about is not None and not fields:
            text, fields = ValidationFailed.standard(), {about: error.text}
        say = self.language.say
        self.typed = form
        self.problems = Problems(say(text), {name: say(problem) for name, problem in fields.items()})

    async def callout(self) -> Any:  # noqa: ANN401 - as templates read it
        """Return the most important thing that features have to say to a user; None where there is none."""
        for each in self.site.callouts:
            if (found := await each(self)) is not None:
                return found
        return None

    # --- Answers ---

    def render(self, template: str, *, status: int = 200, **context: Any) -> Response:  # noqa: ANN401 - what templates show
        """Answer with a page."""
        cookies = self.edge.cookies
        notice = cookies.notice(self.request.scope)
        said = read_notice(self.language, notice, self.site.notices, self.ended) if notice else None
        shown: dict[str, Any] = {
            "visit": self,
            "language": self.language,
            "languages": [language(name) for name in LANGUAGES],
            "session": self.session,
            "user": self.session.user if self.session else None,
            "typed": self.typed,
            "problems": self.problems,
            "url": self.url,
            "user_url": self.user_url,
            "address_url": self.address_url,
            "asset": lambda name: self.url(self.site.assets.paths[name]),
            "form_token": self.form_token,
            "links": self.site.links,
            "notice": said,
            **context,
        }
        only = self.problems.only_field if self.problems and not (self.error and self.error.hint) else None
        html = self.site.render(template, {**shown, "told_at_field": only is not None})
        if only is not None and f'id="{only}-problem"' not in html:
            # The page has no such field, or a template of one's own says nothing at it.
            html = self.site.render(template, {**shown, "told_at_field": False})
        response = HTMLResponse(
            html,
            status_code=status,
            headers={
                "Content-Security-Policy": self.site.policy,
                "Content-Language": self.language.tag,
                **PAGE_HEADERS,
            },
        )
        if self.request.url.query:
            # It may hold the secret of a link; `Origin`, by which old browsers are told apart, stays.
            response.headers["Referrer-Policy"] = "strict-origin"
        if notice:
            response.raw_headers.append(cookies.clear_notice())
        if self._new_form_cookie is not None:
            response.raw_headers.append(cookies.set_form(self._new_form_cookie))
        return response

    def redirect(self, place: str, *, notice: str | None = None) -> Response:
        """Answer by leading on, with a GET (RFC 9110 §15.4.4).

        Args:
            place: where to, as `url` or `Redirects.safe` made it.
            notice: name of what that page is to say, of `notices.py`, with a number after a dot where it
                counts something.
        """
        response = RedirectResponse(place, status_code=303)
        if notice is not None:
            response.raw_headers.append(self.edge.cookies.set_notice(notice))
        return response

    def ask_for_step(self, due: SecondFactorRequired) -> Response:
        """Lead on to the step that is due before a session starts."""
        response = self.redirect(self.url("/sign-in/factor", next=self.next))
        browser.keep_challenge(response, self.edge, due)
        return response

    async def begin(self, signed_in: SignedIn, *, path: str = "/account") -> Response:
        """Answer a sign-in, and lead on to where the visitor was, or else to this page."""
        await browser.supersede(self.edge, self.request.scope)
        response = self.redirect(self.next or self.url(path))
        browser.hand_over(response, self.edge, self.request.scope, signed_in)
        return response

    def go_on(self, signed_in: SignedIn, place: str, *, notice: str | None = None) -> Response:
        """Lead on with the session that stands in for the visitor's."""
        response = self.redirect(place, notice=notice)
        browser.hand_over(response, self.edge, self.request.scope, signed_in)
        return response

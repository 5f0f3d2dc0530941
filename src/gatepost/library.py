"""`Gatepost`: what a user's application opens, installs and asks."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Scope

from gatepost.errors import CrossOriginRefused, GatepostError
from gatepost.feature import Feature
from gatepost.features import FEATURES
from gatepost.gate import ELSEWHERE, Gate
from gatepost.http import browser
from gatepost.http.api.joined import join
from gatepost.http.api.routes import create_api
from gatepost.http.caching import PrivateAnswers
from gatepost.http.collector import settle
from gatepost.http.cors import sharing
from gatepost.http.cross_origin import SAFE_METHODS
from gatepost.http.dependencies import (
    GATE_KEY,
    SESSION_KEY,
    AdminSessionScheme,
    CurrentSessionScheme,
    FreshSessionScheme,
)
from gatepost.http.edge import Edge
from gatepost.http.errors import on_gatepost_error
from gatepost.http.mounts import PlacedMount, hiding
from gatepost.http.own_pages import OptionalSessionScheme, PageSessionScheme, place_of, root_of
from gatepost.http.strays import StrayCookies
from gatepost.in_code import Events, Users, UserSessions
from gatepost.log import get_logger
from gatepost.models import Client, Session, SignedIn
from gatepost.security.csrf_tokens import sign_in_binding
from gatepost.services.clock import Clock, database_clock
from gatepost.services.feature import Mailer
from gatepost.services.hooks import Moment
from gatepost.settings import Settings

log = get_logger("gatepost")

MailerKind = TypeVar("MailerKind", bound=Mailer)

Hook = TypeVar("Hook", bound=Callable[..., Awaitable[Any]])

PREFIX = "/api/auth"
"""Where the API stands unless another place is given."""

PAGES_PREFIX = "/auth"
"""Where the pages stand unless another place is given."""


class Gatepost(Gate):
    """Authentication for an ASGI application.

        auth = Gatepost()
        app = FastAPI(lifespan=auth.lifespan)
        auth.install(app)

    Making one reads the settings and opens nothing; `lifespan` opens it.

    Args:
        settings: how to work; the environment and `.env` decide where none are given.
        prefix: where `install` puts the API.
        clock: what time it is; the database's clock where none is given.
        features: what stands on the kernel: those of Gatepost where no others are given.
        registration: a pydantic model with a field for each thing that is asked for at registration, besides
            e-mail, name and password. Hooks of `on_register` may take what was sent as the third argument.

    Attributes:
        edge: how it meets the web: clients, cookies, the headers of its answers.
        current_session, fresh_session, admin_session, optional_session, page_session: what `CurrentSession`,
            `FreshSession`, `AdminSession`, `OptionalSession` and `PageSession` stand for, of this very
            instance, for an application that has several:
            `StaffSession = Annotated[Session, Depends(staff.current_session)]`.

        users, sessions, events: these, for the application's own code (`gatepost.in_code`).

    Raises:
        SettingsError: the settings can't be worked with.
        ValueError: a field of `registration` has a name that Gatepost has taken.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        prefix: str = PREFIX,
        clock: Clock = database_clock,
        features: tuple[Feature, ...] = FEATURES,
        registration: type[BaseModel] | None = None,
    ) -> None:
        super().__init__(settings, clock=clock, features=features, registration=registration)
        _check_path("prefix", prefix, like=PREFIX)
        self.prefix = prefix
        # Tokens of another instance are others': browsers and OpenAPI tell the two apart by name.
        suffix = "" if prefix == PREFIX else _suffix(prefix)
        self.edge = Edge(self, suffix)
        self.current_session = CurrentSessionScheme(self.edge)
        self.fresh_session = FreshSessionScheme(self.edge)
        self.admin_session = AdminSessionScheme(self.edge)
        self.optional_session = OptionalSessionScheme(self.edge)
        self.page_session = PageSessionScheme(self.edge)
        for scheme in (
            self.current_session,
            self.fresh_session,
            self.admin_session,
            self.optional_session,
            self.page_session,
        ):
            scheme.scheme_name += suffix
        self.users = Users(self)
        self.sessions = UserSessions(self)
        self.events = Events(self)
        self._lifespans = 0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Be open while the application runs: `FastAPI(lifespan=auth.lifespan)`.

        Inside a lifespan of your own: `async with auth.lifespan(app): yield`. It may be entered several
        times, by several applications: the first opens, the last closes. The first of a process also settles
        the garbage collector (`http/collector.py`).

        A database that is away does not keep it from being entered: requests are answered 503 until it is
        there. A mistake does, such as a wrong password or tables that are not migrated.

        Raises:
            DatabaseUnreachable, DatabaseNotMigrated, DatabaseTooNew, EmbeddedServerError: as `open`.
            RuntimeError: it is open in another event loop.
        """
        if self.is_elsewhere:
            raise RuntimeError(ELSEWHERE)
        async with self._turn:
            if not self._lifespans:
                await self.open(wait=False)
                settle()
            self._lifespans += 1
        try:
            yield
        finally:
            async with self._turn:
                self._lifespans -= 1
                if not self._lifespans:
                    await self.close()

    def install(
        self,
        app: Starlette,
        *,
        api: bool = True,
        pages: bool | str = False,
        cors: bool = False,
        openapi: bool = False,
    ) -> None:
        """Put the API on an application at `prefix`, and make `CurrentSession` work in its routes.

        The API is mounted as an application of its own: its errors and limits stay its own, and the
        application's handlers, middleware and 404 stay as they are. One layer is added to it, which keeps
        caches from giving one user's answer to another.

        Args:
            app: a FastAPI or Starlette application that has not yet started.
            api: False leaves the API out, for an application under the one that has it, or where another
                process serves it.
            pages: also put the pages for people on it, at `/auth` or the path that is given; where the
                setting PAGES is off there are none.

            cors: also have the application's own routes answer pages of ALLOWED_ORIGINS, with whatever
                method; the API does in any case. Not beside a CORSMiddleware of the application's own.
            openapi: also have the application's OpenAPI document hold the API's operations, so that one
                client is made for both.

        Raises:
            RuntimeError: the application runs already.
            SettingsError: the logo or a template of one's own can't be used.
            ValueError: something else is mounted there, or the path is none; or `openapi` of an application
                that has no API here, or no document.
        """
        if app.middleware_stack is not None:
            raise RuntimeError("Install Gatepost before the application starts")
        if api:
            self._mount(app, self.prefix, create_api(self.edge, prefix=self.prefix))
        if openapi:
            if self.edge.document is None or not isinstance(app, FastAPI):
                raise ValueError("openapi=True is for a FastAPI application that has the API")
            join(app, self.edge.document)
        if pages and self.settings.pages:
            path = pages if isinstance(pages, str) else PAGES_PREFIX
            _check_path("pages", path, like=PAGES_PREFIX)
            from gatepost.http.pages.application import (
                create_pages,  # takes a moment that others need not wait
            )

            self._mount(app, path, create_pages(self.edge))
            self.edge.pages_path = path
        if not hasattr(app.state, "gatepost"):
            # The first one installed is the one that a plain `CurrentSession` means.
            app.state.gatepost, app.state.gatepost_edge = self, self.edge
            if api:
                self._add_well_known(app)
        app.add_middleware(StrayCookies, edge=self.edge)
        app.add_middleware(PrivateAnswers, edge=self.edge)
        for layer in reversed(sharing(self.edge, methods=["*"])) if cors else ():
            app.add_middleware(layer.cls, *layer.args, **layer.kwargs)
        if GatepostError not in app.exception_handlers:
            app.add_exception_handler(GatepostError, on_gatepost_error)  # type: ignore[arg-type]  # takes WebSockets too

    def _add_well_known(self, app: Starlette) -> None:
        """Add what others look for at the root of a host; a route that the application has comes first."""
        for feature in self.features:
            if feature.api is not None:
                app.router.routes += feature.api().well_known

    @staticmethod
    def _mount(app: Starlette, path: str, mounted: ASGIApp) -> None:
        if any(isinstance(route, Mount) and route.path == path for route in app.routes):
            raise ValueError(f"Something is already mounted at {path}: use another prefix")
        for route in hiding(app.routes, path):
            # No mistake where an application means to answer one endpoint itself.
            log.warning(
                "a route of the application comes before Gatepost's",
                route=getattr(route, "path", "") or "/",
                hides=path,
                hint="define it after auth.install, or give Gatepost another path",
            )
        app.router.routes.append(PlacedMount(path, app=mounted))

    def fresh(self, *, aal: int = 1, minutes: float | None = None) -> FreshSessionScheme:
        """Return what asks a route's caller for a fresh session: `Depends(auth.fresh(aal=2, minutes=5))`.

            PayingSession = Annotated[Session, Depends(auth.fresh(aal=2, minutes=5))]

        Others are answered 403 `fresh_session_required`, with the `methods` that would do and the header of
        RFC 9470. Every session of a user with a second factor is of level 2. A user without one can't
        reach it: `methods` is then empty.

        Args:
            aal: the least authenticator assurance level (NIST SP 800-63B-4): 2 asks for more than one factor.
            minutes: how long ago that level may have been proven; None for FRESH_SESSION_MINUTES.

        Raises:
            ValueError: there is no such level, or no time.
        """
        if aal not in {1, 2} or (minutes is not None and minutes <= 0):
            raise ValueError("fresh() takes aal=1 or aal=2, and minutes above 0")
        scheme = FreshSessionScheme(self.edge, aal=aal, minutes=minutes)
        scheme.scheme_name = self.fresh_session.scheme_name
        return scheme

    def on_register(self, hook: Hook) -> Hook:
        """Have `hook(conn, user)` called inside the transaction of every registration, in order.

        With `Gatepost(registration=…)` it may be `hook(conn, user, fields)`: an instance of the model, None
        for a user whom a command, the console or your own code made without it.

        It writes on `conn`, the transaction's connection (asyncpg's); if it raises, nothing was registered.
        It may take `HOOK_TIMEOUT_SECONDS`. What it raises is the answer: a `GatepostError` or an
        `HTTPException` in its own words, anything else a 500.
        """
        self.hooks.add(Moment.REGISTER, hook)
        return hook

    def on_insert(self, *columns: str) -> Callable[[Hook], Hook]:
        """Have `hook(conn, new)` called before a user is added, for columns of `users` that are yours.

            @auth.on_insert("username")
            async def username(conn, new): return {"username": new.email.partition("@")[0]}

        It returns a dict of exactly these columns, of what JSON can hold; PostgreSQL reads the values by the
        columns' types. For columns that are NOT NULL without a default, in a table that Gatepost has taken
        over. The names are checked against the table at the start.

        Args:
            columns: those that it fills; none of Gatepost's.
        """

        def add(hook: Hook) -> Hook:
            self.hooks.add(Moment.INSERT, hook, columns=columns)
            return hook

        return add

    def on_sign_in(self, hook: Hook) -> Hook:
        """Have `hook(conn, session, client)` called inside the transaction of every sign-in, in order.

        Whichever way somebody came in, after their last step; a registration signs in too. If it raises, no
        session starts, and the trail has `login.failed`. What it raises is the answer, as of
        `on_register`.
        """
        self.hooks.add(Moment.SIGN_IN, hook)
        return hook

    def on_sign_out(self, hook: Hook) -> Hook:
        """Have `hook(conn, user, session_id)` called inside the transaction of every sign-out, in order.

        `session_id` is None where the user signs out everywhere. What it raises is logged, and what it wrote
        undone; the user is signed out all the same.
        """
        self.hooks.add(Moment.SIGN_OUT, hook)
        return hook

    def on_export(self, part: str) -> Callable[[Hook], Hook]:
        """Have `hook(conn, user)` add to the data that users download of themselves, under `application`.

            @auth.on_export("notes")
            async def notes(conn, user): return [dict(row) for row in await conn.fetch(...)]

        Args:
            part: what the export calls the answer, which is anything that JSON can hold.
        """

        def add(hook: Hook) -> Hook:
            self.hooks.add(Moment.EXPORT, hook, part=part)
            return hook

        return add

    def on_email_change(self, hook: Hook) -> Hook:
        """Have a function called inside the transaction of every change of an e-mail.

        As `on_register`; the user that it is given has the new e-mail already. If it raises, nothing was
        changed. The new e-mail is as unproven as the one of a registration.
        """
        self.hooks.add(Moment.EMAIL_CHANGE, hook)
        return hook

    def on_delete(self, hook: Hook) -> Hook:
        """Have a function called inside the transaction of every deletion of an account, before the rows go.

        As `on_register`. If it raises, nothing was deleted.
        """
        self.hooks.add(Moment.DELETE, hook)
        return hook

    def send_mail(self, send: MailerKind) -> MailerKind:
        """Have `send(message)` send every mail, in the place of MAIL_URL: by a provider's API, say.

            @auth.send_mail
            async def send(message: EmailMessage) -> None: ...

        It is called in the background, outside any transaction, and may take MAIL_TIMEOUT_SECONDS. Once it
        returns, the mail counts as sent. If it raises, the mail is tried again. A mail may come a second time
        where a server was stopped in between: its `Message-ID` is then the same.
        """
        self.mailer = send
        return send

    def url_for(
        self,
        page: str,
        *,
        next: str | None = None,  # noqa: A002 - as the query has it
        request: HTTPConnection | None = None,
    ) -> str:
        """Return the path of one of Gatepost's pages: `auth.url_for("sign_in", next="/notes")`.

        Args:
            page: `sign_in`, `sign_up`, `sign_out`, `confirm`, `account`, `devices`, `activity` or `admin`.
            next: where it leads to afterwards.
            request: what is being answered, for an application below a path that its server tells.

        Raises:
            RuntimeError: no pages were installed.
            ValueError: there is no such page.
        """
        root = self.settings.root_path if request is None else root_of(request.scope)
        return place_of(self.edge, page, root_path=root, next_=next)

    def form_token(self, request: HTTPConnection) -> str:
        """Return what a form needs in its field `form_token` to be one of Gatepost's: a sign-out button.

        The route asks for its session, as `PageSession` or `OptionalSession`. Empty where there is none.

        Raises:
            RuntimeError: the route has not asked for its session.
        """
        if request.scope.get(GATE_KEY) is not self:
            raise RuntimeError("Ask for the session of this route first: PageSession or OptionalSession")
        session: Session | None = request.scope[SESSION_KEY]
        return "" if session is None else self.csrf_tokens.issue(sign_in_binding(session))

    async def set_cookie(self, request: HTTPConnection, response: Response, signed_in: SignedIn) -> None:
        """Have the browser hold a session that `sessions.start` returned, in the cookie of Gatepost's pages.

        The session that it came with ends; of an impersonation it does not, which would end with it.

        Args:
            request: what is being answered: a form or `fetch` of your own pages, or a link.
            response: the answer, which need not be the one that is returned: FastAPI joins their headers.
            signed_in: the session.

        Raises:
            CrossOriginRefused: another site has the browser ask.
        """
        edge, scope = self.edge.at(request.scope), request.scope
        try:
            if scope["method"] in SAFE_METHODS:
                edge.guard.check_shown(scope)
            else:
                edge.guard.check_declared(scope)
        except CrossOriginRefused as refusal:
            await edge.note_refusal(scope, refusal)
            raise
        if signed_in.session.impersonator_id is None:
            await browser.supersede(edge, scope)
        browser.hand_over(response, edge, scope, signed_in)

    def client_of(self, scope: Scope) -> Client:
        """Return who is at the other end of an ASGI scope."""
        return self.edge.client_of(scope)


def _suffix(prefix: str) -> str:
    """Return a prefix in letters, digits, `_` and `-`, no two the same."""
    return re.sub(r"[^A-Za-z0-9/]", lambda match: f"-{ord(match[0]):02X}", prefix).replace("/", "_")


def _check_path(name: str, path: str, *, like: str) -> None:
    if not re.fullmatch(r"(/[\w.~-]+)+", path, re.ASCII):
        raise ValueError(f"{name} must be a path without a slash at its end, as {like} is")

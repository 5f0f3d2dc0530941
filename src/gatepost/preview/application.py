"""What `gatepost theme --serve` serves: all pages side by side, each by itself, and whether they changed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from gatepost.errors import GatepostError, SettingsError
from gatepost.http.pages.forms import MEDIA_TYPE
from gatepost.http.pages.language import find_language, language
from gatepost.library import PAGES_PREFIX
from gatepost.preview.framing import SCHEMES, Framing
from gatepost.preview.places import SCHEME
from gatepost.preview.stage import Stage
from gatepost.preview.watching import ENV_FILE, Fingerprint, fingerprint, watched
from gatepost.settings import Settings
from gatepost.texts import LANGUAGES

ASSETS = Path(__file__).parent / "assets"

_TYPES = {"preview.css": "text/css", "preview.js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Preview:
    """Serves the pages as the settings have them look at the moment.

    Files are looked at whenever something is asked for, as open pages do all the time, and these reload once
    one is another. What is wrong with the new ones stands in the place of every page.

    Args:
        read: reads the owner's settings.
        stage: makes the application of them.
    """

    def __init__(self, read: Callable[[], Settings], stage: Callable[[Settings], Awaitable[Stage]]) -> None:
        self._read, self._make_stage = read, stage
        self._stage: Stage | None = None
        self._watched: Sequence[Path] = (ENV_FILE,)
        self._seen: Fingerprint | None = None
        self._problems: list[str] = []
        self._language: str | None = None
        # Of another run it is never the same: what was open then reloads, too.
        self._version = time.time_ns()
        self._turn = asyncio.Lock()
        self._templates = Environment(
            loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._app = Starlette(
            routes=[
                Route("/", self._show_all),
                Route("/preview/version", self._tell_version),
                Route("/preview/{name}", self._send_asset),
                Mount("/", app=self._serve_page),
            ],
            lifespan=self._live,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            await self._keep_up()
        await self._app(scope, receive, send)

    # --- The stage ---

    @asynccontextmanager
    async def _live(self, _: Starlette) -> AsyncIterator[None]:
        await self._keep_up()
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """End the application."""
        if self._stage is not None:
            await self._stage.close()

    async def _keep_up(self) -> None:
        """Make the application anew where a file is another."""
        async with self._turn:
            if fingerprint(self._watched) == self._seen:
                return
            before = self._stage
            try:
                settings = self._read()
                self._watched = watched(settings)
                self._stage, self._problems = await self._make_stage(settings), []
            except GatepostError as error:
                self._problems = error.problems if isinstance(error, SettingsError) else [error.message]
            else:
                if before is not None:
                    await before.close()
            self._seen = fingerprint(self._watched)
            self._version += 1

    # --- What is served ---

    async def _show_all(self, request: Request) -> Response:
        """Show all pages side by side."""
        if (chosen := request.query_params.get("language")) is not None:
            self._choose(chosen)
            return RedirectResponse("/", status_code=303)
        stage = self._stage
        if stage is None or self._problems:
            return self._tell_problems()
        groups = groupby(stage.places, key=lambda place: place.heading)
        return self._render(
            "all.html",
            app_name=stage.auth.settings.app_name,
            prefix=PAGES_PREFIX,
            groups=[(heading, list(places)) for heading, places in groups],
            languages=[language(name) for name in LANGUAGES],
            chosen=self._language,
        )

    async def _tell_version(self, _: Request) -> Response:
        return PlainTextResponse(str(self._version), headers={"Cache-Control": "no-store"})

    async def _send_asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _TYPES:
            raise HTTPException(404)
        headers = {"Cache-Control": "no-cache"}
        return FileResponse(ASSETS / name, media_type=_TYPES[name], headers=headers)

    async def _serve_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a page to whom it is for; forms are not sent, but that of the language."""
        stage, request = self._stage, Request(scope, receive)
        answer: Response | None = None
        if stage is None or self._problems:
            answer = self._tell_problems()
        elif request.method not in {"GET", "HEAD"}:
            answer = await self._refuse_form(request)
        if stage is None or answer is not None:
            await (answer or self._tell_problems())(scope, receive, send)
            return
        path = scope["path"].removeprefix(PAGES_PREFIX)
        theirs, body = stage.visitors.request(scope, path=path, language=self._language)
        scheme = request.query_params.get(SCHEME)
        framing = Framing(
            send,
            script=self._script(),
            problem=self._failed(),
            scheme=scheme if scheme in SCHEMES else None,
        )
        await stage.app(theirs, body or receive, framing)

    async def _refuse_form(self, request: Request) -> Response:
        """Lead back to the page, in the language that was chosen on it."""
        place = request.url.path
        if place == f"{PAGES_PREFIX}/language" and request.headers.get("content-type") == MEDIA_TYPE.decode():
            form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
            self._choose(form.get("language", ""))
            place = form.get("next", f"{PAGES_PREFIX}/sign-in")
        # Of this origin alone, wherever a form says that it leads.
        return RedirectResponse(f"/{place.lstrip('/')}", status_code=303)

    def _choose(self, tag: str) -> None:
        found = find_language(tag)
        self._language = None if found is None else found.tag

    def _tell_problems(self) -> Response:
        return self._render("problem.html", status=500, problems=self._problems)

    def _failed(self) -> bytes:
        """Return the page that stands in for one that can't be shown, as its own template is broken."""
        told = ["A template fails: the terminal says where."]
        return bytes(self._render("problem.html", problems=told).body)

    def _script(self) -> str:
        return f'<script src="/preview/preview.js" defer data-version="{self._version}"></script>'

    def _render(self, template: str, *, status: int = 200, **shown: object) -> Response:
        html = self._templates.get_template(template).render(script=Markup(self._script()), **shown)  # noqa: S704 - ours
        return HTMLResponse(
            html,
            status_code=status,
            headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"},
        )

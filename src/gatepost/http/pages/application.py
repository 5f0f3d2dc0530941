"""The pages as an application of their own, to be mounted: what they load, and what nobody else answers."""

from contextlib import suppress
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gatepost.errors import GatepostError, InternalError, MethodNotAllowed, NotFound
from gatepost.http.as_get import Handshakes, Heads
from gatepost.http.dependencies import find_session
from gatepost.http.edge import Edge
from gatepost.http.errors import last_resort
from gatepost.http.middleware import BY_ENCODING, BodyGuard, RequestLog
from gatepost.http.pages.assets import SVG_POLICY
from gatepost.http.pages.forms import MEDIA_TYPE
from gatepost.http.pages.page import error_page, refused
from gatepost.http.pages.routes import PAGES
from gatepost.http.pages.site import Site
from gatepost.http.pages.visit import Visit
from gatepost.log import get_logger

log = get_logger("gatepost.http")


def create_pages(edge: Edge) -> ASGIApp:
    """Return the pages of a Gatepost.

    Raises:
        SettingsError: the logo or a template of TEMPLATES_DIR can't be used.
    """
    site = Site(edge)
    site.check_templates()
    if site.without_input and "sign_up.html" not in site.replaced:
        log.warning(
            "the sign-up page has no input for a required field",
            fields=site.without_input,
            hint="put one into the block `fields` of sign_up.html in TEMPLATES_DIR",
        )
    answers = Answers(site)
    site.routes = [page.route(site) for page in (*PAGES, *site.pages)]
    pages = Starlette(
        routes=[
            Route("/", answers.home),
            Route("/assets/{path:path}", answers.asset),
            Route("/icon", answers.icon),
            *site.routes,
        ],
        middleware=[
            Middleware(RequestLog, headers=edge.headers, fault=answers.fault),
            Middleware(Heads),
            Middleware(BodyGuard, media_type=MEDIA_TYPE, refuse=answers.refuse),
        ],
        exception_handlers={
            HTTPException: answers.on_http_exception,
            GatepostError: answers.on_gatepost_error,
        },
    )
    pages.router.redirect_slashes = False
    return Handshakes(pages)


class Answers:
    """What is answered where no page is asked for, or none can be shown.

    Args:
        site: whose pages they are.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def home(self, request: Request) -> Response:
        """Lead to the account, and from there to sign-in whom it is not for."""
        visit = Visit(self._site, request)
        return visit.redirect(visit.url("/account"))

    async def icon(self, request: Request) -> Response:
        """Lead to the icon, for those who look for it at a place of their own choice."""
        visit = Visit(self._site, request)
        name = self._site.assets.named("icon")
        if name is None:
            raise HTTPException(404)
        return visit.redirect(visit.url(self._site.assets.paths[name]))

    async def asset(self, request: Request) -> Response:
        """Send what pages load."""
        found = self._site.assets.get(request.path_params["path"])
        if found is None:
            raise HTTPException(404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        if found.media_type == "image/svg+xml":
            headers["Content-Security-Policy"] = SVG_POLICY
        content = found.content
        if found.packed is not None:
            headers["Vary"] = BY_ENCODING.decode()
            if _takes_gzip(request.headers.get("accept-encoding", "")):
                headers["Content-Encoding"], content = "gzip", found.packed
        return Response(content, media_type=found.media_type, headers=headers)

    async def on_http_exception(self, request: Request, error: Exception) -> Response:
        """Tell that there is no such page, or that it takes no such method."""
        if isinstance(error, HTTPException) and error.status_code == 405:
            response = await self._told(request, MethodNotAllowed())
            response.headers["Allow"] = (error.headers or {}).get("Allow", "GET")
            return response
        return await self._told(request, NotFound())

    async def on_gatepost_error(self, request: Request, error: Exception) -> Response:
        """Refuse for an answer that is no page and finds out when it is to begin, as a live stream does."""
        return refused(Visit(self._site, request), cast("GatepostError", error))

    def refuse(self, scope: Scope, error: GatepostError) -> ASGIApp:
        """Tell what is against a request, before a page is asked for."""

        async def answer(_: Scope, receive: Receive, send: Send) -> None:
            page = await self._told(Request(scope), error)
            await page(scope, receive, send)

        return answer

    def fault(self, scope: Scope) -> ASGIApp:
        """Tell of a fault of ours."""

        async def answer(_: Scope, receive: Receive, send: Send) -> None:
            try:
                page: ASGIApp = await self._told(Request(scope), InternalError())
            except Exception:
                # One's own templates stand in the way of every page: of this one too.
                log.exception("the page of a fault can't be shown")
                page = last_resort(scope)
            await page(scope, receive, send)

        return answer

    async def _told(self, request: Request, error: GatepostError) -> Response:
        """Return the page of an error, for whoever is signed in where that can be seen."""
        visit = Visit(self._site, request)
        with suppress(GatepostError):
            visit.session = await find_session(visit.edge, request.scope)
        return error_page(visit, error)


def _takes_gzip(accepted: str) -> bool:
    """Say whether a browser takes gzip, by its header (RFC 9110 §12.5.3)."""
    codings = (each.replace(" ", "").lower().partition(";q=") for each in accepted.split(","))
    # Of "q=0" and "q=0.000" nothing is left.
    return any(coding == "gzip" and (not q or quality.strip("0.")) for coding, q, quality in codings)

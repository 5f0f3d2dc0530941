"""The stand-alone application, assembled here and nowhere else."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gatepost.feature import Feature
from gatepost.features import FEATURES
from gatepost.http.as_get import Handshakes
from gatepost.http.errors import on_http_exception
from gatepost.http.hot import HotEndpoints, HotPaths
from gatepost.http.middleware import RequestLog
from gatepost.http.strays import StrayCookies
from gatepost.library import PAGES_PREFIX, Gatepost
from gatepost.services.clock import Clock, database_clock
from gatepost.settings import Settings

_WELL_KNOWN = {"/.well-known/change-password": "/account/password", "/favicon.ico": "/icon"}
"""Where password managers (WHATWG, "A Well-Known URL for Changing Passwords") and browsers look → page."""


class StandAlone(FastAPI):
    """FastAPI, and in front of it the endpoints that run for every request of other applications."""

    hot: ASGIApp
    root: str
    complete: tuple[str, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; servers tell by the coroutine that this is ASGI 3."""
        if self.root and scope["type"] != "lifespan":
            _place(scope, self.root, self.complete)
        await self.hot(scope, receive, send)

    async def serve_others(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is not for those endpoints."""
        await super().__call__(scope, receive, send)


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock = database_clock,
    features: tuple[Feature, ...] = FEATURES,
) -> FastAPI:
    """Return the application that `gatepost serve` runs; nothing is opened before its lifespan begins."""
    auth = Gatepost(settings, clock=clock, features=features)
    app = StandAlone(
        lifespan=auth.lifespan,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[Middleware(RequestLog, headers=auth.edge.headers)],
        exception_handlers={HTTPException: on_http_exception},
    )
    auth.install(app, pages=True)
    hot = HotPaths(app.serve_others, HotEndpoints(auth.edge), prefix=auth.prefix)
    app.hot = Handshakes(StrayCookies(hot, auth.edge))
    app.root = auth.settings.root_path
    app.complete = tuple(f"{app.root}{prefix}/" for prefix in (auth.prefix, PAGES_PREFIX))
    home, paths = None, ["/"]
    if auth.settings.pages:
        home, paths = f"{PAGES_PREFIX}/account", ["/", PAGES_PREFIX]
    elif auth.settings.environment != "production":
        home = f"{auth.prefix}/docs"
    if home is not None:
        for path in paths:
            app.add_route(path, _leading(app.root + home))
    if auth.settings.pages:
        for path, page in _WELL_KNOWN.items():
            app.add_route(path, _leading(f"{app.root}{PAGES_PREFIX}{page}"))

    return app


def _leading(place: str) -> Callable[[Request], Awaitable[RedirectResponse]]:
    """Return what answers by leading to a place."""

    async def lead(_: Request) -> RedirectResponse:
        return RedirectResponse(place, status_code=303)

    return lead


def _place(scope: Scope, root: str, complete: tuple[str, ...]) -> None:
    """Have the path begin with the root, as ASGI has it, whether or not the proxy has taken it off.

    Args:
        scope: of the request.
        root: below which the proxy shows this server; it may be a prefix of ours itself, as `/auth`.
        complete: how paths begin from which it was not taken.
    """
    scope["root_path"] = root
    path = scope["path"]
    if path == root:
        scope["path"] = f"{root}/"
    elif path != f"{root}/" and not path.startswith(complete):
        scope["path"] = root + path

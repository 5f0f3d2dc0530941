"""Pages of other origins that may take part: `ALLOWED_ORIGINS` (the Fetch standard's CORS protocol)."""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gatepost.errors import CrossOriginRefused
from gatepost.http.edge import Edge
from gatepost.http.errors import render

SENT_HEADERS = (
    *("Authorization", "Content-Type"),
    *("baggage", "sentry-trace", "traceparent", "tracestate"),  # what tracing adds to requests
    *("X-Request-ID", "X-Requested-With"),
)
"""Headers that pages of ALLOWED_ORIGINS may send."""

METHODS = ("GET", "POST", "PATCH", "DELETE")
"""Methods of the API."""

_SAFELISTED = ("accept", "accept-language", "content-language", "content-type")
"""Headers that any page may send (the Fetch standard's safelist)."""


class Preflights:
    """Refuses the preflights that CORS would refuse, and says which setting would allow them.

    Args:
        app: what answers the others.
        edge: whose guard knows the origins.
    """

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self.app = app
        self._guard = edge.guard
        self._allowed = {*(name.lower() for name in SENT_HEADERS), *_SAFELISTED}
        self._allowed |= set(edge.gate.settings.allowed_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            headers = dict(scope["headers"])
            if b"origin" in headers and b"access-control-request-method" in headers:
                wanted = headers.get(b"access-control-request-headers", b"").decode("latin-1").lower()
                names = [name.strip() for name in wanted.split(",") if name.strip()]
                try:
                    self._guard.check_preflight(scope, [name for name in names if name not in self._allowed])
                except CrossOriginRefused as refusal:
                    await render(refusal)(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def sharing(edge: Edge, *, methods: Sequence[str] = METHODS) -> list[Middleware]:
    """Return the layers that answer pages of other origins: those of ALLOWED_ORIGINS may take part."""
    settings = edge.gate.settings
    layers = [Middleware(Preflights, edge=edge)]
    if settings.allowed_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_credentials=True,
                allow_methods=methods,
                allow_headers=[*SENT_HEADERS, *settings.allowed_headers],
                expose_headers=["Retry-After", "X-Request-ID"],
            )
        )
    return layers

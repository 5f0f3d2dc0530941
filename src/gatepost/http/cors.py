"""Pages of other origins that may take part: `ALLOWED_ORIGINS` (the Fetch standard's CORS protocol)."""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gatepost.settings import Settings

SENT_HEADERS = (
    *("Authorization", "Content-Type"),
    *("baggage", "sentry-trace", "traceparent", "tracestate"),  # what tracing adds to requests
    *("X-Request-ID", "X-Requested-With"),
)
"""Headers that pages of ALLOWED_ORIGINS may send."""

METHODS = ("GET", "POST", "PATCH", "DELETE")
"""Methods of the API."""


def sharing(settings: Settings, *, methods: Sequence[str] = METHODS) -> list[Middleware]:
    """Return the layer that answers pages of ALLOWED_ORIGINS; none where there are no such origins."""
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_credentials=True,
            allow_methods=methods,
            allow_headers=[*SENT_HEADERS, *settings.allowed_headers],
            expose_headers=["Retry-After", "X-Request-ID"],
        )
    ]

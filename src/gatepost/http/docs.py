"""The interactive page of the API, served from files of the package: it works without the internet."""

import hashlib
from functools import cache
from html import escape
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from gatepost.errors import NotFound
from gatepost.http.edge import Edge
from gatepost.http.headers import PAGE_HEADERS

ASSETS = Path(__file__).parent / "assets"

_FILES = {
    "swagger-ui.css": (ASSETS / "swagger-ui" / "swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (ASSETS / "swagger-ui" / "swagger-ui-bundle.js", "text/javascript"),
    "start.css": (ASSETS / "start.css", "text/css"),
    "start.js": (ASSETS / "start.js", "text/javascript"),
}

# Paths are relative: whatever the API is mounted below, or a proxy puts before it, they lead there.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name} API</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="docs/{digest}/swagger-ui.css">
<link rel="stylesheet" href="docs/{digest}/start.css">
</head>
<body>
<header class="top"><strong>{name} API</strong>
<nav aria-label="Elsewhere">{back}</nav></header>
<main id="swagger-ui" data-openapi="openapi.json"></main>
<script src="docs/{digest}/swagger-ui-bundle.js"></script>
<script src="docs/{digest}/start.js"></script>
</body>
</html>
"""

# Swagger UI styles elements by itself; scripts come from this origin alone.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_router(edge: Edge, *, prefix: str) -> APIRouter:
    """Return the routes of the page, below `/docs`.

    Args:
        edge: knows where the pages are.
        prefix: where the API is, beside them.
    """
    router = APIRouter(include_in_schema=False)
    name = escape(edge.gate.settings.app_name)
    up = "../" * prefix.count("/")

    @router.get("/docs")
    async def page() -> Response:
        # The pages may be put on the application after the API.
        pages = None if edge.pages_path is None else up + escape(edge.pages_path.lstrip("/"))
        back = "" if pages is None else f'<a href="{pages}/account">Your account</a>'
        icon = "data:," if pages is None else f"{pages}/icon"
        html = _PAGE.format(digest=_digest(), name=name, back=back, icon=icon)
        return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY, **PAGE_HEADERS})

    @router.get("/docs/{digest}/{name}")
    async def asset(digest: str, name: str) -> Response:
        if name not in _FILES or digest != _digest():
            raise NotFound
        path, media_type = _FILES[name]
        return FileResponse(
            path,
            media_type=media_type,
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    return router


@cache
def _digest() -> str:
    """Return what changes when the files do, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path, _ in _FILES.values():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]

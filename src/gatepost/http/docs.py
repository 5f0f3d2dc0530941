"""The interactive page of the API, served from files of the package: it works without the internet."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from gatepost.errors import NotFound
from gatepost.http.headers import PAGE_HEADERS

ASSETS = Path(__file__).parent / "assets"

_FILES = {
    "swagger-ui.css": (ASSETS / "swagger-ui" / "swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (ASSETS / "swagger-ui" / "swagger-ui-bundle.js", "text/javascript"),
    "start.js": (ASSETS / "start.js", "text/javascript"),
}

# Paths are relative: whatever the API is mounted below, or a proxy puts before it, they lead there.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Gatepost API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/{digest}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-openapi="openapi.json"></div>
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


def docs_router() -> APIRouter:
    """Return the routes of the page, below `/docs`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def page() -> Response:
        html = _PAGE.format(digest=_digest())
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

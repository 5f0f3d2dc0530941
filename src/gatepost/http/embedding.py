"""Keeps the API from being a part of another site's page, which a browser would send its cookie for."""

from starlette.types import ASGIApp, Receive, Scope, Send

from gatepost.errors import CrossOriginRefused, GatepostError
from gatepost.http.edge import Edge
from gatepost.http.errors import render

CHECKS = frozenset({"/me", "/verify"})
"""What is asked for every request of other applications, of whatever page: it costs next to nothing."""


class Unembedded:
    """Refuses what another site loads as a picture, frame or data of its own, before anything is looked up.

    A GET changes nothing, and may still cost much (a search, an export, a place of the live feed) or be on
    the trail. Pages ask the same (`pages/page.py`).

    Args:
        app: what answers.
        edge: whose cookies they are.
    """

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self.app = app
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "GET" and _path(scope) not in CHECKS:
            try:
                self._check(scope)
            except CrossOriginRefused as refusal:
                await render(refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        try:
            _, by_cookie = self._edge.presented(scope)
        except GatepostError:
            return  # the route says so
        if by_cookie:
            self._edge.guard.check_shown(scope)


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))

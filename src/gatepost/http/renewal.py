"""A cookie session renews itself: past half of its life the answer carries the successor's cookie.

Renewing is a refresh like any other: within the absolute end, with the old token good for nothing once the
grace is over. Requests that a page sends at once all get the same successor. Nothing is renewed by what
asks on behalf of a browser (`verify`): its answer, and the cookie in it, may never reach that.
"""

from collections.abc import Awaitable
from datetime import timedelta

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepost.errors import GatepostError
from gatepost.http.edge import Edge
from gatepost.models import Session

USE_KEY = "gatepost.cookie_use"
"""Where the scope of a request with a session cookie holds what became of it."""

LIFE_MIN = timedelta(seconds=30)
"""A session that was given less lives towards its absolute end and is let go."""


class CookieUse:
    """What became of a request's session cookie.

    Attributes:
        session: the session that it opened; None where it was not asked for one.
    """

    __slots__ = ("session",)

    def __init__(self) -> None:
        self.session: Session | None = None


def note_session(scope: Scope, session: Session) -> None:
    """Say that the session cookie of a request opened this session."""
    use = scope.get(USE_KEY)
    if use is not None:
        use.session = session


class CookieRenewal:
    """Adds the successor's cookie to answers; requests without a session cookie pass by it.

    Args:
        app: what answers.
        edge: whose cookies they are.
    """

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self.app = app
        self._edge = edge

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request; no coroutine of its own stands in the way of those without a cookie."""
        if scope["type"] == "http" and USE_KEY not in scope:
            for name, _ in scope["headers"]:
                if name == b"cookie":
                    return self._serve(scope, receive, send)
        return self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[USE_KEY] = use = CookieUse()

        async def renewing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_due(use.session):
                message["headers"] = [*message.get("headers", ()), *await self._renewed(scope)]
            await send(message)

        await self.app(scope, receive, renewing)

    def _is_due(self, session: Session | None) -> bool:
        if session is None:
            return False
        life = session.expires_at - session.created_at
        return life >= LIFE_MIN and self._edge.gate.now() >= session.created_at + life / 2

    async def _renewed(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        edge = self._edge
        try:
            token = edge.cookies.token(scope)
            if token is None:
                return []
            signed_in = await edge.gate.sessions.renew(token, edge.client_of(scope))
        except GatepostError:
            return []  # the database went away: the next request tells
        if signed_in is None:
            return []  # ended by the request itself, or renewed by others while it took its time
        return [edge.cookies.set_session(signed_in, edge.gate.now())]

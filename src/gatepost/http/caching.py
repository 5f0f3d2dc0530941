"""What caches may keep of answers that depend on a session, or hand one over (RFC 9111; ASVS 14.3.2).

Gatepost's own answers say so themselves (`headers.py`). This is for those of the application around it.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepost.http.edge import Edge
from gatepost.http.headers import Headers

ASKED_KEY = "gatepost.asked"
"""Where the scope of a request holds whether its session was asked for."""


class Asked:
    """Whether the session of a request was asked for, so that the answer may depend on it."""

    __slots__ = ("is_asked",)

    def __init__(self) -> None:
        self.is_asked = False


def note_asked(scope: Scope) -> None:
    """Say that the session of a request was asked for, whether or not it has one."""
    asked = scope.get(ASKED_KEY)
    if asked is not None:
        asked.is_asked = True


class PrivateAnswers:
    """Keeps caches from giving one user's answer to another.

    An answer for which the session was asked varies by what may hold one, and no cache stores an answer that
    sets the session cookie, whatever else its route says of that.

    Args:
        app: what answers.
        edge: whose cookies they are.
    """

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self.app = app
        self._edge = edge

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request; no coroutine of its own stands in the way of other connections."""
        if scope["type"] == "http":
            return self._serve(scope, receive, send)
        return self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        cookies = self._edge.at(scope).cookies
        asked: Asked = scope.setdefault(ASKED_KEY, Asked())  # that of an outer layer, where there are two

        async def keeping(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                sets_session = cookies.set_a_session(headers)
                if sets_session:
                    headers = unstored(headers)
                if sets_session or asked.is_asked:
                    headers = varying(headers)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, keeping)


def varying_send(send: Send) -> Send:
    """Return what sends an answer for which the session is asked in any case."""

    async def vary(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = varying(list(message.get("headers", ())))
        await send(message)

    return vary


def varying(headers: Headers) -> Headers:
    """Return headers that say that the answer depends on the session (RFC 9110 §12.5.5)."""
    listed = [value for name, value in headers if name.lower() == b"vary"]
    if not listed:
        return [*headers, (b"vary", b"Authorization, Cookie")]
    named = {part.strip().lower() for value in listed for part in value.split(b",")}
    missing = [name for name in (b"Authorization", b"Cookie") if name.lower() not in named]
    if b"*" in named or not missing:
        return headers
    others = [header for header in headers if header[0].lower() != b"vary"]
    return [*others, (b"vary", b", ".join([*filter(None, listed), *missing]))]


def unstored(headers: Headers) -> Headers:
    """Return headers by which no cache keeps the answer, that of a delivery network included (RFC 9213)."""
    others = [header for header in headers if not _is_of_caches(header[0].lower())]
    return [*others, (b"cache-control", b"no-store")]


def _is_of_caches(name: bytes) -> bool:
    return name.endswith(b"cache-control") or name in {b"expires", b"surrogate-control"}

"""What is answered as a GET request would be: HEAD, and the handshake of a WebSocket.

    HEAD         the same answer without its body (RFC 9110 §9.3.2)
    handshake    the same answer as what ASGI calls a denial response

None of our endpoints is a WebSocket. A handshake is a GET request with some headers more (RFC 6455 §4.1), and
it comes where a proxy asks `verify` or `me` with the headers of the request that it is to let through.
"""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepost.http.client import restore_peer
from gatepost.log import get_logger

log = get_logger("gatepost.http")

DENIAL = "websocket.http.response"
"""The extension of ASGI by which a server lets a handshake be answered with a status, headers and a body."""


class Handshakes:
    """Answers handshakes as the GET requests that they are; everything else passes.

    Args:
        app: what answers, without a WebSocket of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection."""
        if scope["type"] == "websocket":
            return self._answer(scope, receive, send)
        return self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        restore_peer(scope, receive)
        await receive()  # says that a handshake has come
        if DENIAL not in (scope.get("extensions") or {}):
            log.warning("the server can answer a handshake by 403 alone", path=scope["path"])
            await send({"type": "websocket.close", "code": 1008})
            return
        scheme = scope.get("scheme", "ws").replace("ws", "http")

        async def deny(message: Message) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        # Files are sent as bytes: there is no extension for others in a denial.
        asked = {**scope, "type": "http", "method": "GET", "scheme": scheme, "extensions": {}}
        await self.app(asked, _nothing(), deny)


class Heads:
    """Answers HEAD as GET and leaves the body out; everything else passes.

    Args:
        app: what answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            return self.app({**scope, "method": "GET"}, _nothing(), _headers_alone(send))
        return self.app(scope, receive, send)


def _headers_alone(send: Send) -> Send:
    async def start(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b""})

    return start


def _nothing() -> Callable[[], Awaitable[Message]]:
    """Return what is received of a request without a body, whose caller does not wait for a stream."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive

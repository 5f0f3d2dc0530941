"""The outermost layers, plain ASGI: request id, log line and last resort; then the guard of bodies."""

import time
import uuid

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepost.errors import BodyTooLarge, GatepostError, UnsupportedMediaType
from gatepost.http.errors import last_resort, render
from gatepost.log import get_logger

log = get_logger("gatepost.http")

BODY_MAX = 64 * 1024
"""Bytes of a body that are read."""

QUIET_PATHS = ("/me", "/verify")
"""Ends of paths whose successful answers are logged at debug level only: session checks."""


class RequestLog:
    """Gives a request its id, logs it in one line, and answers what nobody else caught.

    The id is drawn here and returned as `X-Request-ID`; one sent by a client is not believed. Within
    another one, as the API stands in the stand-alone application, faults are answered and that is all.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "gatepost.request_id" in scope:
            await self._answered(scope, receive, send, outermost=False)
            return
        request_id = uuid.uuid4().hex
        scope["gatepost.request_id"] = request_id
        began = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["X-Request-ID"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answered(scope, receive, send_with_headers, outermost=True)
            _write_line(scope, status, began)

    async def _answered(self, scope: Scope, receive: Receive, send: Send, *, outermost: bool) -> None:
        """Serve a request, and answer a fault that nobody else caught."""
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        except Exception:
            if outermost or not begun:
                log.exception("unhandled fault", method=scope["method"], path=scope["path"])
            if begun:
                raise  # half an answer is out: only the server can cut it off
            await last_resort()(scope, receive, send)


def _write_line(scope: Scope, status: int, began: float) -> None:
    path = scope["path"]
    quiet = status in {200, 204} and path.endswith(QUIET_PATHS)
    write = log.debug if quiet else log.info
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    write("request", method=scope["method"], path=path, status=status, ms=milliseconds)


class BodyGuard:
    """Lets JSON bodies of at most `BODY_MAX` bytes through, read whole; refuses every other body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            length = headers.get(b"content-length", b"0")
            if length.isdigit() and int(length) > BODY_MAX:
                raise BodyTooLarge
            body = await _read(receive)
            if body is None:
                return  # the client went away
            if body and not _is_json(headers.get(b"content-type", b"")):
                raise UnsupportedMediaType
        except GatepostError as error:
            await render(error)(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > BODY_MAX:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _is_json(content_type: bytes) -> bool:
    """Say whether a body is declared as JSON; the parameter `charset` is tolerated (RFC 8259 §11)."""
    return content_type.partition(b";")[0].strip().lower() == b"application/json"

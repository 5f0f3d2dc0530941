"""The outermost layers, plain ASGI: request id, log line and last resort; then the guard of bodies."""

import asyncio
import logging
import os
import time
from collections.abc import Callable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepost.deadline import one_deadline
from gatepost.errors import BodyTooLarge, BodyTooSlow, GatepostError, UnsupportedMediaType
from gatepost.http.errors import last_resort, render
from gatepost.http.headers import Headers
from gatepost.log import get_logger, redact, write
from gatepost.models.bounds import BODY_MAX

log = get_logger("gatepost.http")
_plain_log = logging.getLogger("gatepost.http")

_DIGITS_MAX = 19
"""Digits of a length that are read; Python reads no number of thousands."""

BODY_SECONDS = 10.0
"""How long a body may take to arrive, from its head to its end."""

QUIET_PATHS = ("/me", "/verify")
"""Ends of paths whose successful answers are logged at debug level only: session checks."""


class Begun:
    """A request that has begun: its id, what its answer carries, its line in the log.

    The id is random, made here and returned as `X-Request-ID`; one sent by a client is not believed.
    """

    __slots__ = ("_began", "_common", "_scope", "request_id")

    def __init__(self, scope: Scope, common: Headers) -> None:
        self._scope = scope
        self._common = common
        self._began = time.perf_counter()
        self.request_id = os.urandom(16).hex()

    @property
    def headers(self) -> Headers:
        """The headers of every answer."""
        return [(b"x-request-id", self.request_id.encode()), *self._common]

    def end(self, status: int) -> None:
        """Write the line of the request."""
        path = self._scope["path"]
        quiet = status in {200, 204} and path.endswith(QUIET_PATHS)
        if quiet and not _plain_log.isEnabledFor(logging.DEBUG):
            return  # asked before anything is made ready: this comes with every session check
        # What failed is told at every level that is in use: its id is what the caller was given.
        level = logging.WARNING if status >= 500 else logging.DEBUG if quiet else logging.INFO
        told = {
            "method": redact(self._scope["method"]),
            "path": redact(path),
            "status": status,
            "ms": round((time.perf_counter() - self._began) * 1000, 1),
            "request_id": self.request_id,
        }
        write(_plain_log, level, "request", told)


BY_ENCODING = b"Accept-Encoding"
"""What Vary says of an answer that is packed for those who take it."""


class RequestLog:
    """Gives a request its id, logs it in one line, and answers what nobody else caught.

    Within another one, as the API stands in the stand-alone application, faults are answered and that is all.

    Args:
        app: what answers.
        headers: what every answer carries, unless it has such a header of its own; Vary is always these,
            besides `BY_ENCODING`.
        fault: makes the answer to a fault.
    """

    def __init__(
        self, app: ASGIApp, headers: Headers, fault: Callable[[Scope], ASGIApp] = last_resort
    ) -> None:
        self.app = app
        self._headers = headers
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "gatepost.request_id" in scope:
            await self._answered(scope, receive, send, outermost=False)
            return
        begun = Begun(scope, self._headers)
        scope["gatepost.request_id"] = begun.request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [
                    header
                    for header in message.get("headers", ())
                    if header[0] != b"vary" or header[1] == BY_ENCODING
                ]
                named = {name for name, _ in own} - {b"vary"}
                message["headers"] = own + [header for header in begun.headers if header[0] not in named]
            await send(message)
            spent.lift()  # what is sent bit by bit is no longer waited for

        with (
            structlog.contextvars.bound_contextvars(request_id=begun.request_id),
            one_deadline() as spent,
        ):
            await self._answered(scope, receive, send_with_headers, outermost=True)
        begun.end(status)

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
            await self._fault(scope)(scope, receive, send)


class BodyGuard:
    """Lets bodies of one type and at most `BODY_MAX` bytes through, read whole; refuses every other body.

    So is one whose end does not come within `BODY_SECONDS`: a connection must not be held for good.

    Args:
        app: what answers.
        media_type: the type; the parameter `charset` is tolerated (RFC 8259 §11).
        refuse: makes the answer to a refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        media_type: bytes = b"application/json",
        refuse: Callable[[Scope, GatepostError], ASGIApp] = lambda _, error: render(error),
    ) -> None:
        self.app = app
        self._media_type = media_type
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            length = headers.get(b"content-length", b"0")
            if length.isdigit() and (len(length) > _DIGITS_MAX or int(length) > BODY_MAX):
                raise BodyTooLarge
            body = await _read(receive)
            if body is None:
                return  # the client went away
            # A form of another site needs no body to do harm: what comes with a cookie may not look like one.
            declared = headers.get(b"content-type", b"")
            is_declared = declared.partition(b";")[0].strip().lower() == self._media_type
            if (body or (declared and b"cookie" in headers)) and not is_declared:
                raise UnsupportedMediaType(self._media_type.decode())
        except GatepostError as error:
            if isinstance(error, BodyTooLarge | BodyTooSlow):
                send = _closing(scope, send)
            await self._refuse(scope, error)(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > BODY_MAX:
                    raise BodyTooLarge
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise BodyTooSlow from None


def _closing(scope: Scope, send: Send) -> Send:
    """Have the server close the connection, on which the rest may still come (RFC 9110 §15.5.9)."""
    if not scope.get("http_version", "1.1").startswith("1"):
        return send  # HTTP/2 ends the one stream by itself, and forbids the header

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return close


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay

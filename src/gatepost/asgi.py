"""`AuthMiddleware`: the session in the scope of any ASGI application."""

from contextlib import AsyncExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gatepost.errors import AuthenticationError, GatepostError, SetupError
from gatepost.http.caching import varying_send
from gatepost.http.dependencies import ERROR_KEY, find_session
from gatepost.http.errors import on_gatepost_error, render
from gatepost.library import Gatepost
from gatepost.log import get_logger

log = get_logger("gatepost.http")


class AuthMiddleware:
    """Tells any ASGI application who calls, in the scope of each request and WebSocket.

        scope["gatepost.session"]    the `Session`, or None
        scope["gatepost.error"]      None, or the `AuthenticationError` that says why there is no session

    What to do with a caller who has no session is the application's business, unless `required` makes it a
    401. Where nobody can say who calls, because the database is away, the answer is 503 and the application
    is not asked at all. The database is asked once a request, and only where a token was sent; a
    `CurrentSession` further in asks no second time.

    With the application's lifespan it opens the Gatepost, unless that is open already, and closes it after
    the application has shut down. An application that knows no lifespan (Django's) needs none.

    Args:
        app: any ASGI application.
        auth: whose sessions count.
        required: answer those who have no session with 401.
    """

    def __init__(self, app: ASGIApp, auth: Gatepost, *, required: bool = False) -> None:
        self.app = app
        self.auth = auth
        self.required = required

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] in {"http", "websocket"}:
            await self._serve(dict(scope), receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http":
                send = varying_send(send)
            session = await find_session(self.auth.edge, scope)
            if session is None and self.required:
                refusal: AuthenticationError = scope[ERROR_KEY]
                raise refusal
        except GatepostError as error:
            if scope["type"] == "websocket":
                await on_gatepost_error(WebSocket(scope, receive, send), error)
            else:
                await render(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = _Lifespan(await receive(), receive, send)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.auth.lifespan())
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                if isinstance(error, SetupError):
                    return  # its message says all there is
                raise
            await inner.run(self.app, scope)
        await inner.end()


class _Lifespan:
    """The lifespan of the application inside, its last word held back until everything is closed."""

    def __init__(self, startup: Message, receive: Receive, send: Send) -> None:
        self._startup: Message | None = startup
        self._receive = receive
        self._send = send
        self._answer: str | None = None
        self._told_to_end = False
        self._last: Message = {"type": "lifespan.shutdown.complete"}
        self._fault: Exception | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Return when the server has asked for the end and the application has come to it."""
        try:
            await app(scope, self._hear, self._say)
        except Exception as error:
            if self._answer is not None:
                self._fault = error
                if self._last["type"] == "lifespan.shutdown.complete":
                    self._last = {"type": "lifespan.shutdown.failed", "message": str(error)}
                return
            log.debug("the application has no lifespan of its own", why=str(error))
        if self._answer is None:
            await self._say({"type": "lifespan.startup.complete"})
        if self._answer == "lifespan.startup.complete" and not self._told_to_end:
            await self._receive()
            self._told_to_end = True

    async def end(self) -> None:
        """Say the last word, and raise what the application raised."""
        if self._told_to_end:
            await self._send(self._last)
        if self._fault is not None:
            raise self._fault

    async def _hear(self) -> Message:
        startup, self._startup = self._startup, None
        if startup is not None:
            return startup
        message = await self._receive()
        self._told_to_end = True
        return message

    async def _say(self, message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            self._last = message
        else:
            self._answer = message["type"]
            await self._send(message)

"""`AuthMiddleware` around applications of every kind: what their scope holds, and who opens and closes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.conftest import AsApp, MakeSettings, bearer, execute, scratch_database, settings_for

from gatepost import AuthMiddleware, CurrentSession, Gatepost, Session, SignedIn
from gatepost.errors import InvalidSession, NotAuthenticated
from gatepost.services.sessions import Sessions

PASSWORD = "securepassword123"


@pytest.fixture
def auth(make_settings: MakeSettings) -> Gatepost:
    return Gatepost(make_settings())


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that the database was asked for."""
    asked: list[str] = []
    resolve = Sessions.resolve

    async def counting(sessions: Sessions, token: str) -> Session:
        asked.append(token)
        return await resolve(sessions, token)

    monkeypatch.setattr(Sessions, "resolve", counting)
    return asked


async def token_of(auth: Gatepost, email: str = "user@example.com") -> str:
    client = auth.client_of({"headers": []})
    signed_in = await auth.accounts.register(email=email, name="N", password=PASSWORD, client=client)
    assert isinstance(signed_in, SignedIn)
    return signed_in.token


class Bare:
    """An application without a framework: keeps the scopes that it saw and answers with whom it saw."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        session, error = scope["gatepost.session"], scope["gatepost.error"]
        assert (session is None) != (error is None)
        answer = {"email": session.user.email} if session else {"code": error.code}
        await JSONResponse(answer)(scope, receive, send)


def talk(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gatepost.test")


# --- Requests ---


async def test_the_scope_holds_the_session_or_why_there_is_none(auth: Gatepost, lookups: list[str]) -> None:
    app = Bare()
    async with auth, talk(AuthMiddleware(app, auth)) as client:
        token = await token_of(auth)
        assert (await client.get("/", headers=bearer(token))).json() == {"email": "user@example.com"}
        assert isinstance(app.seen[-1]["gatepost.session"], Session)
        assert (await client.get("/", headers=bearer("nonsense"))).json() == {"code": "invalid_session"}
        assert isinstance(app.seen[-1]["gatepost.error"], InvalidSession)
        assert lookups == [token, "nonsense"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dXNlcjpwYXNz"}])
async def test_without_a_token_the_database_is_not_asked(
    auth: Gatepost, lookups: list[str], headers: dict[str, str]
) -> None:
    app = Bare()
    async with auth, talk(AuthMiddleware(app, auth)) as client:
        assert (await client.get("/", headers=headers)).json() == {"code": "not_authenticated"}
    assert isinstance(app.seen[-1]["gatepost.error"], NotAuthenticated)
    assert lookups == []


async def test_the_scope_of_the_server_is_left_as_it_was(auth: Gatepost) -> None:
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async with auth:
        await AuthMiddleware(Bare(), auth)(scope, no_message, send)
    assert sent[0]["status"] == 200
    assert set(scope) == {"type", "method", "path", "headers"}


async def no_message() -> Message:
    raise AssertionError("nothing to hear")


async def test_required_answers_401_itself(auth: Gatepost) -> None:
    app = Bare()
    async with auth, talk(AuthMiddleware(app, auth, required=True)) as client:
        token = await token_of(auth)
        refused = await client.get("/")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json()["error"] == {"code": "not_authenticated"}
        assert (await client.get("/", headers=bearer("nonsense"))).status_code == 401
        assert app.seen == []
        assert (await client.get("/", headers=bearer(token))).json() == {"email": "user@example.com"}


@pytest.mark.parametrize("required", [False, True])
async def test_nobody_is_anonymous_because_the_database_is_away(
    auth: Gatepost, dsn: str, server_dsn: str, required: bool
) -> None:
    app = Bare()
    async with auth, talk(AuthMiddleware(app, auth, required=required)) as client:
        token = await token_of(auth)
        await execute(server_dsn, f"DROP DATABASE {urlsplit(dsn).path[1:]} WITH (FORCE)")
        response = await client.get("/", headers=bearer(token))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"
    assert app.seen == []


async def test_two_instances_tell_their_sessions_apart(
    auth: Gatepost, make_settings: MakeSettings, server_dsn: str, template: str, as_app: AsApp
) -> None:
    app = Bare()
    async with scratch_database(server_dsn, template) as dsn:
        staff = Gatepost(make_settings(database_url=as_app(dsn)))
        async with auth, staff, talk(AuthMiddleware(AuthMiddleware(app, staff), auth)) as client:
            customer, clerk = await token_of(auth), await token_of(staff, "clerk@example.com")
            assert (await client.get("/", headers=bearer(customer))).json() == {"code": "invalid_session"}
            assert (await client.get("/", headers=bearer(clerk))).json() == {"email": "clerk@example.com"}


async def test_current_session_further_in_asks_no_second_time(auth: Gatepost, lookups: list[str]) -> None:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    app.add_middleware(AuthMiddleware, auth)

    @app.get("/notes")
    async def notes(session: CurrentSession, request: Request) -> bool:
        return session is request.scope["gatepost.session"]

    async with lived(app), talk(app) as client:
        token = await token_of(auth)
        assert (await client.get("/notes", headers=bearer(token))).json() is True
        assert lookups == [token]
        refused = await client.get("/notes", headers=bearer("nonsense"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_session")
        assert lookups == [token, "nonsense"]


# --- WebSockets, as far as no server is needed ---


async def handshake(app: ASGIApp, token: str | None, **scope: Any) -> list[Message]:
    """Return what the application sends to a WebSocket's handshake."""
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "websocket", "path": "/", "headers": headers} | scope, receive, send)
    return sent


async def test_websockets_have_the_session_in_scope_too(auth: Gatepost) -> None:
    app = Bare()
    async with auth:
        token = await token_of(auth)
        assert await handshake(AuthMiddleware(app, auth), token) == [{"type": "websocket.accept"}]
        await handshake(AuthMiddleware(app, auth), None)
    assert [scope["gatepost.session"] is None for scope in app.seen] == [False, True]


async def test_a_required_websocket_is_denied_with_401_or_closed_where_the_server_cannot(
    auth: Gatepost,
) -> None:
    app = Bare()
    guarded = AuthMiddleware(app, auth, required=True)
    async with auth:
        denied = await handshake(guarded, None, extensions={"websocket.http.response": {}})
        closed = await handshake(guarded, "nonsense")
    assert [message["type"] for message in denied] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert denied[0]["status"] == 401
    assert (b"www-authenticate", b"Bearer") in denied[0]["headers"]
    assert closed == [{"type": "websocket.close", "code": 1008, "reason": "invalid_session"}]
    assert app.seen == []


async def test_a_websocket_is_told_to_try_again_while_the_database_is_away(
    auth: Gatepost, dsn: str, server_dsn: str
) -> None:
    app = Bare()
    async with auth:
        token = await token_of(auth)
        await execute(server_dsn, f"DROP DATABASE {urlsplit(dsn).path[1:]} WITH (FORCE)")
        closed = await handshake(AuthMiddleware(app, auth), token)
    assert closed == [{"type": "websocket.close", "code": 1013, "reason": "unavailable"}]
    assert app.seen == []


async def test_what_is_neither_passes_through(auth: Gatepost) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "something.new"}
    await AuthMiddleware(app, auth)(scope, no_message, send)
    assert seen == [scope]


# --- Lifespans ---


class Server:
    """Drives a lifespan as servers do, and keeps what the application said and whether Gatepost was open."""

    def __init__(self, auth: Gatepost) -> None:
        self.auth = auth
        self.said: list[tuple[str, bool]] = []
        self.messages: list[Message] = []
        self.told = 0

    async def receive(self) -> Message:
        self.told += 1
        return {"type": "lifespan.startup" if self.told == 1 else "lifespan.shutdown"}

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        self.said.append((message["type"].removeprefix("lifespan."), self.auth.is_open))

    async def run(self, app: ASGIApp) -> list[tuple[str, bool]]:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, self.receive, self.send)
        return self.said


@asynccontextmanager
async def lived(app: FastAPI | Starlette) -> AsyncIterator[None]:
    """Have an application's own lifespan, and its middleware's, around requests."""
    from gatepost.testing import _lifespan

    async with _lifespan(app):
        yield


WELL = [("startup.complete", True), ("shutdown.complete", False)]


async def test_it_opens_before_the_application_starts_and_closes_after_it_has_stopped(
    auth: Gatepost,
) -> None:
    was_open = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        was_open.append(auth.is_open)
        yield
        was_open.append(auth.is_open)

    app = Starlette(lifespan=lifespan)
    assert await Server(auth).run(AuthMiddleware(app, auth)) == WELL
    assert was_open == [True, True]


async def test_as_middleware_of_starlette_it_needs_nothing_else(auth: Gatepost) -> None:
    async def whoami(request: Request) -> Response:
        session = request.scope["gatepost.session"]
        return JSONResponse(session.user.email if session else None)

    app = Starlette(routes=[Route("/", whoami)], middleware=[Middleware(AuthMiddleware, auth)])
    async with lived(app), talk(app) as client:
        token = await token_of(auth)
        assert (await client.get("/", headers=bearer(token))).json() == "user@example.com"
        assert (await client.get("/")).json() is None


async def test_one_that_the_applications_lifespan_opens_too_is_opened_once(auth: Gatepost) -> None:
    app = FastAPI(lifespan=auth.lifespan)
    assert await Server(auth).run(AuthMiddleware(app, auth)) == WELL


async def without_lifespan_raising(scope: Scope, receive: Receive, send: Send) -> None:
    # Django's words.
    raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")


async def without_lifespan_returning(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def lifespan_that_ends_early(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


@pytest.mark.parametrize(
    "app", [without_lifespan_raising, without_lifespan_returning, lifespan_that_ends_early]
)
async def test_an_application_without_a_lifespan_gets_gateposts(auth: Gatepost, app: ASGIApp) -> None:
    server = Server(auth)
    assert await server.run(AuthMiddleware(app, auth)) == WELL
    assert server.told == 2


async def test_a_gatepost_that_does_not_open_fails_the_start_in_one_line(
    empty_dsn: str, tmp_path: Path
) -> None:
    auth = Gatepost(settings_for(empty_dsn, tmp_path))
    app = Bare()
    server = Server(auth)
    assert await server.run(AuthMiddleware(app, auth)) == [("startup.failed", False)]
    assert server.messages[0]["message"] == "The database is not migrated: run `gatepost migrate`"
    assert app.seen == []


async def test_a_fault_of_opening_is_shown_whole(auth: Gatepost) -> None:
    server = Server(auth)
    async with auth:  # by hand, which makes opening again a mistake
        with pytest.raises(RuntimeError, match="open already"):
            await server.run(AuthMiddleware(Bare(), auth))
    assert server.said == [("startup.failed", True)]


@pytest.mark.parametrize("at", ["startup", "shutdown"])
async def test_an_application_that_fails_is_heard_and_everything_closed(auth: Gatepost, at: str) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if at == "startup":
            raise LookupError("no cake")
        yield
        raise LookupError("no cake")

    server = Server(auth)
    with pytest.raises(LookupError, match="no cake"):
        await server.run(AuthMiddleware(Starlette(lifespan=lifespan), auth))
    expected = [("startup.failed", True)] if at == "startup" else [WELL[0], ("shutdown.failed", False)]
    assert server.said == expected
    assert "no cake" in server.messages[-1]["message"]
    assert not auth.is_open


async def test_an_application_that_falls_over_at_its_end_is_told_of_as_failed(auth: Gatepost) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise LookupError("no cake")

    server = Server(auth)
    with pytest.raises(LookupError, match="no cake"):
        await server.run(AuthMiddleware(app, auth))
    assert server.said == [WELL[0], ("shutdown.failed", False)]


async def test_an_application_that_refuses_to_start_quietly_ends_it(auth: Gatepost) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no cake"})

    server = Server(auth)
    assert await server.run(AuthMiddleware(app, auth)) == [("startup.failed", True)]
    assert not auth.is_open

"""Cookie sessions that renew themselves: the end moves, the token stays, and no other request notices."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.types import Receive, Scope, Send
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, serving
from tests.http.conftest import Database, assert_error, at, events
from tests.walking import walked

from gatepost import AuthMiddleware, CurrentSession, Gatepost, Session, errors

ORIGIN = "https://auth.example.com"
SAME = {"Sec-Fetch-Site": "same-origin"}
WHO = {"email": "user@example.com", "name": "John Doe", "password": PASSWORD, "cookie": True}
LIFE = timedelta(minutes=30)


def application(auth: Gatepost) -> FastAPI:
    """An application with routes of its own, the API and the pages."""
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)

    @app.get("/notes")
    async def notes(session: CurrentSession) -> str:
        return session.user.email

    @app.get("/own")
    async def own(session: Annotated[Session, Depends(auth.current_session)]) -> str:
        return session.user.email

    @app.websocket("/live")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.close()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app.mount("/guarded", AuthMiddleware(guarded, auth, required=True))
    return app


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    settings = make_settings(public_url=ORIGIN)
    return application(Gatepost(settings, clock=clock))


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app) as client:
        client.base_url = httpx.URL(ORIGIN)
        assert (await client.post("/api/auth/register", json=WHO)).status_code == 201
        yield client


async def age(db: Database, minutes: int = 16) -> None:
    """Have every session be so much older."""
    await db.execute(
        """
        UPDATE user_sessions
        SET created_at = created_at - $1::interval, expires_at = expires_at - $1::interval
        """,
        timedelta(minutes=minutes),
    )


async def left(db: Database) -> timedelta:
    """Return how long the one session there is has to live."""
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
    found = await db.fetchval("SELECT expires_at - statement_timestamp() FROM user_sessions")
    assert isinstance(found, timedelta)
    return found


def is_whole(life: timedelta) -> bool:
    return LIFE - timedelta(minutes=1) < life <= LIFE


@walked("path", ["/api/auth/me", "/api/auth/sessions", "/auth/account", "/notes", "/guarded/"])
async def test_requests_that_left_together_are_all_answered(
    browser: httpx.AsyncClient, db: Database, path: str
) -> None:
    token = browser.cookies["__Host-gatepost"]
    await age(db)
    answers = await asyncio.gather(*(browser.get(path) for _ in range(20)))
    answers += [await browser.get(path) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert browser.cookies["__Host-gatepost"] == token
    assert is_whole(await left(db))
    assert await events(db, "session.refreshed", "session.replayed", "session.refused") == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/own", None),
        ("PATCH", "/api/auth/me", {"name": "Jane"}),
        ("GET", "/api/auth/events", None),
        ("HEAD", "/api/auth/me", None),
    ],
)
async def test_whatever_a_browser_asks_renews(
    browser: httpx.AsyncClient, db: Database, method: str, path: str, body: Any
) -> None:
    await age(db)
    assert (await browser.request(method, path, json=body, headers=SAME)).status_code == 200
    assert is_whole(await left(db))


async def test_the_handshake_of_a_websocket_renews(
    app: FastAPI, browser: httpx.AsyncClient, db: Database
) -> None:
    await age(db)
    cookie = f"__Host-gatepost={browser.cookies['__Host-gatepost']}".encode()
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    headers = [(b"cookie", cookie), (b"sec-fetch-site", b"same-origin")]
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "path": "/live",
        "raw_path": b"/live",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("auth.example.com", 443),
        "scheme": "wss",
        "subprotocols": [],
    }
    await app(scope, receive, send)
    assert sent[0] == "websocket.accept"
    assert is_whole(await left(db))


@pytest.mark.parametrize("minutes", [1, 14])
async def test_with_more_than_half_of_it_left_nothing_is_written(
    browser: httpx.AsyncClient, db: Database, minutes: int
) -> None:
    await age(db, minutes)
    before = await db.fetchval("SELECT expires_at FROM user_sessions")
    assert (await browser.get("/api/auth/me")).status_code == 200
    assert await db.fetchval("SELECT expires_at FROM user_sessions") == before


async def test_what_is_answered_is_the_end_that_the_session_has(
    browser: httpx.AsyncClient, db: Database
) -> None:
    await age(db)
    info = (await browser.get("/api/auth/me")).json()["data"]["session_info"]
    assert at(info["expires_at"]) == await db.fetchval("SELECT expires_at FROM user_sessions")


@pytest.mark.parametrize("how", ["bearer", "verify"])
async def test_a_bearer_token_and_what_asks_for_a_proxy_renew_nothing(
    browser: httpx.AsyncClient, db: Database, how: str
) -> None:
    await age(db)
    before = await db.fetchval("SELECT expires_at FROM user_sessions")
    if how == "verify":
        assert (await browser.get("/api/auth/verify")).status_code == 204
    else:
        headers = bearer(browser.cookies["__Host-gatepost"])
        assert (await browser.get("/notes", headers=headers)).status_code == 200
    assert await db.fetchval("SELECT expires_at FROM user_sessions") == before


@pytest.mark.parametrize("hours", [-1, 1])
async def test_the_clock_of_the_host_decides_nothing(
    app: FastAPI, browser: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(app.state.gatepost, "now", lambda: datetime.now(UTC) + timedelta(hours=hours))
    before = await db.fetchval("SELECT expires_at FROM user_sessions")
    assert (await browser.get("/notes")).status_code == 200
    assert await db.fetchval("SELECT expires_at FROM user_sessions") == before
    await age(db)
    assert (await browser.get("/notes")).status_code == 200
    assert is_whole(await left(db))


async def test_renewing_never_goes_past_the_absolute_end(
    make_settings: MakeSettings, clock: MovableClock
) -> None:
    settings = make_settings(public_url=ORIGIN, session_expire_minutes=30, session_max_minutes=60)
    async with serving(application(Gatepost(settings, clock=clock))) as client:
        client.base_url = httpx.URL(ORIGIN)
        await client.post("/api/auth/register", json=WHO)
        for _ in range(12):
            assert (await client.get("/api/auth/me")).status_code == 200
            clock.advance(minutes=5)
        assert_error(await client.get("/api/auth/me"), errors.SessionExpired)


async def test_a_session_that_idles_is_not_renewed_by_its_end(
    make_settings: MakeSettings, clock: MovableClock
) -> None:
    settings = make_settings(public_url=ORIGIN, session_idle_minutes=10)
    async with serving(application(Gatepost(settings, clock=clock))) as client:
        client.base_url = httpx.URL(ORIGIN)
        await client.post("/api/auth/register", json=WHO)
        for _ in range(6):
            clock.advance(minutes=9)
            assert (await client.get("/notes")).status_code == 200
        clock.advance(minutes=10)
        assert (await client.get("/notes")).status_code == 401


async def test_what_is_remembered_has_its_whole_life_and_is_not_renewed(
    browser: httpx.AsyncClient, db: Database, clock: MovableClock
) -> None:
    body = {"email": "user@example.com", "password": PASSWORD, "cookie": True, "remember": True}
    assert (await browser.post("/api/auth/login", json=body)).status_code == 200
    clock.advance(days=29)
    before = await db.fetchval("SELECT max(expires_at) FROM user_sessions")
    assert (await browser.get("/api/auth/me")).status_code == 200
    assert await db.fetchval("SELECT max(expires_at) FROM user_sessions") == before


async def test_one_that_has_ended_or_expired_is_not_brought_back(
    browser: httpx.AsyncClient, db: Database
) -> None:
    await age(db, 31)
    assert_error(await browser.get("/api/auth/me"), errors.SessionExpired)
    assert await left(db) < timedelta()
    await age(db, -16)
    await db.execute("UPDATE user_sessions SET is_active = false")
    assert_error(await browser.get("/api/auth/me"), errors.SessionRevoked)
    assert await left(db) < LIFE / 2

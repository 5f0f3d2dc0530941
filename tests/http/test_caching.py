"""Caches between an application and its users: no answer that depends on a session is given to another."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from tests.conftest import PASSWORD, MakeSettings, bearer, serving
from tests.walking import walked

from gatepost import AuthMiddleware, CurrentSession, Gatepost

ORIGIN = "https://auth.example.com"
SAME = {"Sec-Fetch-Site": "same-origin"}
WHO = {"email": "user@example.com", "name": "John Doe", "password": PASSWORD, "cookie": True}
CACHED = {
    "Cache-Control": "public, max-age=3600",
    "CDN-Cache-Control": "max-age=3600",
    "Surrogate-Control": "max-age=3600",
    "Expires": "Fri, 01 Jan 2100 00:00:00 GMT",
}


@pytest.fixture
async def browser(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of an application whose answers say that they may be cached."""
    auth = Gatepost(make_settings(public_url=ORIGIN))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    staff = Gatepost(make_settings(public_url=ORIGIN), prefix="/staff/auth")
    staff.install(app, api=False)  # a second layer changes nothing

    @app.get("/public")
    async def public() -> Response:
        return JSONResponse(1, headers=CACHED)

    @app.get("/mine")
    async def mine(session: CurrentSession, vary: str | None = None) -> Response:
        return JSONResponse(session.user.email, headers=CACHED | ({"Vary": vary} if vary else {}))

    @app.post("/enter")
    async def enter(secret: str) -> Response:
        """Sign in by the application's own form, and hand the cookie on."""
        inner = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=inner, base_url=ORIGIN) as own:
            body = {"email": WHO["email"], "password": secret, "cookie": True}
            answer = await own.post("/api/auth/login", json=body)
        response = JSONResponse(1, headers=CACHED | {"Vary": "Accept-Encoding"})
        for value in answer.headers.get_list("set-cookie"):
            response.headers.append("Set-Cookie", value)
        return response

    @app.post("/leave")
    async def leave() -> Response:
        response = JSONResponse(1, headers=CACHED)
        response.raw_headers.append(auth.edge.cookies.clear_session())
        return response

    async def optional(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse(scope["gatepost.session"] is None, headers=CACHED)(scope, receive, send)

    app.mount("/optional", AuthMiddleware(optional, auth))
    async with serving(app) as client:
        client.base_url = httpx.URL(ORIGIN)
        assert (await client.post("/api/auth/register", json=WHO)).status_code == 201
        yield client


def varies(response: httpx.Response) -> list[str]:
    """Return what an answer varies by, as often as it says so."""
    lines = response.headers.get_list("vary")
    assert len(lines) <= 1
    return sorted(part.strip().lower() for line in lines for part in line.split(","))


@walked("path", ["/mine", "/optional/"])
@walked("how", ["cookie", "bearer", "nothing", "a dead cookie", "a dead token"])
async def test_an_answer_for_which_the_session_was_asked_varies_by_it(
    browser: httpx.AsyncClient, path: str, how: str
) -> None:
    token = browser.cookies["__Host-gatepost"]
    headers: dict[str, str] = {}
    if how != "cookie":
        browser.cookies.clear()
    if how.startswith("a dead"):
        token = "0b6f0d2e-5d3c-4a7e-9b1a-2c3d4e5f6a7b"
    if how == "a dead cookie":
        headers = {"Cookie": f"__Host-gatepost={token}"}
    elif how in {"bearer", "a dead token"}:
        headers = bearer(token)
    assert varies(await browser.get(path, headers=headers)) == ["authorization", "cookie"]


@walked(
    ("own", "merged"),
    [
        ("Accept-Encoding", ["accept-encoding", "authorization", "cookie"]),
        ("cookie, Accept-Language", ["accept-language", "authorization", "cookie"]),
        ("Cookie, Authorization", ["authorization", "cookie"]),
        ("*", ["*"]),
    ],
)
async def test_what_a_route_varies_by_itself_is_kept_and_nothing_is_named_twice(
    browser: httpx.AsyncClient, own: str, merged: list[str]
) -> None:
    assert varies(await browser.get("/mine", params={"vary": own})) == merged


async def test_what_asks_for_no_session_stays_as_it_is(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/public")
    assert varies(response) == []
    assert {name: response.headers[name] for name in CACHED} == CACHED


@pytest.mark.parametrize("path", ["/enter", "/leave"])
async def test_what_sets_or_clears_the_session_cookie_is_never_stored(
    browser: httpx.AsyncClient, path: str
) -> None:
    response = await browser.post(path, params={"secret": PASSWORD}, headers=SAME)
    assert any(value.startswith("__Host-gatepost=") for value in response.headers.get_list("set-cookie"))
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert not {"cdn-cache-control", "surrogate-control", "expires"} & set(response.headers)
    assert {"authorization", "cookie"} <= set(varies(response))


@walked(
    ("path", "body"),
    [
        ("login", {"email": WHO["email"], "password": PASSWORD, "cookie": True}),
        ("refresh", None),
        ("confirm", {"password": PASSWORD}),
        ("password", {"current": PASSWORD, "new": "another secure password"}),
        ("email", {"email": "other@example.com", "password": PASSWORD}),
        ("logout", None),
        ("logout-all", None),
    ],
)
async def test_so_are_the_answers_of_the_api(browser: httpx.AsyncClient, path: str, body: Any) -> None:
    response = await browser.post(f"/api/auth/{path}", json=body, headers=SAME)
    assert response.status_code == 200, response.text
    assert any(value.startswith("__Host-gatepost=") for value in response.headers.get_list("set-cookie"))
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert varies(response) == ["authorization", "cookie"]


async def test_a_renewal_sets_no_cookie_on_what_may_be_cached(browser: httpx.AsyncClient, db: Any) -> None:
    await db.execute("UPDATE user_sessions SET expires_at = expires_at - interval '16 minutes'")
    response = await browser.get("/mine")
    assert (response.status_code, "set-cookie" in response.headers) == (200, False)
    assert varies(response) == ["authorization", "cookie"]

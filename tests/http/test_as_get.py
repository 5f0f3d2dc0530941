"""HEAD and the handshakes of WebSockets, which are answered as GET would be."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message
from tests.conftest import MakeSettings, bearer, execute, register, serving
from tests.http.conftest import RawRequest, Standing, logged

from gatepost.app import create_app
from gatepost.library import Gatepost

READ = [
    "me", "verify", "sessions", "events", "export", "openapi.json", "docs", "admin/users", "admin/overview",
    "admin/events/export", "nowhere",
]  # fmt: skip


async def test_head_is_get_without_its_body(standing: Standing) -> None:
    """RFC 9110 §9.3.2; the framework alone answers 405."""
    signed_in = bearer(standing.token)
    for path in READ:
        for headers in (signed_in, {}):
            get = await standing.client.get(f"/api/auth/{path}", headers=headers)
            head = await standing.client.head(f"/api/auth/{path}", headers=headers)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            # An export is on the trail, and so in the next one.
            passed = {"x-request-id"} | ({"content-length"} if path == "export" else set())
            own, its = (
                [(k, v) for k, v in each.headers.multi_items() if k not in passed] for each in (head, get)
            )
            assert own == its, path
    refused = await standing.client.head("/api/auth/login")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    refused = await standing.client.post("/api/auth/verify", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_head_of_a_stream_does_not_wait_for_its_end(make_settings: MakeSettings) -> None:
    app = create_app(make_settings())
    async with serving(app) as client, asyncio.timeout(60):
        token = (await register(client))["token"]
        await execute(app.state.gatepost.database.dsn, "UPDATE users SET is_admin = true")
        for path in ("/api/auth/admin/events/live", "/auth/admin/events/live"):
            head = await client.head(path, headers=bearer(token))
            assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def handshake(
    app: ASGIApp, path: str, headers: dict[str, str], *, can_deny: bool = True
) -> list[Message]:
    """Return what a server is told of a handshake."""
    sent: list[Message] = []
    messages = iter([{"type": "websocket.connect"}])

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    request = RawRequest(path)
    del request.scope["method"]
    request.scope |= {"type": "websocket", "scheme": "ws", "subprotocols": []}
    request.scope["extensions"] = {"websocket.http.response": {}} if can_deny else {}
    given = {k.lower(): v for k, v in (HANDSHAKE | headers).items()}
    request.scope["headers"] = [(name.encode(), value.encode()) for name, value in given.items()]
    await app(request.scope, receive, send)
    return sent


def answered(sent: list[Message]) -> tuple[int, dict[bytes, bytes], bytes]:
    start, *parts = sent
    assert start["type"] == "websocket.http.response.start"
    assert {part["type"] for part in parts} == {"websocket.http.response.body"}
    return start["status"], dict(start["headers"]), b"".join(part.get("body", b"") for part in parts)


@pytest.mark.parametrize(
    "path",
    [
        "/api/auth/verify",
        "/api/auth/me",
        "/api/auth/sessions",
        "/api/auth/docs",
        "/api/auth/login",
        "/api/auth/nowhere",
        "/auth/sign-in",
        "/auth/assets/nothing",
        "/",
        "/nowhere",
    ],
)
async def test_a_handshake_that_a_proxy_copies_is_answered_as_the_request_that_it_is(
    standing: Standing, path: str
) -> None:
    for headers in (bearer(standing.token), bearer("unknown"), {}):
        get = await standing.client.get(path, headers=headers | {"Sec-WebSocket-Version": "13"})
        status, own, body = answered(await handshake(standing.app, path, headers))
        assert status == get.status_code
        assert len(body) == len(get.content)  # a page has a token of its own for its form
        for name in ("content-type", "x-gatepost-user", "www-authenticate", "location", "cache-control"):
            assert own.get(name.encode(), b"").decode() == get.headers.get(name, "")


async def test_a_handshake_in_an_application_is_answered_too(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), prefix="/accounts")
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    async with serving(app) as client:
        body = {"email": "user@example.com", "name": "x", "password": "securepassword123"}
        token = (await client.post("/accounts/register", json=body)).json()["data"]["token"]
        status, headers, _ = answered(await handshake(app, "/accounts/verify", bearer(token)))
        assert (status, headers[b"x-gatepost-email"]) == (204, b"user@example.com")
        assert answered(await handshake(app, "/auth/sign-in", {}))[0] == 200
        assert answered(await handshake(app, "/accounts/admin/events/live", bearer(token)))[0] == 403


async def test_a_server_that_cannot_deny_is_told_to_refuse(
    standing: Standing, caplog: pytest.LogCaptureFixture
) -> None:
    sent = await handshake(standing.app, "/api/auth/verify", bearer(standing.token), can_deny=False)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert logged(caplog, "the server can answer a handshake by 403 alone")


async def test_a_stream_is_not_sent_for_a_handshake(make_settings: MakeSettings) -> None:
    app = create_app(make_settings())
    async with serving(app) as client, asyncio.timeout(60):
        token = (await register(client))["token"]
        await execute(app.state.gatepost.database.dsn, "UPDATE users SET is_admin = true")
        sent = await handshake(app, "/api/auth/admin/events/live", bearer(token))
        assert answered(sent)[0] == 200
        assert not sent[-1].get("more_body")


SITES = [
    ({"Origin": "https://auth.example.com"}, 204),
    ({"Origin": "https://app.example.com"}, 204),  # one of ALLOWED_ORIGINS
    ({"Sec-Fetch-Site": "same-origin", "Origin": "https://shop.example.com"}, 204),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "https://sibling.example.com"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Origin": "https://sibling.example.com"}, 403),
    ({"Origin": "null"}, 403),
    ({}, 403),
]


async def test_by_cookie_a_handshake_of_another_site_is_refused(make_settings: MakeSettings) -> None:
    """No preflight goes before a WebSocket, and a proxy that asks with GET opens it all the same."""
    app = create_app(
        make_settings(public_url="https://auth.example.com", allowed_origins=["https://app.example.com"])
    )
    async with serving(app) as client:
        client.base_url = httpx.URL("https://auth.example.com")
        body = {"email": "user@example.com", "name": "x", "password": "securepassword123", "cookie": True}
        await client.post("/api/auth/register", json=body)
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        for headers, status in SITES:
            sent = await handshake(app, "/api/auth/verify", {"Cookie": cookie} | headers)
            assert answered(sent)[0] == status, headers
            # As a GET request, which is how most proxies ask and what `gatepost serve` makes of it.
            response = await client.get("/api/auth/verify", headers=HANDSHAKE | headers)
            assert response.status_code == status, headers
            kept = {"Sec-WebSocket-Version": "13"} | headers  # by proxies that drop what is hop by hop
            assert (await client.get("/api/auth/verify", headers=kept)).status_code == status

"""The session check on behalf of a proxy: yes without a body, and whose session it is in headers."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, nth_user, register
from tests.http.conftest import REQUEST_ID, Database
from tests.http.test_uvicorn import running

from gatepost.app import create_app


async def verify(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/auth/verify", headers=bearer(token))


async def test_a_live_session_is_204_and_named_in_headers(client: httpx.AsyncClient) -> None:
    response = await verify(client, (await register(client))["token"])
    assert (response.status_code, response.content) == (204, b"")
    own = dict(response.headers)
    assert REQUEST_ID.fullmatch(own.pop("x-request-id"))
    assert own == {
        "x-gatepost-user": str(nth_user(1)),
        "x-gatepost-email": "user@example.com",
        "x-gatepost-session": "1",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "vary": "Authorization, Cookie",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


@pytest.mark.parametrize(
    ("email", "header"),
    [
        ("o'neil+tag@example.com", "o'neil+tag@example.com"),
        ("zoë@bücher.example", "zo%C3%AB@b%C3%BCcher.example"),
        ("a%40b@example.com", "a%2540b@example.com"),
    ],
)
async def test_an_email_comes_as_ascii_that_reads_back(
    client: httpx.AsyncClient, email: str, header: str
) -> None:
    response = await verify(client, (await register(client, email=email))["token"])
    assert response.headers["x-gatepost-email"] == header


async def test_no_email_writes_a_header_of_its_own(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE users SET email = E'a@example.com\\r\\nX-Gatepost-User: 2'")
    response = await verify(client, token)
    assert response.headers["x-gatepost-user"] == str(nth_user(1))
    assert response.headers["x-gatepost-email"] == "a@example.com%0D%0AX-Gatepost-User%3A%202"


# --- Envoy ---

ENVOY = "/api/auth/verify/envoy"


async def test_envoy_asks_by_the_request_itself_and_reads_200(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    token = (await register(client))["token"]
    caplog.clear()
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for theirs in ("", "/", "/orders/secret?token=secret", "/a%20b%2F..%2Fme", "//me", "/verify/envoy"):
            response = await client.request(method, f"{ENVOY}{theirs}", headers=bearer(token))
            assert (response.status_code, response.content) == (200, b""), (method, theirs)
            assert response.headers["x-gatepost-user"] == str(nth_user(1))
            assert response.headers["x-gatepost-session"] == "1"
            assert response.headers["cache-control"] == "no-store"
            response = await client.request(method, f"{ENVOY}{theirs}", headers=bearer("0" * 43))
            assert response.status_code == 401, (method, theirs)
    assert "secret" not in caplog.text
    for other in (f"{ENVOY}x", f"{ENVOY}*", "/api/auth/verify/x", "/verify/envoy"):
        response = await client.get(other, headers=bearer(token))
        assert response.status_code == 404, other


async def test_envoy_asks_for_more_by_its_prefix_and_the_client_for_nothing(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]

    async def asked(prefix: str, theirs: str) -> int:
        response = await client.get(f"{ENVOY}{prefix}{theirs}", headers=bearer(token))
        return response.status_code

    for theirs in ("/orders", "/orders?aal=1&admin=0", "/?aal=1", "/orders?x=1/2&aal=1"):
        assert await asked("?aal=2", theirs) == 403, theirs
        assert await asked("?fresh=1&aal=2&of=", theirs) == 403, theirs
        assert await asked("?admin=1", theirs) == 403, theirs
        assert await asked("?fresh=1", theirs) == 200, theirs
    assert await asked("?aal=3", "/orders") == 422
    for theirs in ("/orders?aal=2", "/orders?admin=1&fresh=1", "/orders?aal=3"):
        assert await asked("", theirs) == 200, theirs
    await db.execute("UPDATE users SET is_admin = true")
    assert await asked("?admin=1", "/orders?admin=0") == 200


async def test_a_cookie_opens_no_websocket_of_another_site_by_envoy(client: httpx.AsyncClient) -> None:
    body = {"email": "user@example.com", "name": "x", "password": PASSWORD, "cookie": True}
    own = {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/api/auth/register", json=body, headers=own)).status_code == 201
    socket = {"Sec-WebSocket-Version": "13"}
    for headers, status in (({}, 200), (own | socket, 200), (socket, 403)):
        response = await client.post(f"{ENVOY}/feed", headers=headers)
        assert response.status_code == status, headers
    evil = socket | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await client.get(f"{ENVOY}/feed", headers=evil)).status_code == 403


async def test_the_bytes_that_envoy_sends_are_answered(make_settings: MakeSettings) -> None:
    async with running(create_app(make_settings()), "httptools") as url:
        async with httpx.AsyncClient(base_url=url) as client:
            token = (await register(client))["token"]
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(
            b"POST /api/auth/verify/envoy?fresh=1/orders?aal=2 HTTP/1.1\r\nhost: shop.example.com\r\n"
            b"content-length: 0\r\nauthorization: Bearer %b\r\nconnection: close\r\n\r\n" % token.encode()
        )
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"x-gatepost-user: " in head.lower()
    assert rest == b""

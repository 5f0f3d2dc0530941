"""The session check on behalf of a proxy: yes without a body, and whose session it is in headers."""

import httpx
import pytest
from tests.conftest import bearer, nth_user, register
from tests.http.conftest import REQUEST_ID, Database


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

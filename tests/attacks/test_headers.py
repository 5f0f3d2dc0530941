"""The headers of every answer there is: all routes, all kinds of errors, on the wire as well."""

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, serving

from gatepost.app import create_app
from gatepost.db.connect import Connector
from gatepost.settings.address import Address

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "vary": "Authorization, Cookie",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def assert_safe(response: httpx.Response) -> None:
    """Hold the headers that every answer has, each once, and none that tells what runs here."""
    where = f"{response.request.method} {response.request.url}"
    for name, value in EVERYWHERE.items():
        assert response.headers.get_list(name) == [value], (where, name)
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"], where
    assert "unsafe-eval" not in response.headers["content-security-policy"], where
    cached = response.headers["cache-control"]
    assert cached == "no-store" or (cached.endswith("immutable") and response.is_success), where
    assert "server" not in response.headers, where
    assert "x-powered-by" not in response.headers, where
    assert response.headers.get("access-control-allow-origin") is None, where


@pytest.fixture
def secure_app(make_settings: MakeSettings) -> FastAPI:
    return create_app(make_settings(public_url="https://auth.example.com"))


async def test_every_route_and_every_kind_of_refusal(secure_app: FastAPI) -> None:
    statuses = set()
    async with serving(secure_app) as client:
        client.base_url = httpx.URL("https://auth.example.com")
        document = (await client.get("/api/auth/openapi.json")).json()
        paths = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
        assert len(paths) > 12
        paths |= {("GET", f"/{path}") for path in ("", "nowhere", "api/auth/nowhere", "api/auth/docs")}
        paths |= {
            ("GET", "/api/auth/openapi.json"),
            ("GET", "/api/auth/docs/x/y"),
            ("OPTIONS", "/api/auth/me"),
        }
        for method, path in sorted(paths):
            url = path.replace("{id}", "1")
            for verb in {method, "TRACE", "PUT", "FOO"}:
                response = await client.request(verb, url)
                assert_safe(response)
                statuses.add(response.status_code)
        json = {"Content-Type": "application/json"}
        for content, headers in (
            (b"{", json),
            (b"{}", json),
            (b"x", {"Content-Type": "text/plain"}),
            (b" " * 70_000, json),
        ):
            response = await client.post("/api/auth/login", content=content, headers=headers)
            assert_safe(response)
            statuses.add(response.status_code)
        body = {"email": "user@example.com", "name": "John", "password": PASSWORD, "cookie": True}
        for _ in range(2):
            response = await client.post("/api/auth/register", json=body)
            assert_safe(response)
            statuses.add(response.status_code)
        refused = await client.post("/api/auth/logout", headers={"Sec-Fetch-Site": "cross-site"})
        assert_safe(refused)
        statuses.add(refused.status_code)
    assert {200, 201, 400, 401, 403, 404, 405, 409, 413, 415, 422} <= statuses


async def test_a_fault_of_ours_and_a_database_that_is_away(
    secure_app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(secure_app) as client:
        gate = secure_app.state.gatepost

        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(gate.session_tokens, "resolve", broken)
        monkeypatch.setattr(gate.logins, "by_password", broken)
        token = {"Authorization": "Bearer 0b6f0d2e-5d3c-4a7e-9b1a-2c3d4e5f6a7b"}
        for response in (
            await client.get("/api/auth/me", headers=token),
            await client.get("/api/auth/sessions", headers=token),
            await client.post("/api/auth/login", json={"email": "a@example.com", "password": PASSWORD}),
        ):
            assert response.status_code == 500
            assert_safe(response)
            assert "ZeroDivisionError" not in response.text
        monkeypatch.undo()
        await gate.database.close()
        await gate.session_tokens._lookups._statement.close()
        gate.session_tokens._lookups._statement._database._connector = Connector(
            Address.parse("postgresql://127.0.0.1:1/x")
        )
        away = await client.get("/api/auth/me", headers=token)
        assert away.status_code == 503
        assert_safe(away)


async def test_the_page_of_the_api_is_framed_by_nobody(secure_app: FastAPI) -> None:
    async with serving(secure_app) as client:
        page = await client.get("/api/auth/docs")
    assert_safe(page)
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in page.headers["permissions-policy"]


async def test_without_https_nothing_is_promised_about_it(make_settings: MakeSettings) -> None:
    for settings in (make_settings(), make_settings(public_url="http://localhost:8000")):
        async with serving(create_app(settings)) as client:
            response = await client.get("/api/auth/me")
            assert "strict-transport-security" not in response.headers
            assert response.headers["content-security-policy"] == API_POLICY

"""Requests of other origins: each refusal names the setting that would allow it, to whom it concerns."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, register, serving
from tests.http.conftest import logged
from tests.walking import walked

from gatepost import CurrentSession, Gatepost
from gatepost.app import create_app

LAN = "http://192.168.1.20:8000"
SPA = "https://app.example.com"
KEY = "6d1f1c9be9b94a0f8a0b4fe2f3f4c9d1e7a6"


@asynccontextmanager
async def browsing(
    make_settings: MakeSettings, at: str, **overrides: Any
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(make_settings(environment="development", **overrides))) as client:
        client.base_url = httpx.URL(at)
        yield client


async def sign_in(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    body = {"email": "user@example.com", "password": PASSWORD, "cookie": True}
    return await client.post("/api/auth/login", json=body, headers=headers)


def hint(answer: httpx.Response) -> str | None:
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "cross_origin_refused"
    told: str | None = answer.json()["error"].get("hint")
    return told


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "192.168.1.20"])  # noqa: S104 - not bound
async def test_at_another_host_than_loopback_public_url_is_named_and_makes_it_work(
    make_settings: MakeSettings, host: str
) -> None:
    async with browsing(make_settings, LAN, host=host) as client:
        await register(client)
        assert f"set PUBLIC_URL={LAN}" in (hint(await sign_in(client, Origin=LAN)) or "")

        form = await client.get("/auth/sign-in")
        refused = await client.post("/auth/sign-in", data={"x": "y"}, headers={"Origin": LAN})
        assert (form.status_code, refused.status_code) == (200, 403)
        assert f"set PUBLIC_URL={LAN}" in refused.text

    async with browsing(make_settings, LAN, host=host, public_url=LAN) as client:
        assert (await sign_in(client, Origin=LAN)).status_code == 200
        assert (await client.post("/api/auth/refresh", headers={"Origin": LAN})).status_code == 200


async def test_who_listens_everywhere_is_found_on_loopback_without_being_told(
    make_settings: MakeSettings,
) -> None:
    for here in ("http://127.0.0.1:8000", "http://localhost:8000"):
        async with browsing(make_settings, here, host="0.0.0.0") as client:  # noqa: S104 - not bound
            if here.startswith("http://127"):
                await register(client)
            assert (await sign_in(client, Origin=here)).status_code == 200
            assert (await client.post("/api/auth/refresh", headers={"Origin": here})).status_code == 200


async def test_another_public_url_is_told_beside_the_one_that_is_set(make_settings: MakeSettings) -> None:
    async with browsing(make_settings, LAN, public_url="http://192.168.1.21:8000") as client:
        told = hint(await sign_in(client, Origin=LAN))
    assert told is not None
    assert f"set PUBLIC_URL={LAN} instead of http://192.168.1.21:8000" in told


@walked(
    ("headers", "named"),
    [
        ({"Origin": SPA, "Sec-Fetch-Site": "cross-site"}, "add it to ALLOWED_ORIGINS"),
        ({"Origin": SPA, "Sec-Fetch-Site": "same-site"}, "add it to ALLOWED_ORIGINS"),
        ({"Origin": SPA}, f"set PUBLIC_URL={SPA}; if it is another site that you trust, add it to ALLOWED"),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, "can't be allowed"),
        ({"Origin": "https://a b"}, "can't be allowed"),
        ({"Sec-Fetch-Site": "cross-site"}, "once its origin is in ALLOWED_ORIGINS"),
        ({}, "Authorization: Bearer"),
    ],
)
async def test_each_refusal_says_what_would_allow_it(
    make_settings: MakeSettings, headers: dict[str, str], named: str
) -> None:
    here = "http://127.0.0.1:8000"
    async with browsing(make_settings, here) as client:
        await register(client)
        assert (await sign_in(client, Origin=here)).status_code == 200
        assert named in (hint(await client.post("/api/auth/logout", headers=headers)) or "")


async def test_in_production_the_log_alone_says_it(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(
        environment="production", secret_key=KEY, bcrypt_rounds=10, public_url="https://auth.example.com"
    )
    async with serving(create_app(settings)) as client:
        await register(client)
        assert hint(await sign_in(client, Origin=SPA)) is None
        page = await client.post("/auth/sign-in", data={"x": "y"}, headers={"Origin": SPA})
        assert page.status_code == 403
        assert "ALLOWED_ORIGINS" not in page.text
        preflight = {"Origin": SPA, "Access-Control-Request-Method": "POST"}
        assert hint(await client.options("/api/auth/login", headers=preflight)) is None
    lines = logged(caplog, "cross-origin request refused")
    assert [line["method"] for line in lines] == ["POST", "POST", "OPTIONS"]
    assert all("ALLOWED_ORIGINS" in line["hint"] and line["origin"] == SPA for line in lines)


async def test_a_preflight_says_which_setting_it_lacks(make_settings: MakeSettings) -> None:
    asked = {"Origin": SPA, "Access-Control-Request-Method": "POST"}
    async with browsing(make_settings, "http://127.0.0.1:8000") as client:
        refused = await client.options("/api/auth/login", headers=asked)
        assert "ALLOWED_ORIGINS" in (hint(refused) or "")
    async with browsing(make_settings, "http://127.0.0.1:8000", allowed_origins=[SPA]) as client:
        assert (await client.options("/api/auth/login", headers=asked)).status_code == 200
        more = asked | {"Access-Control-Request-Headers": "content-type, x-tenant"}
        assert (
            hint(await client.options("/api/auth/login", headers=more)) == "Add to ALLOWED_HEADERS: x-tenant"
        )
    async with browsing(
        make_settings, "http://127.0.0.1:8000", allowed_origins=[SPA], allowed_headers=["X-Tenant"]
    ) as client:
        assert (await client.options("/api/auth/login", headers=more)).status_code == 200


async def test_routes_of_the_application_say_it_too(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(environment="development"))
    app = FastAPI(lifespan=auth.lifespan)

    @app.post("/notes")
    async def notes(session: CurrentSession) -> str:
        return session.user.email

    auth.install(app)
    here = "http://127.0.0.1:8000"
    async with serving(app) as client:
        client.base_url = httpx.URL(here)
        await register(client)
        await sign_in(client, Origin=here)
        refused = await client.post("/notes", headers={"Origin": SPA, "Sec-Fetch-Site": "cross-site"})
    assert "ALLOWED_ORIGINS" in (hint(refused) or "")


async def test_a_limit_in_development_names_its_setting_and_the_command(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with browsing(
        make_settings,
        "http://127.0.0.1:8000",
        throttle_enabled=True,
        throttle_register_address="1 then 1/hour",
        throttle_refresh_session="1 then 1/hour",
    ) as client:
        session = await register(client)
        body = {"email": "b@example.com", "name": "B", "password": PASSWORD}
        registered = await client.post("/api/auth/register", json=body)
        bearer = {"Authorization": f"Bearer {session['token']}"}
        again = await client.post("/api/auth/refresh", headers=bearer)
        bearer = {"Authorization": f"Bearer {again.json()['data']['token']}"}
        refreshed = await client.post("/api/auth/refresh", headers=bearer)
    hints = [
        f"{name} allows 1 then 1/hour; `gatepost throttles clear --all` resets the attempts"
        for name in ("THROTTLE_REGISTER_ADDRESS", "THROTTLE_REFRESH_SESSION")
    ]
    for answer, told in zip((registered, refreshed), hints, strict=True):
        assert (answer.status_code, answer.json()["error"].get("hint")) == (429, told)
    assert [line["hint"] for line in logged(caplog, "too many attempts")] == hints

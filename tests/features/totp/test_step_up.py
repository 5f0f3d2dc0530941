"""Step-up: a route, or a proxy, asks for a fresh session and for more than one factor."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, register, serving
from tests.features.authenticators import code_of, enrolled
from tests.http.conftest import Database

from gatepost.library import Gatepost
from gatepost.models import Session

PAY = "/pay"
VERIFY = "/api/auth/verify"


@pytest.fixture
async def shop(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[httpx.AsyncClient]:
    """An application of which one route asks for two factors within five minutes."""
    auth = Gatepost(make_settings(), clock=clock)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.post(PAY)
    async def pay(session: Annotated[Session, Depends(auth.fresh(aal=2, minutes=5))]) -> int:
        return session.aal

    async with serving(app) as client:
        yield client


async def test_a_route_asks_for_two_factors_and_says_which_would_do(
    shop: httpx.AsyncClient, clock: MovableClock
) -> None:
    token = str((await register(shop))["token"])
    refused = await shop.post(PAY, headers=bearer(token))
    assert refused.status_code == 403
    assert refused.json()["error"] == {"code": "fresh_session_required", "methods": []}
    assert refused.json()["message"] == "Set up a second factor first: POST /api/auth/factors/totp"
    assert refused.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", error_description="fresh_session_required",'
        ' acr_values="aal2", max_age="300"'
    )
    app = await enrolled(shop, token, clock)
    assert (await shop.post(PAY, headers=bearer(app.token))).json() == 2
    clock.advance(minutes=5)
    refused = await shop.post(PAY, headers=bearer(app.token))
    assert refused.json()["error"]["methods"] == ["password", "totp", "recovery_code"]
    await shop.post("/api/auth/confirm", json={"password": PASSWORD}, headers=bearer(app.token))
    body = {"method": "totp", "code": app.code()}
    confirmed = await shop.post("/api/auth/confirm", json=body, headers=bearer(app.token))
    token = confirmed.json()["data"]["token"]
    assert (await shop.post(PAY, headers=bearer(token))).json() == 2


async def test_a_proxy_asks_as_much(client: httpx.AsyncClient, clock: MovableClock, db: Database) -> None:
    async def asked(query: str, token: str) -> str:
        response = await client.get(f"/api/auth/verify?{query}", headers=bearer(token))
        return "ok" if response.status_code == 204 else code_of(response)

    token = str((await register(client))["token"])
    assert await asked("fresh=1", token) == "ok"
    assert await asked("aal=2", token) == "fresh_session_required"
    assert await asked("admin=1", token) == "admin_required"
    for wrong in ("aal=3", "fresh=yes", "admin", "aal=%FF"):
        assert await asked(wrong, token) == "validation_failed"
    await db.execute("UPDATE users SET is_admin = true")
    assert await asked("admin=1&other=x", token) == "ok"
    app = await enrolled(client, token, clock)
    assert await asked("fresh=1&aal=2", app.token) == "ok"
    clock.advance(minutes=11)
    assert await asked("aal=2", app.token) == "ok"
    assert await asked("fresh=1&aal=2", app.token) == "fresh_session_required"
    assert await asked("fresh=0&aal=1", app.token) == "ok"


async def test_a_password_is_not_a_second_factor_proven_once_more(
    shop: httpx.AsyncClient, clock: MovableClock, db: Database
) -> None:
    app = await enrolled(shop, str((await register(shop))["token"]), clock)
    removed = await shop.request("DELETE", "/api/auth/factors/totp", headers=bearer(app.token))
    token = removed.json()["data"]["token"]
    clock.advance(minutes=11)
    confirmed = await shop.post("/api/auth/confirm", json={"password": PASSWORD}, headers=bearer(token))
    data = confirmed.json()["data"]
    assert data["session_info"] | {"expires_at": "", "created_at": ""} == {
        "expires_at": "",
        "created_at": "",
        "methods": ["pwd", "otp", "mfa"],
        "aal": 2,
        "is_fresh": True,
    }
    token = data["token"]
    for refresh in (False, True):
        if refresh:
            token = (await shop.post("/api/auth/refresh", headers=bearer(token))).json()["data"]["token"]
        refused = await shop.post(PAY, headers=bearer(token))
        assert refused.status_code == 403
        assert refused.json()["error"] == {"code": "fresh_session_required", "methods": []}
        assert (await shop.get(f"{VERIFY}?fresh=1", headers=bearer(token))).status_code == 204
        assert (await shop.get(f"{VERIFY}?aal=2", headers=bearer(token))).status_code == 204
        refused = await shop.get(f"{VERIFY}?fresh=1&aal=2", headers=bearer(token))
        assert code_of(refused) == "fresh_session_required"
        assert 'acr_values="aal2"' in refused.headers["www-authenticate"]
    times = "SELECT methods_at || authenticated_at FROM user_sessions ORDER BY id DESC"
    password, *factor, newest = await db.fetchval(times)
    assert password == newest
    assert all(password - at >= timedelta(minutes=11) for at in factor)


async def test_a_factor_set_up_again_is_level_two_again(shop: httpx.AsyncClient, clock: MovableClock) -> None:
    app = await enrolled(shop, str((await register(shop))["token"]), clock)
    removed = await shop.request("DELETE", "/api/auth/factors/totp", headers=bearer(app.token))
    clock.advance(minutes=11)
    token = removed.json()["data"]["token"]
    confirmed = await shop.post("/api/auth/confirm", json={"password": PASSWORD}, headers=bearer(token))
    again = await enrolled(shop, confirmed.json()["data"]["token"], clock)
    assert (await shop.post(PAY, headers=bearer(again.token))).json() == 2


def test_what_nobody_can_ask_for_is_a_mistake(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings())
    for wrong in ({"aal": 3}, {"minutes": 0}, {"minutes": -1}):
        with pytest.raises(ValueError, match="fresh"):
            auth.fresh(**wrong)

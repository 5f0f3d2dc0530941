"""Authenticator apps for tests, and sign-ins that need one."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from tests.conftest import PASSWORD, MovableClock, bearer

from gatepost.features.totp.codes import PERIOD, code_at

LOGIN, FACTOR = "/api/auth/login", "/api/auth/login/factor"
BODY = {"email": "user@example.com", "password": PASSWORD}


@dataclass
class App:
    """An app with a secret; `recovery_codes` came with it."""

    secret: bytes
    clock: MovableClock
    token: str = ""
    recovery_codes: tuple[str, ...] = ()

    def code(self, steps: int = 0) -> str:
        now = self.clock() or datetime.now(UTC)
        return code_at(self.secret, int(now.timestamp()) // PERIOD + steps)


def code_of(response: httpx.Response) -> str:
    body = response.json()
    return str(body["error"]["code"]) if not body["success"] else "ok"


async def prepared(client: httpx.AsyncClient, token: str, clock: MovableClock) -> App:
    response = await client.post("/api/auth/factors/totp", headers=bearer(token))
    assert response.status_code == 200, response.text
    return App(base64.b32decode(response.json()["data"]["secret"]), clock, token)


async def confirmed(client: httpx.AsyncClient, app: App, code: str | None = None) -> httpx.Response:
    body = {"code": app.code() if code is None else code}
    return await client.post("/api/auth/factors/totp/confirm", json=body, headers=bearer(app.token))


async def enrolled(client: httpx.AsyncClient, token: str, clock: MovableClock) -> App:
    """An app that is set up, with the token that followed; its code of that moment is used up."""
    app = await prepared(client, token, clock)
    response = await confirmed(client, app)
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    app.token, app.recovery_codes = data["token"], tuple(data.get("recovery_codes", ()))
    clock.advance(seconds=PERIOD)
    return app


async def challenged(client: httpx.AsyncClient, **more: Any) -> str:
    response = await client.post(LOGIN, json=BODY | more)
    assert code_of(response) == "second_factor_required", response.text
    challenge: str = response.json()["error"]["challenge"]
    return challenge


async def answered(
    client: httpx.AsyncClient, challenge: str, code: str, method: str = "totp"
) -> httpx.Response:
    body = {"challenge": challenge, "method": method, "code": code}
    return await client.post(FACTOR, json=body)

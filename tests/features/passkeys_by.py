"""Passkeys for tests: authenticators without hardware, and what they set up and answer."""

from typing import Any

import httpx
from tests.conftest import PASSWORD, bearer

from gatepost.features.passkeys.soft_authenticator import SoftAuthenticator

ORIGIN = "http://localhost:8000"
"""Where development is by name, which passkeys are made for."""

LOGIN, FACTOR = "/api/auth/login", "/api/auth/login/factor"
PASSKEY = "/api/auth/login/passkey"
FACTORS = "/api/auth/factors"
BODY = {"email": "user@example.com", "password": PASSWORD}


class Device(SoftAuthenticator):
    """An authenticator at the page of the tests, and the token that goes on with it."""

    def __init__(self, origin: str = ORIGIN, **how: Any) -> None:
        super().__init__(origin, **how)
        self.token = ""
        self.recovery_codes: tuple[str, ...] = ()


def code_of(response: httpx.Response) -> str:
    body = response.json()
    return str(body["error"]["code"]) if not body["success"] else "ok"


async def creation(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    response = await client.post(f"{FACTORS}/passkeys/options", headers=bearer(token))
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()["data"]["publicKey"]
    return options


async def added(
    client: httpx.AsyncClient, token: str, credential: dict[str, Any], **body: Any
) -> httpx.Response:
    body = {"credential": credential, **body}
    return await client.post(f"{FACTORS}/passkeys", json=body, headers=bearer(token))


async def enrolled(
    client: httpx.AsyncClient, token: str, device: Device | None = None, **body: Any
) -> Device:
    """A device whose passkey is set up, with the token that followed."""
    device = device or Device()
    response = await added(client, token, device.create(await creation(client, token)), **body)
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    device.token, device.recovery_codes = data["token"], tuple(data.get("recovery_codes", ()))
    return device


async def asked(client: httpx.AsyncClient) -> dict[str, Any]:
    """What a sign-in by passkey alone begins with."""
    response = await client.post(f"{PASSKEY}/options")
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def signed_in_by(client: httpx.AsyncClient, device: SoftAuthenticator, **body: Any) -> httpx.Response:
    data = await asked(client)
    credential = device.get(data["publicKey"])
    return await client.post(PASSKEY, json={"challenge": data["challenge"], "credential": credential, **body})


async def challenged(client: httpx.AsyncClient) -> str:
    """The challenge that the password is answered with."""
    response = await client.post(LOGIN, json=BODY)
    assert code_of(response) == "second_factor_required", response.text
    challenge: str = response.json()["error"]["challenge"]
    return challenge


async def request_of(client: httpx.AsyncClient, challenge: str) -> dict[str, Any]:
    """What an authenticator is to sign after the password."""
    body = {"challenge": challenge, "method": "passkey"}
    response = await client.post(f"{FACTOR}/options", json=body)
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()["data"]["publicKey"]
    return options


async def answered(client: httpx.AsyncClient, challenge: str, credential: dict[str, Any]) -> httpx.Response:
    body = {"challenge": challenge, "method": "passkey", "credential": credential}
    return await client.post(FACTOR, json=body)

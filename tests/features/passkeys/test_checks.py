"""What `gatepost doctor` says of passkeys, and the origins that browsers are told of."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, register, serving
from tests.features.passkeys_by import enrolled
from tests.http.conftest import Database

from gatepost.app import create_app
from gatepost.features.passkeys.checks import checks, examine
from gatepost.features.passkeys.settings import PasskeySettings
from gatepost.library import Gatepost

KEY = "3f9c1d7ab2e84056971fd0c3a65be248"
WEB = "https://auth.example.com"


@pytest.mark.parametrize(
    ("values", "status", "found"),
    [
        ({}, "ok", "for localhost"),
        ({"environment": "production", "secret_key": KEY}, "ok", "off, as PUBLIC_URL is not set"),
        ({"public_url": "http://127.0.0.1:8000"}, "warning", "PUBLIC_URL is an IP address"),
        ({"public_url": WEB, "webauthn_rp_id": "example.com"}, "ok", "for example.com"),
        ({"public_url": WEB, "webauthn_rp_id": "example.org"}, "wrong", "example.org is neither the host of"),
        ({"public_url": WEB, "webauthn_rp_id": "le.com"}, "wrong", "le.com is neither the host of"),
        (
            {"public_url": WEB, "allowed_origins": "https://app.example.org"},
            "warning",
            "pages of https://app.example.org are not below",
        ),
    ],
)
async def test_the_domain_is_held_against_where_the_pages_are(
    values: dict[str, Any], status: str, found: str
) -> None:
    [check] = await examine(PasskeySettings.load(env_file=None, **values))
    assert (check.status, found in check.found) == (status, True), check
    assert (check.advice is None) == (status == "ok")


async def test_another_domain_loses_every_passkey_which_is_told(
    client: httpx.AsyncClient, make_settings: MakeSettings, db: Database
) -> None:
    token = (await register(client))["token"]
    await enrolled(client, token)
    same, other = make_settings(), make_settings(public_url=WEB)
    assert await checks(db, same) == []
    [check] = await checks(db, other)
    assert check.status == "warning"
    assert check.found == "1 of localhost can't be used, as passkeys are for auth.example.com now"
    assert check.advice is not None
    assert check.advice.endswith("WEBAUTHN_RP_ID=localhost")


async def test_several_origins_are_named_to_browsers(make_settings: MakeSettings) -> None:
    path = "/.well-known/webauthn"
    alone = make_settings(public_url=WEB, pages=False)
    async with serving(create_app(alone)) as client:
        assert (await client.get(path)).status_code == 404
    several = make_settings(public_url=WEB, allowed_origins=["https://app.example.org"])
    async with serving(create_app(several)) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"origins": [WEB, "https://app.example.org"]}
    # An application that has the API has them at its own root, where it does not answer there itself.
    auth = Gatepost(several)
    own = FastAPI(lifespan=auth.lifespan)
    auth.install(own)
    async with serving(own) as client:
        assert (await client.get(path)).json() == answer.json()

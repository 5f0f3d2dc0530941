"""Ways into an account: a password goes once there is a passkey, and the last way can't be removed."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, MovableClock, bearer, register
from tests.features import authenticators, passkeys_by
from tests.features.conftest import Serve, serve
from tests.features.email.conftest import resting
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.features.passkeys_by import Device, code_of, enrolled, signed_in_by
from tests.http.conftest import Database, events

from gatepost.errors import LastWayIn
from gatepost.library import Gatepost
from gatepost.models import Client

__all__ = ["resting", "serve"]

OWN = "a password of my own"


async def remove_password(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.request("DELETE", "/api/auth/password", headers=bearer(token))


async def remove_passkeys(client: httpx.AsyncClient, token: str) -> httpx.Response:
    listed = (await client.get("/api/auth/factors", headers=bearer(token))).json()["data"]["factors"]
    (passkey,) = [each["id"] for each in listed if each["method"] == "passkey"]
    return await client.request("DELETE", f"/api/auth/factors/passkeys/{passkey}", headers=bearer(token))


@pytest.fixture
async def device(client: httpx.AsyncClient) -> Device:
    """A passkey of somebody who has a password as well."""
    return await enrolled(client, str((await register(client))["token"]))


@pytest.fixture
async def alone(client: httpx.AsyncClient, device: Device) -> Device:
    """A passkey that is all that its owner has."""
    removed = await remove_password(client, device.token)
    assert removed.status_code == 200, removed.text
    device.token = removed.json()["data"]["token"]
    return device


async def test_a_password_goes_once_there_is_a_passkey(
    client: httpx.AsyncClient, device: Device, db: Database
) -> None:
    other = (await signed_in_by(client, device)).json()["data"]["token"]
    response = await remove_password(client, device.token)
    data = response.json()["data"]
    assert (data["session_info"]["aal"], data["session_info"]["is_fresh"]) == (2, True)
    assert await db.fetchval("SELECT hashed_password FROM users") is None
    for token in (other, device.token):
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401
    assert (await client.get("/api/auth/me", headers=bearer(data["token"]))).status_code == 200
    by_password = await client.post(authenticators.LOGIN, json=authenticators.BODY)
    assert code_of(by_password) == "invalid_credentials"
    assert code_of(await signed_in_by(client, device)) == "ok"
    (event,) = await events(db, "password.removed")
    assert event["detail"] == {}
    token = (await signed_in_by(client, device)).json()["data"]["token"]
    assert code_of(await remove_password(client, token)) == "not_found"


async def test_it_stays_where_nothing_else_signs_in(
    client: httpx.AsyncClient, clock: MovableClock, db: Database
) -> None:
    token = str((await register(client))["token"])
    assert code_of(await remove_password(client, token)) == "last_way_in"
    app = await authenticators.enrolled(client, token, clock)
    assert code_of(await remove_password(client, app.token)) == "last_way_in", "an app is no way in"
    device = Device(verifies=False)
    await enrolled(client, app.token, device)
    refused = await remove_password(client, device.token)
    assert (refused.status_code, code_of(refused)) == (409, "last_way_in"), "it never checked who held it"
    assert await db.fetchval("SELECT hashed_password FROM users") is not None
    clock.advance(minutes=11)
    assert code_of(await remove_password(client, device.token)) == "fresh_session_required"


async def test_neither_does_the_last_passkey_go_whoever_takes_it(
    client: httpx.AsyncClient, alone: Device, gate: Gatepost, db: Database
) -> None:
    assert code_of(await remove_passkeys(client, alone.token)) == "last_way_in"
    user = await gate.administration.get(await db.fetchval("SELECT id FROM users"))
    with pytest.raises(LastWayIn):
        await gate.factors.reset(user, reason="lost", client=Client())
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 1
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 10, "nor what goes with it"
    assert (await client.get("/api/auth/me", headers=bearer(alone.token))).status_code == 200
    phone = await enrolled(client, alone.token, Device())
    listed = (await client.get("/api/auth/factors", headers=bearer(phone.token))).json()["data"]["factors"]
    path = f"/api/auth/factors/passkeys/{listed[0]['id']}"
    assert code_of(await client.request("DELETE", path, headers=bearer(phone.token))) == "ok"
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 1


async def test_a_temporary_password_is_no_way_in_and_one_of_ones_own_is(
    client: httpx.AsyncClient, alone: Device, gate: Gatepost, db: Database
) -> None:
    user = await gate.administration.get(await db.fetchval("SELECT id FROM users"))
    made = await gate.administration.set_temporary_password(user, client=Client())
    with pytest.raises(LastWayIn):
        await gate.factors.reset(user, reason="lost", client=Client())
    body = authenticators.BODY | {"password": made.password, "new_password": OWN}
    assert code_of(await client.post(authenticators.LOGIN, json=body)) == "second_factor_required"
    challenge = (await client.post(authenticators.LOGIN, json=body)).json()["error"]["challenge"]
    credential = alone.get(await passkeys_by.request_of(client, challenge))
    assert code_of(await passkeys_by.answered(client, challenge, credential)) == "ok"
    assert await gate.factors.reset(user, reason="lost", client=Client()) == ("passkey", "recovery_code")


async def test_of_fifty_who_remove_different_ways_at_once_one_is_left(
    client: httpx.AsyncClient, device: Device, db: Database
) -> None:
    passkey = await db.fetchval("SELECT id FROM auth_passkeys")
    for done in (1, 0):
        asked = ["password", f"factors/passkeys/{passkey}"] * 25
        headers = bearer(device.token)
        found = await asyncio.gather(
            *(client.request("DELETE", f"/api/auth/{path}", headers=headers) for path in asked)
        )
        tokens = [each.json()["data"]["token"] for each in found if each.status_code == 200]
        assert len(tokens) == done
        assert {each.status_code for each in found} <= {200, 401, 404, 409}
        left = await db.fetchval(
            "SELECT (hashed_password IS NOT NULL)::int + (SELECT count(*) FROM auth_passkeys) FROM users"
        )
        assert left == 1
        device.token = tokens[0] if tokens else device.token


# --- Whoever has no password ---


async def test_who_has_none_gives_themselves_a_first_one_with_a_fresh_session(
    client: httpx.AsyncClient, alone: Device, clock: MovableClock
) -> None:
    async def change(token: str, **body: Any) -> httpx.Response:
        return await client.post("/api/auth/password", json=body, headers=bearer(token))

    clock.advance(minutes=11)
    refused = await change(alone.token, new=OWN)
    assert refused.json()["error"] == {"code": "fresh_session_required", "methods": ["passkey"]}
    token = (await signed_in_by(client, alone)).json()["data"]["token"]
    assert code_of(await change(token, new="short")) == "validation_failed"
    changed = await change(token, new=OWN)
    assert code_of(changed) == "ok"
    login = await client.post(authenticators.LOGIN, json=authenticators.BODY | {"password": OWN})
    assert code_of(login) == "second_factor_required"
    again = await change(changed.json()["data"]["token"], new=PASSWORD)
    assert again.json()["error"]["fields"] == {"current": "This field is required"}


async def test_who_has_none_changes_the_email_and_deletes_the_account_with_a_fresh_session(
    client: httpx.AsyncClient, alone: Device, clock: MovableClock, db: Database
) -> None:
    clock.advance(minutes=11)
    headers = bearer(alone.token)
    body = {"email": "new@example.com"}
    refused = await client.post("/api/auth/email", json=body, headers=headers)
    assert code_of(refused) == "fresh_session_required"
    gone = await client.request("DELETE", "/api/auth/me", json={}, headers=headers)
    assert code_of(gone) == "fresh_session_required"
    headers = bearer((await signed_in_by(client, alone)).json()["data"]["token"])
    changed = await client.post("/api/auth/email", json=body, headers=headers)
    assert changed.json()["data"]["user"]["email"] == "new@example.com"
    headers = bearer(changed.json()["data"]["token"])
    gone = await client.request("DELETE", "/api/auth/me", json={}, headers=headers)
    assert code_of(gone) == "ok", gone.text
    assert await db.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.usefixtures("resting")
async def test_where_one_signs_in_by_mail_that_is_a_way_and_a_forgotten_password_is_made_anew(
    serve: Serve, db: Database
) -> None:
    async with serve(**MAIL_ON | {"email_sign_in": "code"}) as (client, gate):
        token = str((await register(client))["token"])
        refused = await remove_password(client, token)
        assert code_of(refused) == "last_way_in", "nobody knows whether mail to this address is theirs"
        await db.execute("UPDATE users SET email_verified_at = now()")
        assert code_of(await remove_password(client, token)) == "ok"
        await client.post("/api/auth/password/forgot", json={"email": "user@example.com"})
        mail = await read_mail(gate, db, "password_reset")
        body = {"token": mail.token, "new_password": OWN}
        assert code_of(await client.post("/api/auth/password/reset", json=body)) == "ok"
        login = await client.post(authenticators.LOGIN, json=authenticators.BODY | {"password": OWN})
        assert code_of(login) == "ok"


async def test_a_passkey_of_another_domain_is_no_way_in(serve: Serve, device: Device, db: Database) -> None:
    there = {"allowed_origins": "https://app.example.com", "webauthn_rp_id": "example.com"}
    async with serve(**there) as (client, _):
        listed = await client.get("/api/auth/factors/passkeys", headers=bearer(device.token))
        assert [each["suffices"] for each in listed.json()["data"]["passkeys"]] == [False]
        refused = await remove_password(client, device.token)
        assert (refused.status_code, code_of(refused)) == (409, "last_way_in")
        assert await db.fetchval("SELECT hashed_password FROM users") is not None

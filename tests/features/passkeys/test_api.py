"""Passkeys over HTTP: set up, asked for after a password, and enough by themselves."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, register
from tests.features.passkeys_by import (
    FACTORS,
    Device,
    added,
    answered,
    asked,
    challenged,
    code_of,
    creation,
    enrolled,
    request_of,
    signed_in_by,
)
from tests.http.conftest import Database, events

CONFIRM = "/api/auth/confirm"


@pytest.fixture
async def token(client: httpx.AsyncClient) -> str:
    return str((await register(client))["token"])


@pytest.fixture
async def device(client: httpx.AsyncClient, token: str) -> Device:
    return await enrolled(client, token)


def info(response: httpx.Response) -> tuple[list[str], int]:
    session = response.json()["data"]["session_info"]
    return session["methods"], session["aal"]


# --- Setting one up ---


async def test_a_browser_is_asked_for_a_passkey_that_it_finds_by_itself(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    options = await creation(client, token)
    assert options["rp"] == {"name": "Gatepost", "id": "localhost"}
    assert (options["user"]["name"], options["user"]["displayName"]) == ("user@example.com", "John Doe")
    assert len(options["user"]["id"]) == 43
    assert options["attestation"] == "none"
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-8, -7, -257]
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "preferred")
    assert (await creation(client, token))["challenge"] != options["challenge"]
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0


async def test_a_passkey_is_kept_and_the_first_factor_brings_recovery_codes(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    device = Device(aaguid=UUID(int=1))
    response = await added(client, token, device.create(await creation(client, token)), name=" Blue key ")
    assert response.status_code == 200, response.text
    assert len(response.json()["data"]["recovery_codes"]) == 10
    assert info(response) == (["pwd", "passkey", "mfa"], 2)
    row = await db.fetchrow("SELECT * FROM auth_passkeys")
    assert row is not None
    (made,) = device.passkeys
    assert (row["credential_id"], len(row["user_handle"])) == (made.credential_id, 32)
    assert (row["name"], str(row["aaguid"]), row["transports"]) == ("Blue key", str(UUID(int=1)), ["usb"])
    assert (row["is_backup_eligible"], row["is_backed_up"], row["verifies_user"]) == (False, False, True)
    (event,) = await events(db, "factor.enrolled")
    assert event["detail"] == {"method": "passkey"}
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401


async def test_a_name_that_is_none_ends_nothing(client: httpx.AsyncClient, token: str, db: Database) -> None:
    credential = Device().create(await creation(client, token))
    for name in ("", "\n", "x" * 201):
        refused = await added(client, token, credential, name=name)
        assert (refused.status_code, set(refused.json()["error"]["fields"])) == (422, {"name"})
    assert (await added(client, token, credential, name="Key")).status_code == 200
    assert await db.fetchval("SELECT name FROM auth_passkeys") == "Key"


async def test_every_passkey_is_listed_and_makes_none_twice(
    client: httpx.AsyncClient, device: Device
) -> None:
    phone = await enrolled(client, device.token, Device(is_synced=True), name="Phone")
    response = await client.get(FACTORS, headers=bearer(phone.token))
    listed = response.json()["data"]["factors"]
    assert [(each["method"], each["name"], each["is_synced"]) for each in listed] == [
        ("passkey", "Passkey", False),
        ("passkey", "Phone", True),
    ]
    assert phone.recovery_codes == ()
    options = await creation(client, phone.token)
    assert len(options["excludeCredentials"]) == 2
    assert options["user"]["id"] == phone.passkeys[0].user_handle == device.passkeys[0].user_handle
    with pytest.raises(ValueError, match="has a passkey"):
        device.create(options)


# --- Signing in ---


async def test_a_passkey_signs_in_alone_and_counts_as_two_factors(
    client: httpx.AsyncClient, device: Device, db: Database
) -> None:
    data = await asked(client)
    assert data["publicKey"]["allowCredentials"] == []
    assert (data["publicKey"]["userVerification"], data["publicKey"]["rpId"]) == ("required", "localhost")
    response = await signed_in_by(client, device)
    assert response.status_code == 200, response.text
    assert info(response) == (["passkey", "mfa"], 2)
    token = response.json()["data"]["token"]
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    row = await db.fetchrow("SELECT sign_count, last_used_at, last_used_from FROM auth_passkeys")
    assert row is not None
    assert (row["sign_count"], row["last_used_from"]) == (1, "127.0.0.1")
    assert row["last_used_at"] is not None


async def test_the_token_may_be_kept_in_a_cookie(client: httpx.AsyncClient, device: Device) -> None:
    response = await signed_in_by(client, device, cookie=True, remember=True)
    assert "token" not in response.json()["data"]
    assert response.cookies


async def test_after_the_password_a_passkey_is_the_second_factor_also_without_user_verification(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    device = await enrolled(client, token, Device(verifies=False))
    challenge = await challenged(client)
    options = await request_of(client, challenge)
    assert options["userVerification"] == "preferred"
    assert [each["transports"] for each in options["allowCredentials"]] == [["usb"]]
    response = await answered(client, challenge, device.get(options))
    assert response.status_code == 200, response.text
    assert info(response) == (["pwd", "passkey", "mfa"], 2)
    assert await db.fetchval("SELECT verifies_user FROM auth_passkeys") is False


async def test_without_user_verification_a_passkey_alone_signs_nobody_in(
    client: httpx.AsyncClient, device: Device
) -> None:
    device.verifies = False
    response = await signed_in_by(client, device)
    assert (response.status_code, code_of(response)) == (401, "invalid_credentials")


# --- Confirming ---


async def options_to_confirm(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    body = {"method": "passkey"}
    response = await client.post(f"{CONFIRM}/options", json=body, headers=bearer(token))
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()["data"]["publicKey"]
    return options


async def confirmed_by(client: httpx.AsyncClient, token: str, device: Device) -> httpx.Response:
    credential = device.get(await options_to_confirm(client, token))
    body = {"method": "passkey", "credential": credential}
    return await client.post(CONFIRM, json=body, headers=bearer(token))


async def test_a_passkey_confirms_by_itself(client: httpx.AsyncClient, device: Device) -> None:
    options = await options_to_confirm(client, device.token)
    assert options["userVerification"] == "required"
    response = await confirmed_by(client, device.token, device)
    assert response.status_code == 200, response.text
    assert response.json()["data"]["session_info"]["is_fresh"] is True
    assert response.json()["data"]["session_info"]["aal"] == 2


async def test_without_user_verification_it_confirms_after_the_password_alone(
    client: httpx.AsyncClient, device: Device
) -> None:
    device.verifies = False
    assert code_of(await confirmed_by(client, device.token, device)) == "invalid_code"
    response = await client.post(CONFIRM, json={"password": PASSWORD}, headers=bearer(device.token))
    assert code_of(response) == "second_factor_required"
    assert (await options_to_confirm(client, device.token))["userVerification"] == "preferred"
    response = await confirmed_by(client, device.token, device)
    assert response.status_code == 200, response.text


# --- Renaming and removing ---


async def test_a_passkey_is_renamed_by_its_owner(
    client: httpx.AsyncClient, device: Device, db: Database
) -> None:
    passkey_id = await db.fetchval("SELECT id FROM auth_passkeys")
    path = f"{FACTORS}/passkeys/{passkey_id}"
    response = await client.patch(path, json={"name": " Desk "}, headers=bearer(device.token))
    assert response.json()["data"] == {"id": str(passkey_id), "name": "Desk"}
    (event,) = await events(db, "passkey.renamed")
    assert event["detail"] == {"factor_id": str(passkey_id)}
    other = (await register(client, "other@example.com"))["token"]
    assert (await client.patch(path, json={"name": "Mine"}, headers=bearer(other))).status_code == 404
    refused = await client.patch(path, json={"name": "\n"}, headers=bearer(device.token))
    assert (refused.status_code, await db.fetchval("SELECT name FROM auth_passkeys")) == (422, "Desk")


async def test_one_of_several_is_removed_and_the_codes_stay_until_the_last_is(
    client: httpx.AsyncClient, device: Device, db: Database
) -> None:
    phone = await enrolled(client, device.token, Device(is_synced=True), name="Phone")
    ids = [row["id"] for row in await db.fetch("SELECT id FROM auth_passkeys ORDER BY id")]
    other = (await register(client, "other@example.com"))["token"]
    path = f"{FACTORS}/passkeys/{ids[0]}"
    assert (await client.delete(path, headers=bearer(other))).status_code == 404
    response = await client.delete(path, headers=bearer(phone.token))
    assert response.status_code == 200, response.text
    (event,) = await events(db, "factor.removed")
    assert event["detail"] == {"method": "passkey", "factor_id": str(ids[0])}
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 10
    assert (await signed_in_by(client, device)).status_code == 401
    assert (await signed_in_by(client, phone)).status_code == 200
    token = response.json()["data"]["token"]
    assert (await client.delete(path, headers=bearer(token))).status_code == 404
    last = await client.delete(f"{FACTORS}/passkeys/{ids[1]}", headers=bearer(token))
    assert last.status_code == 200
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0
    assert json.loads(last.text)["data"]["session_info"]["is_fresh"] is True


async def test_there_are_no_passkeys_where_the_host_is_an_address(serve: Any) -> None:
    async with serve(public_url="http://127.0.0.1:8000") as (client, _):
        assert (await client.post("/api/auth/login/passkey/options")).status_code == 404
        token = (await register(client))["token"]
        response = await client.post(f"{FACTORS}/passkeys/options", headers=bearer(token))
        assert response.status_code == 404
        listed = (await client.get(FACTORS, headers=bearer(token))).json()["data"]
        assert listed["available"] == ["totp"]


async def test_the_domain_and_the_origins_are_what_is_set(serve: Any) -> None:
    async with serve(
        public_url="https://auth.example.com",
        webauthn_rp_id="example.com",
        allowed_origins=["https://app.example.com"],
    ) as (client, _):
        token = (await register(client))["token"]
        options = await creation(client, token)
        assert options["rp"]["id"] == "example.com"
        device = await enrolled(client, token, Device("https://app.example.com"))
        device.origin = "https://other.example.com"
        assert (await signed_in_by(client, device)).status_code == 401
        device.origin = "https://auth.example.com"
        assert (await signed_in_by(client, device)).status_code == 200


async def test_nobody_has_more_than_a_request_can_name(
    client: httpx.AsyncClient, device: Device, db: Database
) -> None:
    more = """
        INSERT INTO auth_passkeys (user_id, credential_id, public_key, user_handle, sign_count, name,
            transports, is_backup_eligible, is_backed_up, verifies_user, created_at)
        SELECT p.user_id, p.credential_id || int4send(n), p.public_key, p.user_handle, 0, 'x', '{}',
            false, false, true, now()
        FROM auth_passkeys p, generate_series(2, 50) n
    """
    await db.execute(more)
    made = Device().create(await creation(client, device.token))
    refused = await added(client, device.token, made)
    assert (refused.status_code, code_of(refused)) == (422, "validation_failed")
    assert list(refused.json()["error"]["fields"]) == ["credential"]
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 50

"""Signing up with a passkey in the place of a password."""

import json
from typing import Any

import httpx
import pytest
from tests.conftest import bearer
from tests.features.conftest import Serve
from tests.features.email.conftest import resting
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.features.passkeys_by import Device, code_of, signed_in_by
from tests.http.conftest import Database, events

__all__ = ["resting"]

pytestmark = pytest.mark.usefixtures("resting")

ADA = {"email": "ada@example.com", "name": "Ada"}
OPEN = {"passwordless_sign_up": True}
PROVEN = MAIL_ON | {"email_verification": "required"}
OPTIONS, REGISTER = "/api/auth/register/passkey/options", "/api/auth/register"


async def made(client: httpx.AsyncClient, device: Device) -> dict[str, Any]:
    """What an authenticator makes for a new account."""
    response = await client.post(OPTIONS, json=ADA)
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    return {"challenge": data["challenge"], "credential": device.create(data["publicKey"])}


async def test_a_passkey_stands_in_for_the_password(serve: Serve, db: Database) -> None:
    async with serve(**OPEN) as (client, _):
        options = (await client.post(OPTIONS, json=ADA)).json()["data"]["publicKey"]
        assert (options["user"]["name"], options["user"]["displayName"]) == ("ada@example.com", "Ada")
        assert options["authenticatorSelection"]["userVerification"] == "required"
        assert options["excludeCredentials"] == []
        device = Device()
        response = await client.post(REGISTER, json=ADA | await made(client, device))
        assert response.status_code == 201, response.text
        data = response.json()["data"]
        assert (data["session_info"]["methods"], data["session_info"]["aal"]) == (["passkey", "mfa"], 2)
        assert len(data["recovery_codes"]) == 10
        assert (await client.get("/api/auth/me", headers=bearer(data["token"]))).status_code == 200
        assert await db.fetchval("SELECT hashed_password FROM users") is None
        assert code_of(await signed_in_by(client, device)) == "ok"
        assert [event["detail"] for event in await events(db, "factor.enrolled")] == [{"method": "passkey"}]
        passkey = await db.fetchval("SELECT id FROM auth_passkeys")
        path = f"/api/auth/factors/passkeys/{passkey}"
        removed = await client.request("DELETE", path, headers=bearer(data["token"]))
        assert code_of(removed) == "last_way_in"


async def test_the_mail_to_verify_the_address_outlives_the_passkey_that_is_set_up(
    serve: Serve, db: Database
) -> None:
    async with serve(**MAIL_ON | OPEN | {"email_verification": "optional"}) as (client, gate):
        device = Device("https://auth.example.com")
        response = await client.post(REGISTER, json=ADA | await made(client, device))
        headers = bearer(response.json()["data"]["token"])
        mail = await read_mail(gate, db, "verify_email")
        verified = await client.post("/api/auth/email/verify", json={"token": mail.token}, headers=headers)
        assert code_of(verified) == "ok"
        assert await db.fetchval("SELECT email_verified_at IS NOT NULL FROM users") is True


@pytest.mark.parametrize("wrong", ["unverified", "twice", "unknown", "forged", "origin"])
async def test_what_is_no_good_makes_nobody(serve: Serve, db: Database, wrong: str) -> None:
    async with serve(**OPEN) as (client, _):
        device = Device("https://evil.example" if wrong == "origin" else "http://localhost:8000")
        device.verifies = wrong != "unverified"
        body, code = ADA | await made(client, device), "invalid_code"
        if wrong == "twice":
            assert (await client.post(REGISTER, json=body)).status_code == 201
            await db.execute("DELETE FROM users")
            code = "challenge_expired"
        if wrong == "unknown":
            body, code = body | {"challenge": "A" * 43}, "challenge_expired"
        if wrong == "forged":
            body = body | {"credential": {"id": "AAAA", "type": "public-key"}}
        refused = await client.post(REGISTER, json=body)
        assert (refused.status_code, code_of(refused)) == (401, code)
        assert await db.fetchval("SELECT count(*) FROM users") == 0
        assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0


@pytest.mark.parametrize(
    ("field", "typed"), [("email", "\ud800"), ("email", "nobody"), ("name", "\ud800"), ("name", "\0")]
)
async def test_no_authenticator_makes_anything_for_what_is_no_email_or_name(
    serve: Serve, db: Database, field: str, typed: str
) -> None:
    async with serve(**OPEN) as (client, _):
        body, sent_as = json.dumps(ADA | {field: typed}), {"Content-Type": "application/json"}
        refused = await client.post(OPTIONS, content=body, headers=sent_as)
        assert (refused.status_code, code_of(refused)) == (422, "validation_failed")
        assert list(refused.json()["error"]["fields"]) == [field]
        assert await db.fetchval("SELECT count(*) FROM auth_challenges") == 0


async def test_a_taken_email_stays_its_owners(serve: Serve, db: Database) -> None:
    async with serve(**OPEN) as (client, _):
        assert (await client.post(REGISTER, json=ADA | {"password": "securepassword123"})).status_code == 201
        refused = await client.post(REGISTER, json=ADA | await made(client, Device()))
        assert code_of(refused) == "email_taken"
        assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0


async def test_it_is_off_unless_it_is_said(client: httpx.AsyncClient, db: Database) -> None:
    assert code_of(await client.post(OPTIONS, json=ADA)) == "not_found"
    body = ADA | {"challenge": "A" * 43, "credential": {}}
    refused = await client.post(REGISTER, json=body)
    assert refused.json()["error"]["fields"] == {"password": "This field is required"}
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_where_addresses_are_proven_it_is_chosen_once_the_mailbox_has_answered(
    serve: Serve, db: Database
) -> None:
    async with serve(**PROVEN) as (client, gate):
        assert (await client.post(REGISTER, json=ADA)).status_code == 202
        token = (await read_mail(gate, db, "verify_email")).token
        device = Device("https://auth.example.com", verifies=False)
        body = {"token": token, **await made(client, device)}
        assert code_of(await client.post("/api/auth/email/verify", json=body)) == "invalid_code"
        assert await db.fetchval("SELECT count(*) FROM users") == 0
        device = Device("https://auth.example.com")
        body = {"token": token, **await made(client, device)}
        response = await client.post("/api/auth/email/verify", json=body)
        assert response.status_code == 201, response.text
        assert response.json()["data"]["user"]["email_verified"] is True
        assert await db.fetchval("SELECT hashed_password FROM users") is None
        assert code_of(await signed_in_by(client, device)) == "ok"

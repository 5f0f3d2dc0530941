"""Passkeys on the way in, of who has none yet and of who has lost them."""

import asyncpg
import httpx
import pytest
from tests.conftest import Role, bearer, register
from tests.features.conftest import Serve
from tests.features.passkeys_by import (
    BODY,
    FACTOR,
    FACTORS,
    LOGIN,
    PASSKEY,
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
from tests.features.totp.test_api import dump
from tests.http.conftest import Database

from gatepost.features.passkeys.service import OwnPasskeys
from gatepost.library import Gatepost
from gatepost.models import Client


@pytest.fixture
async def token(client: httpx.AsyncClient) -> str:
    return str((await register(client))["token"])


async def test_who_has_to_have_a_factor_sets_a_passkey_up_on_the_way_in(serve: Serve, db: Database) -> None:
    async with serve() as (client, _):
        await register(client)
    async with serve(mfa_required="all") as (client, _):
        error = (await client.post(LOGIN, json=BODY)).json()["error"]
        assert (error["code"], error["methods"][0]) == ("factor_enrolment_required", "passkey")
        body = {"challenge": error["challenge"], "method": "passkey"}
        device = Device()
        options = (await client.post(f"{FACTOR}/options", json=body)).json()["data"]["publicKey"]
        made = device.create(options)
        answer = await answered(client, error["challenge"], made)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        assert len(data["recovery_codes"]) == 10
        assert (data["session_info"]["methods"], data["session_info"]["aal"]) == (
            ["pwd", "passkey", "mfa"],
            2,
        )
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
        assert (await signed_in_by(client, device)).status_code == 200


async def test_a_passkey_alone_is_enough_where_everybody_has_to_have_two_factors(serve: Serve) -> None:
    async with serve(mfa_required="all") as (client, _):
        async with serve() as (before, _):
            device = await enrolled(before, (await register(before))["token"])
        assert (await signed_in_by(client, device)).status_code == 200


async def test_who_has_a_passkey_gets_no_session_by_the_password_alone(
    client: httpx.AsyncClient, token: str
) -> None:
    device = await enrolled(client, token)
    response = await client.post(LOGIN, json=BODY)
    assert response.json()["error"]["methods"] == ["passkey", "recovery_code"]
    body = {"challenge": response.json()["error"]["challenge"], "method": "recovery_code"}
    answer = await client.post(FACTOR, json={**body, "code": device.recovery_codes[0]})
    assert answer.status_code == 200


async def test_an_administrator_removes_the_passkeys_of_who_lost_them(
    client: httpx.AsyncClient, token: str, gate: Gatepost, db: Database
) -> None:
    device = await enrolled(client, token)
    user = await gate.administration.find("user@example.com")
    assert await gate.factors.reset(user, reason="lost", client=Client()) == ("passkey", "recovery_code")
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0
    assert (await signed_in_by(client, device)).status_code == 401
    assert (await client.post(LOGIN, json=BODY)).status_code == 200


async def test_the_export_has_passkeys_without_what_authenticators_know(
    client: httpx.AsyncClient, token: str
) -> None:
    device = await enrolled(client, token, Device(is_synced=True), name="Phone")
    exported = await client.get("/api/auth/export", headers=bearer(device.token))
    [row] = exported.json()["data"]["passkeys"]
    assert set(row) == {
        *("name", "aaguid", "transports", "is_backup_eligible", "is_backed_up", "created_at"),
        *("last_used_at", "last_used_from"),
    }
    assert (row["name"], row["transports"]) == ("Phone", ["internal", "hybrid"])


async def test_passkeys_go_with_their_user(client: httpx.AsyncClient, token: str, db: Database) -> None:
    await enrolled(client, token)
    await db.execute("DELETE FROM users")
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0


async def test_whoever_did_not_own_the_mailbox_leaves_no_passkey(
    client: httpx.AsyncClient, token: str, gate: Gatepost, db: Database
) -> None:
    await enrolled(client, token)
    user = await gate.administration.find("user@example.com")
    async with gate.database.transaction() as conn:
        await gate.wiring.disown(conn, user.id)
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0


async def test_a_browser_is_told_which_passkeys_are_left(
    client: httpx.AsyncClient, token: str, gate: Gatepost
) -> None:
    user_id = (await gate.administration.find("user@example.com")).id
    own = gate.service(OwnPasskeys)
    assert await own.accepted(user_id) is None
    device = await enrolled(client, token)
    options = await creation(client, device.token)
    ids = [each["id"] for each in options["excludeCredentials"]]
    signal = {"rpId": "localhost", "userId": options["user"]["id"], "allAcceptedCredentialIds": ids}
    assert await own.accepted(user_id) == signal
    listed = (await client.get(f"{FACTORS}/passkeys", headers=bearer(device.token))).json()["data"]
    assert listed["accepted"] == signal
    whose = {"rpId": "localhost", "userId": options["user"]["id"]}
    assert listed["details"] == whose | {"name": "user@example.com", "displayName": "John Doe"}
    (passkey,) = listed["passkeys"]
    assert (passkey["credential_id"], passkey["name"], passkey["suffices"]) == (ids[0], "Passkey", True)
    other = (await register(client, "other@example.com"))["token"]
    theirs = (await client.get(f"{FACTORS}/passkeys", headers=bearer(other))).json()["data"]
    assert theirs == {"passkeys": [], "accepted": None, "details": None}


# --- At rest ---


async def test_a_dump_holds_no_challenge_that_can_be_answered(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    made = await creation(client, token)
    dumped = await dump(db)
    device = Device()
    response = await added(client, token, device.create(made))
    begun = await asked(client)
    challenge = await challenged(client)
    options = await request_of(client, challenge)
    dumped += await dump(db)
    secrets = (
        challenge,
        begun["challenge"],
        *(each["challenge"] for each in (made, begun["publicKey"], options)),
    )
    assert response.status_code == 200
    for secret in secrets:
        assert secret.encode() not in dumped


async def test_the_servers_role_can_not_change_whose_key_it_is(
    client: httpx.AsyncClient, token: str, owner_dsn: str, app_role: Role
) -> None:
    await enrolled(client, token)
    conn = await asyncpg.connect(app_role.on(owner_dsn))
    try:
        for column in ("public_key", "credential_id", "user_handle"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(f"UPDATE auth_passkeys SET {column} = 'x'")  # noqa: S608 - of the list
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE auth_passkeys SET user_id = user_id")
    finally:
        await conn.close()


# --- Time and place ---


async def test_a_challenge_lasts_for_five_minutes(
    client: httpx.AsyncClient, token: str, clock: object
) -> None:
    device = await enrolled(client, token)
    data = await asked(client)
    credential = device.get(data["publicKey"])
    clock.advance(minutes=5)  # type: ignore[attr-defined]
    body = {"challenge": data["challenge"], "credential": credential}
    assert code_of(await client.post(PASSKEY, json=body)) == "challenge_expired"


async def test_without_the_library_passkeys_count_and_none_can_be_used(
    client: httpx.AsyncClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enrolled(client, token)
    monkeypatch.setattr("gatepost.features.passkeys.factor.find_spec", lambda _: None)
    assert (await client.post(f"{PASSKEY}/options")).status_code == 404
    challenge = await challenged(client)
    assert code_of(await answered(client, challenge, {"rawId": "AAAA"})) == "invalid_code"
    other = (await register(client, "other@example.com"))["token"]
    response = await client.post(f"{FACTORS}/passkeys/options", headers=bearer(other))
    assert response.status_code == 404

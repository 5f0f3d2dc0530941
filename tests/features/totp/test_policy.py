"""MFA_REQUIRED over HTTP, and what a sign-in that is not complete can do: nothing."""

import base64

import httpx
import pytest
from tests.conftest import MovableClock, bearer, register
from tests.features import passkeys_by
from tests.features.authenticators import BODY, FACTOR, LOGIN, App, answered, challenged, code_of, enrolled
from tests.features.conftest import Serve
from tests.http.conftest import Database

from gatepost.models import Client

OPTIONS = f"{FACTOR}/options"


async def test_all_have_to_set_one_up_before_there_is_a_session(
    serve: Serve, clock: MovableClock, db: Database
) -> None:
    async with serve() as (client, _):
        await register(client)
    async with serve(mfa_required="all") as (client, _):
        response = await client.post(LOGIN, json=BODY)
        error = response.json()["error"]
        assert (error["code"], error["methods"]) == ("factor_enrolment_required", ["passkey", "totp"])
        asked = {"challenge": error["challenge"], "method": "totp"}
        data = (await client.post(OPTIONS, json=asked)).json()["data"]
        assert (await client.post(OPTIONS, json=asked)).json()["data"] == data
        app = App(base64.b32decode(data["secret"]), clock)
        assert code_of(await answered(client, error["challenge"], "000000")) == "invalid_code"
        assert await db.fetchval("SELECT count(*) FROM auth_totp") == 0
        answer = (await answered(client, error["challenge"], app.code())).json()["data"]
        assert len(answer["recovery_codes"]) == 10
        assert answer["session_info"]["aal"] == 2
        # What began without it is over.
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
        clock.advance(seconds=30)
        again = await answered(client, await challenged(client), app.code())
        assert "recovery_codes" not in again.json()["data"]


async def test_only_administrators_have_to_where_it_says_so(serve: Serve, db: Database) -> None:
    async with serve(mfa_required="admins") as (client, _):
        token = (await register(client))["token"]
        me = await client.get("/api/auth/factors", headers=bearer(token))
        assert me.json()["data"]["required"] is False
        await db.execute("UPDATE users SET is_admin = true")
        assert code_of(await client.post(LOGIN, json=BODY)) == "factor_enrolment_required"


async def test_administrators_do_nothing_without_one_however_they_became_one(
    serve: Serve, clock: MovableClock, db: Database
) -> None:
    async with serve(mfa_required="admins") as (client, gate):
        token = str((await register(client))["token"])

        async def asked(path: str, token: str) -> httpx.Response:
            answer: httpx.Response = await client.get(f"/api/auth/{path}", headers=bearer(token))
            return answer

        await db.execute("UPDATE users SET is_admin = true")
        for path in ("admin/users", "admin/events", "verify?admin=1"):
            refused = await asked(path, token)
            assert refused.status_code == 403, path
            assert refused.json()["error"] == {"code": "fresh_session_required", "methods": []}
            assert 'acr_values="aal2"' in refused.headers["www-authenticate"]
        await db.execute("UPDATE users SET is_admin = false")
        user = await gate.administration.find(BODY["email"])
        assert await gate.administration.set_admin(user, is_admin=True, client=Client())
        assert (await asked("me", token)).status_code == 200, "their session goes on"
        assert (await asked("admin/users", token)).status_code == 403
        token = (await enrolled(client, token, clock)).token
        assert (await asked("admin/users", token)).status_code == 200
        assert (await asked("verify?admin=1", token)).status_code == 204


async def test_the_last_one_stays_with_whom_it_is_asked_of(
    serve: Serve, clock: MovableClock, db: Database
) -> None:
    async with serve(mfa_required="admins") as (client, gate):
        app = await enrolled(client, str((await register(client))["token"]), clock)

        async def removed(path: str, token: str, **body: str) -> httpx.Response:
            url = f"/api/auth/{path}"
            answer: httpx.Response = await client.request(
                "DELETE", url, headers=bearer(token), json=body or None
            )
            return answer

        await db.execute("UPDATE users SET is_admin = true")
        refused = await removed("factors/totp", app.token)
        assert (refused.status_code, code_of(refused)) == (409, "factor_required")
        assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 10, "nor what goes with it"
        own = await db.fetchval("SELECT id FROM users")
        assert code_of(await removed(f"admin/users/{own}/factors", app.token, reason="lost")) == "own_account"
        assert (await client.get("/api/auth/me", headers=bearer(app.token))).status_code == 200
        passkey = await passkeys_by.enrolled(client, app.token)
        assert (await removed("factors/totp", passkey.token)).status_code == 200, "one is left"
        # Who lost it is let in by others, and sets another one up on the way.
        user = await gate.administration.find(BODY["email"])
        assert await gate.factors.reset(user, reason="lost", client=Client()) == ("passkey", "recovery_code")
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0
        assert code_of(await client.post(LOGIN, json=BODY)) == "factor_enrolment_required"
    async with serve() as (client, _):
        await db.execute("UPDATE users SET is_admin = true")
        token = (await client.post(LOGIN, json=BODY)).json()["data"]["token"]
        app = await enrolled(client, token, clock)
        assert (await removed("factors/totp", app.token)).status_code == 200, "nobody has to have one"


async def test_a_challenge_is_worth_nothing_at_any_operation_but_its_own(
    client: httpx.AsyncClient, clock: MovableClock, db: Database
) -> None:
    await enrolled(client, str((await register(client))["token"]), clock)
    await db.execute("UPDATE users SET is_admin = true")
    challenge = await challenged(client)
    document = (await client.get("/api/auth/openapi.json")).json()
    tried = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation.get("security") != [{"SessionToken": []}]:
                continue
            url = path.replace("{id}", "1").replace("{address}", "203.0.113.1")
            response = await client.request(method, url, headers=bearer(challenge), json={})
            assert response.status_code in {401, 422}, (method, path, response.text)
            if response.status_code == 401:
                assert code_of(response) == "invalid_session"
                tried.add(operation["operationId"])
    assert len(tried) > 30
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


@pytest.mark.parametrize("extra", [{"aal": 2}, {"methods": ["pwd", "otp", "mfa"]}, {"skip_factor": True}])
async def test_no_field_of_a_request_passes_the_factor_by(
    client: httpx.AsyncClient, clock: MovableClock, extra: dict[str, object]
) -> None:
    await enrolled(client, str((await register(client))["token"]), clock)
    assert code_of(await client.post(LOGIN, json=BODY | extra)) == "second_factor_required"

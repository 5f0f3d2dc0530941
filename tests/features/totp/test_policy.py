"""MFA_REQUIRED over HTTP, and what a sign-in that is not complete can do: nothing."""

import base64

import httpx
import pytest
from tests.conftest import MovableClock, bearer, register
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


@pytest.mark.parametrize("has_factor", [False, True])
async def test_who_becomes_an_administrator_goes_on_only_with_a_factor(
    serve: Serve, clock: MovableClock, *, has_factor: bool
) -> None:
    async with serve(mfa_required="admins") as (client, gate):
        token = str((await register(client))["token"])
        if has_factor:
            token = (await enrolled(client, token, clock)).token
        user = await gate.administration.find(BODY["email"])
        assert await gate.administration.set_admin(user, is_admin=True, client=Client())
        me = await client.get("/api/auth/admin/users", headers=bearer(token))
        assert me.status_code == (200 if has_factor else 401)


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

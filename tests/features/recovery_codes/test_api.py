"""Recovery codes: each signs in once where the second factor is lost."""

import asyncio

import httpx
import pytest
from tests.conftest import MovableClock, bearer, register
from tests.features.authenticators import App, answered, challenged, code_of, enrolled
from tests.features.conftest import Serve
from tests.http.conftest import Database, events

from gatepost.features.recovery_codes import codes

PATH = "/api/auth/factors/recovery-codes"


@pytest.fixture
async def app_of(client: httpx.AsyncClient, clock: MovableClock) -> App:
    return await enrolled(client, str((await register(client))["token"]), clock)


async def test_a_code_signs_in_once_and_is_counted_down(
    client: httpx.AsyncClient, app_of: App, db: Database
) -> None:
    code = app_of.recovery_codes[3]
    response = await answered(client, await challenged(client), code, "recovery_code")
    assert response.json()["data"]["session_info"]["aal"] == 2
    assert code_of(await answered(client, await challenged(client), code, "recovery_code")) == "invalid_code"
    held = (await client.get("/api/auth/factors", headers=bearer(app_of.token))).json()["data"]["ways_back"]
    assert [(each["left"], each["last_used_from"]) for each in held] == [(9, "127.0.0.1")]
    assert [event["detail"] for event in await events(db, "factor.recovery_code_used")] == [{"left": 9}]


async def test_of_many_who_send_the_same_code_at_once_one_is_heard(
    client: httpx.AsyncClient, app_of: App
) -> None:
    challenges = [await challenged(client) for _ in range(8)]
    sent = [answered(client, each, app_of.recovery_codes[0], "recovery_code") for each in challenges]
    assert [code_of(each) for each in await asyncio.gather(*sent)].count("ok") == 1


async def test_new_codes_replace_all_that_there_were(
    client: httpx.AsyncClient, app_of: App, db: Database
) -> None:
    response = await client.post(PATH, headers=bearer(app_of.token))
    made = response.json()["data"]["recovery_codes"]
    assert len(set(made) - set(app_of.recovery_codes)) == 10
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 10
    challenge = await challenged(client)
    assert (
        code_of(await answered(client, challenge, app_of.recovery_codes[0], "recovery_code"))
        == "invalid_code"
    )
    typed = made[0].lower().replace("-", " ")
    assert code_of(await answered(client, challenge, typed, "recovery_code")) == "ok"


async def test_who_has_no_second_factor_has_none_to_lose(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    assert code_of(await client.post(PATH, headers=bearer(token))) == "not_found"
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 0


async def test_a_code_of_somebody_else_is_none(
    client: httpx.AsyncClient, app_of: App, clock: MovableClock
) -> None:
    other = await enrolled(client, str((await register(client, email="other@example.com"))["token"]), clock)
    challenge = await challenged(client)
    assert (
        code_of(await answered(client, challenge, other.recovery_codes[0], "recovery_code")) == "invalid_code"
    )


async def test_wrong_answers_of_one_user_are_counted_over_all_sign_ins_and_methods(
    serve: Serve, clock: MovableClock, db: Database
) -> None:
    limits = {"throttle_enabled": True, "throttle_factor_user": "3 then 1/hour"}
    async with serve(**limits) as (client, _):
        app = await enrolled(client, str((await register(client))["token"]), clock)
        found = []
        for method in ("totp", "recovery_code", "totp", "totp"):
            challenge = await challenged(client)
            found.append(code_of(await answered(client, challenge, "000000", method)))
        assert found == ["invalid_code"] * 3 + ["too_many_attempts"]
        # The right one is not looked at either, and the challenge of the last one is still good.
        assert code_of(await answered(client, challenge, app.code())) == "too_many_attempts"
        clock.advance(hours=1, seconds=1)
        challenge = await challenged(client)
        assert code_of(await answered(client, challenge, app.code())) == "ok"
        clock.advance(seconds=60)
        # A right one gave back its own charge and nothing more.
        found = [code_of(await answered(client, await challenged(client), "000000")) for _ in range(2)]
        assert found == ["invalid_code", "too_many_attempts"]
        keys = [
            row["key"]
            for row in await db.fetch("SELECT key FROM auth_throttles WHERE bucket = 'factor_user'")
        ]
        assert len(keys) == 1


def test_codes_are_read_as_they_are_typed() -> None:
    [code, *others] = codes.make()
    assert len(others) == 9
    assert [len(group) for group in code.split("-")] == [4] * 6
    [stored] = codes.digests([b"k"], 1, code)
    assert codes.digests([b"n", b"k"], 1, f" {code.lower().replace('-', '')}\n")[1] == stored
    assert codes.digests([b"k"], 2, code) != [stored]
    for wrong in ("", code[:-1], f"{code}A", "1" * 24, "ß" * 24):
        assert codes.digests([b"k"], 1, wrong) == []

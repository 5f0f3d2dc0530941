"""Authenticator apps over HTTP: set up, asked for, and every code good once."""

import asyncio
import sys
from xml.etree import ElementTree

import httpx
import pytest
from tests.conftest import PASSWORD, MovableClock, bearer, nth_user, register
from tests.features.authenticators import (
    BODY,
    LOGIN,
    App,
    answered,
    challenged,
    code_of,
    confirmed,
    enrolled,
    prepared,
)
from tests.features.conftest import Serve
from tests.http.conftest import Database, events

from gatepost.features.totp.codes import PERIOD
from gatepost.features.totp.factor import Totp
from gatepost.library import Gatepost

CONFIRM = "/api/auth/confirm"


@pytest.fixture
async def token(client: httpx.AsyncClient) -> str:
    return str((await register(client))["token"])


@pytest.fixture
async def app_of(client: httpx.AsyncClient, token: str, clock: MovableClock) -> App:
    return await enrolled(client, token, clock)


async def live(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active"))


# --- Setting one up ---


async def test_a_secret_is_shown_and_nothing_is_set_up_before_a_code_confirms_it(
    client: httpx.AsyncClient, token: str, clock: MovableClock, db: Database
) -> None:
    response = await client.post("/api/auth/factors/totp", headers=bearer(token))
    data = response.json()["data"]
    assert set(data) == {"secret", "uri", "qr_svg"}
    assert (len(data["secret"]), data["secret"] in data["uri"]) == (32, True)
    assert "user@example.com" in data["uri"]
    svg = ElementTree.fromstring(data["qr_svg"])  # noqa: S314 - our own
    assert svg.tag.endswith("svg")
    assert "style" not in data["qr_svg"]
    assert await db.fetchval("SELECT count(*) FROM auth_totp") == 0
    again = await client.post("/api/auth/factors/totp", headers=bearer(token))
    assert again.json()["data"]["secret"] == data["secret"]
    login = await client.post(LOGIN, json=BODY)
    assert login.status_code == 200


async def test_the_code_confirms_it_hands_out_recovery_codes_and_ends_what_began_without(
    client: httpx.AsyncClient, token: str, clock: MovableClock, db: Database
) -> None:
    await client.post(LOGIN, json=BODY)
    before = await db.fetchval("SELECT credentials_stamp FROM users")
    app = await prepared(client, token, clock)
    assert code_of(await confirmed(client, app, "000000")) == "invalid_code"
    response = await confirmed(client, app)
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    info = data["session_info"]
    assert (info["methods"], info["aal"], info["is_fresh"]) == (["pwd", "otp", "mfa"], 2, True)
    assert len(set(data["recovery_codes"])) == 10
    assert await live(db) == 1
    assert await db.fetchval("SELECT credentials_stamp FROM users") != before
    assert code_of(await client.get("/api/auth/me", headers=bearer(token))) == "session_revoked"
    assert (await client.get("/api/auth/me", headers=bearer(data["token"]))).status_code == 200
    event = (await events(db, "factor.enrolled"))[0]
    assert (event["user_id"], event["detail"]) == (nth_user(1), {"method": "totp"})
    assert await db.fetchval("SELECT count(*) FROM auth_challenges") == 0
    listed = (await client.get("/api/auth/factors", headers=bearer(data["token"]))).json()["data"]
    assert [each["method"] for each in listed["factors"]] == ["totp"]
    assert [each["left"] for each in listed["ways_back"]] == [10]
    assert (listed["available"], listed["required"]) == (["passkey", "totp"], False)


async def test_wrong_codes_end_the_setting_up_and_so_does_time(
    client: httpx.AsyncClient, token: str, clock: MovableClock
) -> None:
    app = await prepared(client, token, clock)
    tried = [code_of(await confirmed(client, app, "000000")) for _ in range(6)]
    assert tried == ["invalid_code"] * 5 + ["challenge_expired"]
    app = await prepared(client, token, clock)
    clock.advance(minutes=9)
    assert (await prepared(client, token, clock)).secret == app.secret
    clock.advance(minutes=7)
    response = await client.post(CONFIRM, json={"password": PASSWORD}, headers=bearer(token))
    app.token = response.json()["data"]["token"]
    assert code_of(await confirmed(client, app)) == "challenge_expired"


async def test_a_session_that_is_not_fresh_changes_nothing(
    client: httpx.AsyncClient, app_of: App, clock: MovableClock, db: Database
) -> None:
    clock.advance(minutes=11)
    headers = bearer(app_of.token)
    for method, path in (
        ("POST", "totp"),
        ("DELETE", "totp"),
        ("POST", "recovery-codes"),
    ):
        response = await client.request(method, f"/api/auth/factors/{path}", headers=headers)
        assert code_of(response) == "fresh_session_required", path
    assert code_of(await confirmed(client, app_of)) == "fresh_session_required"
    assert await db.fetchval("SELECT count(*) FROM auth_totp") == 1


async def test_another_app_takes_the_place_of_the_one_that_there_is(
    client: httpx.AsyncClient, app_of: App, clock: MovableClock, db: Database
) -> None:
    other = await enrolled(client, app_of.token, clock)
    assert other.secret != app_of.secret
    assert other.recovery_codes == ()  # those that there are go on
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 10
    challenge = await challenged(client)
    assert code_of(await answered(client, challenge, app_of.code())) == "invalid_code"
    assert code_of(await answered(client, challenge, other.code())) == "ok"


async def test_what_one_user_prepared_confirms_nothing_for_another(
    client: httpx.AsyncClient, token: str, clock: MovableClock, db: Database
) -> None:
    app = await prepared(client, token, clock)
    other = (await register(client, email="other@example.com"))["token"]
    app.token = other
    assert code_of(await confirmed(client, app)) == "challenge_expired"
    theirs = await prepared(client, other, clock)
    assert theirs.secret != app.secret
    # Not even where the rows are exchanged: a secret is sealed for its user.
    await db.execute(
        "UPDATE auth_challenges c SET state = o.state FROM auth_challenges o WHERE o.user_id <> c.user_id"
    )
    assert code_of(await confirmed(client, app)) == "invalid_code"


# --- Signing in ---


async def test_a_sign_in_asks_for_the_code_and_then_is_of_level_two(
    client: httpx.AsyncClient, app_of: App, db: Database
) -> None:
    response = await client.post(LOGIN, json=BODY)
    error = response.json()["error"]
    assert (error["code"], error["methods"]) == ("second_factor_required", ["totp", "recovery_code"])
    response = await answered(client, error["challenge"], app_of.code())
    info = response.json()["data"]["session_info"]
    assert (info["methods"], info["aal"]) == (["pwd", "otp", "mfa"], 2)
    assert await db.fetchval("SELECT last_used_from FROM auth_totp ") == "127.0.0.1"


async def test_a_code_is_good_once_whatever_sign_in_it_is_sent_for(
    client: httpx.AsyncClient, app_of: App
) -> None:
    first, second, code = await challenged(client), await challenged(client), app_of.code()
    assert code_of(await answered(client, first, code)) == "ok"
    assert code_of(await answered(client, second, code)) == "invalid_code"
    assert code_of(await answered(client, await challenged(client), code)) == "invalid_code"


async def test_the_code_that_set_an_app_up_signs_nobody_in(
    client: httpx.AsyncClient, token: str, clock: MovableClock
) -> None:
    app = await prepared(client, token, clock)
    code = app.code()
    assert code_of(await confirmed(client, app, code)) == "ok"
    assert code_of(await answered(client, await challenged(client), code)) == "invalid_code"


async def test_a_code_before_the_one_that_was_used_is_none_any_more(
    client: httpx.AsyncClient, app_of: App
) -> None:
    older, newer = app_of.code(-1), app_of.code()
    assert code_of(await answered(client, await challenged(client), newer)) == "ok"
    assert code_of(await answered(client, await challenged(client), older)) == "invalid_code"


async def test_of_fifty_who_send_the_same_code_at_once_one_is_heard(
    client: httpx.AsyncClient, app_of: App, db: Database
) -> None:
    challenges, code = [await challenged(client) for _ in range(10)], app_of.code()
    sent = [answered(client, challenge, code) for challenge in challenges for _ in range(5)]
    found = [code_of(each) for each in await asyncio.gather(*sent)]
    assert found.count("ok") == 1
    assert set(found) == {"ok", "invalid_code", "challenge_expired"}
    assert await live(db) == 2


async def test_a_session_is_confirmed_by_password_and_code_and_a_code_of_a_sign_in_is_used_up_there_too(
    client: httpx.AsyncClient, app_of: App, clock: MovableClock
) -> None:
    code = app_of.code()
    signed_in = await answered(client, await challenged(client), code)
    headers = bearer(signed_in.json()["data"]["token"])
    clock.advance(seconds=1)
    response = await client.post(CONFIRM, json={"password": PASSWORD}, headers=headers)
    assert code_of(response) == "second_factor_required"
    body = {"method": "totp", "code": code}
    assert code_of(await client.post(CONFIRM, json=body, headers=headers)) == "invalid_code"
    clock.advance(seconds=PERIOD)
    body["code"] = app_of.code()
    response = await client.post(CONFIRM, json=body, headers=headers)
    assert response.json()["data"]["session_info"]["is_fresh"] is True


# --- What ends it ---


async def test_removing_the_app_takes_the_recovery_codes_along_and_ends_every_other_session(
    client: httpx.AsyncClient, app_of: App, db: Database
) -> None:
    await answered(client, await challenged(client), app_of.code())
    waiting = await challenged(client)
    response = await client.request("DELETE", "/api/auth/factors/totp", headers=bearer(app_of.token))
    assert response.status_code == 200, response.text
    assert await live(db) == 1
    assert await db.fetchval("SELECT count(*) FROM auth_totp") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 0
    app_of.token = response.json()["data"]["token"]
    assert code_of(await answered(client, waiting, app_of.code())) == "challenge_expired"
    assert (await client.post(LOGIN, json=BODY)).status_code == 200
    again = await client.request("DELETE", "/api/auth/factors/totp", headers=bearer(app_of.token))
    assert code_of(again) == "not_found"
    assert [event["detail"] for event in await events(db, "factor.removed")] == [{"method": "totp"}]


async def test_the_account_takes_its_app_along(client: httpx.AsyncClient, app_of: App, db: Database) -> None:
    exported = await client.get("/api/auth/export", headers=bearer(app_of.token))
    [row] = exported.json()["data"]["totp"]
    assert set(row) == {"created_at", "last_used_at", "last_used_from"}
    await client.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(app_of.token))
    assert await db.fetchval("SELECT count(*) FROM auth_totp") == 0


# --- At rest ---


async def test_a_dump_holds_no_secret_code_or_challenge(
    client: httpx.AsyncClient, token: str, clock: MovableClock, db: Database
) -> None:
    app = await prepared(client, token, clock)
    waiting = await dump(db)
    code = app.code()
    recovery = (await confirmed(client, app, code)).json()["data"]["recovery_codes"]
    challenge = await challenged(client)
    dumped = waiting + await dump(db)
    for secret in (app.secret, app.secret.hex().encode(), challenge.encode(), *map(str.encode, recovery)):
        assert secret not in dumped
        assert secret.replace(b"-", b"") not in dumped


async def dump(db: Database) -> bytes:
    tables = await db.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relkind = 'r'"
        " AND c.relnamespace = current_schema()::regnamespace"
    )
    found = b""
    for table in tables:
        for row in await db.fetch(f"SELECT t::text AS row FROM {table['name']} t"):  # noqa: S608 - of the catalogue
            found += row["row"].encode()
    return found


async def test_a_new_key_opens_what_the_old_one_sealed_until_all_is_sealed_anew(
    serve: Serve, clock: MovableClock, db: Database
) -> None:
    old, new = "o" * 64, "n" * 64
    async with serve(secret_key=old) as (client, _):
        app = await enrolled(client, str((await register(client))["token"]), clock)
    async with serve(secret_key=new, secret_key_fallbacks=[old]) as (client, gate):
        assert code_of(await answered(client, await challenged(client), app.code())) == "ok"
        assert await sealed_anew(gate) == (1, 0)
        assert await sealed_anew(gate) == (0, 0)
    clock.advance(seconds=PERIOD)
    async with serve(secret_key=new) as (client, gate):
        assert code_of(await answered(client, await challenged(client), app.code())) == "ok"
        await db.execute("UPDATE auth_totp SET key_id = 'gone'")
        clock.advance(seconds=PERIOD)
        assert code_of(await answered(client, await challenged(client), app.code())) == "invalid_code"
        assert await sealed_anew(gate) == (0, 1)


async def test_what_began_under_a_former_key_and_is_over_is_in_nobodys_way(
    serve: Serve, clock: MovableClock
) -> None:
    old, new = "o" * 64, "n" * 64
    async with serve(secret_key=old) as (client, _):
        app = await enrolled(client, str((await register(client))["token"]), clock)
        assert await confirmed_by(client, app, password=PASSWORD) == "second_factor_required"
    clock.advance(minutes=6)
    async with serve(secret_key=new, secret_key_fallbacks=[old]) as (client, _):
        assert await confirmed_by(client, app, password=PASSWORD) == "second_factor_required"
        assert await confirmed_by(client, app, method="totp", code=app.code()) == "ok"


async def confirmed_by(client: httpx.AsyncClient, app: App, **body: str) -> str:
    return code_of(await client.post(CONFIRM, json=body, headers=bearer(app.token)))


async def sealed_anew(gate: Gatepost) -> tuple[int, int]:
    return await gate.service(Totp).seal_anew()


async def test_without_the_library_its_owner_comes_back_by_a_recovery_code(
    client: httpx.AsyncClient, app_of: App, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = [name for name in sys.modules if name.partition(".")[0] in {"cryptography", "segno"}]
    for name in {*missing, "cryptography", "segno"}:
        monkeypatch.setitem(sys.modules, name, None)
    clock.advance(seconds=PERIOD)
    challenge = await challenged(client)
    refused = await answered(client, challenge, app_of.code())
    assert (refused.status_code, code_of(refused)) == (401, "invalid_code")
    back = await answered(client, challenge, app_of.recovery_codes[0], method="recovery_code")
    assert code_of(back) == "ok"

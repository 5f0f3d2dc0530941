"""Signing in in more than one step: a feature contributes it, and no session starts before the last."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, nth_user, register, serving
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.db.pool import Connection
from gatepost.feature import Feature
from gatepost.features import FEATURES
from gatepost.models import Answer, Client, Due, Options, Proof, Proven
from gatepost.services.feature import Wired

GOOD = "424242"
LOGIN, FACTOR = "/api/auth/login", "/api/auth/login/factor"
BODY = {"email": "user@example.com", "password": PASSWORD}
COOKIE = "gatepost-challenge"
OWN = {"Origin": "http://gatepost.test", "Sec-Fetch-Site": "same-origin"}

Database = Any


@dataclass
class Codes:
    """A step that asks whoever has proven something for one code; or whoever has proven nothing."""

    suffices: bool = False
    proves: tuple[str, ...] = ("otp",)
    methods: tuple[str, ...] = ("totp", "recovery_code")
    enrols: bool = False
    is_due: bool = True
    seen: list[Answer] = field(default_factory=list)
    on_verify: Callable[[Connection], Any] | None = None

    async def due(self, _: Connection, proof: Proof) -> Due | None:
        due = Due(methods=self.methods, enrols=self.enrols, suffices=self.suffices)
        return due if self.is_due and proof.aal < 2 else None

    async def options(
        self, _conn: Connection, proof: Proof, method: str, _kept: Mapping[str, object]
    ) -> Options | None:
        if method != "totp":
            return None
        return Options(public={"hint": f"of {proof.user_id}"}, state={"nonce": "abc"})

    async def verify(self, conn: Connection, proof: Proof, answer: Answer, _: Client) -> Proven | None:
        assert proof.methods == (() if self.suffices else ("pwd",))
        self.seen.append(answer)
        if self.on_verify is not None:
            await self.on_verify(conn)
        return Proven(methods=self.proves) if answer.code == GOOD else None


@pytest.fixture
def codes() -> Codes:
    return Codes(is_due=False)


MakeApp = Callable[..., FastAPI]


@pytest.fixture
def make_app(make_settings: MakeSettings, clock: MovableClock, codes: Codes) -> MakeApp:
    feature = Feature(name="codes", wire=lambda _: Wired(step=codes))

    def make(**settings: Any) -> FastAPI:
        return create_app(make_settings(**settings), clock=clock, features=(*FEATURES, feature))

    return make


@pytest.fixture
async def client(make_app: MakeApp, codes: Codes) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application where somebody has registered, and codes are due from then on."""
    async with serving(make_app()) as client:
        await register(client)
        codes.is_due = True
        yield client


async def challenged(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    response = await client.post(LOGIN, json=BODY | more, headers=OWN)
    assert response.status_code == 401, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


async def answered(
    client: httpx.AsyncClient, challenge: str | None, code: str = GOOD, method: str = "totp", **headers: str
) -> httpx.Response:
    body = {"method": method, "code": code} | ({} if challenge is None else {"challenge": challenge})
    return await client.post(FACTOR, json=body, headers=OWN | headers)


def code_of(response: httpx.Response) -> str:
    body = response.json()
    return str(body["error"]["code"]) if not body["success"] else "ok"


async def sessions(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active"))


async def reasons(db: Database) -> list[str]:
    rows = await db.fetch(
        "SELECT detail ->> 'reason' AS reason FROM auth_events WHERE action = 'login.failed' ORDER BY id"
    )
    return [row["reason"] for row in rows]


# --- The contract ---


async def test_a_password_alone_is_answered_with_what_is_due_and_starts_no_session(
    client: httpx.AsyncClient, db: Database
) -> None:
    response = await client.post(LOGIN, json=BODY)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    error = response.json()["error"]
    assert error == {
        "code": "second_factor_required",
        "challenge": error["challenge"],
        "methods": ["totp", "recovery_code"],
        "expires_at": error["expires_at"],
    }
    assert response.json()["data"] is None
    assert "set-cookie" not in response.headers
    assert await sessions(db) == 1  # that of the registration
    row = await db.fetchrow("SELECT * FROM auth_challenges")
    assert row["digest"] != error["challenge"]
    assert (row["user_id"], row["methods"], row["by_cookie"], row["tries"]) == (
        nth_user(1),
        ["pwd"],
        False,
        0,
    )
    event = await db.fetchval("SELECT detail FROM auth_events WHERE action = 'login.challenged'")
    assert event == '{"proven": ["pwd"], "methods": ["totp", "recovery_code"]}'


async def test_the_answer_signs_in_as_a_login_does_at_level_two(
    client: httpx.AsyncClient, db: Database
) -> None:
    error = await challenged(client)
    response = await answered(client, error["challenge"])
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    assert set(data) == {"token", "user", "session_info"}
    info = data["session_info"]
    assert (info["methods"], info["aal"], info["is_fresh"]) == (["pwd", "otp", "mfa"], 2, True)
    me = await client.get("/api/auth/me", headers=bearer(data["token"]))
    assert me.json()["data"]["session_info"]["aal"] == 2
    assert await db.fetchval("SELECT count(*) FROM auth_challenges") == 0


async def test_by_cookie_the_challenge_never_stands_in_a_body(
    client: httpx.AsyncClient, db: Database
) -> None:
    error = await challenged(client, cookie=True, remember=True)
    assert set(error) == {"code", "methods", "expires_at"}
    [cookie] = [each for each in client.cookies.jar if each.name == COOKIE]
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.value is not None
    assert code_of(await answered(client, cookie.value)) == "challenge_expired"  # not by a body
    response = await answered(client, None)
    assert response.status_code == 200
    assert "token" not in response.json()["data"]
    assert {each.name for each in client.cookies.jar} == {"gatepost", "gatepost-device"}
    assert await db.fetchval("SELECT remembered FROM user_sessions ORDER BY id DESC LIMIT 1")


async def test_a_challenge_of_a_body_is_not_taken_from_a_cookie(client: httpx.AsyncClient) -> None:
    error = await challenged(client)
    cookie = f"{COOKIE}={error['challenge']}"
    assert code_of(await answered(client, None, Cookie=cookie)) == "challenge_expired"
    assert code_of(await answered(client, error["challenge"])) == "ok"


async def test_another_site_can_not_have_a_browser_answer(client: httpx.AsyncClient) -> None:
    await challenged(client, cookie=True)
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert code_of(await answered(client, None, **foreign)) == "cross_origin_refused"
    assert code_of(await answered(client, None)) == "ok"


async def test_who_registers_is_there_and_has_one_more_step_to_take(
    client: httpx.AsyncClient, codes: Codes, db: Database
) -> None:
    codes.enrols = True
    body = BODY | {"email": "new@example.com", "name": "New"}
    response = await client.post("/api/auth/register", json=body)
    assert (response.status_code, code_of(response)) == (401, "factor_enrolment_required")
    assert await db.fetchval("SELECT count(*) FROM users") == 2
    challenge = response.json()["error"]["challenge"]
    assert (await answered(client, challenge)).json()["data"]["user"]["id"] == nth_user(2)


async def test_without_a_step_that_is_due_a_login_is_one_step(
    client: httpx.AsyncClient, codes: Codes
) -> None:
    codes.is_due = False
    assert (await client.post(LOGIN, json=BODY)).status_code == 200


async def test_options_are_handed_out_and_their_state_comes_back_with_the_answer(
    client: httpx.AsyncClient, codes: Codes
) -> None:
    error = await challenged(client)
    body = {"challenge": error["challenge"], "method": "totp"}
    response = await client.post(f"{FACTOR}/options", json=body)
    assert response.json()["data"] == {"hint": f"of {nth_user(1)}"}
    assert (
        code_of(await client.post(f"{FACTOR}/options", json=body | {"method": "sms"})) == "validation_failed"
    )
    credential = {"id": "x"}
    answer = body | {"credential": credential, "code": GOOD}
    assert code_of(await client.post(FACTOR, json=answer)) == "ok"
    assert codes.seen == [Answer(method="totp", code=GOOD, credential=credential, state={"nonce": "abc"})]
    assert code_of(await client.post(f"{FACTOR}/options", json=body)) == "challenge_expired"


# --- What does not pass ---


async def test_a_wrong_code_may_be_tried_again_but_not_for_ever(
    client: httpx.AsyncClient, codes: Codes, db: Database
) -> None:
    challenge = (await challenged(client))["challenge"]
    assert code_of(await answered(client, challenge, "000000")) == "invalid_code"
    assert code_of(await answered(client, challenge)) == "ok"
    assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0  # cleared by the sign-in
    challenge = (await challenged(client))["challenge"]
    tried = [code_of(await answered(client, challenge, "000000")) for _ in range(5)]
    assert tried == ["invalid_code"] * 5
    assert code_of(await answered(client, challenge)) == "challenge_expired"
    assert len(codes.seen) == 7
    assert await db.fetchval("SELECT sum(failures) FROM auth_failures") == 5
    assert await reasons(db) == ["wrong_code"] * 6 + ["challenge_unknown"]


async def test_another_method_than_those_that_are_due_costs_no_try(client: httpx.AsyncClient) -> None:
    challenge = (await challenged(client))["challenge"]
    for _ in range(6):
        assert code_of(await answered(client, challenge, method="sms")) == "validation_failed"
    assert code_of(await answered(client, challenge)) == "ok"


async def test_an_answer_counts_once(client: httpx.AsyncClient, db: Database) -> None:
    challenge = (await challenged(client))["challenge"]
    assert code_of(await answered(client, challenge)) == "ok"
    assert code_of(await answered(client, challenge)) == "challenge_expired"
    assert await sessions(db) == 2


async def test_of_many_who_answer_at_once_one_signs_in(client: httpx.AsyncClient, db: Database) -> None:
    challenge = (await challenged(client))["challenge"]
    answers = await asyncio.gather(*(answered(client, challenge) for _ in range(50)))
    assert sorted(code_of(answer) for answer in answers) == ["challenge_expired"] * 49 + ["ok"]
    assert await sessions(db) == 2


async def test_of_many_wrong_codes_at_once_each_is_counted_or_not_looked_at(
    client: httpx.AsyncClient, codes: Codes, db: Database
) -> None:
    challenge = (await challenged(client))["challenge"]
    answers = await asyncio.gather(*(answered(client, challenge, f"{n:06}") for n in range(50)))
    found = [code_of(answer) for answer in answers]
    assert set(found) <= {"invalid_code", "challenge_expired"}
    assert found.count("invalid_code") == len(codes.seen) <= 5
    assert await sessions(db) == 1


async def test_after_five_minutes_it_starts_over(
    client: httpx.AsyncClient, clock: MovableClock, db: Database
) -> None:
    challenge = (await challenged(client))["challenge"]
    clock.advance(minutes=4, seconds=50)
    assert code_of(await answered(client, challenge, "000000")) == "invalid_code"
    clock.advance(seconds=11)
    assert code_of(await answered(client, challenge)) == "challenge_expired"
    assert await reasons(db) == ["wrong_code", "challenge_expired"]


@walked(
    "sql",
    [
        "UPDATE users SET is_active = false",
        "UPDATE users SET is_active = false; UPDATE users SET is_active = true",
        "UPDATE users SET hashed_password = hashed_password || 'x'",
        "UPDATE users SET email = 'other@example.com'",
        "UPDATE users SET temporary_password_expires_at = now()",
        "INSERT INTO auth_failures (user_id, place, failures) SELECT id, '203.0.113.9', 1000 FROM users",
        "DELETE FROM users",
    ],
)
async def test_whatever_would_end_the_sign_in_ends_the_challenge(
    client: httpx.AsyncClient, codes: Codes, db: Database, sql: str
) -> None:
    await db.execute("UPDATE user_sessions SET place = '203.0.113.9'")  # nobody has signed in from here
    challenge = (await challenged(client))["challenge"]
    await db.execute(sql)
    assert code_of(await answered(client, challenge)) == "challenge_expired"
    assert codes.seen == []
    assert await db.fetchval("SELECT count(*) FROM auth_challenges") == 0


async def test_credentials_that_change_while_the_step_is_verified_undo_what_it_wrote(
    client: httpx.AsyncClient, codes: Codes, db: Database
) -> None:
    async def change(conn: Connection) -> None:
        await conn.execute("INSERT INTO auth_throttles (bucket, key, tat) VALUES ('x', 'x', now())")
        await db.execute("UPDATE users SET hashed_password = 'x'")

    challenge = (await challenged(client))["challenge"]
    codes.on_verify = change
    assert code_of(await answered(client, challenge)) == "challenge_expired"
    assert await db.fetchval("SELECT count(*) FROM auth_throttles WHERE bucket = 'x'") == 0
    assert await sessions(db) == 1


@pytest.mark.parametrize("path", ["me", "sessions", "verify"])
async def test_a_challenge_opens_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    challenge = (await challenged(client))["challenge"]
    response = await client.get(f"/api/auth/{path}", headers=bearer(challenge))
    assert code_of(response) == "invalid_session"


async def test_neither_does_a_sessions_token_answer_a_step(client: httpx.AsyncClient, codes: Codes) -> None:
    codes.is_due = False
    token = (await client.post(LOGIN, json=BODY)).json()["data"]["token"]
    codes.is_due = True
    for wrong in (token, "", "x" * 5000):
        assert code_of(await answered(client, wrong)) == "challenge_expired"
    assert code_of(await client.post(FACTOR, json={"method": "totp"}, headers=OWN)) == "challenge_expired"


async def test_another_password_is_theirs_once_the_sign_in_is_complete(
    client: httpx.AsyncClient, db: Database
) -> None:
    before = await db.fetchval("SELECT hashed_password FROM users")
    error = await challenged(client, new_password="another secure password")
    assert await db.fetchval("SELECT hashed_password FROM users") == before
    assert await sessions(db) == 1
    assert code_of(await answered(client, error["challenge"])) == "ok"
    assert await db.fetchval("SELECT hashed_password FROM users") != before
    assert await sessions(db) == 1  # the other one has ended
    event = await db.fetchrow("SELECT session_id, detail FROM auth_events WHERE action = 'password.changed'")
    assert tuple(event) == (2, '{"verb": "login", "temporary": false}')


async def test_answers_are_limited_by_the_address(make_app: MakeApp) -> None:
    app = make_app(throttle_enabled=True, throttle_form_address="3 then 1/minute")
    async with serving(app) as client:
        found = [code_of(await answered(client, "x")) for _ in range(4)]
        assert found == ["challenge_expired"] * 3 + ["too_many_attempts"]


async def test_housekeeping_removes_what_has_expired(
    client: httpx.AsyncClient, clock: MovableClock, make_app: MakeApp, db: Database
) -> None:
    await challenged(client)
    clock.advance(minutes=6)
    later = await challenged(client)
    async with serving(make_app()) as other:
        app = other._transport.app  # type: ignore[attr-defined]  # of ASGITransport
        await app.state.gatepost.housekeeping._clean(alone=True, progress=None)
    assert await db.fetchval("SELECT count(*) FROM auth_challenges") == 1
    assert code_of(await answered(client, later["challenge"])) == "ok"


def test_the_errors_say_what_the_contract_says() -> None:
    codes = (errors.SecondFactorRequired, errors.FactorEnrolmentRequired, errors.InvalidCode)
    assert [kind.code for kind in (*codes, errors.ChallengeExpired)] == [
        "second_factor_required",
        "factor_enrolment_required",
        "invalid_code",
        "challenge_expired",
    ]


# --- Confirming ---


@pytest.fixture
async def token(client: httpx.AsyncClient, codes: Codes) -> str:
    """The token of a session at level 1, which began before codes were due."""
    codes.is_due = False
    token: str = (await client.post(LOGIN, json=BODY)).json()["data"]["token"]
    codes.is_due = True
    return token


async def confirmed(client: httpx.AsyncClient, token: str, **body: Any) -> httpx.Response:
    return await client.post("/api/auth/confirm", json=body, headers=bearer(token))


async def by_code(client: httpx.AsyncClient, token: str, code: str = GOOD) -> httpx.Response:
    return await confirmed(client, token, method="totp", code=code)


async def refusals(db: Database) -> list[str]:
    rows = await db.fetch("SELECT detail FROM auth_events WHERE action = 'password.refused' ORDER BY id")
    return [row["detail"] for row in rows]


async def test_a_session_is_fresh_only_after_the_step_that_is_due_and_then_at_its_level(
    client: httpx.AsyncClient, clock: MovableClock, token: str, db: Database
) -> None:
    clock.advance(minutes=20)
    response = await confirmed(client, token, password=PASSWORD)
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (401, {"code", "methods", "expires_at"})
    assert (error["code"], error["methods"]) == ("second_factor_required", ["totp", "recovery_code"])
    me = await client.get("/api/auth/me", headers=bearer(token))
    assert me.json()["data"]["session_info"]["is_fresh"] is False
    assert await sessions(db) == 2
    row = await db.fetchrow("SELECT purpose, methods FROM auth_challenges")
    assert tuple(row) == ("confirm", ["pwd"])

    data = (await by_code(client, token)).json()["data"]
    info = data["session_info"]
    assert (info["methods"], info["aal"], info["is_fresh"]) == (["pwd", "otp", "mfa"], 2, True)
    assert data["token"] != token
    assert await db.fetchval("SELECT count(*) FROM auth_challenges") == 0
    assert await refusals(db) == []


async def test_a_code_alone_confirms_nothing(
    client: httpx.AsyncClient, codes: Codes, token: str, db: Database
) -> None:
    assert code_of(await by_code(client, token)) == "challenge_expired"
    assert codes.seen == []
    for body in ({}, {"code": GOOD}, {"method": None, "password": None}):
        response = await confirmed(client, token, **body)
        assert response.json()["error"]["fields"] == {"password": "This field is required"}
    assert await sessions(db) == 2


async def test_a_step_that_suffices_confirms_whoever_has_no_password(
    client: httpx.AsyncClient, codes: Codes, token: str, db: Database
) -> None:
    codes.suffices, codes.proves, codes.methods = True, ("hwk", "user", "mfa"), ("totp",)
    await db.execute("UPDATE users SET hashed_password = NULL")
    options = await client.post("/api/auth/confirm/options", json={"method": "totp"}, headers=bearer(token))
    assert options.json()["data"] == {"hint": f"of {nth_user(1)}"}
    credential = {"id": "x"}
    response = await confirmed(client, token, method="totp", code=GOOD, credential=credential)
    info = response.json()["data"]["session_info"]
    assert (info["methods"], info["aal"], info["is_fresh"]) == (["pwd", "hwk", "user", "mfa"], 2, True)
    assert codes.seen == [Answer(method="totp", code=GOOD, credential=credential, state={"nonce": "abc"})]


async def test_a_wrong_code_of_a_confirmation_counts_and_may_be_tried_again_but_not_for_ever(
    client: httpx.AsyncClient, codes: Codes, token: str, db: Database
) -> None:
    await confirmed(client, token, password=PASSWORD)
    assert code_of(await confirmed(client, token, method="sms")) == "validation_failed"
    tried = [code_of(await by_code(client, token, "000000")) for _ in range(6)]
    assert tried == ["invalid_code"] * 5 + ["challenge_expired"]
    assert code_of(await by_code(client, token)) == "challenge_expired"
    assert len(codes.seen) == 5
    assert await db.fetchval("SELECT sum(failures) FROM auth_failures") == 5
    wrong = '{"verb": "confirm", "method": "totp", "reason": "wrong_code"}'
    assert await refusals(db) == [wrong] * 5
    assert await sessions(db) == 2


async def test_of_many_who_confirm_at_once_one_is_heard(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    await confirmed(client, token, password=PASSWORD)
    found = [code_of(each) for each in await asyncio.gather(*(by_code(client, token) for _ in range(8)))]
    assert sorted(found) == ["challenge_expired"] * 7 + ["ok"]
    assert await sessions(db) == 3


async def test_what_waits_belongs_to_one_sign_in_whose_renewal_keeps_it(
    client: httpx.AsyncClient, codes: Codes, clock: MovableClock, token: str
) -> None:
    codes.is_due = False
    clock.advance(seconds=1)
    other = (await client.post(LOGIN, json=BODY)).json()["data"]["token"]
    codes.is_due = True
    await confirmed(client, token, password=PASSWORD)
    assert code_of(await by_code(client, other)) == "challenge_expired"
    renewed = await client.post("/api/auth/refresh", headers=bearer(token))
    assert code_of(await by_code(client, renewed.json()["data"]["token"])) == "ok"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE users SET hashed_password = hashed_password || 'x'",
        "UPDATE users SET email = 'other@example.com'",
        "UPDATE auth_challenges SET expires_at = created_at",
    ],
)
async def test_whatever_would_end_a_challenge_ends_that_of_a_confirmation(
    client: httpx.AsyncClient, codes: Codes, token: str, db: Database, sql: str
) -> None:
    await confirmed(client, token, password=PASSWORD)
    await db.execute(sql)
    assert code_of(await by_code(client, token)) == "challenge_expired"
    assert codes.seen == []


async def test_credentials_that_change_while_a_confirmation_is_verified_undo_what_it_wrote(
    client: httpx.AsyncClient, codes: Codes, token: str, db: Database
) -> None:
    async def change(conn: Connection) -> None:
        await conn.execute("INSERT INTO auth_throttles (bucket, key, tat) VALUES ('x', 'x', now())")
        await conn.execute("UPDATE users SET credentials_stamp = gen_random_uuid()")

    await confirmed(client, token, password=PASSWORD)
    codes.on_verify = change
    assert code_of(await by_code(client, token)) == "invalid_credentials"
    assert await db.fetchval("SELECT count(*) FROM auth_throttles WHERE bucket = 'x'") == 0
    assert await sessions(db) == 2


CHANGES = [
    ("POST", "password", {"current": PASSWORD, "new": "another secure password"}),
    ("POST", "email", {"email": "new@example.com", "password": PASSWORD}),
    ("DELETE", "me", {"password": PASSWORD}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=["password", "email", "erase"])
async def test_where_a_step_is_due_a_password_alone_changes_nothing_in_a_session_that_is_not_fresh(
    client: httpx.AsyncClient,
    clock: MovableClock,
    token: str,
    db: Database,
    method: str,
    path: str,
    body: dict[str, str],
) -> None:
    async def sent(token: str) -> httpx.Response:
        return await client.request(method, f"/api/auth/{path}", json=body, headers=bearer(token))

    clock.advance(minutes=20)
    before = await db.fetchrow("SELECT * FROM users")
    assert code_of(await sent(token)) == "fresh_session_required"
    assert await db.fetchrow("SELECT * FROM users") == before
    await confirmed(client, token, password=PASSWORD)
    fresh = (await by_code(client, token)).json()["data"]["token"]
    clock.advance(minutes=5)
    response = await sent(fresh)
    assert code_of(response) == "ok"
    if path != "me":
        # What was proven with a code is not good for longer by the password alone.
        clock.advance(minutes=6)
        me = await client.get("/api/auth/me", headers=bearer(response.json()["data"]["token"]))
        info = me.json()["data"]["session_info"]
        assert (info["aal"], info["is_fresh"]) == (2, False)


# --- On the pages ---


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Fill in the form of a page and send it."""
    page = await client.get(path)
    token = page.text.partition('name="form_token" value="')[2].partition('"')[0]
    return await client.post(path, data={"form_token": token, **fields}, headers=OWN)


async def test_the_page_asks_for_the_code_and_goes_on_to_where_one_was(
    client: httpx.AsyncClient, db: Database
) -> None:
    went = await send(client, "/auth/sign-in", next="/auth/devices", **BODY)
    assert (went.status_code, went.headers["location"]) == (
        303,
        "/auth/sign-in/factor?next=%2Fauth%2Fdevices",
    )
    place = went.headers["location"]
    wrong = await send(client, place, method="totp", code="000000")
    assert (wrong.status_code, "Incorrect code" in wrong.text) == (422, True)
    went = await send(client, place, method="totp", code=GOOD)
    assert (went.status_code, went.headers["location"]) == (303, "/auth/devices")
    assert (await client.get("/auth/devices")).status_code == 200
    assert await db.fetchval("SELECT aal FROM user_sessions ORDER BY id DESC LIMIT 1") == 2


async def test_a_page_whose_sign_in_is_over_leads_back(client: httpx.AsyncClient) -> None:
    response = await client.get("/auth/sign-in/factor?next=%2Fauth%2Fdevices")
    assert (response.status_code, response.headers["location"]) == (
        303,
        "/auth/sign-in?next=%2Fauth%2Fdevices",
    )
    assert "That took too long" in (await client.get(response.headers["location"])).text


async def test_the_page_that_confirms_asks_for_the_password_and_then_for_the_code(
    client: httpx.AsyncClient, codes: Codes, clock: MovableClock, db: Database
) -> None:
    codes.is_due = False
    await send(client, "/auth/sign-in", **BODY)
    codes.is_due = True
    clock.advance(minutes=20)
    place = "/auth/confirm?next=%2Fauth%2Fdevices"
    late = await send(client, place, method="totp", code=GOOD)
    assert (late.status_code, late.headers["location"]) == (303, place)
    assert "That took too long" in (await client.get(place)).text
    went = await send(client, place, password=PASSWORD)
    assert (went.status_code, went.headers["location"]) == (303, place)
    wrong = await send(client, place, method="totp", code="000000")
    assert (wrong.status_code, "Incorrect code" in wrong.text) == (422, True)
    assert 'name="password"' not in wrong.text
    went = await send(client, place, method="totp", code=GOOD)
    assert (went.status_code, went.headers["location"]) == (303, "/auth/devices")
    assert await db.fetchval("SELECT aal FROM user_sessions ORDER BY id DESC LIMIT 1") == 2

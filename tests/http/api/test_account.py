"""One's own account: another name, another e-mail, a copy of the data, the end; what each leaves behind."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from tests.conftest import (
    PASSWORD,
    USER_IDS,
    MakeSettings,
    MovableClock,
    bearer,
    login,
    nth_user,
    register,
    serving,
)
from tests.http.conftest import (
    Database,
    MakeApp,
    StoppedClock,
    assert_error,
    assert_success,
    events,
    until_waiting,
)
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.library import Gatepost
from gatepost.security.passwords import Password
from gatepost.services import exports
from gatepost.services.lines import Line

EMAIL, OTHER = "user@example.com", "other@example.com"
SAME = {"Sec-Fetch-Site": "same-origin"}
AGENT_OF_HTTPX = f"python-httpx/{httpx.__version__}"
AGENT = "Personal Browser 7"


async def rename(client: httpx.AsyncClient, token: str, **body: Any) -> httpx.Response:
    return await client.patch("/api/auth/me", json=body, headers=bearer(token))


async def move(
    client: httpx.AsyncClient, token: str, email: str = OTHER, password: str = PASSWORD
) -> httpx.Response:
    body = {"email": email, "password": password}
    return await client.post("/api/auth/email", json=body, headers=bearer(token))


async def export(client: httpx.AsyncClient, token: str) -> Any:
    response = await client.get("/api/auth/export", headers=bearer(token))
    document = response.json()  # sent in parts: nobody knows its length beforehand
    assert (response.status_code, document.pop("success")) == (200, True)
    assert document.pop("message") == "Data exported successfully"
    assert set(document) == {"data"}
    return document["data"]


async def erase(client: httpx.AsyncClient, token: str, password: str = PASSWORD) -> httpx.Response:
    body = {"password": password}
    return await client.request("DELETE", "/api/auth/me", json=body, headers=bearer(token))


async def works(client: httpx.AsyncClient, token: str) -> bool:
    return (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def signs_in(client: httpx.AsyncClient, email: str) -> bool:
    response = await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
    return response.status_code == 200


async def holdings(db: Database) -> list[Any]:
    """Return every user and session."""
    return [await db.fetch("SELECT * FROM users"), await db.fetch("SELECT * FROM user_sessions")]


@pytest.fixture
async def browser(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a cookie jar at an https origin, signed in by cookie."""
    origin = "https://auth.example.com"
    async with serving(create_app(make_settings(public_url=origin), clock=clock)) as client:
        client.base_url = httpx.URL(origin)
        body = {"email": EMAIL, "name": "John Doe", "password": PASSWORD, "cookie": True}
        assert (await client.post("/api/auth/register", json=body)).status_code == 201
        yield client


# --- Who may ---


ASKED: dict[str, Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]] = {
    "rename": lambda client, token: rename(client, token, name="Jane"),
    "change_email": move,
    "erase": erase,
}


@pytest.mark.parametrize("verb", ASKED)
async def test_a_token_that_is_no_longer_good_changes_nothing_and_is_on_the_trail(
    client: httpx.AsyncClient, db: Database, verb: str
) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/logout", headers=bearer(token))
    held = await holdings(db)
    assert_error(await ASKED[verb](client, token), errors.SessionRevoked)
    assert await holdings(db) == held
    (refused,) = await events(db, "session.refused")
    assert refused["detail"] == {"code": "session_revoked", "verb": verb}
    assert (refused["user_id"], refused["session_id"]) == (nth_user(1), 1)


WRONG: dict[str, Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]] = {
    "change_email": lambda client, token: move(client, token, password="wrong"),
    "erase": lambda client, token: erase(client, token, "wrong"),
}


@pytest.mark.parametrize("verb", WRONG)
async def test_a_wrong_password_changes_nothing_and_counts(
    client: httpx.AsyncClient, db: Database, verb: str
) -> None:
    token = (await register(client))["token"]
    held = await holdings(db)
    assert_error(await WRONG[verb](client, token), errors.InvalidCredentials)
    assert await holdings(db) == held
    (refused,) = await events(db, "password.refused")
    assert refused["detail"] == {"verb": verb, "reason": "wrong_password"}
    assert (refused["user_id"], refused["session_id"]) == (nth_user(1), 1)
    assert await db.fetchval("SELECT failures FROM auth_failures") == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "email", {"email": OTHER, "password": "wrong"}),
        ("DELETE", "me", {"password": "wrong"}),
    ],
)
async def test_passwords_may_not_be_tried_as_often_as_one_likes(
    stopped_app: MakeApp, db: Database, method: str, path: str, body: Any
) -> None:
    async with serving(stopped_app(throttle_enabled=True, throttle_confirm_user="2 then 1/hour")) as client:
        token = (await register(client))["token"]
        answers = [
            await client.request(method, f"/api/auth/{path}", json=body, headers=bearer(token))
            for _ in range(3)
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        right = await client.request(
            method, f"/api/auth/{path}", json=body | {"password": PASSWORD}, headers=bearer(token)
        )
    assert_error(right, errors.TooManyAttempts)
    assert right.headers["retry-after"] == "3600"
    assert await db.fetchval("SELECT email FROM users") == EMAIL


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "me", {"name": "Jane"}),
        ("POST", "email", {"email": OTHER, "password": PASSWORD}),
        ("DELETE", "me", {"password": PASSWORD}),
    ],
)
async def test_another_site_can_do_nothing_with_the_cookie(
    browser: httpx.AsyncClient, db: Database, method: str, path: str, body: Any
) -> None:
    held = await holdings(db)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}, {}):
        response = await browser.request(method, f"/api/auth/{path}", json=body, headers=headers)
        assert_error(response, errors.CrossOriginRefused)
    assert await holdings(db) == held
    assert len(await events(db, "cross_origin.refused")) == 3


# --- Another name ---


async def test_another_name_is_answered_and_kept(client: httpx.AsyncClient, db: Database) -> None:
    registered = await register(client)
    data = assert_success(
        await rename(client, registered["token"], name="  Zoe\u0308 Doe "), "Profile updated successfully"
    )
    assert data == {
        "user": registered["user"] | {"name": "Zoë Doe"},
        "session_info": registered["session_info"],
    }
    me = await client.get("/api/auth/me", headers=bearer(registered["token"]))
    assert me.json()["data"] == data
    assert await db.fetchval("SELECT updated_at > created_at FROM users")
    assert await events(db, "user.renamed") == [
        {
            "action": "user.renamed",
            "user_id": nth_user(1),
            "session_id": 1,
            "ip_address": "127.0.0.1",
            "user_agent": AGENT_OF_HTTPX,
            "detail": {},
        }
    ]


async def test_fields_that_nobody_may_set_of_themselves_have_no_effect(
    client: httpx.AsyncClient, db: Database
) -> None:
    """ASVS 8.2.3."""
    token = (await register(client))["token"]
    before = dict(await db.fetchrow("SELECT * FROM users") or {})
    response = await rename(
        client,
        token,
        name="Jane",
        id=7,
        email=OTHER,
        is_admin=True,
        is_active=False,
        hashed_password="x",
        created_at="2000-01-01T00:00:00Z",
    )
    assert response.status_code == 200
    after = dict(await db.fetchrow("SELECT * FROM users") or {})
    assert after == before | {"name": "Jane", "updated_at": after["updated_at"]}


@walked("name", ["", "   ", "a\nb", "\u202eevil", "Zero\u200bWidth", "Word\u2060Joined", "x" * 201, "\ud800"])
async def test_a_name_that_does_not_fit_is_422(client: httpx.AsyncClient, db: Database, name: str) -> None:
    token = (await register(client))["token"]
    content = json.dumps({"name": name})
    response = await client.patch(
        "/api/auth/me",
        content=content,
        headers=bearer(token) | {"Content-Type": "application/json"},
    )
    fields = response.json()["error"].get("fields")
    assert response.status_code in {400, 422}
    assert fields is None or list(fields) == ["name"]
    assert await db.fetchval("SELECT name FROM users") == "John Doe"
    assert await events(db, "user.renamed") == []


async def test_a_body_without_a_name_is_422(client: httpx.AsyncClient) -> None:
    token = (await register(client))["token"]
    fields = {"name": "This field is required"}
    assert_error(await rename(client, token, email=OTHER), errors.ValidationFailed, fields=fields)


async def test_a_name_that_an_adopted_table_has_no_room_for_is_422(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute("ALTER TABLE users ALTER COLUMN name TYPE varchar(10)")
    too_long = "This is longer than the database allows"
    response = await rename(client, token, name="x" * 11)
    assert_error(response, errors.ValidationFailed, fields={"name": too_long})


async def test_a_user_who_is_disabled_while_the_name_is_changed_keeps_the_old_one(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app(database_pool_size=3)) as client:
        token = (await register(client))["token"]
        async with db.transaction():
            await db.execute("UPDATE users SET is_active = false")
            renaming = asyncio.create_task(rename(client, token, name="Jane"))
            await until_waiting(db, 1)
        assert_error(await renaming, errors.SessionRevoked)
    assert await db.fetchval("SELECT name FROM users") == "John Doe"
    assert await events(db, "user.renamed") == []


async def test_a_change_by_cookie_may_renew_it_as_any_answer_does(
    browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    clock.advance(minutes=20)
    response = await browser.patch("/api/auth/me", json={"name": "Jane"}, headers=SAME)
    assert response.status_code == 200
    clock.advance(minutes=20)
    assert (await browser.get("/api/auth/me")).json()["data"]["user"]["name"] == "Jane"


# --- Another e-mail ---


async def test_another_email_answers_as_login_does_and_ends_every_other_session(
    client: httpx.AsyncClient, db: Database
) -> None:
    registered = await register(client)
    elsewhere = (await login(client))["token"]
    data = assert_success(
        await move(client, registered["token"], " Other@Example.COM "), "E-mail changed successfully"
    )
    assert data["user"] == registered["user"] | {"email": OTHER}
    assert set(data) == {"token", "user", "session_info"}
    assert await works(client, data["token"])
    for token in (registered["token"], elsewhere):
        assert_error(await client.get("/api/auth/me", headers=bearer(token)), errors.SessionRevoked)
    assert (await signs_in(client, OTHER), await signs_in(client, EMAIL)) == (True, False)
    ended = await db.fetch("SELECT end_reason FROM user_sessions WHERE NOT is_active")
    assert [row["end_reason"] for row in ended] == ["email_changed"] * 2
    (changed,) = await events(db, "user.email_changed")
    assert (changed["user_id"], changed["session_id"], changed["detail"]) == (
        nth_user(1),
        3,
        {"email": EMAIL},
    )


async def test_by_cookie_the_new_token_comes_by_cookie_and_the_browser_stays_known(
    browser: httpx.AsyncClient, gate_of_browser: Gatepost, db: Database
) -> None:
    former = browser.cookies["__Host-gatepost"]
    response = await browser.post(
        "/api/auth/email", json={"email": OTHER, "password": PASSWORD}, headers=SAME
    )
    assert set(response.json()["data"]) == {"user", "session_info"}
    assert browser.cookies["__Host-gatepost"] != former
    assert browser.cookies["__Host-gatepost"] not in response.text
    device = browser.cookies["__Host-gatepost-device"]
    known = gate_of_browser.devices.stamps(device, now=gate_of_browser.now())
    assert str(known[-1]) == await db.fetchval("SELECT gatepost.credentials_stamp(u)::text FROM users u")
    assert (await browser.get("/api/auth/me")).json()["data"]["user"]["email"] == OTHER


@pytest.fixture
def gate_of_browser(browser: httpx.AsyncClient) -> Gatepost:
    gate: Gatepost = browser._transport.app.state.gatepost  # type: ignore[attr-defined]  # of ASGITransport
    return gate


async def test_an_email_that_another_has_is_409_in_any_case_and_costs_an_attempt(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app(throttle_enabled=True, throttle_confirm_user="2 then 1/hour")) as client:
        token = (await register(client))["token"]
        await register(client, OTHER)
        held = await holdings(db)
        for email in (OTHER, OTHER.upper()):
            assert_error(await move(client, token, email), errors.EmailTaken)
        assert await holdings(db) == held
        assert_error(await move(client, token, "third@example.com"), errors.TooManyAttempts)
        assert await works(client, token)
    denied = await events(db, "access.denied")
    assert [event["detail"] for event in denied] == [{"code": "email_taken", "verb": "change_email"}] * 2
    assert OTHER not in json.dumps(denied)


async def test_without_the_password_nobody_learns_which_addresses_have_an_account(
    client: httpx.AsyncClient,
) -> None:
    token = (await register(client))["token"]
    await register(client, OTHER)
    for email in (OTHER, "nobody@example.com"):
        assert_error(await move(client, token, email, "wrong password"), errors.InvalidCredentials)


@pytest.mark.parametrize("email", ["", "no address", "a@b@c", "x" * 321, EMAIL, " USER@example.com"])
async def test_an_email_that_is_none_or_the_same_is_422_once_the_password_is_right(
    client: httpx.AsyncClient, db: Database, email: str
) -> None:
    token = (await register(client))["token"]
    assert_error(await move(client, token, email, "wrong password"), errors.InvalidCredentials)
    response = await move(client, token, email, PASSWORD)
    fields = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=fields)
    assert list(fields) == ["email"]
    assert len(await events(db, "password.refused")) == 1


async def test_a_session_that_is_ended_while_the_password_is_checked_changes_no_email(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await register(client))["token"]
    check = gate.accounts._hashing.check

    async def slow_check(password: Password, stored: str | None, line: Line) -> Any:
        assert (await client.post("/api/auth/logout", headers=bearer(token))).status_code == 200
        return await check(password, stored, line)

    monkeypatch.setattr(gate.accounts._hashing, "check", slow_check)
    assert_error(await move(client, token), errors.SessionRevoked)
    assert await db.fetchval("SELECT email FROM users") == EMAIL
    assert [event["detail"]["verb"] for event in await events(db, "session.refused")] == ["change_email"]


async def test_a_password_that_changes_while_it_is_checked_changes_and_erases_nothing(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await register(client))["token"]
    hashed = await db.fetchval("SELECT hashed_password FROM users")
    check = gate.accounts._hashing.check

    async def slow_check(password: Password, stored: str | None, line: Line) -> Any:
        checked = await check(password, stored, line)
        await db.execute("UPDATE users SET hashed_password = 'x' || hashed_password")
        return checked

    monkeypatch.setattr(gate.accounts._hashing, "check", slow_check)
    assert_error(await move(client, token), errors.InvalidCredentials)
    await db.execute("UPDATE users SET hashed_password = $1", hashed)
    assert_error(await erase(client, token), errors.InvalidCredentials)
    assert await db.fetchval("SELECT email FROM users") == EMAIL
    assert [event["detail"] for event in await events(db, "password.refused")] == [
        {"verb": verb, "reason": "changed_meanwhile"} for verb in ("change_email", "erase")
    ]


async def test_of_two_who_take_the_same_email_at_once_one_gets_it(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app(database_pool_size=4)) as client:
        tokens = [(await register(client, f"user{n}@example.com"))["token"] for n in range(2)]
        for round_ in range(5):
            email = f"wanted{round_}@example.com"
            answers = await asyncio.gather(*(move(client, token, email) for token in tokens))
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            for number, answer in enumerate(answers):
                if answer.status_code == 200:
                    tokens[number] = answer.json()["data"]["token"]
            assert [await works(client, token) for token in tokens] == [True, True]
    assert await db.fetchval("SELECT count(DISTINCT email) FROM users") == 2


# --- A copy of the data ---


async def test_an_export_has_the_user_every_session_and_every_event(
    client: httpx.AsyncClient, db: Database
) -> None:
    registered = await register(client)
    await client.post("/api/auth/logout", headers=bearer(registered["token"]))
    token = (await login(client))["token"]
    await register(client, OTHER)
    shown = (await client.get("/api/auth/sessions", headers=bearer(token))).json()["data"]["sessions"]
    trail = (await client.get("/api/auth/events", headers=bearer(token))).json()["data"]["events"]
    response = await client.get("/api/auth/export", headers=bearer(token))
    data = response.json()["data"]
    assert response.headers["content-disposition"] == 'attachment; filename="gatepost-export.json"'
    features = {"email", "passkeys", "recovery_codes", "totp"}
    assert set(data) == {"user", "sessions", "events", "truncated", *features}
    assert (data["user"], data["truncated"]) == (registered["user"] | {"language": None}, False)
    current, ended = data["sessions"]
    assert current == shown[0] | {"ended_at": None, "end_reason": None}
    assert (ended["id"], ended["is_current"], ended["end_reason"]) == (1, False, "logout")
    assert ended["ended_at"] > ended["created_at"]
    assert data["events"] == trail
    assert [event["action"] for event in trail] == [
        "session.started",
        "session.revoked",
        "session.started",
        "user.registered",
    ]
    (exported,) = await events(db, "user.exported")
    assert (exported["user_id"], exported["session_id"], exported["detail"]) == (nth_user(1), 2, {})


async def test_an_export_holds_no_digest_hash_or_token(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    text = json.dumps(await export(client, token))
    row = await db.fetchrow(
        "SELECT s.session_token, u.hashed_password FROM user_sessions s JOIN users u ON u.id = s.user_id"
    )
    assert row is not None
    assert f'"session_token": "{token[:8]}..."' in text
    for secret in (token, row["session_token"], row["session_token"][9:], row["hashed_password"]):
        assert secret not in text


async def test_an_export_asks_for_a_fresh_session(stopped_app: MakeApp, stopped: StoppedClock) -> None:
    async with serving(stopped_app(fresh_session_minutes=5)) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=5)
        refused = await client.get("/api/auth/export", headers=bearer(token))
        assert_error(refused, errors.FreshSessionRequired)
        confirmed = await client.post("/api/auth/confirm", json={"password": PASSWORD}, headers=bearer(token))
        await export(client, confirmed.json()["data"]["token"])


async def test_what_is_too_much_for_an_export_is_left_out_and_that_is_said(
    client: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "EXPORT_ROWS", 3)
    await register(client)
    token = [(await login(client))["token"] for _ in range(2)][-1]
    data = await export(client, token)
    assert ([each["id"] for each in data["sessions"]], data["truncated"]) == ([3, 2, 1], True)
    newest = await db.fetch("SELECT id FROM auth_events WHERE action <> 'user.exported' ORDER BY id DESC")
    assert [each["id"] for each in data["events"]] == [row["id"] for row in newest[:3]]
    monkeypatch.setattr(exports, "EXPORT_ROWS", 10)
    assert not (await export(client, token))["truncated"]


# --- The end ---


async def test_deleting_the_account_ends_every_session_and_leaves_nobody(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    elsewhere = (await login(client))["token"]
    await register(client, OTHER)
    response = await erase(client, token)
    assert assert_success(response, "Account deleted successfully") is None
    assert response.headers["clear-site-data"] == '"cache"'
    for each in (token, elsewhere):
        assert_error(await client.get("/api/auth/me", headers=bearer(each)), errors.InvalidSession)
    assert not await signs_in(client, EMAIL)
    assert [row["email"] for row in await db.fetch("SELECT email FROM users")] == [OTHER]
    assert [row["user_id"] for row in await db.fetch("SELECT user_id FROM user_sessions")] == [nth_user(2)]


async def test_former_e_mails_of_the_erased_go_too(client: httpx.AsyncClient, db: Database) -> None:
    """Two that are nobody's now, and one that somebody else has taken since."""
    former = ("first@example.com", "second@example.com", "taken@example.com")
    for email in former:
        await client.post("/api/auth/login", json={"email": email, "password": "a guess"})
    token = (await register(client, former[0]))["token"]
    for email in (*former[1:], "last@example.com"):
        moved = await client.post(
            "/api/auth/email", json={"email": email, "password": PASSWORD}, headers=bearer(token)
        )
        token = moved.json()["data"]["token"]
    await db.execute(
        """
        INSERT INTO auth_links (purpose, digest, email, expires_at)
        SELECT 'invitation', e, e, now() FROM unnest($1::varchar[]) e
        """,
        former,
    )
    await db.execute(
        "INSERT INTO auth_refusals VALUES ('session.refused', '203.0.113.7', $1, 5, now())", nth_user(1)
    )
    await register(client, former[2])
    assert (await erase(client, token)).is_success
    trail = " ".join(str(tuple(row)) for row in await db.fetch("SELECT * FROM auth_events"))
    assert [email for email in (*former, "last@example.com") if email in trail] == [former[2]]
    assert [row["email"] for row in await db.fetch("SELECT email FROM auth_links")] == [former[2]]
    assert await db.fetchval("SELECT count(*) FROM auth_refusals") == 0


async def test_the_events_of_the_erased_stay_without_the_person(stopped_app: MakeApp, db: Database) -> None:
    """Whatever was on the trail of them before, no text of theirs is in it afterwards."""
    async with serving(stopped_app(), host="203.0.113.7", headers={"User-Agent": AGENT}) as client:
        body = {"email": EMAIL, "password": PASSWORD}
        await client.post("/api/auth/login", json=body)  # before there was such a user
        token = (await register(client, name="Personal Name"))["token"]
        await client.post("/api/auth/register", json=body | {"name": "Again"})
        await client.post("/api/auth/login", json=body | {"password": "wrong password"})
        replayed = (await login(client))["token"]
        successor = (await client.post("/api/auth/refresh", headers=bearer(replayed))).json()["data"]["token"]
        await client.get("/api/auth/me", headers=bearer(successor))
        await db.execute("UPDATE user_sessions SET ended_at = '2020-01-01Z' WHERE replaced_by > 0")
        await client.post("/api/auth/refresh", headers=bearer(replayed))
        await db.execute(
            """
            INSERT INTO auth_events (action, user_id, detail)
            VALUES ('throttles.cleared', $1, '{"email": "user@example.com", "address": "203.0.113.7"}'),
                ('command.failed', NULL, '{"command": "users show", "user": "User@Example.com"}')
            """,
            nth_user(1),
        )
        await db.executemany(
            """
            INSERT INTO auth_events (action, user_id, ip_address, user_agent, detail)
            VALUES ('user.unlocked', $1, $2, $3, $4)
            """,
            [
                (nth_user(2), "203.0.113.7", AGENT, json.dumps({"admin_id": nth_user(1)})),
                (nth_user(2), "192.0.2.2", "Another", json.dumps({"admin_id": nth_user(11)})),
            ],
        )
        before = await db.fetch("SELECT id, at, action, user_id, session_id FROM auth_events ORDER BY id")
        actions = {row["action"] for row in before}
        assert actions >= {"login.failed", "user.registration_refused", "session.replayed"}
        assert (await erase(client, token)).status_code == 200
    after = await db.fetch("SELECT * FROM auth_events ORDER BY id")
    kept = [tuple(row[column] for column in ("id", "at", "action", "user_id", "session_id")) for row in after]
    assert kept[:-1] == [tuple(row) for row in before]
    (erased,) = await events(db, "user.erased")
    assert (erased["user_id"], erased["ip_address"], erased["user_agent"]) == (nth_user(1), None, None)
    assert erased["detail"]["events"] > 8
    everything = " ".join(str(tuple(row)) for row in after).lower()
    assert EMAIL not in everything
    assert "personal name" not in everything
    theirs = " ".join(str(tuple(row)) for row in after if row["user_id"] == nth_user(1))
    assert "203.0.113.7" not in theirs
    assert AGENT not in theirs
    assert [row["ip_address"] for row in after if row["action"] == "user.unlocked"] == [None, "192.0.2.2"]
    # Who they were that tried the address before it had an account, nobody knows.
    assert [row["ip_address"] for row in after if row["user_id"] is None and row["ip_address"]] == [
        "203.0.113.7"
    ] * 2


async def test_the_trail_is_as_closed_after_an_erasure_as_before(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    assert (await erase(client, token)).status_code == 200
    for statement in ("UPDATE auth_events SET action = 'x'", "DELETE FROM auth_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await db.execute(statement)


async def test_nothing_of_the_erased_is_left_in_the_throttle(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app(throttle_enabled=True)) as client:
        token = (await register(client))["token"]
        body = {"email": EMAIL, "password": "wrong password"}
        await client.post("/api/auth/login", json=body)
        assert_error(await erase(client, token, "wrong password"), errors.InvalidCredentials)
        assert await db.fetchval("SELECT count(*) FROM auth_failures") == 1
        assert (await erase(client, token)).status_code == 200
    buckets = {row["bucket"] for row in await db.fetch("SELECT bucket FROM auth_throttles")}
    assert buckets == {"login_address", "form_address", "register_address", "register_total"}
    assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0


async def test_by_cookie_the_cookie_goes_with_the_account(browser: httpx.AsyncClient) -> None:
    response = await browser.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=SAME)
    assert response.status_code == 200, response.text
    assert response.headers["clear-site-data"] == '"cache"'
    assert "__Host-gatepost" not in browser.cookies
    assert_error(await browser.get("/api/auth/me"), errors.NotAuthenticated)


async def test_the_address_may_register_anew_and_is_another_user(client: httpx.AsyncClient) -> None:
    registered = await register(client)
    assert (await erase(client, registered["token"])).status_code == 200
    again = await register(client)
    assert again["user"]["id"] != registered["user"]["id"]
    trail = await client.get("/api/auth/events", headers=bearer(again["token"]))
    assert [each["action"] for each in trail.json()["data"]["events"]] == [
        "session.started",
        "user.registered",
    ]


# --- Who may not go ---


async def test_the_last_active_administrator_can_not_go(client: httpx.AsyncClient, db: Database) -> None:
    tokens = [(await register(client, f"user{n}@example.com"))["token"] for n in range(3)]
    await db.execute("UPDATE users SET is_admin = id < $1, is_active = id <> $2", nth_user(3), nth_user(2))
    held = await holdings(db)
    assert_error(await erase(client, tokens[0]), errors.LastAdmin)
    assert await holdings(db) == held
    (denied,) = await events(db, "access.denied")
    assert (denied["user_id"], denied["detail"]) == (nth_user(1), {"code": "last_admin", "verb": "erase"})
    assert (await erase(client, tokens[2])).status_code == 200
    await db.execute("UPDATE users SET is_active = true")
    assert (await erase(client, tokens[0])).status_code == 200
    assert_error(await erase(client, tokens[1]), errors.LastAdmin)


async def test_of_administrators_who_go_at_once_one_stays(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app(database_pool_size=8)) as client:
        for round_ in range(4):
            tokens = [
                (await register(client, f"admin{round_}.{number}@example.com"))["token"]
                for number in range(4 if round_ else 3)
            ]
            await db.execute("UPDATE users SET is_admin = true")
            answers = await asyncio.gather(*(erase(client, token) for token in tokens))
            statuses = sorted(answer.status_code for answer in answers)
            if round_ == 0:
                assert statuses == [200, 200, 409]
            assert await db.fetchval("SELECT count(*) FROM users WHERE is_admin AND is_active") >= 1
            await db.execute("DELETE FROM user_sessions; DELETE FROM users")


IN_THE_WAY = {
    "no action": "REFERENCES users",
    "restrict": "REFERENCES users ON DELETE RESTRICT",
    "deferred": "REFERENCES users DEFERRABLE INITIALLY DEFERRED",
    "not null": "NOT NULL REFERENCES users ON DELETE SET NULL",
}


@pytest.mark.parametrize("reference", IN_THE_WAY.values(), ids=list(IN_THE_WAY))
async def test_an_account_that_the_application_holds_on_to_stays_whole(
    client: httpx.AsyncClient, db: Database, reference: str
) -> None:
    token = (await register(client))["token"]
    await db.execute(f"CREATE TABLE notes (owner {USER_IDS} {reference})")
    await db.execute("INSERT INTO notes VALUES ($1)", nth_user(1))
    held = await holdings(db)
    trail = await db.fetch("SELECT * FROM auth_events ORDER BY id")
    assert_error(await erase(client, token), errors.AccountInUse)
    assert await holdings(db) == held
    (denied,) = await events(db, "access.denied")
    assert denied["detail"] == {"code": "account_in_use", "verb": "erase"}
    assert (await db.fetch("SELECT * FROM auth_events ORDER BY id"))[:-1] == trail
    await db.execute("DELETE FROM notes")
    assert (await erase(client, token)).status_code == 200


async def test_a_row_that_a_trigger_of_the_application_keeps_is_no_erasure(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute(
        """
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION keep()
        """
    )
    held = await holdings(db)
    assert_error(await erase(client, token), errors.AccountInUse)
    assert await holdings(db) == held
    assert await events(db, "user.erased") == []


async def test_rows_of_the_application_that_go_with_their_user_go(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute(f"CREATE TABLE notes (owner {USER_IDS} REFERENCES users ON DELETE CASCADE)")
    await db.execute("INSERT INTO notes VALUES ($1)", nth_user(1))
    assert (await erase(client, token)).status_code == 200
    assert await db.fetchval("SELECT count(*) FROM notes") == 0


async def test_what_can_not_be_recorded_does_not_happen(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    held = await holdings(db)
    await db.execute('ALTER TABLE auth_events ADD CONSTRAINT "full" CHECK (false) NOT VALID')
    for answer in (
        await rename(client, token, name="Jane"),
        await move(client, token),
        await erase(client, token),
        await client.get("/api/auth/export", headers=bearer(token)),
    ):
        assert_error(answer, errors.InternalError)
    assert await holdings(db) == held


# --- At the same moment ---


async def test_once_the_account_is_deleted_no_login_and_no_refresh_has_slipped_through(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app(database_pool_size=8)) as client:
        for round_ in range(12):
            email = f"user{round_}@example.com"
            token = (await register(client, email))["token"]
            others = [(await login(client, email))["token"] for _ in range(2)]
            racing = [
                erase(client, token),
                *(client.post("/api/auth/refresh", headers=bearer(each)) for each in (token, *others)),
                *(client.post("/api/auth/login", json={"email": email, "password": PASSWORD}) for _ in "12"),
                client.post("/api/auth/confirm", json={"password": PASSWORD}, headers=bearer(others[0])),
                move(client, others[1], f"moved{round_}@example.com"),
            ]
            start = round_ % len(racing)
            answers = await asyncio.gather(*racing[start:], *racing[:start])
            assert {answer.status_code for answer in answers} <= {200, 401}
            if await db.fetchval("SELECT count(*) FROM users"):
                # The session was ended before, by the change of the e-mail.
                await db.execute("DELETE FROM user_sessions; DELETE FROM users")
                continue
            gained = [a.json()["data"]["token"] for a in answers if a.is_success and a.json()["data"]]
            assert not any([await works(client, each) for each in (token, *others, *gained)])
            assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0


async def test_who_deletes_the_account_twice_at_once_deletes_it_once(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app(database_pool_size=5)) as client:
        for _ in range(5):
            token = (await register(client))["token"]
            answers = await asyncio.gather(*(erase(client, token) for _ in range(3)))
            assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    assert len(await events(db, "user.erased")) == 5

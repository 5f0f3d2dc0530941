"""The password given again and changed: what goes on, what ends, and what each refusal leaves behind."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, login, nth_user, register, serving
from tests.http.conftest import (
    Database,
    MakeApp,
    StoppedClock,
    assert_error,
    assert_success,
    at,
    events,
    until_waiting,
)
from tests.walking import walked

from gatepost import errors
from gatepost.library import Gatepost
from gatepost.models import Client, Session
from gatepost.security.passwords import Password
from gatepost.services.lines import Line

NEW = "another secure password"


async def confirm(client: httpx.AsyncClient, token: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/auth/confirm", json={"password": password}, headers=bearer(token))


async def confirmed(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    data = assert_success(await confirm(client, token), "Password confirmed successfully")
    assert isinstance(data, dict)
    return data


async def change(
    client: httpx.AsyncClient, token: str, current: str = PASSWORD, new: str = NEW
) -> httpx.Response:
    return await client.post(
        "/api/auth/password", json={"current": current, "new": new}, headers=bearer(token)
    )


async def changed(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    data = assert_success(await change(client, token), "Password changed successfully")
    assert isinstance(data, dict)
    return data


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/refresh", headers=bearer(token))


async def works(client: httpx.AsyncClient, token: str) -> bool:
    return (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def session(gate: Gatepost, token: str) -> Session:
    return await gate.session_tokens.resolve(token)


def gate_of(app: Any) -> Gatepost:
    gate = app.state.gatepost
    assert isinstance(gate, Gatepost)
    return gate


async def signs_in(client: httpx.AsyncClient, password: str) -> bool:
    body = {"email": "user@example.com", "password": password}
    return (await client.post("/api/auth/login", json=body)).status_code == 200


# --- Fresh ---


async def test_a_session_is_fresh_for_so_long_after_the_password(
    stopped_app: MakeApp, stopped: StoppedClock
) -> None:
    app = stopped_app(fresh_session_minutes=5)
    async with serving(app) as client:
        token = (await register(client))["token"]
        assert (await session(gate_of(app), token)).is_fresh
        stopped.advance(minutes=5, microseconds=-1)
        assert (await session(gate_of(app), token)).is_fresh
        stopped.advance(microseconds=1)
        assert not (await session(gate_of(app), token)).is_fresh


async def test_a_refresh_makes_nothing_fresh(stopped_app: MakeApp, stopped: StoppedClock) -> None:
    app = stopped_app()
    async with serving(app) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=10)
        token = (await refresh(client, token)).json()["data"]["token"]
        assert not (await session(gate_of(app), token)).is_fresh


async def test_a_session_whose_sign_in_nobody_knows_the_time_of_is_not_fresh(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE user_sessions SET authenticated_at = NULL")
    assert not (await session(gate, token)).is_fresh


async def test_confirming_answers_as_refresh_does_and_the_session_is_fresh(
    stopped_app: MakeApp, stopped: StoppedClock
) -> None:
    app = stopped_app()
    async with serving(app) as client:
        signed_in = await register(client)
        stopped.advance(minutes=20)
        data = await confirmed(client, signed_in["token"])
        assert data == {
            "token": data["token"],
            "user": signed_in["user"],
            "session_info": {
                "expires_at": "2024-01-01T00:50:00Z",
                "created_at": "2024-01-01T00:20:00Z",
                "methods": ["pwd"],
                "aal": 1,
                "is_fresh": True,
            },
        }
        found = await session(gate_of(app), data["token"])
        assert (found.is_fresh, found.authenticated_at) == (True, stopped.now)
        assert_error(
            await client.get("/api/auth/me", headers=bearer(signed_in["token"])), errors.SessionReplaced
        )


async def test_the_absolute_end_counts_from_the_password_that_was_given_again(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app(session_max_minutes=60)) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=20)
        token = (await confirmed(client, token))["token"]
        end = stopped.now + timedelta(minutes=60)
        stopped.advance(minutes=25)
        token = (await refresh(client, token)).json()["data"]["token"]
        stopped.advance(minutes=25)
        data = (await refresh(client, token)).json()["data"]
        assert at(data["session_info"]["expires_at"]) == end
    rows = await db.fetch("SELECT * FROM user_sessions ORDER BY id")
    assert [row["absolute_expires_at"] for row in rows[1:]] == [end] * 3
    assert [row["authenticated_at"] for row in rows[1:]] == [end - timedelta(minutes=60)] * 3
    assert rows[0]["absolute_expires_at"] == end - timedelta(minutes=20)
    assert [row["family_id"] for row in rows] == [None, 1, 1, 1]
    assert {row["place"] for row in rows[1:]} == {None}


async def test_a_confirmation_is_on_the_trail_with_its_successor(
    client: httpx.AsyncClient, db: Database
) -> None:
    await confirmed(client, (await register(client))["token"])
    (event,) = await events(db, "session.confirmed")
    assert (event["user_id"], event["session_id"], event["detail"]) == (nth_user(1), 1, {"successor": 2})
    assert await events(db, "session.refreshed", "session.refused", "password.refused") == []


async def test_until_the_fresh_token_comes_the_former_one_works_and_is_no_fresher(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    """Its answer may be lost: then it is given once more."""
    app = stopped_app()
    async with serving(app) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=20)
        lost = await confirmed(client, token)
        stopped.advance(minutes=5)
        assert not (await session(gate_of(app), token)).is_fresh
        data = await confirmed(client, token)
        assert await works(client, data["token"])
        for former in (token, lost["token"]):
            assert_error(await client.get("/api/auth/me", headers=bearer(former)), errors.SessionReplaced)
    rows = await db.fetch(
        "SELECT is_active, end_reason, replaced_by, handed_by FROM user_sessions ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [
        (False, "refreshed", 3, None),
        (False, "refreshed", 3, "confirm"),
        (True, None, None, None),
    ]


async def test_no_repeat_hands_the_fresh_token_out(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    app = stopped_app()
    async with serving(app) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=20)
        fresh = (await confirmed(client, token))["token"]
        refreshed = (await refresh(client, token)).json()["data"]["token"]
        assert refreshed != fresh
        assert not (await session(gate_of(app), refreshed)).is_fresh
        assert await works(client, fresh), "whichever of the two the client goes on with"
        for former in (token, refreshed):
            assert_error(await refresh(client, former), errors.SessionReplaced)
            assert_error(await confirm(client, former), errors.SessionReplaced)


async def test_a_fresh_token_that_comes_to_be_refreshed_first_has_come(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    fresh = (await confirmed(client, token))["token"]
    last = (await refresh(client, fresh)).json()["data"]["token"]
    assert_error(await client.get("/api/auth/me", headers=bearer(token)), errors.SessionReplaced)
    assert await works(client, last)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


@pytest.mark.parametrize("which", ["former", "fresh"])
async def test_a_logout_ends_the_sign_in_whichever_token_it_comes_with(
    client: httpx.AsyncClient, db: Database, which: str
) -> None:
    token = (await register(client))["token"]
    fresh = (await confirmed(client, token))["token"]
    leaving = bearer(token if which == "former" else fresh)
    assert (await client.post("/api/auth/logout", headers=leaving)).status_code == 200
    for each in (token, fresh):
        assert_error(await client.get("/api/auth/me", headers=bearer(each)), errors.SessionRevoked)
        assert_error(await refresh(client, each), errors.SessionRevoked)


async def test_of_confirmations_at_once_the_first_token_to_come_is_the_one(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        answers = await asyncio.gather(*(confirm(client, token) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        fresh = [answer.json()["data"]["token"] for answer in answers]
        assert len(set(fresh)) == 8
        worked = await asyncio.gather(*(works(client, each) for each in fresh))
        assert True in worked
        alive = [each for each in fresh if await works(client, each)]
        assert len(alive) == 1
        assert not await works(client, token)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


async def test_a_refresh_that_is_quicker_is_confirmed_itself(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stopped_app()
    async with serving(app) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=20)
        check = gate_of(app).own_passwords._hashing.check

        async def slow_check(password: Password, stored: str | None, line: Line) -> Any:
            checked = await check(password, stored, line)
            assert (await refresh(client, token)).status_code == 200
            return checked

        monkeypatch.setattr(gate_of(app).own_passwords._hashing, "check", slow_check)
        data = await confirmed(client, token)
        assert (await session(gate_of(app), data["token"])).is_fresh
    rows = await db.fetch("SELECT replaced_by, end_reason FROM user_sessions ORDER BY id")
    assert [tuple(row) for row in rows] == [(2, "refreshed"), (3, "refreshed"), (None, None)]


# --- What is wrong ---


@pytest.mark.parametrize("path", ["confirm", "password"])
async def test_a_wrong_password_is_refused_recorded_and_changes_nothing(
    client: httpx.AsyncClient, db: Database, path: str
) -> None:
    token = (await register(client))["token"]
    rows = await db.fetch("SELECT * FROM user_sessions"), await db.fetch("SELECT * FROM users")
    if path == "confirm":
        response = await confirm(client, token, "wrong password")
    else:
        response = await change(client, token, "wrong password")
    assert assert_error(response, errors.InvalidCredentials)["message"] == "Incorrect password"
    assert response.headers["www-authenticate"] == "Bearer"
    assert (await db.fetch("SELECT * FROM user_sessions"), await db.fetch("SELECT * FROM users")) == rows
    verb = {"confirm": "confirm", "password": "change_password"}[path]
    (event,) = await events(db, "password.refused")
    assert (event["user_id"], event["session_id"]) == (nth_user(1), 1)
    assert event["detail"] == {"verb": verb, "reason": "wrong_password"}
    assert await works(client, token)


@walked("path", ["confirm", "password"])
@walked("end", ["logout", "logout-all", "refresh"])
async def test_a_token_that_is_not_live_is_refused_before_the_password_is_looked_at(
    client: httpx.AsyncClient,
    gate: Gatepost,
    db: Database,
    path: str,
    end: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = (await register(client))["token"]
    await client.post(f"/api/auth/{end}", headers=bearer(token))

    async def never(*_: Any) -> None:
        raise AssertionError("a password was checked")

    monkeypatch.setattr(gate.own_passwords._hashing, "check", never)
    response = await (confirm(client, token) if path == "confirm" else change(client, token))
    expected = errors.SessionReplaced if end == "refresh" else errors.SessionRevoked
    assert_error(response, expected)
    (event,) = await events(db, "session.refused")
    assert (event["user_id"], event["session_id"]) == (nth_user(1), 1)
    assert event["detail"] == {
        "code": expected.code,
        "verb": {"confirm": "confirm", "password": "change_password"}[path],
    }


async def test_a_disabled_user_neither_confirms_nor_changes(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE users SET is_active = false")
    assert_error(await confirm(client, token), errors.SessionRevoked)
    assert_error(await change(client, token), errors.SessionRevoked)
    assert await events(db, "password.refused", "password.changed", "session.confirmed") == []


async def test_a_user_without_a_password_confirms_none(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE users SET hashed_password = NULL")
    assert_error(await confirm(client, token), errors.InvalidCredentials)


@walked(
    ("body", "field"),
    [
        ({"current": PASSWORD, "new": "1234567"}, "new"),
        ({"current": PASSWORD, "new": "x" * 1025}, "new"),
        ({"current": PASSWORD, "new": PASSWORD}, "new"),
        ({"current": "Grüße Grüße", "new": "Gru\u0308ße Gru\u0308ße"}, "new"),
        ({"current": "x" * 1025, "new": NEW}, "current"),
        ({"new": NEW}, "current"),
        ({"current": PASSWORD}, "new"),
    ],
    ids=["short", "long", "the same", "the same decomposed", "current too long", "no current", "no new"],
)
async def test_a_field_that_does_not_fit_is_named_and_nothing_is_checked(
    client: httpx.AsyncClient, db: Database, body: dict[str, str], field: str
) -> None:
    token = (await register(client))["token"]
    response = await client.post("/api/auth/password", json=body, headers=bearer(token))
    fields = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=fields)
    assert list(fields) == [field]
    assert await works(client, token)
    assert await events(db, "password.refused", "password.changed") == []


# --- Changed ---


async def test_the_new_password_signs_in_and_the_old_one_no_more(client: httpx.AsyncClient) -> None:
    await changed(client, (await register(client))["token"])
    assert await signs_in(client, NEW)
    assert not await signs_in(client, PASSWORD)


async def test_every_other_session_ends_and_this_one_goes_on_with_a_new_token(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    signed_in = await register(client)
    others = [(await login(client))["token"] for _ in range(2)]
    data = await changed(client, signed_in["token"])
    assert data["user"] == signed_in["user"]
    assert await works(client, data["token"])
    for token in (signed_in["token"], *others):
        assert_error(await client.get("/api/auth/me", headers=bearer(token)), errors.SessionRevoked)
        assert_error(await refresh(client, token), errors.SessionRevoked)
    rows = await db.fetch("SELECT is_active, end_reason, place FROM user_sessions ORDER BY id")
    assert [tuple(row) for row in rows] == [
        *[(False, "password_changed", "127.0.0.1")] * 3,
        (True, None, "127.0.0.1"),
    ]
    assert (await session(gate, data["token"])).is_fresh


async def test_a_change_is_on_the_trail(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await login(client)
    before = len(await events(db))
    await changed(client, token)
    found = [(event["action"], event["session_id"], event["detail"]) for event in (await events(db))[before:]]
    assert found == [
        ("session.revoked_all", None, {"reason": "password_changed", "sessions": 2}),
        ("session.started", 3, {}),
        ("password.changed", 3, {}),
    ]


async def test_what_was_remembered_is_remembered_on(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    """The rows are made to be remembered, as a sign-in with a cookie makes them."""
    token = (await register(client))["token"]
    await db.execute("UPDATE user_sessions SET remembered = true")
    caller = Client(ip_address="192.0.2.1")
    signed_in = await gate.session_tokens.refresh(token, caller)
    assert signed_in.remembered
    signed_in = await gate.confirmations.by_password(signed_in.token, PASSWORD, caller)
    assert signed_in.remembered
    signed_in = await gate.own_passwords.change(signed_in.token, PASSWORD, NEW, caller)
    assert signed_in.remembered
    rows = await db.fetch("SELECT remembered, place FROM user_sessions ORDER BY id")
    assert [tuple(row) for row in rows] == [
        (True, "127.0.0.1"),
        (True, None),
        (True, None),
        (True, "192.0.2.1"),
    ]


async def test_what_was_not_remembered_is_not(client: httpx.AsyncClient, gate: Gatepost) -> None:
    token = (await register(client))["token"]
    signed_in = await gate.own_passwords.change(token, PASSWORD, NEW, Client())
    assert not signed_in.remembered
    assert not (await gate.session_tokens.refresh(signed_in.token, Client())).remembered


async def test_of_changes_at_once_one_wins_and_one_session_is_left(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        tokens = [(await register(client))["token"], *[(await login(client))["token"] for _ in range(3)]]
        answers = await asyncio.gather(
            *(change(client, token, new=f"{NEW} {number}") for number, token in enumerate(tokens))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        (won,) = [number for number, answer in enumerate(answers) if answer.status_code == 200]
        assert await signs_in(client, f"{NEW} {won}")
        assert await works(client, answers[won].json()["data"]["token"])
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 2


@pytest.mark.parametrize("end", ["logout", "logout-all"])
async def test_a_session_that_is_ended_while_the_password_is_checked_changes_nothing(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    token = (await register(client))["token"]
    hash_ = gate.own_passwords._hashing.hash

    async def slow_hash(password: Password, line: Line) -> str:
        hashed = await hash_(password, line)
        assert (await client.post(f"/api/auth/{end}", headers=bearer(token))).status_code == 200
        return hashed

    monkeypatch.setattr(gate.own_passwords._hashing, "hash", slow_hash)
    assert_error(await change(client, token), errors.SessionRevoked)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0
    assert await signs_in(client, PASSWORD)
    assert [event["detail"] for event in await events(db, "session.refused")] == [
        {"code": "session_revoked", "verb": "change_password"}
    ]


async def test_a_logout_that_comes_while_the_password_is_changed_is_told_that_it_came_too_late(
    stopped_app: MakeApp, db: Database
) -> None:
    """Held up after it looked whether the session is live, the change makes the logout wait: one wins."""
    app = stopped_app(database_pool_size=5)
    async with serving(app) as client:
        token = (await register(client))["token"]
        transaction = db.transaction()
        await transaction.start()
        await db.execute("LOCK TABLE users IN SHARE MODE")
        changing = asyncio.create_task(change(client, token))
        await until_waiting(db, 1)
        logging_out = asyncio.create_task(client.post("/api/auth/logout", headers=bearer(token)))
        await until_waiting(db, 2)
        await transaction.rollback()
        answer = await changing
        assert answer.status_code == 200
        assert_error(await logging_out, errors.SessionRevoked)
        assert await works(client, answer.json()["data"]["token"])


async def test_a_password_that_changes_while_it_is_checked_confirms_nothing(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await register(client))["token"]
    check = gate.own_passwords._hashing.check

    async def slow_check(password: Password, stored: str | None, line: Line) -> Any:
        checked = await check(password, stored, line)
        await db.execute("UPDATE users SET hashed_password = 'x' || hashed_password")
        return checked

    monkeypatch.setattr(gate.own_passwords._hashing, "check", slow_check)
    assert_error(await confirm(client, token), errors.InvalidCredentials)
    assert_error(await change(client, token), errors.InvalidCredentials)
    assert [event["detail"]["reason"] for event in await events(db, "password.refused")] == [
        "changed_meanwhile",
        "unsupported_hash",
    ]
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
    assert await events(db, "session.refused") == []


async def test_what_can_not_be_recorded_does_not_happen(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    held = await db.fetch("SELECT * FROM user_sessions"), await db.fetch("SELECT * FROM users")
    await db.execute(
        """
        ALTER TABLE auth_events
            ADD CHECK (action NOT IN ('password.changed', 'session.confirmed')) NOT VALID
        """
    )
    assert (await change(client, token)).status_code == 500
    assert (await confirm(client, token)).status_code == 500
    assert (await db.fetch("SELECT * FROM user_sessions"), await db.fetch("SELECT * FROM users")) == held


# --- How often ---


@pytest.mark.parametrize("path", ["confirm", "password"])
async def test_failures_are_limited_before_the_work_and_a_success_costs_nothing(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stopped_app(throttle_enabled=True, throttle_confirm_user="2 then 1/minute")
    async with serving(app) as client:
        token = (await register(client))["token"]
        passwords = [PASSWORD, NEW]

        async def ask(password: str) -> httpx.Response:
            if path == "confirm":
                return await confirm(client, token, password)
            return await change(client, token, password, passwords[1])

        for _ in range(4):
            answer = await ask(passwords[0])
            token = answer.json()["data"]["token"]
            if path == "password":
                passwords.reverse()
        for _ in range(2):
            assert_error(await ask("wrong password"), errors.InvalidCredentials)

        async def never(*_: Any) -> None:
            raise AssertionError("a password was checked")

        with monkeypatch.context() as patched:
            patched.setattr(gate_of(app).own_passwords._hashing, "check", never)
            refused = await ask(passwords[0])
        assert_error(refused, errors.TooManyAttempts)
        assert refused.headers["retry-after"] == "60"
        assert await works(client, token)
        stopped.advance(minutes=1)
        assert (await ask(passwords[0])).status_code == 200
    verb = {"confirm": "confirm", "password": "change_password"}[path]
    (event,) = await events(db, "throttled")
    assert (event["user_id"], event["detail"]) == (nth_user(1), {"bucket": "confirm_user", "verb": verb})

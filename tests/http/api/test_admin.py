"""What administrators do over HTTP: for them alone, and on the trail."""

import asyncio
from typing import Any

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
from tests.http.conftest import Database, assert_error, assert_success, at, events
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.library import Gatepost
from gatepost.models import Client, UserIdType

USERS = "/api/auth/admin/users"
ACTIONS = {
    "disable": "User disabled successfully",
    "enable": "User enabled successfully",
    "promote": "User promoted successfully",
    "demote": "User demoted successfully",
    "unlock": "User unlocked successfully",
    "logout-all": "User logged out successfully",
    "temporary-password": "Temporary password set successfully",
    "delete": "User deleted successfully",
}
TAKEN_AWAY = ("disable", "demote", "delete")


async def act(client: httpx.AsyncClient, action: str, user_id: object, token: str = "") -> httpx.Response:
    headers = bearer(token) if token else {}
    if action == "delete":
        return await client.delete(f"{USERS}/{user_id}", headers=headers)
    return await client.post(f"{USERS}/{user_id}/{action}", headers=headers)


async def look(client: httpx.AsyncClient, token: str, path: str = "", **query: Any) -> httpx.Response:
    return await client.get(f"{USERS}{path}", headers=bearer(token), params=query)


@pytest.fixture
async def admin(client: httpx.AsyncClient, db: Database) -> str:
    """The token of an administrator, whose id is 1."""
    token: str = (await register(client, "admin@example.com", "Root"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


@pytest.fixture
async def user(client: httpx.AsyncClient, admin: str) -> str:
    """The token of a user, whose id is 2."""
    return str((await register(client))["token"])


# --- Who may ---


@walked("action", ACTIONS)
async def test_others_may_not_change_anything(
    client: httpx.AsyncClient, user: str, db: Database, clock: MovableClock, admin: str, action: str
) -> None:
    await db.execute("INSERT INTO auth_failures (user_id, place, failures) VALUES ($1, '', 100)", nth_user(2))
    before = await db.fetch("SELECT * FROM users ORDER BY id")
    assert_error(await act(client, action, nth_user(2), user), errors.AdminRequired)
    assert_error(await act(client, action, 2), errors.NotAuthenticated)
    assert [event["detail"] for event in await events(db, "access.denied")] == [{"code": "admin_required"}]
    clock.advance(minutes=11)
    assert_error(await act(client, action, nth_user(2), admin), errors.FreshSessionRequired)
    assert await db.fetch("SELECT * FROM users ORDER BY id") == before
    assert await db.fetchval("SELECT failures FROM auth_failures") == 100
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 2


@pytest.mark.parametrize("path", ["", f"/{nth_user(2)}"])
async def test_others_may_not_look_and_administrators_may_for_as_long_as_they_are_signed_in(
    client: httpx.AsyncClient, user: str, clock: MovableClock, admin: str, path: str
) -> None:
    assert_error(await look(client, user, path), errors.AdminRequired)
    assert_error(await client.get(f"{USERS}{path}"), errors.NotAuthenticated)
    clock.advance(minutes=11)
    assert (await look(client, admin, path)).is_success


NO_IDS = {
    UserIdType.UUID: ["0", "x", "{00000000-0000-0000-0000-000000000001}"],
    UserIdType.TEXT: ["x" * 256],
}.get(USER_IDS, ["0", "-1", "x", str(2**63)])


@walked("action", ACTIONS)
@walked("user_id", [nth_user(99), *([2**63 - 1] if isinstance(nth_user(1), int) else [])])
async def test_a_user_who_is_not_there_is_404(
    client: httpx.AsyncClient, admin: str, user_id: int | str, action: str
) -> None:
    assert_error(await act(client, action, user_id, admin), errors.NotFound)
    assert_error(await look(client, admin, f"/{user_id}"), errors.NotFound)


@walked("user_id", NO_IDS)
async def test_what_can_be_no_id_is_422(client: httpx.AsyncClient, admin: str, user_id: str) -> None:
    for response in (await act(client, "unlock", user_id, admin), await look(client, admin, f"/{user_id}")):
        assert_error(response, errors.ValidationFailed, fields=response.json()["error"]["fields"])
        assert set(response.json()["error"]["fields"]) == {"id"}


# --- Looking ---


async def test_a_search_answers_page_by_page(client: httpx.AsyncClient, user: str, admin: str) -> None:
    found = assert_success(await look(client, admin, q="JOHN"), "Users retrieved successfully")
    [john] = found["users"]
    at(john.pop("created_at"))
    assert john == {
        "id": nth_user(2),
        "email": "user@example.com",
        "name": "John Doe",
        "is_admin": False,
        "is_active": True,
        "email_verified": False,
    }
    assert found["next_cursor"] is None
    first = assert_success(await look(client, admin, limit=1), "Users retrieved successfully")
    rest = await look(client, admin, limit=1, cursor=first["next_cursor"])
    second = assert_success(rest, "Users retrieved successfully")
    ids = [each["users"][0]["id"] for each in (first, second)]
    assert (ids, second["next_cursor"]) == ([nth_user(1), nth_user(2)], None)
    for query, wanted in (
        ({"role": "admin"}, [nth_user(1)]),
        ({"role": "user"}, [nth_user(2)]),
        ({"status": "disabled"}, []),
    ):
        data = assert_success(await look(client, admin, **query), "Users retrieved successfully")
        assert [each["id"] for each in data["users"]] == wanted


@walked(
    ("field", "value"),
    [
        *(("q", "x" * 321), ("q", "\0"), ("role", "root"), ("status", "x"), ("limit", "0"), ("limit", "201")),
        *(("cursor", "x"), ("cursor", "")),
    ],
)
async def test_what_no_search_takes_is_422(
    client: httpx.AsyncClient, admin: str, field: str, value: str
) -> None:
    response = await look(client, admin, **{field: value})
    assert_error(response, errors.ValidationFailed, fields=response.json()["error"]["fields"])
    assert set(response.json()["error"]["fields"]) == {field}


# --- Changing ---


async def test_each_change_answers_with_the_user_as_it_is_now_and_is_on_the_trail(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    async def change(action: str) -> dict[str, Any]:
        data: dict[str, Any] = assert_success(await act(client, action, nth_user(2), admin), ACTIONS[action])
        shown = assert_success(await look(client, admin, f"/{nth_user(2)}"), "User retrieved successfully")
        assert shown["user"] == data["user"]
        return data

    assert (await change("promote"))["user"]["is_admin"]
    assert not (await change("demote"))["user"]["is_admin"]
    data = await change("logout-all")
    assert (data["sessions_revoked"], data["user"]["active_sessions"]) == (1, 0)
    assert (await client.get("/api/auth/me", headers=bearer(user))).status_code == 401
    user = (await login(client))["token"]
    account = (await change("disable"))["user"]
    assert (account["is_active"], account["active_sessions"]) == (False, 0)
    assert (await client.get("/api/auth/me", headers=bearer(user))).status_code == 401
    assert (await change("enable"))["user"]["is_active"]
    await login(client)
    by = {"admin_id": nth_user(1)}
    written = await events(db, "user.promoted", "user.demoted", "user.disabled", "user.enabled")
    assert [(each["user_id"], each["detail"]) for each in written] == [
        (nth_user(2), by | {"changed": True})
    ] * 4
    assert {each["ip_address"] for each in written} == {"127.0.0.1"}
    ended = await events(db, "session.revoked_all")
    assert [each["detail"] for each in ended] == [
        by | {"reason": "revoked", "sessions": 1},
        by | {"reason": "user_disabled", "sessions": 1},
    ]


async def test_an_administrator_unlocks_a_user(make_settings: MakeSettings, db: Database) -> None:
    settings = make_settings(login_failures_max=3, trusted_proxies="127.0.0.1")
    home, elsewhere = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "203.0.113.9"}
    async with serving(create_app(settings)) as client:
        token = (await register(client, "admin@example.com", **home))["token"]
        await db.execute("UPDATE users SET is_admin = true")
        await register(client, **home)
        right = {"email": "user@example.com", "password": PASSWORD}
        for _ in range(3):
            await client.post("/api/auth/login", json=right | {"password": "a guess"}, headers=elsewhere)
        refused = await client.post("/api/auth/login", json=right, headers=elsewhere)
        assert_error(refused, errors.InvalidCredentials)
        shown = assert_success(await look(client, token, f"/{nth_user(2)}"), "User retrieved successfully")[
            "user"
        ]
        assert (shown["failures"], shown["is_locked"]) == (3, True)
        unlocked = assert_success(await act(client, "unlock", nth_user(2), token), ACTIONS["unlock"])["user"]
        assert (unlocked["failures"], unlocked["is_locked"]) == (0, False)
        await login(client, **elsewhere)
    assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0
    (event,) = await events(db, "user.unlocked")
    assert (event["user_id"], event["ip_address"], event["detail"]) == (
        nth_user(2),
        "127.0.0.1",
        {"admin_id": nth_user(1)},
    )


async def test_a_user_who_is_deleted_leaves_events_that_name_nobody(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    wrong = {"email": "user@example.com", "password": "not the password"}
    await client.post("/api/auth/login", json=wrong)
    assert assert_success(await act(client, "delete", nth_user(2), admin), ACTIONS["delete"]) is None
    assert await db.fetchval("SELECT count(*) FROM users WHERE id = $1", nth_user(2)) == 0
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = $1", nth_user(2)) == 0
    *theirs, erased, deleted = [event for event in await events(db) if event["user_id"] == nth_user(2)]
    assert [event["action"] for event in theirs] == ["user.registered", "session.started", "login.failed"]
    assert {(event["ip_address"], event["user_agent"]) for event in theirs} == {(None, None)}
    assert "user@example.com" not in str(theirs)
    assert (erased["action"], erased["detail"]) == ("user.erased", {"events": 3})
    assert (deleted["action"], deleted["ip_address"]) == ("user.deleted", "127.0.0.1")
    assert deleted["detail"] == {"admin_id": nth_user(1), "changed": True}
    assert_error(await look(client, admin, f"/{nth_user(2)}"), errors.NotFound)


async def test_who_holds_records_of_the_application_is_not_deleted(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    await db.execute(f"CREATE TABLE notes (user_id {USER_IDS} REFERENCES users (id))")
    await db.execute("INSERT INTO notes VALUES ($1)", nth_user(2))
    assert_error(await act(client, "delete", nth_user(2), admin), errors.AccountInUse)
    assert await db.fetchval("SELECT count(*) FROM users") == 2
    (denied,) = await events(db, "access.denied")
    assert denied["detail"] == {"code": "account_in_use", "verb": "delete", "wanted_user": nth_user(2)}


# --- Guards ---


@walked("action", [*TAKEN_AWAY, "temporary-password"])
async def test_nobody_does_it_to_themselves(
    client: httpx.AsyncClient, user: str, admin: str, db: Database, action: str
) -> None:
    await db.execute("UPDATE users SET is_admin = true")
    before = await db.fetch("SELECT * FROM users ORDER BY id")
    assert_error(await act(client, action, nth_user(1), admin), errors.OwnAccount)
    assert await db.fetch("SELECT * FROM users ORDER BY id") == before
    (denied,) = await events(db, "access.denied")
    detail = {"code": "own_account", "verb": action, "wanted_user": nth_user(1)}
    assert (denied["user_id"], denied["detail"]) == (nth_user(1), detail)


@pytest.mark.parametrize("action", TAKEN_AWAY)
async def test_a_command_may_take_away_the_last_administrator(
    client: httpx.AsyncClient, admin: str, gate: Gatepost, db: Database, action: str
) -> None:
    administration, user = gate.administration, await gate.administration.find(str(nth_user(1)))
    calls: dict[str, Any] = {
        "disable": lambda: administration.set_active(user, is_active=False, client=Client()),
        "demote": lambda: administration.set_admin(user, is_admin=False, client=Client()),
        "delete": lambda: administration.delete(user, client=Client()),
    }
    await calls[action]()
    assert not await administration.has_admin()


@pytest.mark.parametrize("first", TAKEN_AWAY)
@pytest.mark.parametrize("second", TAKEN_AWAY)
async def test_of_administrators_who_remove_each_other_some_stay(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, first: str, second: str
) -> None:
    administration = gate.administration
    signed_in = [await register(client, f"admin{number}@example.com") for number in range(10)]
    await db.execute("UPDATE users SET is_admin = true")
    sessions = [await gate.session_tokens.resolve(each["token"]) for each in signed_in]
    calls: dict[str, Any] = {
        "disable": lambda user, by: administration.set_active(user, is_active=False, client=Client(), by=by),
        "demote": lambda user, by: administration.set_admin(user, is_admin=False, client=Client(), by=by),
        "delete": lambda user, by: administration.delete(user, client=Client(), by=by),
    }
    users = [await administration.find(str(nth_user(number))) for number in range(1, 11)]
    outcomes = await asyncio.gather(
        *(
            calls[(first, second)[number % 2]](user, sessions[number - 1])
            for number, user in enumerate(users)
        ),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} <= {
        bool,
        type(None),
        errors.AdminRequired,
        errors.SessionRevoked,
    }
    left = await db.fetchval("SELECT count(*) FROM users WHERE is_admin AND is_active")
    assert left == sum(isinstance(outcome, errors.GatepostError) for outcome in outcomes) > 0

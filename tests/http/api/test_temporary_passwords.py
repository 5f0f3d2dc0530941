"""Temporary passwords: made here, for a day, and of no use but to choose another one."""

import asyncio
import re
from datetime import datetime
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, login, nth_user, register, serving
from tests.http.conftest import Database, assert_error, assert_success, at, events
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.library import Gatepost
from gatepost.models import Client

OWN = "a password of my own"


@pytest.fixture
async def admin(client: httpx.AsyncClient, db: Database) -> str:
    token: str = (await register(client, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


@pytest.fixture
async def user(client: httpx.AsyncClient, admin: str) -> str:
    return str((await register(client))["token"])


async def give(client: httpx.AsyncClient, admin: str) -> dict[str, Any]:
    path = f"/api/auth/admin/users/{nth_user(2)}/temporary-password"
    response = await client.post(path, headers=bearer(admin))
    data: dict[str, Any] = assert_success(response, "Temporary password set successfully")
    return data


async def sign_in(client: httpx.AsyncClient, password: str, **more: object) -> httpx.Response:
    body = {"email": "user@example.com", "password": password, **more}
    return await client.post("/api/auth/login", json=body)


async def reasons(db: Database) -> list[str]:
    return [event["detail"]["reason"] for event in await events(db, "login.failed")]


async def expiry(db: Database) -> datetime | None:
    expires_at: datetime | None = await db.fetchval(
        "SELECT temporary_password_expires_at FROM users WHERE id = $1", nth_user(2)
    )
    return expires_at


async def test_it_is_shown_once_and_ends_every_session(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    given = await give(client, admin)
    assert re.fullmatch(r"[a-km-zA-HJ-NP-Z2-9]{20}", given["password"])
    assert given["user"]["temporary_password_expires_at"] == given["expires_at"]
    row = await db.fetchrow("SELECT *, now() FROM users WHERE id = $1", nth_user(2))
    assert row is not None
    assert row["temporary_password_expires_at"] == at(given["expires_at"])
    assert 86_390 < (at(given["expires_at"]) - row["now"]).total_seconds() <= 86_400
    assert given["password"] not in str(dict(row))
    assert_error(await client.get("/api/auth/me", headers=bearer(user)), errors.SessionRevoked)
    (event,) = await events(db, "user.password_set")
    assert (event["user_id"], event["detail"]) == (
        nth_user(2),
        {"admin_id": nth_user(1), "temporary": True, "changed": True},
    )
    assert (await give(client, admin))["password"] != given["password"]
    assert_error(await sign_in(client, given["password"]), errors.InvalidCredentials)
    assert_error(await sign_in(client, PASSWORD), errors.InvalidCredentials)


async def test_no_session_starts_before_it_is_changed(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    given = (await give(client, admin))["password"]
    for body in ({}, {"new_password": None}, {"cookie": True}):
        response = await sign_in(client, given, **body)
        assert_error(response, errors.PasswordChangeRequired)
        assert "set-cookie" not in response.headers
    assert (
        await db.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = $1 AND is_active", nth_user(2))
        == 0
    )
    assert await reasons(db) == ["password_change_required"] * 3
    assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0


async def test_with_another_password_it_signs_in_and_is_over(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    given = (await give(client, admin))["password"]
    data = assert_success(await sign_in(client, given, new_password=OWN), "Login successful")
    assert (await client.get("/api/auth/me", headers=bearer(data["token"]))).is_success
    assert await expiry(db) is None
    (event,) = await events(db, "password.changed")
    assert (event["user_id"], event["detail"]) == (nth_user(2), {"verb": "login", "temporary": True})
    assert event["session_id"] == await db.fetchval("SELECT id FROM user_sessions ORDER BY id DESC LIMIT 1")
    assert_error(await sign_in(client, given, new_password="yet another one"), errors.InvalidCredentials)
    await login(client, password=OWN)


@walked(
    ("new", "kind"),
    [
        ("short", errors.ValidationFailed),
        ("password123", errors.PasswordTooCommon),
        ("user@example.com", errors.PasswordIsContext),
        (None, errors.ValidationFailed),
    ],
)
async def test_the_other_password_must_be_a_good_and_another_one_whether_the_first_is_right_or_not(
    client: httpx.AsyncClient,
    user: str,
    admin: str,
    db: Database,
    new: str | None,
    kind: type[errors.GatepostError],
) -> None:
    given = (await give(client, admin))["password"]
    before = await db.fetch("SELECT * FROM users ORDER BY id")
    for password in (given, "not the password"):
        response = await sign_in(client, password, new_password=password if new is None else new)
        assert_error(response, kind, fields=response.json()["error"]["fields"])
        assert set(response.json()["error"]["fields"]) == {"new_password"}
    assert await db.fetch("SELECT * FROM users ORDER BY id") == before
    assert await reasons(db) == []


async def test_a_wrong_password_learns_nothing_of_it(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    before = (await sign_in(client, "not the password")).content
    await give(client, admin)
    for body in ({}, {"new_password": OWN}):
        response = await sign_in(client, "not the password", **body)
        assert_error(response, errors.InvalidCredentials)
        assert response.content == before
    assert await reasons(db) == ["wrong_password"] * 3


async def test_after_a_day_it_is_a_wrong_one(
    client: httpx.AsyncClient, user: str, admin: str, db: Database, clock: MovableClock
) -> None:
    given = (await give(client, admin))["password"]
    clock.advance(hours=24)
    wrong = (await sign_in(client, "not the password")).content
    for body in ({}, {"new_password": OWN}):
        response = await sign_in(client, given, **body)
        assert_error(response, errors.InvalidCredentials)
        assert response.content == wrong
    assert await reasons(db) == ["wrong_password", *["temporary_password_expired"] * 2]


async def test_who_is_disabled_does_not_get_in_with_it(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    given = (await give(client, admin))["password"]
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", nth_user(2))
    assert_error(await sign_in(client, given), errors.InvalidCredentials)
    assert_error(await sign_in(client, given, new_password=OWN), errors.InvalidCredentials)
    assert await reasons(db) == ["user_disabled"] * 2


async def test_any_password_may_be_changed_at_a_sign_in(
    client: httpx.AsyncClient, user: str, db: Database
) -> None:
    data = assert_success(await sign_in(client, PASSWORD, new_password=OWN), "Login successful")
    assert_error(await client.get("/api/auth/me", headers=bearer(user)), errors.SessionRevoked)
    assert (await client.get("/api/auth/me", headers=bearer(data["token"]))).is_success
    assert [event["detail"] for event in await events(db, "password.changed")] == [
        {"verb": "login", "temporary": False}
    ]


async def test_any_other_way_of_setting_a_password_ends_it(
    client: httpx.AsyncClient, user: str, admin: str, db: Database, gate: Gatepost
) -> None:
    await give(client, admin)
    found = await gate.administration.get(nth_user(2))
    await gate.administration.set_password(found, OWN, client=Client())
    assert await expiry(db) is None
    await login(client, password=OWN)
    await give(client, admin)
    await db.execute("UPDATE users SET name = 'Jane', updated_at = now()")
    assert await expiry(db) is not None
    await db.execute("UPDATE users SET hashed_password = 'by the application'")
    assert await expiry(db) is None


async def test_of_two_who_change_it_at_once_one_signs_in(
    client: httpx.AsyncClient, user: str, admin: str, db: Database
) -> None:
    given = (await give(client, admin))["password"]
    answers = await asyncio.gather(
        *(sign_in(client, given, new_password=f"{OWN} {number}") for number in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert (
        await db.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = $1 AND is_active", nth_user(2))
        == 1
    )


async def test_what_is_asked_for_is_throttled_as_any_login_and_the_right_one_gives_it_back(
    make_settings: MakeSettings, db: Database
) -> None:
    settings = make_settings(throttle_enabled=True, throttle_login_account="2 then 1/day")
    async with serving(create_app(settings)) as client:
        admin = (await register(client, "admin@example.com"))["token"]
        await db.execute("UPDATE users SET is_admin = true")
        await register(client)
        await db.execute("UPDATE user_sessions SET place = NULL")  # known from nowhere
        given = (await give(client, admin))["password"]
        for _ in range(4):
            assert_error(await sign_in(client, given), errors.PasswordChangeRequired)
        for _ in range(2):
            assert_error(await sign_in(client, "not the password"), errors.InvalidCredentials)
        assert_error(await sign_in(client, given), errors.TooManyAttempts)

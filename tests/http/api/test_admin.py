"""What administrators do over HTTP: for them alone, and on the trail."""

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, login, register, serving
from tests.http.conftest import Database, assert_error, assert_success, events

from gatepost import errors
from gatepost.app import create_app


async def unlock(client: httpx.AsyncClient, user_id: object, token: str) -> httpx.Response:
    return await client.post(f"/api/auth/admin/users/{user_id}/unlock", headers=bearer(token))


@pytest.fixture
async def admin(client: httpx.AsyncClient, db: Database) -> str:
    token: str = (await register(client, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


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
        assert assert_success(await unlock(client, 2, token), "User unlocked successfully") is None
        await login(client, **elsewhere)
    assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0
    (event,) = await events(db, "user.unlocked")
    assert (event["user_id"], event["ip_address"], event["detail"]) == (2, "127.0.0.1", {"admin_id": 1})


async def test_unlocking_who_is_not_locked_is_no_error(client: httpx.AsyncClient, admin: str) -> None:
    assert_success(await unlock(client, 1, admin), "User unlocked successfully")


@pytest.mark.parametrize("user_id", [99, 2**63 - 1])
async def test_a_user_who_is_not_there_is_404(client: httpx.AsyncClient, admin: str, user_id: int) -> None:
    assert_error(await unlock(client, user_id, admin), errors.NotFound)


@pytest.mark.parametrize("user_id", ["0", "-1", "x", str(2**63)])
async def test_what_can_be_no_id_is_422(client: httpx.AsyncClient, admin: str, user_id: str) -> None:
    response = await unlock(client, user_id, admin)
    assert_error(response, errors.ValidationFailed, fields=response.json()["error"]["fields"])
    assert set(response.json()["error"]["fields"]) == {"id"}


async def test_others_may_not(client: httpx.AsyncClient, admin: str, db: Database) -> None:
    token = (await register(client))["token"]
    await db.execute("INSERT INTO auth_failures (user_id, place, failures) VALUES (2, '', 100)")
    assert_error(await unlock(client, 2, token), errors.AdminRequired)
    assert_error(await client.post("/api/auth/admin/users/2/unlock"), errors.NotAuthenticated)
    assert await db.fetchval("SELECT failures FROM auth_failures") == 100
    assert [event["detail"] for event in await events(db, "access.denied")] == [{"code": "admin_required"}]

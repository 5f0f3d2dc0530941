"""`GET /admin/overview`: for administrators alone, by periods, in the form that is documented."""

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, login, nth_user, register
from tests.http.conftest import Database, assert_error, assert_success, at, events

from gatepost import errors

DONE = "Overview retrieved successfully"


async def overview(client: httpx.AsyncClient, token: str, **query: str) -> httpx.Response:
    return await client.get("/api/auth/admin/overview", params=query, headers=bearer(token))


@pytest.fixture
async def admin(client: httpx.AsyncClient, db: Database) -> str:
    token: str = (await register(client, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


async def test_an_administrator_sees_what_happened(client: httpx.AsyncClient, admin: str) -> None:
    await register(client)
    wrong = {"email": "user@example.com", "password": PASSWORD + "?"}
    for _ in range(3):
        await client.post("/api/auth/login", json=wrong)
    data = assert_success(await overview(client, admin), DONE)
    last = {name: (series["points"][-1], series["total"]) for name, series in data["series"].items()}
    assert last == {"sign_ins": (2, 2), "failures": (3, 3), "throttled": (0, 0), "new_accounts": (2, 2)}
    assert data["active_sessions"] == data["active_users"] == {"value": 2, "is_exact": True}
    assert data["addresses"] == [{"ip_address": "127.0.0.1", "failures": 3, "users": 1}]
    (account,) = data["accounts"]
    assert (account["user_id"], account["email"], account["in_a_row"]) == (nth_user(2), "user@example.com", 3)
    assert at(account["last_at"]) <= at(data["at"])
    assert (data["last_cleanup_at"], data["next_cleanup_at"]) == (None, None)


@pytest.mark.parametrize(
    ("period", "points", "step"), [("24h", 24, 3600), ("7d", 28, 21_600), ("30d", 30, 86_400)]
)
async def test_a_period_has_its_points(
    client: httpx.AsyncClient, admin: str, period: str, points: int, step: int
) -> None:
    data = assert_success(await overview(client, admin, period=period), DONE)
    assert (data["period"], data["step_seconds"]) == (period, step)
    assert {len(series["points"]) for series in data["series"].values()} == {points}
    assert 0 <= (at(data["at"]) - at(data["since"])).total_seconds() - (points - 1) * step < step


async def test_without_one_it_is_a_day(client: httpx.AsyncClient, admin: str) -> None:
    assert assert_success(await overview(client, admin), DONE)["period"] == "24h"


@pytest.mark.parametrize("period", ["", "1h", "30D"])
async def test_another_period_is_422(client: httpx.AsyncClient, admin: str, period: str) -> None:
    response = await overview(client, admin, period=period)
    assert_error(response, errors.ValidationFailed, fields=response.json()["error"]["fields"])
    assert set(response.json()["error"]["fields"]) == {"period"}


async def test_others_may_not(client: httpx.AsyncClient, admin: str, db: Database) -> None:
    await register(client)
    token = (await login(client))["token"]
    assert_error(await overview(client, token), errors.AdminRequired)
    assert_error(await client.get("/api/auth/admin/overview"), errors.NotAuthenticated)
    assert [event["detail"] for event in await events(db, "access.denied")] == [{"code": "admin_required"}]

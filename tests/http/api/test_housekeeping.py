"""Cleaning up on demand: for administrators, at once, and on the trail."""

import httpx
import pytest
from tests.conftest import bearer, login, nth_user, register, serving
from tests.http.conftest import Database, MakeApp, StoppedClock, assert_error, assert_success, events

from gatepost import errors


async def cleanup(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/cleanup", headers=bearer(token))


async def test_it_ends_what_has_expired_and_purges_what_ended_long_ago(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app(session_history_days=7)) as client:
        gone = (await register(client))["token"]
        await client.post("/api/auth/logout", headers=bearer(gone))
        stopped.advance(days=7, minutes=-30)
        await login(client)
        await login(client)
        stopped.advance(minutes=30, microseconds=1)
        await db.execute("UPDATE users SET is_admin = true")
        token = (await login(client))["token"]
        data = assert_success(await cleanup(client, token), "Expired sessions cleaned up successfully")
        assert data == {"sessions_expired": 2, "sessions_purged": 1}
        assert (await cleanup(client, token)).json()["data"] == {"sessions_expired": 0, "sessions_purged": 0}
    rows = await db.fetch(
        "SELECT id, ended_at = expires_at AS in_time, end_reason FROM user_sessions ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [(2, True, "expired"), (3, True, "expired"), (4, None, None)]


async def test_what_ended_exactly_at_the_edge_of_the_history_stays(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app(session_history_days=7)) as client:
        token = (await register(client))["token"]
        await client.post("/api/auth/logout", headers=bearer(token))
        stopped.advance(days=7)
        await db.execute("UPDATE users SET is_admin = true")
        token = (await login(client))["token"]
        assert (await cleanup(client, token)).json()["data"]["sessions_purged"] == 0
        stopped.advance(microseconds=1)
        assert (await cleanup(client, token)).json()["data"]["sessions_purged"] == 1


async def test_it_is_on_the_trail_with_what_it_did(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await login(client)
    await db.execute("UPDATE users SET is_admin = true")
    await db.execute("UPDATE user_sessions SET expires_at = now() WHERE id = 2")
    await client.post("/api/auth/cleanup", headers=bearer(token) | {"User-Agent": "curl/8"})
    assert await events(db, "cleanup.run") == [
        {
            "action": "cleanup.run",
            "user_id": nth_user(1),
            "session_id": 1,
            "ip_address": "127.0.0.1",
            "user_agent": "curl/8",
            "detail": {"sessions_expired": 1, "sessions_purged": 0},
        }
    ]


async def test_who_is_no_administrator_is_403_and_on_the_trail(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await login(client)
    await db.execute("UPDATE user_sessions SET expires_at = now() WHERE id = 2")
    assert_error(await cleanup(client, token), errors.AdminRequired)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 2
    (event,) = await events(db, "access.denied")
    assert (event["user_id"], event["session_id"], event["detail"]) == (
        nth_user(1),
        1,
        {"code": "admin_required"},
    )


@pytest.mark.parametrize("days", [0, 36_500])
async def test_the_history_may_be_none_or_a_century(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database, days: int
) -> None:
    async with serving(stopped_app(session_history_days=days)) as client:
        await register(client)
        await db.execute("UPDATE users SET is_admin = true")
        stopped.advance(minutes=31)
        token = (await login(client))["token"]
        data = (await cleanup(client, token)).json()["data"]
    assert data == {"sessions_expired": 1, "sessions_purged": 1 if days == 0 else 0}

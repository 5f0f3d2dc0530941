"""Lists of a user with thousands of sessions: page by page, nothing is read or sent whole."""

import json
from typing import Any

import httpx
import pytest
from tests.conftest import bearer, login, nth_user, register, serving
from tests.http.conftest import Database, MakeApp, assert_error, assert_success
from tests.walking import walked

from gatepost import errors
from gatepost.http.pages import devices
from gatepost.services import exports
from gatepost.store import profiles as store

MANY = 2_000


@pytest.fixture
async def token(client: httpx.AsyncClient, db: Database) -> str:
    """The token of a user who has many more sessions, every second one used at the same moment."""
    token: str = (await register(client))["token"]
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, last_used_at, user_agent)
        SELECT 't' || i, $2, now() + interval '1 hour', now() - interval '1 s' * (i / 2), repeat('x', 200)
        FROM generate_series(1, $1) i
        """,
        MANY,
        nth_user(1),
    )
    return token


async def test_the_sessions_come_page_by_page_and_each_once(client: httpx.AsyncClient, token: str) -> None:
    seen: list[int] = []
    query: dict[str, str | int] = {}
    pages = 0
    while True:
        answer = await client.get("/api/auth/sessions", params=query, headers=bearer(token))
        assert len(answer.content) < 100_000
        data = assert_success(answer, "User sessions retrieved successfully")
        assert data["total_active_sessions"] == MANY + 1
        seen += [each["id"] for each in data["sessions"]]
        pages += 1
        if "next_cursor" not in data:
            break
        query = {"cursor": data["next_cursor"], "limit": 200}
    assert (len(seen), len(set(seen)), pages) == (MANY + 1, MANY + 1, 11)


@walked(
    ("field", "value"), [("limit", "0"), ("limit", "201"), ("cursor", ""), ("cursor", "x"), ("cursor", "1-x")]
)
async def test_what_is_no_page_is_422(client: httpx.AsyncClient, token: str, field: str, value: str) -> None:
    answer = await client.get("/api/auth/sessions", params={field: value}, headers=bearer(token))
    assert_error(answer, errors.ValidationFailed, fields=answer.json()["error"]["fields"])
    assert set(answer.json()["error"]["fields"]) == {field}


async def test_an_export_is_sent_in_parts_and_is_one_document(
    client: httpx.AsyncClient, token: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "EXPORT_BATCH", 300)
    answer = await client.get("/api/auth/export", headers=bearer(token))
    document = json.loads(answer.content)
    assert document["success"]
    ids = [each["id"] for each in document["data"]["sessions"]]
    assert ids == sorted(range(1, MANY + 2), reverse=True)
    actions = [each["action"] for each in document["data"]["events"]]
    assert actions == ["session.started", "user.registered"]


async def test_a_batch_of_an_export_is_small(
    client: httpx.AsyncClient, token: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    sessions = store.sessions

    async def counted(*args: Any, **kwargs: Any) -> Any:
        found = await sessions(*args, **kwargs)
        read.append(len(found))
        return found

    monkeypatch.setattr(store, "sessions", counted)
    await client.get("/api/auth/export", headers=bearer(token))
    assert max(read) == exports.EXPORT_BATCH + 1
    assert sum(read) >= MANY


async def test_the_page_of_devices_shows_some_and_leads_to_the_others(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    body = {"email": "user@example.com", "password": "securepassword123", "cookie": True}
    origin = {"Sec-Fetch-Site": "same-origin"}
    await db.execute("UPDATE user_sessions SET last_used_at = last_used_at - interval '1 h'")
    assert (await client.post("/api/auth/login", json=body, headers=origin)).is_success
    page = await client.get("/auth/devices", headers=origin)
    assert page.status_code == 200
    assert len(page.content) < 60_000
    assert page.text.count('name="end"') + page.text.count("/sign-out") >= devices.ROWS
    assert page.text.count('<li class="card') == devices.ROWS
    assert 'rel="next" href="/auth/devices?after=' in page.text


async def test_a_user_has_a_hundred_sessions_where_nobody_says_otherwise(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        await register(client)
        await db.execute(
            """
            INSERT INTO user_sessions (session_token, user_id, expires_at)
            SELECT 't' || i, u.id, now() + interval '1 day' FROM users u, generate_series(1, 300) i
            """
        )
        newest = (await login(client))["token"]
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 100
        assert (await client.get("/api/auth/me", headers=bearer(newest))).is_success

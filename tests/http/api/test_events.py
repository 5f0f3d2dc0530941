"""The caller's own audit trail, page by page."""

from typing import Any

import asyncpg
import httpx
import pytest
from tests.conftest import bearer, login, nth_user, register, serving
from tests.http.conftest import TIME, Database, MakeApp, Standing, assert_error, assert_success
from tests.walking import walked

from gatepost import errors


async def page(client: httpx.AsyncClient, token: str, **query: object) -> dict[str, Any]:
    params = {key: str(value) for key, value in query.items()}
    response = await client.get("/api/auth/events", headers=bearer(token), params=params)
    data = assert_success(response, "Events retrieved successfully")
    assert isinstance(data, dict)
    return data


async def add_events(db: Database, user_id: int | str, number: int) -> None:
    await db.execute(
        "INSERT INTO auth_events (action, user_id) SELECT 'session.started', $1 FROM generate_series(1, $2)",
        user_id,
        number,
    )


async def test_an_event_has_all_of_its_fields(stopped_app: MakeApp) -> None:
    async with serving(stopped_app(), host="192.168.1.100") as client:
        token = (await register(client, **{"User-Agent": "Mozilla/5.0..."}))["token"]
        data = await page(client, token)
    own = {"at": "2024-01-01T00:00:00Z", "ip_address": "192.168.1.100", "user_agent": "Mozilla/5.0..."}
    last, first = data["events"]
    assert last == own | {"id": last["id"], "action": "session.started", "session_id": 1, "detail": {}}
    assert first == own | {"id": first["id"], "action": "user.registered", "session_id": None, "detail": {}}
    assert data["next_cursor"] is None


async def test_the_newest_come_first(client: httpx.AsyncClient) -> None:
    await register(client)
    await client.post("/api/auth/login", json={"email": "user@example.com", "password": "wrong password"})
    token = (await login(client))["token"]
    shown = (await page(client, token))["events"]
    assert [e["action"] for e in shown] == [
        "session.started",
        "login.failed",
        "session.started",
        "user.registered",
    ]
    assert shown[1]["detail"]["reason"] == "wrong_password"
    assert all(TIME.fullmatch(e["at"]) for e in shown)


async def test_nobody_sees_the_events_of_others(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    other = (await register(client, email="other@example.com"))["token"]
    await add_events(db, nth_user(1), 5)
    await db.execute("INSERT INTO auth_events (action) VALUES ('login.failed')")
    shown = (await page(client, other))["events"]
    assert [e["action"] for e in shown] == ["session.started", "user.registered"]
    assert (await page(client, other, cursor=shown[1]["id"]))["events"] == []


@walked("limit", [1, 3, 7, 60])
async def test_pages_show_each_event_once(client: httpx.AsyncClient, db: Database, limit: int) -> None:
    token = (await register(client))["token"]
    await register(client, email="other@example.com")
    for _ in range(3):
        await add_events(db, nth_user(1), 6)
        await add_events(db, nth_user(2), 6)
    seen: list[int] = []
    query: dict[str, object] = {"limit": limit}
    while True:
        shown = await page(client, token, **query)
        assert len(shown["events"]) <= limit
        assert not seen or shown["events"][0]["id"] < seen[-1]
        seen += [e["id"] for e in shown["events"]]
        if shown["next_cursor"] is None:
            break
        assert shown["next_cursor"] == str(seen[-1])
        query["cursor"] = shown["next_cursor"]
    own = await db.fetch("SELECT id FROM auth_events WHERE user_id = $1 ORDER BY id DESC", nth_user(1))
    assert seen == [row["id"] for row in own]


async def test_a_page_that_ends_with_the_last_event_has_no_next(client: httpx.AsyncClient) -> None:
    token = (await register(client))["token"]
    assert (await page(client, token, limit=2))["next_cursor"] is None
    assert (await page(client, token, limit=1))["next_cursor"] is not None


async def test_events_that_come_meanwhile_shift_no_page(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await add_events(db, nth_user(1), 10)
    first = await page(client, token, limit=6)
    await add_events(db, nth_user(1), 10)
    second = await page(client, token, limit=6, cursor=first["next_cursor"])
    seen = [e["id"] for e in first["events"] + second["events"]]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 12


async def test_a_page_holds_50_where_nothing_is_said_and_200_at_the_most(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await add_events(db, nth_user(1), 250)
    assert len((await page(client, token))["events"]) == 50
    assert len((await page(client, token, limit=200))["events"]) == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", ""),
        ("cursor", "0"),
        ("cursor", "-5"),
        ("cursor", str(2**63)),
        ("cursor", "'; DROP TABLE users; --"),
        ("cursor", "1.5"),
    ],
)
async def test_a_limit_or_cursor_that_does_not_fit_is_422(standing: Standing, field: str, value: str) -> None:
    response = await standing.client.get(
        "/api/auth/events", headers=bearer(standing.token), params={field: value}
    )
    fields = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=fields)
    assert list(fields) == [field]


async def test_the_largest_cursor_there_is_shows_everything(standing: Standing) -> None:
    assert (await page(standing.client, standing.token, cursor=2**63 - 1))["events"]


# --- Append-only ---


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth_events SET action = 'x'",
        "UPDATE auth_events SET action = 'x' WHERE false",
        "DELETE FROM auth_events",
        "TRUNCATE auth_events",
    ],
)
async def test_no_sql_changes_or_removes_an_event(standing: Standing, statement: str) -> None:
    before = await standing.db.fetch("SELECT * FROM auth_events")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await standing.db.execute(statement)
    assert await standing.db.fetch("SELECT * FROM auth_events") == before


async def test_events_outlive_the_user_and_the_session(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await db.execute("DELETE FROM users")
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE user_id = $1", nth_user(1)) == 2

"""What administrators see of everybody's sessions and events over HTTP, and what they end."""

import asyncio
import codecs
import csv
import io
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.conftest import Environment
from tests.cli.conftest import serving as served
from tests.conftest import SECRET_KEY, MakeSettings, MovableClock, bearer, login, nth_user, register
from tests.http.conftest import Database, assert_error, assert_success, events, until_waiting
from tests.http.test_uvicorn import running
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.http import streams
from gatepost.services import feed, trail

ROUTES = (
    ("GET", "sessions"),
    ("DELETE", "sessions/1"),
    ("POST", "sessions/end"),
    ("GET", "events"),
    ("GET", "events/export"),
    ("GET", "events/live"),
)
WRONG = {"email": "user@example.com", "password": "wrong password"}


@pytest.fixture
async def admin(client: httpx.AsyncClient, db: Database) -> str:
    token: str = (await register(client, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


async def ask(client: httpx.AsyncClient, token: str, path: str, **params: object) -> Any:
    response = await client.get(f"/api/auth/admin/{path}", headers=bearer(token), params=params)  # type: ignore[arg-type]  # passed on
    return assert_success(response, f"{path.capitalize()} retrieved successfully")


@walked(("method", "path"), ROUTES)
async def test_others_may_not(client: httpx.AsyncClient, admin: str, method: str, path: str) -> None:
    token = (await register(client))["token"]
    body: dict[str, Any] = {"json": {"expected": 1}} if method == "POST" else {}
    url = f"/api/auth/admin/{path}"
    assert_error(await client.request(method, url, **body), errors.NotAuthenticated)
    refused = await client.request(method, url, headers=bearer(token), **body)
    assert_error(refused, errors.AdminRequired)
    assert (await client.get("/api/auth/me", headers=bearer(admin))).status_code == 200


@pytest.mark.parametrize(("method", "path"), [ROUTES[1], ROUTES[2]])
async def test_what_ends_sessions_asks_for_a_fresh_one(
    client: httpx.AsyncClient, admin: str, clock: MovableClock, method: str, path: str
) -> None:
    clock.advance(minutes=11)
    body: dict[str, Any] = {"json": {"expected": 0}} if method == "POST" else {}
    refused = await client.request(method, f"/api/auth/admin/{path}", headers=bearer(admin), **body)
    assert_error(refused, errors.FreshSessionRequired)


# --- Sessions ---


async def test_sessions_are_everybodys_with_their_users(client: httpx.AsyncClient, admin: str) -> None:
    await register(client)
    data = await ask(client, admin, "sessions")
    assert [(each["email"], each["user_id"], each["is_current"]) for each in data["sessions"]] == [
        ("user@example.com", nth_user(2), False),
        ("admin@example.com", nth_user(1), True),
    ]
    assert (data["next_cursor"], data["total_active_sessions"]) == (None, 1)


async def test_filters_of_sessions_are_combined(
    client: httpx.AsyncClient, admin: str, db: Database, clock: MovableClock
) -> None:
    await register(client)
    for _ in range(5):
        await login(client)
    await db.execute("UPDATE user_sessions SET ip_address = '203.0.113.' || id")
    await db.execute("UPDATE user_sessions SET ip_address = '2001:db8::7' WHERE id = 3")
    await db.execute("UPDATE user_sessions SET ip_address = '203.0.113' WHERE id = 4")
    await db.execute("UPDATE user_sessions SET created_at = now() - interval '1 hour' WHERE id IN (5, 6)")
    await db.execute("UPDATE user_sessions SET last_used_at = now() - interval '5 minutes' WHERE id = 6")
    for params, expected in (
        ({"user": nth_user(2)}, [7, 6, 5, 4, 3, 2]),
        ({"address": "203.0.113.5"}, [5]),
        ({"address": "203.0.113.0/29"}, [7, 6, 5, 2, 1]),
        ({"address": "2001:DB8::/32"}, [3]),
        ({"address": "0.0.0.0/0", "user": nth_user(2)}, [7, 6, 5, 2]),
        ({"older_than_minutes": 30}, [6, 5]),
        ({"unused_for_minutes": 4}, [6]),
        ({"older_than_minutes": 30, "address": "203.0.113.5", "user": nth_user(2)}, [5]),
        ({"user": nth_user(99)}, []),
    ):
        data = await ask(client, admin, "sessions", **params)
        assert [each["id"] for each in data["sessions"]] == expected, params


async def test_pages_of_sessions_stay_as_they_are_while_sessions_are_added(
    client: httpx.AsyncClient, admin: str
) -> None:
    await register(client)
    await login(client)
    first = await ask(client, admin, "sessions", limit=2)
    assert [each["id"] for each in first["sessions"]] == [3, 2]
    await login(client)
    rest = await ask(client, admin, "sessions", limit=2, cursor=first["next_cursor"])
    assert [each["id"] for each in rest["sessions"]] == [1]
    assert (rest["next_cursor"], rest["total_active_sessions"]) == (None, None)


@walked("path", ["sessions", "events", "events/export"])
@walked("address", ["%", "203.0.113.%", "203.0.113.0/33", "203.0.113.0/-1", "x", "1.2.3", ""])
async def test_what_is_no_address_is_422(
    client: httpx.AsyncClient, admin: str, path: str, address: str
) -> None:
    response = await client.get(f"/api/auth/admin/{path}", headers=bearer(admin), params={"address": address})
    told = "Enter an address such as 203.0.113.7, or a network such as 2001:db8::/32"
    assert_error(response, errors.ValidationFailed, fields={"address": told})


async def test_one_session_ends_with_what_it_was_refreshed_to(
    client: httpx.AsyncClient, admin: str, db: Database
) -> None:
    token = (await register(client))["token"]
    refreshed = (await client.post("/api/auth/refresh", headers=bearer(token))).json()["data"]["token"]
    url = "/api/auth/admin/sessions/2"
    assert_success(await client.delete(url, headers=bearer(admin)), "Session revoked successfully")
    refused = await client.get("/api/auth/me", headers=bearer(refreshed))
    assert_error(refused, errors.SessionRevoked)
    (event,) = await events(db, "session.revoked")
    assert (event["user_id"], event["detail"]["admin_id"]) == (nth_user(2), nth_user(1))
    for again in ("2", "99"):
        response = await client.delete(f"/api/auth/admin/sessions/{again}", headers=bearer(admin))
        assert_error(response, errors.NotFound)


async def end(client: httpx.AsyncClient, token: str, **body: object) -> httpx.Response:
    return await client.post("/api/auth/admin/sessions/end", headers=bearer(token), json=body)


async def test_all_of_a_filter_end_and_the_own_one_goes_on(
    client: httpx.AsyncClient, admin: str, db: Database
) -> None:
    tokens = [(await register(client))["token"], (await login(client))["token"]]
    answered = await end(client, admin, expected=2, address="127.0.0.0/8")
    assert assert_success(answered, "Sessions ended successfully") == {"sessions_revoked": 2}
    for token in tokens:
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401
    assert (await client.get("/api/auth/me", headers=bearer(admin))).status_code == 200
    (whole,) = await events(db, "sessions.ended")
    assert whole["detail"] == {
        "admin_id": nth_user(1),
        "filter": {"address": "127.0.0.0/8"},
        "sessions": 2,
        "users": 1,
    }
    each = await events(db, "session.revoked")
    assert [(event["user_id"], event["session_id"]) for event in each] == [(nth_user(2), 2), (nth_user(2), 3)]
    assert all(event["detail"]["admin_id"] == nth_user(1) for event in each)


async def test_nothing_ends_where_the_number_is_another(
    client: httpx.AsyncClient, admin: str, db: Database
) -> None:
    await register(client)
    for expected in (0, 2):
        body = assert_error(await end(client, admin, expected=expected), errors.CountChanged)
        assert body["message"].startswith("There is now 1 session, not ")
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 2
    assert await events(db, "sessions.ended") == []


async def test_a_session_that_is_refreshed_while_all_end_ends_as_well(
    client: httpx.AsyncClient, admin: str, db: Database
) -> None:
    token = (await register(client))["token"]
    transaction = db.transaction()
    await transaction.start()
    await db.execute("SELECT FROM users WHERE id = $1 FOR SHARE", nth_user(2))
    ending = asyncio.create_task(end(client, admin, expected=1, user=nth_user(2)))
    await until_waiting(db, 1)
    refreshed = await client.post("/api/auth/refresh", headers=bearer(token))
    successor = refreshed.json()["data"]["token"]
    await transaction.commit()
    assert_success(await ending, "Sessions ended successfully")
    assert_error(await client.get("/api/auth/me", headers=bearer(successor)), errors.SessionRevoked)


# --- Events ---


async def test_filters_of_events_are_combined(client: httpx.AsyncClient, admin: str, db: Database) -> None:
    await register(client)
    await client.post("/api/auth/login", json=WRONG)
    await db.execute(
        """
        INSERT INTO auth_events (at, action, user_id, ip_address) VALUES
            ('2024-01-01T00:00:00Z', 'login.failed', $1, '203.0.113.7'),
            ('2024-01-02T00:00:00Z', 'login_x', NULL, '203.0.113.8'),
            ('2024-01-03T00:00:00Z', 'loginX.y', NULL, 'no address: 203.0.113.8')
        """,
        nth_user(2),
    )
    for params, expected in (
        ({"action": "login.failed", "user": nth_user(2)}, ["login.failed", "login.failed"]),
        ({"action": "login."}, ["login.failed", "login.failed"]),
        ({"action": "login"}, []),
        ({"action": "login_failed"}, []),
        ({"action": "%."}, []),
        ({"action": "_ogin."}, []),
        ({"address": "203.0.113.0/24"}, ["login_x", "login.failed"]),
        ({"address": "203.0.113.7", "action": "login.", "user": nth_user(2)}, ["login.failed"]),
        ({"since": "2024-01-02T00:00:00Z", "until": "2024-01-03T00:00:00Z"}, ["login_x"]),
        ({"until": "2024-01-01T00:00:00Z"}, []),
        ({"action": "user.registered"}, ["user.registered", "user.registered"]),
    ):
        data = await ask(client, admin, "events", **params)
        assert [event["action"] for event in data["events"]] == expected, params
        assert data["next_cursor"] is None
    (found,) = (await ask(client, admin, "events", address="203.0.113.7"))["events"]
    assert (found["email"], found["user_id"]) == ("user@example.com", nth_user(2))


async def test_pages_of_events_stay_as_they_are_while_events_are_added(
    client: httpx.AsyncClient, admin: str, db: Database
) -> None:
    await db.execute("INSERT INTO auth_events (action) SELECT 'a' FROM generate_series(1, 5)")
    seen, cursor = [], None
    while True:
        more: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        data = await ask(client, admin, "events", action="a", limit=2, **more)
        seen += [event["id"] for event in data["events"]]
        cursor = data["next_cursor"]
        if cursor is None:
            break
        await db.execute("INSERT INTO auth_events (action) VALUES ('a')")
    expected = await db.fetch("SELECT id FROM auth_events WHERE action = 'a' ORDER BY id LIMIT 5")
    assert seen == [row["id"] for row in reversed(expected)]


async def test_a_long_trail_is_searched_in_parts_and_by_time(
    client: httpx.AsyncClient, admin: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (at, action)
        SELECT '2024-01-01T00:00:00Z'::timestamptz + i * interval '1 hour',
            CASE WHEN i = 7 THEN 'rare.one' ELSE 'a' END
        FROM generate_series(0, 999) i
        """
    )
    monkeypatch.setattr(trail, "WINDOW", 50)
    monkeypatch.setattr(trail, "PAGE_SECONDS", 0.0)
    params: dict[str, object] = {"action": "rare.", "until": "2024-01-03T00:00:00Z"}
    pages = 0
    while True:
        data = await ask(client, admin, "events", **params)
        pages += 1
        if data["events"] or data["next_cursor"] is None:
            break
        params["cursor"] = data["next_cursor"]
    assert [event["action"] for event in data["events"]] == ["rare.one"]
    assert pages <= 3  # the days after were not looked at
    monkeypatch.setattr(trail, "PAGE_SECONDS", 10.0)
    day = {"since": "2024-01-20T00:00:00Z", "until": "2024-01-21T00:00:00Z", "limit": 200}
    assert len((await ask(client, admin, "events", **day))["events"]) == 24


@walked("separator", [";", "\t", "|", ","])
async def test_no_program_reads_a_formula_in_an_export_wherever_it_sets_cells_apart(
    client: httpx.AsyncClient, admin: str, db: Database, separator: str
) -> None:
    hostile = [
        *(f"Mozilla{between}=cmd" for between in ("; ", ";", ';"', '; "', "|", "\t", "\n", "\r\n", ';;"" ')),
        *("x;+1", "x;-1", "x;@x", "x;\uff1d1", ";=1", '"=1', " =1", '" =1', "a,=1", 'a","=1', 'a";"=1'),
    ]
    for text in hostile:
        await db.execute(
            "INSERT INTO auth_events (action, user_agent, detail)"
            " VALUES ('a', $1::text, jsonb_build_object('email', $1::text))",
            text,
        )
    url = "/api/auth/admin/events/export"
    response = await client.get(url, headers=bearer(admin), params={"action": "a"})
    text = response.content.decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    if separator != ",":  # as a program reads it that heeds no quotes but those around a cell
        cells += [cell for line in text.splitlines() for cell in line.split(separator)]
    assert len(cells) > len(hostile)
    formulas = [cell for cell in cells if cell.lstrip(' "').startswith(("=", "+", "-", "@", "\uff1d"))]
    assert formulas == []


async def test_an_export_is_all_of_a_filter_and_safe_for_spreadsheets(
    client: httpx.AsyncClient, admin: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "BATCH", 2)
    for agent in ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "\uff1d1", 'say "x", y', "plain"):
        await db.execute("INSERT INTO auth_events (action, user_agent) VALUES ('a', $1)", agent)
    url = "/api/auth/admin/events/export"
    response = await client.get(url, headers=bearer(admin), params={"action": "a"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="gatepost-events.csv"'
    assert response.headers["cache-control"] == "no-store"
    assert response.content.startswith(codecs.BOM_UTF8)  # else Excel reads another encoding
    head, *rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline=""))
    assert head == [
        *("id", "at", "action", "user_id", "email", "session_id", "ip_address", "user_agent", "detail")
    ]
    assert [row[7] for row in rows] == [
        *("plain", 'say "x", y', "'\uff1d1", "'\nx", "'\rx", "'\tx", "'@x", "'-1", "'+1", "'=1+1")
    ]
    as_lines = await client.get(url, headers=bearer(admin), params={"action": "a", "format": "ndjson"})
    assert as_lines.headers["content-type"] == "application/x-ndjson"
    listed = (await ask(client, admin, "events", action="a"))["events"]
    assert [json.loads(line) for line in as_lines.text.splitlines()] == listed
    noted = await events(db, "events.exported")
    assert [(each["session_id"], each["detail"]) for each in noted] == [
        (1, {"admin_id": nth_user(1), "filter": {"action": "a"}, "format": form})
        for form in ("csv", "ndjson")
    ]


async def test_an_export_holds_no_connection_while_nobody_takes_it(
    make_settings: MakeSettings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 1.0)
    app = create_app(make_settings(database_pool_size=1))
    async with running(app, "httptools") as url, httpx.AsyncClient(base_url=url) as client:
        token = (await register(client, "admin@example.com"))["token"]
        await db.execute("UPDATE users SET is_admin = true")
        await db.execute(
            """
            INSERT INTO auth_events (action, user_agent)
            SELECT 'a', repeat('x', 512) FROM generate_series(1, 60000)
            """
        )
        path = "/api/auth/admin/events/export"
        async with client.stream("GET", path, headers=bearer(token)) as response:
            parts = response.aiter_raw(1024)
            await anext(parts)
            # Nobody reads on: the server's buffers fill, and everybody else has the one connection.
            for _ in range(3):
                assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
                listed = await client.get("/api/auth/sessions", headers=bearer(token))
                assert listed.status_code == 200
            await parts.aclose()  # type: ignore[attr-defined]  # a generator
        busy = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
        """
        async with asyncio.timeout(60):  # the batch under way is the last one
            while await db.fetchval(busy):
                await db.execute("SELECT pg_stat_clear_snapshot()")


# --- Live ---


class Watched:
    """The lines of a live stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.response = response

    async def event(self) -> dict[str, Any]:
        """Return the next event, with its id as the stream has it."""
        found: dict[str, Any] = {}
        async with asyncio.timeout(60):
            while "data" not in found:
                name, _, value = (await anext(self._lines)).partition(": ")
                found[name] = value
        event: dict[str, Any] = json.loads(found["data"])
        assert str(event["id"]) == found["id"]
        return event

    async def end(self) -> None:
        async with asyncio.timeout(60):
            async for _ in self._lines:
                pass


@pytest.fixture
async def site(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A real server."""
    async with (
        running(create_app(make_settings()), "httptools") as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield client


@pytest.fixture
async def watcher(site: httpx.AsyncClient, db: Database) -> str:
    token: str = (await register(site, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


def live(client: httpx.AsyncClient, token: str, **headers: str) -> Any:
    return client.stream("GET", "/api/auth/admin/events/live", headers=bearer(token) | headers)


async def test_a_failed_login_is_seen_when_the_database_says_so_and_not_at_the_next_look(
    monkeypatch: pytest.MonkeyPatch, site: httpx.AsyncClient, watcher: str
) -> None:
    await register(site)
    monkeypatch.setattr(feed, "LOOK_SECONDS", 3_600)
    monkeypatch.setattr(feed, "POLL_SECONDS", 3_600)
    async with live(site, watcher) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["cache-control"] == "no-store"
        assert "x-request-id" in response.headers
        watched = Watched(response)
        await site.post("/api/auth/login", json=WRONG)
        event = await watched.event()
    assert (event["action"], event["email"]) == ("login.failed", "user@example.com")


async def test_a_stream_goes_on_from_the_last_event_that_was_seen(
    site: httpx.AsyncClient, watcher: str, db: Database
) -> None:
    last = await db.fetchval("SELECT max(id) FROM auth_events")
    await db.execute("INSERT INTO auth_events (action) VALUES ('a'), ('b')")
    async with live(site, watcher, **{"Last-Event-ID": str(last)}) as response:
        watched = Watched(response)
        assert [(await watched.event())["action"] for _ in range(2)] == ["a", "b"]
        await db.execute("INSERT INTO auth_events (action) VALUES ('c')")
        assert (await watched.event())["action"] == "c"


async def test_a_stream_ends_with_the_session_or_the_rights(
    site: httpx.AsyncClient, watcher: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    for statement in (
        "UPDATE users SET is_admin = false",
        "UPDATE users SET is_admin = true; UPDATE user_sessions SET is_active = false",
    ):
        await db.execute("UPDATE users SET is_admin = true")
        async with live(site, watcher) as response:
            assert response.status_code == 200
            await db.execute(statement)
            await Watched(response).end()


async def test_a_user_has_so_many_streams_and_no_more(
    site: httpx.AsyncClient, watcher: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    async with live(site, watcher) as response:
        assert response.status_code == 200
        async with live(site, watcher) as refused:
            await refused.aread()
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "too_many_attempts"
            assert refused.headers["retry-after"]
    async with asyncio.timeout(60):  # the server learns of it in its own time
        while True:
            async with live(site, watcher) as again:
                if again.status_code == 200:
                    break


async def test_a_quiet_stream_has_a_heartbeat(
    site: httpx.AsyncClient, watcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    async with live(site, watcher) as response, asyncio.timeout(60):
        lines = response.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == ["retry: 2000", "", ": "]


async def test_a_watched_server_stops_at_once(
    environment: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": dsn,
        "SECRET_KEY": SECRET_KEY,
        "ENVIRONMENT": "test",
        "BCRYPT_ROUNDS": "4",
        "GATEPOST_HOME": str(tmp_path / "home"),
    }
    async with served(environment | settings, "--port", "0", cwd=tmp_path) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            token = (await register(client, "admin@example.com"))["token"]
            await db.execute("UPDATE users SET is_admin = true")
            async with live(client, token) as response:
                watched = Watched(response)
                await client.post("/api/auth/login", json=WRONG)
                assert (await watched.event())["action"] == "login.failed"
                stopping = asyncio.create_task(server.stop(signal.SIGTERM))
                await watched.end()
        ended = await stopping
    assert ended.code == 0
    assert "Traceback" not in ended.err

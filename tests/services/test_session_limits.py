"""Limits of a session: its idle end, by the row alone, and how many sessions a user may have."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, login, register, serving
from tests.walking import walked

from gatepost.app import create_app
from gatepost.errors import Unavailable
from gatepost.gate import Gate
from gatepost.library import Gatepost
from gatepost.models import SessionFilter
from gatepost.security.passwords import Password
from gatepost.services.lines import Line
from gatepost.store import uses as store

IDLE = 20
"""Minutes."""


async def code(client: httpx.AsyncClient, token: str, method: str = "GET", path: str = "me") -> str | None:
    """Return the code of the refusal, None where there was none."""
    response = await client.request(method, f"/api/auth/{path}", headers=bearer(token))
    return None if response.is_success else str(response.json()["error"]["code"])


@pytest.fixture
def idle_app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    clock.advance(hours=1)  # what the database thinks of the time is out of the way
    return create_app(make_settings(session_idle_minutes=IDLE, session_expire_minutes=600), clock=clock)


@pytest.fixture
async def client(idle_app: FastAPI) -> Any:
    async with serving(idle_app) as client:
        yield client


@pytest.fixture
def gate(idle_app: FastAPI) -> Gate:
    found: Gate = idle_app.state.gatepost
    return found


# --- Idle ---


@walked(
    ("method", "path"),
    [
        ("GET", "me"),
        ("GET", "verify"),
        ("GET", "sessions"),
        ("POST", "refresh"),
        ("POST", "logout"),
        ("POST", "logout-all"),
        ("DELETE", "sessions/1"),
    ],
)
async def test_a_session_that_nobody_used_for_so_long_is_over_everywhere(
    client: httpx.AsyncClient, clock: MovableClock, db: Any, method: str, path: str
) -> None:
    token = (await register(client))["token"]
    clock.advance(minutes=IDLE)
    assert await code(client, token, method, path) == "session_expired"
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1, "not written down"


async def test_passwords_can_not_be_confirmed_or_changed_in_it(
    client: httpx.AsyncClient, clock: MovableClock, db: Any
) -> None:
    token = (await register(client))["token"]
    clock.advance(minutes=IDLE)
    bodies = {"confirm": {"password": PASSWORD}, "password": {"current": PASSWORD, "new": "another one here"}}
    for path, body in bodies.items():
        response = await client.post(f"/api/auth/{path}", json=body, headers=bearer(token))
        assert response.json()["error"]["code"] == "session_expired"
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_just_before_it_is_not_over(client: httpx.AsyncClient, clock: MovableClock) -> None:
    token = (await register(client))["token"]
    clock.advance(minutes=IDLE, seconds=-1)
    assert await code(client, token) is None


async def test_a_session_in_use_lives_on_though_its_use_is_written_behind(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    token = (await register(client))["token"]
    for _ in range(6):
        clock.advance(minutes=IDLE - 1)
        assert await code(client, token) is None
    clock.advance(minutes=IDLE)
    assert await code(client, token) == "session_expired"


async def test_uses_too_close_to_be_written_do_not_bring_its_end_forward_by_more_than_that(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    """The last use that was not written lies less than SESSION_TOUCH_SECONDS after one that was."""
    token = (await register(client))["token"]
    for _ in range(3 * IDLE):
        clock.advance(seconds=59)
        assert await code(client, token) is None
    clock.advance(minutes=IDLE - 1, seconds=-1)
    assert await code(client, token) is None


async def test_another_worker_sees_the_use_at_once(
    make_settings: MakeSettings, client: httpx.AsyncClient, clock: MovableClock
) -> None:
    settings = make_settings(session_idle_minutes=IDLE, session_expire_minutes=600)
    async with serving(create_app(settings, clock=clock)) as other:
        token = (await register(client))["token"]
        for turn in range(6):
            clock.advance(minutes=IDLE - 1)
            assert await code((client, other)[turn % 2], token) is None


async def test_uses_at_once_are_written_together(
    client: httpx.AsyncClient, gate: Gate, clock: MovableClock, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [(await register(client))["token"]] + [(await login(client))["token"] for _ in range(29)]
    before = await db.fetchval("SELECT max(last_used_at) FROM user_sessions")
    clock.advance(minutes=IDLE - 1)
    touch, sizes = store.touch, []

    async def counted(conn: Any, used: Any, **at: Any) -> int:
        sizes.append(len(used))
        return await touch(conn, used, **at)

    monkeypatch.setattr(store, "touch", counted)
    await asyncio.gather(*(gate.session_tokens.resolve(token) for token in tokens))
    assert sum(sizes) == 30
    assert len(sizes) <= 3
    assert await db.fetchval("SELECT min(last_used_at) FROM user_sessions") > before


async def test_a_check_is_answered_although_its_use_can_not_be_written(
    client: httpx.AsyncClient, clock: MovableClock, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> int:
        raise Unavailable

    token = (await register(client))["token"]
    clock.advance(minutes=IDLE - 1)
    with monkeypatch.context() as patched:
        patched.setattr(store, "touch", away)
        assert await code(client, token) is None
    assert await gate.session_tokens._touches.flush() == 1, "it is kept for the next time"


async def test_what_is_written_late_is_at_most_a_quarter_of_the_idle_time(
    make_settings: MakeSettings,
) -> None:
    for idle, touch, expected in ((1, 60, 15), (20, 60, 60), (2, 86_400, 30), (0, 600, 600)):
        gate = Gate(make_settings(session_idle_minutes=idle, session_touch_seconds=touch))
        await gate.open(background=False)
        assert gate.session_tokens._lifetimes.touch_after.total_seconds() == expected
        await gate.close()


async def test_a_refresh_is_a_use(client: httpx.AsyncClient, clock: MovableClock) -> None:
    token = (await register(client))["token"]
    clock.advance(minutes=IDLE - 1)
    response = await client.post("/api/auth/refresh", headers=bearer(token))
    clock.advance(minutes=IDLE - 1)
    assert await code(client, response.json()["data"]["token"]) is None


async def test_the_lists_leave_out_what_is_over(
    client: httpx.AsyncClient, gate: Gate, clock: MovableClock
) -> None:
    await register(client)
    clock.advance(minutes=IDLE)
    token = (await login(client))["token"]
    listed = (await client.get("/api/auth/sessions", headers=bearer(token))).json()["data"]
    assert [each["id"] for each in listed["sessions"]] == [2]
    found = await gate.oversight.page(SessionFilter(), before=None, limit=10)
    assert [each.row.id for each in found] == [2]


async def test_a_row_that_never_was_used_is_over(client: httpx.AsyncClient, db: Any) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE user_sessions SET last_used_at = NULL")
    assert await code(client, token) == "session_expired"


async def test_off_by_default(make_settings: MakeSettings, clock: MovableClock, db: Any) -> None:
    app = create_app(make_settings(session_expire_minutes=525_600, session_max_minutes=525_600), clock=clock)
    async with serving(app) as client:
        token = (await register(client))["token"]
        await db.execute("UPDATE user_sessions SET last_used_at = NULL")
        clock.advance(days=300)
        assert await code(client, token) is None


# --- How many ---


def limited(make_settings: MakeSettings, clock: MovableClock, limit: int = 3, **overrides: Any) -> FastAPI:
    values = {"max_sessions_per_user": limit, "database_pool_size": 10}
    return create_app(make_settings(**(values | overrides)), clock=clock)


async def ended(db: Any) -> dict[int, str | None]:
    rows = await db.fetch("SELECT id, end_reason FROM user_sessions ORDER BY id")
    return {row["id"]: row["end_reason"] for row in rows}


async def test_who_has_a_session_in_the_place_of_its_user_ends_none_of_theirs(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    app = limited(make_settings, clock, limit=1)
    auth: Gatepost = app.state.gatepost
    async with serving(app) as client:
        admin = (await register(client, "admin@example.com"))["token"]
        ada = await register(client)
        by = await auth.session_tokens.resolve(admin)
        support = (await auth.sessions.start(ada["user"]["id"], by=by)).token
        assert [await code(client, token) for token in (ada["token"], support)] == [None, None]
        again = (await login(client))["token"]
        codes = [await code(client, token) for token in (ada["token"], support, again)]
        assert codes == ["session_revoked", None, None]


async def test_the_oldest_sign_in_ends_with_an_event(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with serving(limited(make_settings, clock)) as client:
        tokens = [(await register(client))["token"]] + [(await login(client))["token"] for _ in range(3)]
        assert [await code(client, token) for token in tokens] == ["session_revoked", None, None, None]
    assert await ended(db) == {1: "limit", 2: None, 3: None, 4: None}
    rows = await db.fetch("SELECT * FROM auth_events WHERE action = 'session.revoked'")
    assert [(row["user_id"], row["session_id"], row["detail"]) for row in rows] == [
        (1, 1, '{"reason": "limit"}')
    ]


async def test_a_sign_in_that_was_refreshed_is_as_old_as_its_password(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with serving(limited(make_settings, clock, 2)) as client:
        first = (await register(client))["token"]
        await login(client)
        await client.post("/api/auth/refresh", headers=bearer(first))
        await login(client)
    assert await ended(db) == {1: "refreshed", 2: None, 3: "limit", 4: None}


async def test_a_refresh_keeps_the_count(make_settings: MakeSettings, clock: MovableClock, db: Any) -> None:
    async with serving(limited(make_settings, clock, 2)) as client:
        tokens = [(await register(client))["token"], (await login(client))["token"]]
        for _ in range(3):
            answers = [await client.post("/api/auth/refresh", headers=bearer(token)) for token in tokens]
            tokens = [answer.json()["data"]["token"] for answer in answers]
    assert list((await ended(db)).values()).count(None) == 2


async def test_what_has_ended_expired_or_is_anothers_does_not_count(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    app = limited(make_settings, clock, 2, session_idle_minutes=IDLE, session_expire_minutes=600)
    async with serving(app) as client:
        await register(client, "other@example.com")
        logged_out, _, _ = (await register(client))["token"], await login(client), await login(client)
        assert (await ended(db))[2] == "limit"
        clock.advance(minutes=IDLE)  # the two of them are over, though no one has written it down
        kept = [(await login(client))["token"] for _ in range(2)]
        assert [await code(client, token) for token in (logged_out, *kept)] == ["session_revoked", None, None]
    assert await ended(db) == {1: None, 2: "limit", 3: None, 4: None, 5: None, 6: None}


async def test_of_20_logins_at_once_over_two_workers_exactly_as_many_stay_as_may(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with AsyncExitStack() as stack:
        apps = [limited(make_settings, clock) for _ in range(2)]
        clients = [await stack.enter_async_context(serving(app)) for app in apps]
        await register(clients[0])
        for _ in range(3):
            signed_in = await asyncio.gather(*(login(clients[n % 2]) for n in range(20)))
            codes = [await code(clients[0], each["token"]) for each in signed_in]
            assert (codes.count(None), codes.count("session_revoked")) == (3, 17)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 3
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE end_reason = 'limit'") == 58


async def test_refreshes_and_logins_at_once_leave_no_more_than_may(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with serving(limited(make_settings, clock)) as client:
        tokens = [(await register(client))["token"]] + [(await login(client))["token"] for _ in range(2)]
        for _ in range(5):
            refreshes = [client.post("/api/auth/refresh", headers=bearer(token)) for token in tokens]
            await asyncio.gather(*refreshes, *(login(client) for _ in range(6)))
            assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 3
            tokens = [(await login(client))["token"] for _ in range(3)]


async def test_a_login_that_does_not_come_off_ends_nobodys_session(
    make_settings: MakeSettings, clock: MovableClock, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = limited(make_settings, clock, 1)
    async with serving(app) as client:
        token = (await register(client))["token"]
        hashing = app.state.gatepost.accounts._hashing
        check = hashing.check

        async def slow_check(password: Password, stored: str | None, line: Line) -> Any:
            checked = await check(password, stored, line)
            await db.execute("UPDATE users SET hashed_password = hashed_password || 'x'")
            return checked

        monkeypatch.setattr(hashing, "check", slow_check)
        body = {"email": "user@example.com", "password": PASSWORD}
        assert (await client.post("/api/auth/login", json=body)).status_code == 401
        assert await code(client, token) is None


async def test_a_login_whose_limit_can_not_be_kept_does_not_happen(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with serving(limited(make_settings, clock, 1)) as client:
        token = (await register(client))["token"]
        await db.execute("ALTER TABLE auth_events ADD CHECK (action <> 'session.revoked') NOT VALID")
        body = {"email": "user@example.com", "password": PASSWORD}
        assert (await client.post("/api/auth/login", json=body)).status_code == 500
        assert await code(client, token) is None
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_without_a_limit_none_ends(client: httpx.AsyncClient, db: Any) -> None:
    await register(client)
    for _ in range(12):
        await login(client)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 13

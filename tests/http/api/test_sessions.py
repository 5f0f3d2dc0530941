"""Sessions: the list, logout, logout-all, ending one by its id, and the instant at which one expires."""

import asyncio
import uuid
from datetime import timedelta

import httpx
import pytest
from tests.conftest import bearer, login, nth_user, register, serving
from tests.http.conftest import (
    Database,
    MakeApp,
    StoppedClock,
    assert_error,
    assert_success,
    events,
    until_waiting,
)
from tests.walking import walked

from gatepost import errors
from gatepost.errors import GatepostError

OTHERS = [
    ("GET", "me"),
    ("GET", "verify"),
    ("GET", "sessions"),
    ("GET", "events"),
    ("POST", "logout"),
    ("POST", "logout-all"),
    ("POST", "logout-others"),
    ("POST", "cleanup"),
    ("DELETE", "sessions/1"),
]
"""Every operation that asks for a session, but refresh."""
ALL = [*OTHERS, ("POST", "refresh")]


async def call(client: httpx.AsyncClient, method: str, path: str, token: str) -> httpx.Response:
    return await client.request(method, f"/api/auth/{path}", headers=bearer(token))


async def assert_refused(client: httpx.AsyncClient, token: str, kind: type[GatepostError]) -> None:
    for method, path in ALL:
        assert_error(await call(client, method, path, token), kind)


# --- The list ---


async def test_the_list_answers_as_the_guide_shows(stopped_app: MakeApp, stopped: StoppedClock) -> None:
    async with serving(stopped_app(), host="192.168.1.100") as client:
        signed_in = await register(client, **{"User-Agent": "Mozilla/5.0..."})
        stopped.advance(minutes=15)
        response = await call(client, "GET", "sessions", signed_in["token"])
    data = assert_success(response, "User sessions retrieved successfully")
    assert data == {
        "sessions": [
            {
                "id": 1,
                "session_token": f"{signed_in['token'][:8]}...",
                "created_at": "2024-01-01T00:00:00Z",
                "last_used_at": "2024-01-01T00:00:00Z",
                "expires_at": "2024-01-01T00:30:00Z",
                "ip_address": "192.168.1.100",
                "user_agent": "Mozilla/5.0...",
                "is_current": True,
            }
        ],
        "total_active_sessions": 1,
    }


async def test_the_list_holds_ones_own_live_sessions_only(
    stopped_app: MakeApp, stopped: StoppedClock
) -> None:
    async with serving(stopped_app()) as client:
        await register(client)
        stopped.advance(minutes=10)
        refreshed = (await login(client))["token"]
        ended = (await login(client))["token"]
        current = (await login(client))["token"]
        await register(client, email="other@example.com")
        successor = (await call(client, "POST", "refresh", refreshed)).json()["data"]["token"]
        await call(client, "POST", "logout", ended)
        stopped.advance(minutes=20)
        listed = (await call(client, "GET", "sessions", current)).json()["data"]
    assert {each["session_token"][:8] for each in listed["sessions"]} == {current[:8], successor[:8]}
    assert listed["total_active_sessions"] == 2


async def test_the_session_used_last_comes_first(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await login(client)
    token = (await login(client))["token"]
    await db.execute("UPDATE user_sessions SET last_used_at = now() + interval '1 hour' WHERE id = 2")
    await db.execute("UPDATE user_sessions SET last_used_at = now() + interval '1 minute' WHERE id = 1")
    listed = (await call(client, "GET", "sessions", token)).json()["data"]["sessions"]
    assert [(each["id"], each["is_current"]) for each in listed] == [(2, False), (1, False), (3, True)]


async def test_no_list_shows_more_of_a_token_than_8_characters(client: httpx.AsyncClient) -> None:
    tokens = [(await register(client))["token"], (await login(client))["token"]]
    text = (await call(client, "GET", "sessions", tokens[1])).text
    for token in tokens:
        assert token[:8] in text
        assert token[:9] not in text


# --- Expiry ---


@walked(("method", "path"), ALL)
async def test_a_session_is_good_until_the_last_microsecond_before_expires_at(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database, method: str, path: str
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        await db.execute("UPDATE users SET is_admin = true")
        expires_at = await db.fetchval("SELECT expires_at FROM user_sessions")
        stopped.now = expires_at - timedelta(microseconds=1)
        assert (await call(client, method, path, token)).is_success


async def test_a_session_is_refused_from_expires_at_on(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        stopped.now = await db.fetchval("SELECT expires_at FROM user_sessions")
        await assert_refused(client, token, errors.SessionExpired)
        stopped.advance(microseconds=1)
        await assert_refused(client, token, errors.SessionExpired)
    assert await db.fetchval("SELECT is_active AND ended_at IS NULL FROM user_sessions")


async def test_the_databases_clock_decides_where_none_is_given(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE user_sessions SET expires_at = clock_timestamp()")
    assert_error(await call(client, "GET", "me", token), errors.SessionExpired)
    await db.execute("UPDATE user_sessions SET expires_at = clock_timestamp() + interval '1 minute'")
    assert (await call(client, "GET", "me", token)).status_code == 200


async def test_an_expired_session_stays_expired_once_housekeeping_has_ended_it(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    app = stopped_app()
    async with serving(app) as client:
        token = (await register(client))["token"]
        stopped.advance(hours=1)
        await app.state.gatepost.housekeeping._clean(alone=True, progress=None)
        await assert_refused(client, token, errors.SessionExpired)
    row = await db.fetchrow("SELECT is_active, ended_at = expires_at AS at, end_reason FROM user_sessions")
    assert row is not None
    assert tuple(row) == (False, True, "expired")


# --- Logout ---


async def test_logout_ends_the_session_at_once(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=1)
        assert assert_success(await call(client, "POST", "logout", token), "Logout successful") is None
        row = await db.fetchrow("SELECT is_active, ended_at, end_reason FROM user_sessions")
        assert row is not None
        assert tuple(row) == (False, stopped.now, "logout")
        await assert_refused(client, token, errors.SessionRevoked)


async def test_logout_leaves_the_others(client: httpx.AsyncClient) -> None:
    stays, goes = (await register(client))["token"], (await login(client))["token"]
    await call(client, "POST", "logout", goes)
    assert (await call(client, "GET", "me", stays)).status_code == 200


async def test_a_second_logout_is_refused_and_moves_nothing(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await call(client, "POST", "logout", token)
    before = await db.fetch("SELECT * FROM user_sessions")
    assert_error(await call(client, "POST", "logout", token), errors.SessionRevoked)
    assert await db.fetch("SELECT * FROM user_sessions") == before


async def test_a_logout_is_on_the_trail(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/logout", headers=bearer(token) | {"User-Agent": "curl/8"})
    assert await events(db, "session.revoked") == [
        {
            "action": "session.revoked",
            "user_id": nth_user(1),
            "session_id": 1,
            "ip_address": "127.0.0.1",
            "user_agent": "curl/8",
            "detail": {"reason": "logout", "sessions": 1},
        }
    ]


# --- Logout from everywhere ---


async def test_logout_all_ends_every_session_the_current_one_too(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        tokens = [(await register(client))["token"], (await login(client))["token"]]
        refreshed = (await login(client))["token"]
        tokens.append((await call(client, "POST", "refresh", refreshed)).json()["data"]["token"])
        other = (await register(client, email="other@example.com"))["token"]
        stopped.advance(minutes=1)
        response = await call(client, "POST", "logout-all", tokens[1])
        assert assert_success(response, "Logged out from all sessions") == {"sessions_revoked": 3}
        for token in tokens:
            await assert_refused(client, token, errors.SessionRevoked)
        assert (await call(client, "GET", "me", other)).status_code == 200
    rows = await db.fetch(
        """
        SELECT is_active, ended_at, end_reason FROM user_sessions
        WHERE user_id = $1 AND end_reason <> 'refreshed'
        """,
        nth_user(1),
    )
    assert [tuple(row) for row in rows] == [(False, stopped.now, "logout_all")] * 3


async def test_logout_all_does_not_count_what_has_expired(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        await register(client)
        stopped.advance(minutes=30)
        token = (await login(client))["token"]
        response = await call(client, "POST", "logout-all", token)
    assert response.json()["data"] == {"sessions_revoked": 1}
    rows = await db.fetch("SELECT ended_at = expires_at, end_reason FROM user_sessions ORDER BY id")
    assert [tuple(row) for row in rows] == [(True, "expired"), (False, "logout_all")]


async def test_a_logout_from_everywhere_is_on_the_trail(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    token = (await login(client))["token"]
    await call(client, "POST", "logout-all", token)
    (event,) = await events(db, "session.revoked_all")
    assert (event["user_id"], event["ip_address"]) == (nth_user(1), "127.0.0.1")
    assert event["detail"] == {"reason": "logout_all", "sessions": 2}


# --- Logout from everywhere else ---


async def test_logout_others_ends_every_session_but_the_one_that_asks(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        await register(client)
        stopped.advance(minutes=29)
        goes = [(await login(client))["token"], (await login(client))["token"]]
        first = (await login(client))["token"]
        stays = (await call(client, "POST", "refresh", first)).json()["data"]["token"]
        other = (await register(client, email="other@example.com"))["token"]
        stopped.advance(minutes=1)
        response = await call(client, "POST", "logout-others", stays)
        assert assert_success(response, "Logged out from all other sessions") == {"sessions_revoked": 2}
        for token in goes:
            assert_error(await call(client, "GET", "me", token), errors.SessionRevoked)
        for token in (stays, other):
            assert (await call(client, "GET", "me", token)).status_code == 200
        again = await call(client, "POST", "logout-others", stays)
        assert again.json()["data"] == {"sessions_revoked": 0}
    rows = await db.fetch(
        "SELECT ended_at, end_reason FROM user_sessions WHERE user_id = $1 ORDER BY id", nth_user(1)
    )
    assert [row["end_reason"] for row in rows] == ["expired", "revoked", "revoked", "refreshed", None]
    assert {row["ended_at"] for row in rows[:3]} == {stopped.now}


async def test_a_logout_from_everywhere_else_is_on_the_trail(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    token = (await login(client))["token"]
    await client.post("/api/auth/logout-others", headers=bearer(token) | {"User-Agent": "curl/8"})
    assert await events(db, "session.revoked_all") == [
        {
            "action": "session.revoked_all",
            "user_id": nth_user(1),
            "session_id": 2,
            "ip_address": "127.0.0.1",
            "user_agent": "curl/8",
            "detail": {"reason": "revoked", "sessions": 1, "kept_session": 2},
        }
    ]


async def test_a_logout_from_everywhere_else_that_waited_until_its_own_session_ended_ends_nothing(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await login(client)
    async with db.transaction():
        await db.execute("SELECT FROM users FOR UPDATE")
        asking = asyncio.create_task(call(client, "POST", "logout-others", token))
        await until_waiting(db, 1)
        await db.execute("UPDATE user_sessions SET is_active = false WHERE id = 1")
    assert_error(await asking, errors.SessionRevoked)
    assert await db.fetchval("SELECT is_active FROM user_sessions WHERE id = 2")
    (event,) = await events(db, "session.refused")
    assert event["detail"] == {"code": "session_revoked", "verb": "revoke_others"}


# --- Ending one by its id ---


async def ids(client: httpx.AsyncClient, token: str) -> list[int]:
    listed = (await call(client, "GET", "sessions", token)).json()["data"]["sessions"]
    return sorted(each["id"] for each in listed)


async def test_one_of_ones_own_sessions_can_be_ended(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        goes, stays = (await register(client))["token"], (await login(client))["token"]
        assert await ids(client, stays) == [1, 2]
        stopped.advance(minutes=1)
        response = await call(client, "DELETE", "sessions/1", stays)
        assert assert_success(response, "Session revoked successfully") is None
        await assert_refused(client, goes, errors.SessionRevoked)
        assert await ids(client, stays) == [2]
    row = await db.fetchrow("SELECT is_active, ended_at, end_reason FROM user_sessions WHERE id = 1")
    assert row is not None
    assert tuple(row) == (False, stopped.now, "revoked")
    (event,) = await events(db, "session.revoked")
    assert (event["user_id"], event["session_id"], event["detail"]["reason"]) == (nth_user(1), 1, "revoked")


async def test_the_current_session_can_be_ended_by_its_id(client: httpx.AsyncClient) -> None:
    token = (await register(client))["token"]
    assert (await call(client, "DELETE", "sessions/1", token)).status_code == 200
    assert_error(await call(client, "GET", "me", token), errors.SessionRevoked)


async def test_what_a_session_was_refreshed_to_ends_with_its_id(
    client: httpx.AsyncClient, db: Database
) -> None:
    thief = (await register(client))["token"]
    mine = (await login(client))["token"]
    for _ in range(3):
        thief = (await call(client, "POST", "refresh", thief)).json()["data"]["token"]
    assert (await call(client, "DELETE", "sessions/1", mine)).status_code == 200
    assert_error(await call(client, "GET", "me", thief), errors.SessionRevoked)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
    reasons = await db.fetch("SELECT end_reason FROM user_sessions ORDER BY id")
    assert [row["end_reason"] for row in reasons] == ["refreshed", None, "refreshed", "refreshed", "revoked"]


async def test_anothers_session_is_404_and_lives_on(client: httpx.AsyncClient, db: Database) -> None:
    theirs = (await register(client))["token"]
    token = (await register(client, email="other@example.com"))["token"]
    assert_error(await call(client, "DELETE", "sessions/1", token), errors.NotFound)
    assert (await call(client, "GET", "me", theirs)).status_code == 200
    (event,) = await events(db, "access.denied")
    assert (event["user_id"], event["session_id"]) == (nth_user(2), 2)
    assert event["detail"] == {"code": "not_found", "verb": "revoke", "wanted_session": 1}


@pytest.mark.parametrize("gone", ["unknown", "ended", "expired"])
async def test_a_session_that_is_not_live_is_404(
    stopped_app: MakeApp, stopped: StoppedClock, gone: str
) -> None:
    async with serving(stopped_app()) as client:
        first = (await register(client))["token"]
        if gone == "ended":
            await call(client, "POST", "logout", first)
        stopped.advance(minutes=30 if gone == "expired" else 0)
        token = (await login(client))["token"]
        wanted = 99 if gone == "unknown" else 1
        assert_error(await call(client, "DELETE", f"sessions/{wanted}", token), errors.NotFound)


@walked("wanted", ["0", "-1", "abc", "1.5", str(2**63), str(10**30), "%00"])
async def test_an_id_that_none_can_have_is_422(client: httpx.AsyncClient, db: Database, wanted: str) -> None:
    token = (await register(client))["token"]
    response = await call(client, "DELETE", f"sessions/{wanted}", token)
    assert_error(response, errors.ValidationFailed, fields=response.json()["error"]["fields"])
    assert list(response.json()["error"]["fields"]) == ["id"]
    assert await db.fetchval("SELECT is_active FROM user_sessions")


async def test_the_largest_id_there_is_is_404(client: httpx.AsyncClient) -> None:
    token = (await register(client))["token"]
    for wanted in (2**31 - 1, 2**31, 2**63 - 1):
        assert_error(await call(client, "DELETE", f"sessions/{wanted}", token), errors.NotFound)


# --- Users who are disabled or gone ---


async def test_a_user_who_is_disabled_by_sql_is_refused_at_once(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE users SET is_active = false")
    await assert_refused(client, token, errors.SessionRevoked)
    await db.execute("UPDATE users SET is_active = true")
    assert (await call(client, "GET", "me", token)).status_code == 200


async def test_a_user_who_is_deleted_is_refused_at_once(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await db.execute("DELETE FROM users")
    await assert_refused(client, token, errors.InvalidSession)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0


async def test_what_changes_about_a_user_shows_in_the_next_answer(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE users SET name = 'Jane Doe'")
    data = (await call(client, "GET", "me", token)).json()["data"]
    assert data["user"]["name"] == "Jane Doe"


# --- What SQL does by itself ---


@pytest.mark.parametrize("value", ["false", "NULL"])
async def test_an_end_by_sql_gets_time_and_reason_and_binds_at_once(
    client: httpx.AsyncClient, db: Database, value: str
) -> None:
    token = (await register(client))["token"]
    await db.execute(f"UPDATE user_sessions SET is_active = {value}")  # noqa: S608 - one of two literals
    await assert_refused(client, token, errors.SessionRevoked)
    row = await db.fetchrow("SELECT ended_at BETWEEN created_at AND now(), end_reason FROM user_sessions")
    assert row is not None
    assert tuple(row) == (True, "sql")


async def test_a_token_in_plain_text_in_the_table_opens_nothing(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    plain = str(uuid.uuid4())
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at)
        VALUES ($1, $2, now() + interval '1 day')
        """,
        plain,
        nth_user(1),
    )
    await assert_refused(client, plain, errors.InvalidSession)


async def test_a_row_that_was_made_up_opens_nothing_without_the_key(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    forged = str(uuid.uuid4())
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at)
        SELECT left($1, 8) || '.' || encode(sha256($1::bytea), 'hex'), $2, now() + interval '1 day'
        """,
        forged,
        nth_user(1),
    )
    await assert_refused(client, forged, errors.InvalidSession)


async def test_one_users_row_does_not_open_another_by_its_digest(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    stored = await db.fetchval("SELECT session_token FROM user_sessions")
    assert_error(await call(client, "GET", "me", stored), errors.InvalidSession)
    assert (await call(client, "GET", "me", token)).status_code == 200

"""Refresh: one successor whatever happens, the same answer within the grace, never past the absolute end."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, login, nth_user, register, serving
from tests.http.conftest import (
    Database,
    MakeApp,
    StoppedClock,
    assert_error,
    assert_success,
    at,
    events,
    until_waiting,
)
from tests.walking import walked

from gatepost import errors


async def refresh(client: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    return await client.post("/api/auth/refresh", headers=bearer(token) | headers)


async def refreshed(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    data = assert_success(await refresh(client, token), "Session refreshed successfully")
    assert isinstance(data, dict)
    return data


async def works(client: httpx.AsyncClient, token: str) -> bool:
    return (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


# --- What it does ---


async def test_refresh_answers_as_login_does_with_a_new_token(
    stopped_app: MakeApp, stopped: StoppedClock
) -> None:
    async with serving(stopped_app()) as client:
        signed_in = await register(client)
        stopped.advance(minutes=10)
        data = await refreshed(client, signed_in["token"])
        assert data == {
            "token": data["token"],
            "user": signed_in["user"],
            "session_info": {
                "expires_at": "2024-01-01T00:40:00Z",
                "created_at": "2024-01-01T00:10:00Z",
                "methods": ["pwd"],
                "aal": 1,
                "is_fresh": False,
            },
        }
        assert data["token"] != signed_in["token"]
        assert await works(client, data["token"])


async def test_the_old_row_ends_and_one_successor_starts(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        signed_in_at = stopped.now
        token = (await register(client))["token"]
        stopped.advance(minutes=10)
        response = await refresh(client, token, **{"User-Agent": "curl/8", "X-Forwarded-For": "198.51.100.1"})
        successor = response.json()["data"]["token"]
    old, new = await db.fetch("SELECT * FROM user_sessions ORDER BY id")
    assert (old["is_active"], old["ended_at"], old["end_reason"]) == (False, stopped.now, "refreshed")
    assert (old["replaced_by"], old["last_used_at"]) == (new["id"], stopped.now)
    assert len(old["successor_nonce"]) == 16
    assert {key: value for key, value in new.items() if key not in {"id", "session_token"}} == {
        "user_id": nth_user(1),
        "is_active": True,
        "expires_at": stopped.now + timedelta(minutes=30),
        "created_at": stopped.now,
        "last_used_at": stopped.now,
        "ip_address": "127.0.0.1",
        "user_agent": "curl/8",
        "ended_at": None,
        "end_reason": None,
        "authenticated_at": signed_in_at,
        "absolute_expires_at": signed_in_at + timedelta(days=30),
        "family_id": old["id"],
        "replaced_by": None,
        "successor_nonce": None,
        "place": None,
        "remembered": False,
        "handed_by": "refresh",
        "methods": ["pwd"],
        "methods_at": None,
        "aal": 1,
        "impersonator_id": None,
        "impersonator_session": None,
    }
    assert new["session_token"].startswith(successor[:8] + ".")


async def test_the_family_is_the_first_session_of_the_sign_in(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    for _ in range(3):
        token = (await refreshed(client, token))["token"]
    rows = await db.fetch("SELECT family_id FROM user_sessions ORDER BY id")
    assert [row["family_id"] for row in rows] == [None, 1, 1, 1]


async def test_a_refresh_is_on_the_trail_with_its_successor(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await refresh(client, token, **{"User-Agent": "curl/8"})
    await refresh(client, token, **{"User-Agent": "curl/9"})
    assert await events(db, "session.refreshed") == [
        {
            "action": "session.refreshed",
            "user_id": nth_user(1),
            "session_id": 1,
            "ip_address": "127.0.0.1",
            "user_agent": "curl/8",
            "detail": {"successor": 2},
        }
    ]


# --- The old token ---


@walked(
    ("method", "path"),
    [
        ("GET", "me"),
        ("GET", "verify"),
        ("GET", "sessions"),
        ("GET", "events"),
        ("POST", "logout"),
        ("POST", "logout-all"),
        ("POST", "cleanup"),
        ("DELETE", "sessions/1"),
    ],
)
async def test_the_old_token_is_replaced_at_once_everywhere_but_at_refresh(
    client: httpx.AsyncClient, db: Database, method: str, path: str
) -> None:
    token = (await register(client))["token"]
    successor = (await refreshed(client, token))["token"]
    response = await client.request(method, f"/api/auth/{path}", headers=bearer(token))
    assert_error(response, errors.SessionReplaced)
    assert await works(client, successor)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


async def test_repeated_within_the_grace_it_answers_the_very_same(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        first = await refresh(client, token)
        stopped.advance(seconds=10, microseconds=-1)
        again = await refresh(client, token)
    assert again.json() == first.json()
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2


async def test_after_the_grace_it_is_a_replay(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        successor = (await refreshed(client, token))["token"]
        assert await works(client, successor)
        stopped.advance(seconds=10)
        assert_error(await refresh(client, token), errors.SessionReplaced)
        assert not await works(client, successor)
    assert await db.fetchval("SELECT end_reason FROM user_sessions WHERE id = 2") == "replayed"


async def test_without_a_grace_a_second_refresh_is_a_replay_at_once(stopped_app: MakeApp) -> None:
    async with serving(stopped_app(refresh_grace_seconds=0)) as client:
        token = (await register(client))["token"]
        successor = (await refreshed(client, token))["token"]
        assert_error(await refresh(client, token), errors.SessionReplaced)
        assert not await works(client, successor)


async def test_repeated_after_the_successor_was_refreshed_it_is_refused(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    successor = (await refreshed(client, token))["token"]
    last = (await refreshed(client, successor))["token"]
    assert_error(await refresh(client, token), errors.SessionReplaced)
    assert (await refreshed(client, successor))["token"] == last
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 3


async def test_repeated_after_the_successor_was_logged_out_it_is_refused(client: httpx.AsyncClient) -> None:
    token = (await register(client))["token"]
    successor = (await refreshed(client, token))["token"]
    await client.post("/api/auth/logout", headers=bearer(successor))
    assert_error(await refresh(client, token), errors.SessionRevoked)


async def test_repeated_after_the_user_was_disabled_it_is_refused(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await refreshed(client, token)
    await db.execute("UPDATE users SET is_active = false")
    assert_error(await refresh(client, token), errors.SessionRevoked)


async def test_repeated_after_the_successors_row_was_deleted_it_is_refused(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await refreshed(client, token)
    await db.execute("DELETE FROM user_sessions WHERE id = 2")
    assert_error(await refresh(client, token), errors.SessionReplaced)


async def test_repeated_after_the_successor_expired_it_is_refused(
    stopped_app: MakeApp, stopped: StoppedClock
) -> None:
    app = stopped_app(session_expire_minutes=1, session_max_minutes=1, refresh_grace_seconds=300)
    async with serving(app) as client:
        token = (await register(client))["token"]
        stopped.advance(seconds=30)
        await refreshed(client, token)
        stopped.advance(seconds=30)
        assert_error(await refresh(client, token), errors.SessionExpired)


# --- What it refuses ---


async def test_an_expired_session_can_not_be_refreshed(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        stopped.advance(minutes=30)
        assert_error(await refresh(client, token), errors.SessionExpired)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_a_session_that_was_ended_can_not_be_refreshed(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/logout", headers=bearer(token))
    assert_error(await refresh(client, token), errors.SessionRevoked)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


# --- The absolute end ---


async def test_no_refresh_moves_the_absolute_end(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app(session_expire_minutes=30, session_max_minutes=100)) as client:
        end = stopped.now + timedelta(minutes=100)
        token = (await register(client))["token"]
        seen = []
        for _ in range(9):
            stopped.advance(minutes=10)
            data = await refreshed(client, token)
            token = data["token"]
            expires_at = at(data["session_info"]["expires_at"])
            assert expires_at == min(stopped.now + timedelta(minutes=30), end)
            seen.append(expires_at)
        assert seen[-3:] == [end] * 3
        stopped.now = end - timedelta(microseconds=1)
        token = (await refreshed(client, token))["token"]
        assert await works(client, token)
        stopped.now = end
        assert_error(await refresh(client, token), errors.SessionExpired)
    assert (
        await db.fetchval("SELECT count(DISTINCT (authenticated_at, absolute_expires_at)) FROM user_sessions")
        == 1
    )


async def test_a_row_without_an_absolute_end_is_refreshed_by_its_lifetime(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client))["token"]
        await db.execute("UPDATE user_sessions SET absolute_expires_at = NULL")
        data = await refreshed(client, token)
    assert at(data["session_info"]["expires_at"]) == stopped.now + timedelta(minutes=30)


# --- Many at once ---


async def test_50_refreshes_at_once_make_one_successor_and_all_get_its_token(
    stopped_app: MakeApp, db: Database
) -> None:
    app = stopped_app(database_pool_size=50)
    async with serving(app) as client:
        token = (await register(client))["token"]
        answers = await asyncio.gather(*(refresh(client, token) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert await works(client, answers[0].json()["data"]["token"])
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
    assert len(await events(db, "session.refreshed")) == 1
    assert await events(db, "session.refused") == []


async def test_a_refresh_that_is_quicker_leaves_its_answer_to_others_of_a_token_that_comes_first(
    stopped_app: MakeApp, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refresh of a confirmation's token is a first use as well; one of them has replaced it by then."""
    app = stopped_app()
    async with serving(app) as client:
        token = (await register(client))["token"]
        body = {"password": PASSWORD}
        confirmed = await client.post("/api/auth/confirm", json=body, headers=bearer(token))
        fresh = confirmed.json()["data"]["token"]
        sessions = app.state.gatepost.session_tokens
        use = sessions.resolve
        quicker: list[httpx.Response] = []

        async def use_late(presented: str) -> Any:
            monkeypatch.setattr(sessions, "resolve", use)
            quicker.append(await refresh(client, fresh))
            return await use(presented)

        monkeypatch.setattr(sessions, "resolve", use_late)
        late = await refresh(client, fresh)
        assert (late.status_code, late.content) == (200, quicker[0].content)
        assert not await works(client, token)
        assert await works(client, late.json()["data"]["token"])
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 3
    assert await events(db, "session.refused") == []


async def test_those_who_wait_for_the_claim_of_another_get_its_successor(
    stopped_app: MakeApp, db: Database
) -> None:
    """Holds the row until all of them wait for it, so that each but one looks before the claim and after."""
    app = stopped_app(database_pool_size=10)
    async with serving(app) as client:
        token = (await register(client))["token"]
        transaction = db.transaction()
        await transaction.start()
        await db.execute("SELECT FROM user_sessions FOR UPDATE")
        asked = [asyncio.create_task(refresh(client, token)) for _ in range(10)]
        await until_waiting(db, 10)
        await transaction.rollback()
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2


async def test_two_workers_refresh_one_token_to_the_same_successor(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app()) as one, serving(stopped_app()) as two:
        token = (await register(one))["token"]
        answers = await asyncio.gather(*(refresh(client, token) for _ in range(10) for client in (one, two)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert await works(two, answers[0].json()["data"]["token"])
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2


async def test_sessions_of_one_user_are_refreshed_at_once_without_a_deadlock(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app(database_pool_size=20)) as client:
        tokens = [(await register(client))["token"]] + [(await login(client))["token"] for _ in range(19)]
        answers = await asyncio.gather(*(refresh(client, token) for token in tokens))
    assert {answer.status_code for answer in answers} == {200}
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 20


# --- Too many ---


def limited(stopped_app: MakeApp, **rates: str) -> Any:
    return serving(stopped_app(throttle_enabled=True, **rates))


async def test_a_sign_in_is_refreshed_so_often_and_then_one_at_a_time(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with limited(stopped_app, throttle_refresh_session="3 then 2/minute") as client:
        token = (await register(client))["token"]
        for _ in range(3):
            token = (await refreshed(client, token))["token"]
        refused = await refresh(client, token)
        assert_error(refused, errors.TooManyAttempts)
        assert refused.headers["retry-after"] == "30"
        assert await works(client, token), "what is refused changes nothing"
        stopped.advance(seconds=30, microseconds=-1)
        assert (await refresh(client, token)).headers["retry-after"] == "1"
        stopped.advance(microseconds=1)
        token = (await refreshed(client, token))["token"]
        assert_error(await refresh(client, token), errors.TooManyAttempts)
        assert await works(client, (await login(client))["token"])
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE end_reason = 'refreshed'") == 4


async def test_repeats_within_the_grace_count_and_those_of_another_sign_in_do_not(
    stopped_app: MakeApp,
) -> None:
    async with limited(stopped_app, throttle_refresh_session="3 then 1/minute") as client:
        token, other = (await register(client))["token"], (await login(client))["token"]
        answers = [await refresh(client, token) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        await refreshed(client, other)


async def test_an_address_is_limited_whatever_it_sends_and_no_other_address_by_it(
    stopped_app: MakeApp, db: Database
) -> None:
    app = stopped_app(throttle_enabled=True, throttle_refresh_address="4 then 1/second")
    async with serving(app) as client:
        token = (await register(client))["token"]
        strangers = [await refresh(client, str(uuid4())) for _ in range(4)]
        for answer in strangers:
            assert_error(answer, errors.InvalidSession)
        assert_error(await refresh(client, str(uuid4())), errors.TooManyAttempts)
        assert_error(await refresh(client, token), errors.TooManyAttempts)
        assert await db.fetchval("SELECT count(*) FROM auth_throttles WHERE bucket = 'refresh_session'") == 0
        elsewhere = httpx.ASGITransport(app=app, client=("192.0.2.7", 50_000))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://gatepost.test") as other:
            await refreshed(other, token)
    keys = await db.fetch("SELECT key FROM auth_throttles WHERE bucket = 'refresh_address' ORDER BY key")
    assert [row["key"] for row in keys] == ["127.0.0.1", "192.0.2.7"]


async def test_one_customer_of_an_ipv6_network_is_one_address(stopped_app: MakeApp, db: Database) -> None:
    app = stopped_app(throttle_enabled=True, throttle_refresh_address="1 then 1/hour")
    async with serving(app, host="2001:db8::1") as client:
        await refreshed(client, (await register(client))["token"])
        token = (await login(client))["token"]
        neighbour = httpx.ASGITransport(app=app, client=("2001:db8::ffff:1", 50_000))
        async with httpx.AsyncClient(transport=neighbour, base_url="http://gatepost.test") as other:
            assert_error(await refresh(other, token), errors.TooManyAttempts)
    key = await db.fetchval("SELECT key FROM auth_throttles WHERE bucket = 'refresh_address'")
    assert key == "2001:db8::/64"


async def test_of_many_refreshes_at_once_exactly_as_many_pass_as_may(
    stopped_app: MakeApp, db: Database
) -> None:
    async with AsyncExitStack() as stack:
        apps = [
            stopped_app(
                throttle_enabled=True, database_pool_size=10, throttle_refresh_session="10 then 1/minute"
            )
            for _ in range(2)
        ]
        clients = [await stack.enter_async_context(serving(app)) for app in apps]
        token = (await register(clients[0]))["token"]
        answers = await asyncio.gather(*(refresh(clients[n % 2], token) for n in range(30)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (10, 20)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2


async def test_who_waited_for_the_claim_of_another_is_charged_once(
    stopped_app: MakeApp, db: Database
) -> None:
    app = stopped_app(throttle_enabled=True, throttle_refresh_session="2 then 1/hour")
    async with serving(app) as client:
        token = (await register(client))["token"]
        transaction = db.transaction()
        await transaction.start()
        await db.execute("SELECT FROM user_sessions FOR UPDATE")
        asked = [asyncio.create_task(refresh(client, token)) for _ in range(2)]
        await until_waiting(db, 2)
        await transaction.rollback()
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_what_was_refused_is_on_the_trail_once_a_minute(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with limited(stopped_app, throttle_refresh_session="1 then 1/hour") as client:
        token = (await refreshed(client, (await register(client))["token"]))["token"]
        for _ in range(5):
            assert_error(await refresh(client, token), errors.TooManyAttempts)
        first = await events(db, "throttled")
        stopped.advance(minutes=1)
        for _ in range(5):
            assert_error(await refresh(client, token), errors.TooManyAttempts)
        second = await events(db, "throttled")
    assert (len(first), len(second)) == (1, 2)
    assert first[0] == {
        "action": "throttled",
        "user_id": nth_user(1),
        "session_id": 2,
        "ip_address": "127.0.0.1",
        "user_agent": first[0]["user_agent"],
        "detail": {"bucket": "refresh_session", "verb": "refresh"},
    }
    assert await events(db, "session.refused") == []


async def test_without_throttling_nothing_is_charged(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    for _ in range(12):
        token = (await refreshed(client, token))["token"]
    assert await db.fetchval("SELECT count(*) FROM auth_throttles") == 0

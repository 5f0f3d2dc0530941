"""Tokens that come back: replayed ones, those of users who are gone, those that are pushed on a victim."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, bearer, login, register, serving
from tests.http.conftest import Database, StoppedClock, assert_error, events
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.gate import Gate
from gatepost.models import Client

THIEF = Client(ip_address="198.51.100.9", user_agent="thief")
OWNER = Client(ip_address="192.0.2.1", user_agent="owner")


@pytest.fixture
def stopped() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def app(make_settings: MakeSettings, stopped: StoppedClock) -> FastAPI:
    return create_app(make_settings(), clock=stopped)


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/refresh", headers=bearer(token))


async def refreshed(client: httpx.AsyncClient, token: str) -> str:
    response = await refresh(client, token)
    assert response.status_code == 200, response.text
    return str(response.json()["data"]["token"])


async def code(client: httpx.AsyncClient, token: str, method: str = "GET", path: str = "me") -> str | None:
    response = await client.request(method, f"/api/auth/{path}", headers=bearer(token))
    return None if response.is_success else str(response.json()["error"]["code"])


async def reasons(db: Database) -> list[str | None]:
    rows = await db.fetch("SELECT end_reason FROM user_sessions ORDER BY id")
    return [row["end_reason"] for row in rows]


# --- Replay ---


async def test_a_replayed_token_ends_its_line_and_no_other(
    client: httpx.AsyncClient, stopped: StoppedClock, db: Database
) -> None:
    first = (await register(client))["token"]
    other = (await login(client))["token"]
    second = await refreshed(client, first)
    third = await refreshed(client, second)
    stopped.advance(seconds=10)
    assert_error(await refresh(client, first), errors.SessionReplaced)
    assert await code(client, third) == "session_revoked"
    assert_error(await refresh(client, third), errors.SessionRevoked)
    assert await code(client, other) is None
    assert await reasons(db) == ["refreshed", None, "refreshed", "replayed"]


@pytest.mark.parametrize("which", [0, 1])
async def test_any_token_of_the_line_gives_the_thief_away(
    client: httpx.AsyncClient, stopped: StoppedClock, which: int
) -> None:
    line = [(await register(client))["token"]]
    for _ in range(2):
        line.append(await refreshed(client, line[-1]))
    assert await code(client, line[-1]) is None
    stopped.advance(seconds=10)
    assert_error(await refresh(client, line[which]), errors.SessionReplaced)
    assert await code(client, line[-1]) == "session_revoked"


async def test_the_trail_has_both_clients(
    client: httpx.AsyncClient, gate: Gate, stopped: StoppedClock, db: Database
) -> None:
    first = (await register(client))["token"]
    await gate.session_tokens.refresh(first, OWNER)
    stopped.advance(seconds=10)
    with pytest.raises(errors.SessionReplaced):
        await gate.session_tokens.refresh(first, THIEF)
    assert await events(db, "session.replayed", "session.refused", "session.revoked") == [
        {
            "action": "session.replayed",
            "user_id": 1,
            "session_id": 1,
            "ip_address": THIEF.ip_address,
            "user_agent": THIEF.user_agent,
            "detail": {
                "replayed_session": 1,
                "successor": 2,
                "successor_ip": OWNER.ip_address,
                "reason": "replayed",
                "sessions": 1,
            },
        }
    ]


async def test_the_thief_who_was_first_is_shut_out_by_the_owner(
    client: httpx.AsyncClient, gate: Gate, stopped: StoppedClock, db: Database
) -> None:
    token = (await register(client))["token"]
    stolen = await gate.session_tokens.refresh(token, THIEF)
    stopped.advance(seconds=10)
    with pytest.raises(errors.SessionReplaced):
        await gate.session_tokens.refresh(token, OWNER)
    with pytest.raises(errors.SessionRevoked):
        await gate.session_tokens.resolve(stolen.token)
    (event,) = await events(db, "session.replayed")
    assert (event["ip_address"], event["detail"]["successor_ip"]) == (OWNER.ip_address, THIEF.ip_address)


async def test_a_token_whose_password_was_given_again_is_replaced_like_any_other(
    client: httpx.AsyncClient, gate: Gate, stopped: StoppedClock
) -> None:
    token = (await register(client))["token"]
    fresh = await gate.confirmations.by_password(token, PASSWORD, OWNER)
    assert await code(client, fresh.token) is None
    stopped.advance(seconds=10)
    assert_error(await refresh(client, token), errors.SessionReplaced)
    assert await code(client, fresh.token) == "session_revoked"


async def test_within_the_grace_it_is_a_repeat(
    client: httpx.AsyncClient, stopped: StoppedClock, db: Database
) -> None:
    token = (await register(client))["token"]
    successor = await refreshed(client, token)
    stopped.advance(seconds=10, microseconds=-1)
    assert await refreshed(client, token) == successor
    await refreshed(client, successor)
    assert_error(await refresh(client, token), errors.SessionReplaced)
    assert await events(db, "session.replayed") == []


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
        ("DELETE", "sessions/2"),
    ],
)
async def test_elsewhere_it_is_only_refused(
    client: httpx.AsyncClient, stopped: StoppedClock, db: Database, method: str, path: str
) -> None:
    token = (await register(client))["token"]
    successor = await refreshed(client, token)
    stopped.advance(minutes=1)
    assert await code(client, token, method, path) == "session_replaced"
    assert await code(client, successor) is None
    assert await events(db, "session.replayed") == []


@pytest.mark.parametrize("path", ["confirm", "password"])
async def test_the_password_asked_again_with_it_is_only_refused(
    client: httpx.AsyncClient, stopped: StoppedClock, path: str
) -> None:
    token = (await register(client))["token"]
    successor = await refreshed(client, token)
    stopped.advance(minutes=1)
    body = {"password": PASSWORD, "current": PASSWORD, "new": "another secure password"}
    response = await client.post(f"/api/auth/{path}", json=body, headers=bearer(token))
    assert_error(response, errors.SessionReplaced)
    assert await code(client, successor) is None


@pytest.mark.parametrize("end", ["logout", "expiry", "replay"])
async def test_where_nothing_lives_any_more_it_is_refused_and_recorded_as_that(
    client: httpx.AsyncClient, stopped: StoppedClock, db: Database, end: str
) -> None:
    token = (await register(client))["token"]
    successor = await refreshed(client, token)
    assert await code(client, successor) is None
    if end == "logout":
        assert await code(client, successor, "POST", "logout") is None
    stopped.advance(minutes=30 if end == "expiry" else 1)
    if end == "replay":
        assert_error(await refresh(client, token), errors.SessionReplaced)
    before = await events(db)
    assert_error(await refresh(client, token), errors.SessionReplaced)
    (event,) = (await events(db))[len(before) :]
    assert (event["action"], event["session_id"]) == ("session.refused", 1)
    assert event["detail"] == {"code": "session_replaced", "verb": "refresh"}


async def test_a_token_that_was_replaced_and_purged_is_nobodys(
    client: httpx.AsyncClient, stopped: StoppedClock, db: Database
) -> None:
    token = (await register(client))["token"]
    successor = await refreshed(client, token)
    await db.execute("DELETE FROM user_sessions WHERE id = 1")
    stopped.advance(minutes=1)
    assert_error(await refresh(client, token), errors.InvalidSession)
    assert await code(client, successor) is None


@pytest.fixture
async def workers(
    make_settings: MakeSettings, stopped: StoppedClock
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    settings = make_settings(database_pool_size=10)
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(create_app(settings, clock=stopped))) for _ in range(2)
        ]
        yield one, two


async def test_replays_at_once_end_the_line_once(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], stopped: StoppedClock, db: Database
) -> None:
    token = (await register(workers[0]))["token"]
    assert await code(workers[0], await refreshed(workers[0], token)) is None
    stopped.advance(seconds=10)
    answers = await asyncio.gather(*(refresh(workers[n % 2], token) for n in range(20)))
    assert {answer.json()["error"]["code"] for answer in answers} == {"session_replaced"}
    assert len(await events(db, "session.replayed")) == 1
    assert len(await events(db, "session.refused")) == 19
    assert await reasons(db) == ["refreshed", "replayed"]


async def test_a_replay_and_a_refresh_of_the_successor_at_once_leave_nothing_alive(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], stopped: StoppedClock, db: Database
) -> None:
    """Whichever comes first, and in whichever worker: the refresh of the successor does not slip through."""
    await register(workers[0])
    outcomes = set()
    for _ in range(60):
        first = (await login(workers[0]))["token"]
        second = await refreshed(workers[0], first)
        assert await code(workers[0], second) is None
        stopped.advance(seconds=10)
        replay = [refresh(workers[0], first)]
        going_on = [refresh(random.choice(workers), second) for _ in range(2)]  # noqa: S311 - any of them
        order = random.sample([*replay, *going_on], 3)
        answers = await asyncio.gather(*order)
        outcomes |= {answer.status_code for answer in answers}
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE id > 1 AND is_active") == 0
        for answer in answers:
            if answer.status_code == 200:
                assert await code(workers[1], answer.json()["data"]["token"]) == "session_revoked"
    assert outcomes == {200, 401}, "each of the two came first sometimes"


# --- Users who are gone ---


@walked("gone", ["disabled", "disabled in SQL", "deleted", "deleted in SQL"])
async def test_tokens_of_a_user_who_is_gone_open_nothing_refreshed_ones_included(
    client: httpx.AsyncClient, gate: Gate, stopped: StoppedClock, db: Database, gone: str
) -> None:
    old = (await register(client))["token"]
    live = await refreshed(client, old)
    user = await gate.administration.find("user@example.com")
    if gone == "disabled":
        await gate.administration.set_active(user, is_active=False, client=Client())
    elif gone == "deleted":
        await gate.administration.delete(user, client=Client())
    elif gone == "disabled in SQL":
        await db.execute("UPDATE users SET is_active = false")
    else:
        await db.execute("DELETE FROM users")
    expected = {"invalid_session"} if "deleted" in gone else {"session_revoked", "session_replaced"}
    for grace_is_over in (False, True):
        for token in (old, live):
            for method, path in (("GET", "me"), ("POST", "refresh"), ("POST", "logout"), ("GET", "events")):
                assert await code(client, token, method, path) in expected
        if not grace_is_over:
            stopped.advance(seconds=10)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE id > 2") == 0


async def test_a_user_made_anew_under_the_same_e_mail_has_nothing_of_the_old_one(
    client: httpx.AsyncClient, gate: Gate
) -> None:
    """Ids are not given twice, or the tokens of a deleted user would be the next one's."""
    signed_in = await register(client)
    await gate.administration.delete(await gate.administration.find("user@example.com"), client=Client())
    again = await register(client)
    assert again["user"]["id"] != signed_in["user"]["id"]
    assert await code(client, signed_in["token"]) == "invalid_session"


# --- Fixation ---


@pytest.mark.parametrize("path", ["login", "register"])
async def test_signing_in_never_adopts_a_token_that_was_sent(
    client: httpx.AsyncClient, db: Database, path: str
) -> None:
    """Whoever makes a victim sign in with a token of their own choosing would know the victim's token."""
    attackers = (await register(client, "attacker@example.com"))["token"]
    if path == "login":
        await register(client)
    body = {"email": "user@example.com", "name": "John Doe", "password": PASSWORD}
    whose = "SELECT id, session_token, user_id FROM user_sessions ORDER BY id"
    for pushed in (attackers, str(uuid4())):
        before = await db.fetch(whose)
        response = await client.post(
            f"/api/auth/{path}",
            json=body | {"token": pushed, "session_token": pushed},
            params={"token": pushed, "session_token": pushed},
            headers=bearer(pushed) | {"Cookie": f"session_token={pushed}; gatepost={pushed}"},
        )
        assert response.is_success, response.text
        assert response.json()["data"]["token"] != pushed
        assert (await db.fetch(whose))[: len(before)] == before
        body["email"] = "user@example.com" if path == "login" else "second@example.com"
    # In the browser that it was pushed on it has ended; nowhere has it become the victim's.
    assert await code(client, attackers) == "session_revoked"


# --- Signing in again ---


async def test_the_session_that_a_browser_held_before_ends_and_the_rest_stays(
    client: httpx.AsyncClient, gate: Gate, db: Database
) -> None:
    held, other = (await register(client))["token"], (await login(client))["token"]
    await gate.session_tokens.supersede(held, OWNER)
    assert await code(client, held) == "session_revoked"
    assert await code(client, other) is None
    assert await reasons(db) == ["signed_in_again", None]
    (event,) = await events(db, "session.revoked")
    assert (event["session_id"], event["ip_address"]) == (1, OWNER.ip_address)
    assert event["detail"] == {"reason": "signed_in_again", "sessions": 1}


async def test_what_can_not_be_superseded_is_passed_over_in_silence(
    client: httpx.AsyncClient, gate: Gate, stopped: StoppedClock, db: Database
) -> None:
    replaced = (await register(client))["token"]
    successor = await refreshed(client, replaced)
    logged_out = (await login(client))["token"]
    await code(client, logged_out, "POST", "logout")
    stopped.advance(minutes=1)
    before = await events(db), await reasons(db)
    for token in ("", "no token", str(uuid4()), replaced, logged_out):
        await gate.session_tokens.supersede(token, THIEF)
    assert (await events(db), await reasons(db)) == before
    assert await code(client, successor) is None

"""A change of SECRET_KEY from its first step to its last: nobody is signed out, and the old key can go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, MovableClock, bearer, login, register, serving

from gatepost.app import create_app
from gatepost.models import Client

OLD = "the-old-key-that-is-long-enough-to-be-a-key"
NEW = "the-new-key-that-is-long-enough-to-be-a-key"


class Worker:
    """A worker with these keys, the newest first."""

    def __init__(self, client: httpx.AsyncClient, app: FastAPI) -> None:
        self.client = client
        self.gate = app.state.gatepost

    async def code(self, token: str, method: str = "GET", path: str = "me") -> str | None:
        response = await self.client.request(method, f"/api/auth/{path}", headers=bearer(token))
        return None if response.is_success else str(response.json()["error"]["code"])

    async def flush(self) -> int:
        written: int = await self.gate.session_tokens._touches.flush()
        return written

    async def refreshed(self, token: str) -> str:
        response = await self.client.post("/api/auth/refresh", headers=bearer(token))
        assert response.status_code == 200, response.text
        return str(response.json()["data"]["token"])


@pytest.fixture
def worker(make_settings: MakeSettings, clock: MovableClock) -> Any:
    @asynccontextmanager
    async def start(*keys: str, **overrides: Any) -> AsyncIterator[Worker]:
        settings = make_settings(secret_key=keys[0], secret_key_fallbacks=keys[1:], **overrides)
        app = create_app(settings, clock=clock)
        async with serving(app) as client:
            yield Worker(client, app)

    return start


async def stored(db: Any, session_id: int = 1) -> str:
    return str(await db.fetchval("SELECT session_token FROM user_sessions WHERE id = $1", session_id))


async def test_what_is_used_meanwhile_outlives_the_old_key_and_what_is_not_does_not(
    worker: Any, db: Any
) -> None:
    async with worker(OLD) as before:
        used = (await register(before.client))["token"]
        unused = (await login(before.client))["token"]
    held = await stored(db), await stored(db, 2)
    async with worker(NEW, OLD) as rotating:
        assert await rotating.code(used) is None
        assert await stored(db) == held[0], "it is written behind"
        assert await rotating.flush() == 1
        assert await rotating.code(used) is None
        assert await rotating.flush() == 0, "once is enough"
    async with worker(NEW) as after:
        assert await after.code(used) is None
        assert await after.code(unused) == "invalid_session"
        token = await after.refreshed(used)
        assert await after.code(token) is None
    assert await stored(db) != held[0]
    assert (await stored(db))[:9] == held[0][:9], "the readable part stays"
    assert await stored(db, 2) == held[1]


async def test_a_stop_writes_it_as_well(worker: Any, db: Any) -> None:
    async with worker(OLD) as before:
        token = (await register(before.client))["token"]
    async with worker(NEW, OLD) as rotating:
        assert await rotating.code(token) is None
    async with worker(NEW) as after:
        assert await after.code(token) is None


async def test_the_time_of_the_last_use_is_written_with_it_only_where_it_is_due(
    worker: Any, db: Any, clock: MovableClock
) -> None:
    async with worker(OLD) as before:
        token = (await register(before.client))["token"]
    at = await db.fetchval("SELECT last_used_at FROM user_sessions")
    async with worker(NEW, OLD) as rotating:
        await rotating.code(token)
        assert await rotating.flush() == 1
        assert await db.fetchval("SELECT last_used_at FROM user_sessions") == at
        clock.advance(minutes=5)
        await rotating.code(token)
        assert await rotating.flush() == 1
    assert await db.fetchval("SELECT last_used_at FROM user_sessions") > at


async def test_a_later_use_does_not_make_it_forget_the_new_digest(
    worker: Any, db: Any, clock: MovableClock
) -> None:
    async with worker(OLD) as before:
        token = (await register(before.client))["token"]
    async with worker(NEW, OLD) as rotating:
        await rotating.code(token)
        rotating.gate.session_tokens._touches.note(1, None)
        await rotating.flush()
    async with worker(NEW) as after:
        assert await after.code(token) is None


@pytest.mark.parametrize("path", ["logout", "logout-all", "refresh"])
async def test_a_session_that_has_ended_meanwhile_keeps_its_digest(worker: Any, db: Any, path: str) -> None:
    async with worker(OLD) as before:
        token = (await register(before.client))["token"]
    held = await stored(db)
    async with worker(NEW, OLD) as rotating:
        await rotating.code(token)
        await rotating.client.post(f"/api/auth/{path}", headers=bearer(token))
        assert await rotating.flush() == 0
    assert await stored(db) == held


async def test_what_begins_meanwhile_is_under_the_new_key(worker: Any, db: Any) -> None:
    async with worker(OLD) as before:
        token = (await register(before.client))["token"]
    async with worker(NEW, OLD) as rotating:
        tokens = [await rotating.refreshed(token), (await login(rotating.client))["token"]]
    async with worker(NEW) as after:
        assert [await after.code(each) for each in tokens] == [None, None]


async def test_every_verb_takes_an_old_token(worker: Any) -> None:
    async with worker(OLD) as before:
        tokens = [(await register(before.client))["token"]]
        tokens += [(await login(before.client))["token"] for _ in range(3)]
    async with worker(NEW, OLD) as rotating:
        for token, (method, path) in zip(
            tokens,
            [("GET", "sessions"), ("POST", "refresh"), ("POST", "logout"), ("POST", "logout-all")],
            strict=True,
        ):
            assert await rotating.code(token, method, path) is None


async def test_workers_on_both_sides_of_the_change_use_one_session(worker: Any, db: Any) -> None:
    """The new key is known everywhere before it is in front anywhere."""
    async with worker(OLD, NEW) as late, worker(NEW, OLD) as early:
        token = (await register(late.client))["token"]
        for _ in range(3):
            for each in (early, late):
                assert await each.code(token) is None
                assert await each.flush() == 1
        answers = await asyncio.gather(*(each.refreshed(token) for each in (early, late) * 5))
        assert len(set(answers)) == 1
        assert await late.code(answers[0]) is None


async def test_a_refresh_is_repeated_although_its_successor_was_digested_anew(worker: Any, db: Any) -> None:
    async with worker(OLD) as before:
        token = (await register(before.client))["token"]
        successor = await before.refreshed(token)
    async with worker(NEW, OLD) as rotating:
        assert await rotating.code(successor) is None
        assert await rotating.flush() == 0, "the first use is written at once, and its new digest with it"
        assert await rotating.refreshed(token) == successor
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2


async def test_checks_and_new_digests_at_once_refuse_nobody(worker: Any, db: Any) -> None:
    async with worker(OLD) as before:
        tokens = [(await register(before.client))["token"]]
        tokens += [(await login(before.client))["token"] for _ in range(9)]
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker(NEW, OLD)) for _ in range(2)]
        for _ in range(10):
            asked = [each.gate.session_tokens.resolve(token) for each in workers for token in tokens]
            await asyncio.gather(*asked, *(each.flush() for each in workers))
        assert await workers[0].flush() + await workers[1].flush() == 0
        await asyncio.gather(*(workers[0].gate.session_tokens.revoke(token, Client()) for token in tokens))
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE end_reason = 'logout'") == 10


async def test_without_a_former_key_nothing_is_digested_anew(worker: Any, db: Any) -> None:
    async with worker(NEW) as alone:
        token = (await register(alone.client))["token"]
        held = await stored(db)
        assert await alone.code(token) is None
        assert await alone.flush() == 0
    assert await stored(db) == held

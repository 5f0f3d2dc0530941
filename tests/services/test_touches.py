"""`last_used_at`, written behind: seldom, in one statement, and never to a session that has ended."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.conftest import MakeSettings, MovableClock, bearer, login, register, serving

from gatepost.app import create_app
from gatepost.errors import Unavailable
from gatepost.gate import Gate
from gatepost.services import touches as module
from gatepost.services.touches import Touches
from gatepost.store import uses as store


async def use(client: httpx.AsyncClient, token: str) -> None:
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def used(db: Any, session_id: int = 1) -> datetime:
    found = await db.fetchval("SELECT last_used_at FROM user_sessions WHERE id = $1", session_id)
    assert isinstance(found, datetime)
    return found


def touches(gate: Gate) -> Touches:
    return gate.session_tokens._touches


async def test_a_use_within_a_minute_of_the_last_is_not_written(
    client: httpx.AsyncClient, gate: Gate, db: Any, clock: MovableClock
) -> None:
    token = (await register(client))["token"]
    before = await used(db)
    clock.advance(seconds=59)
    await use(client, token)
    assert await touches(gate).flush() == 0
    assert await used(db) == before


async def test_a_use_after_a_minute_is_written_once_however_many_there_are(
    client: httpx.AsyncClient, gate: Gate, db: Any, clock: MovableClock
) -> None:
    token = (await register(client))["token"]
    before = await used(db)
    for _ in range(5):
        clock.advance(seconds=61)
        await use(client, token)
    assert await used(db) == before
    assert await touches(gate).flush() == 1
    assert timedelta(seconds=305) <= await used(db) - before < timedelta(seconds=365)
    await use(client, token)
    assert await touches(gate).flush() == 0


async def test_the_interval_is_a_setting(make_settings: MakeSettings, clock: MovableClock, db: Any) -> None:
    app = create_app(make_settings(session_touch_seconds=0), clock=clock)
    async with serving(app) as client:
        token = (await register(client))["token"]
        for _ in range(3):
            await use(client, token)
            assert await touches(app.state.gatepost).flush() == 1


async def test_what_is_gathered_is_written_when_the_server_stops(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with serving(create_app(make_settings(), clock=clock)) as client:
        token = (await register(client))["token"]
        before = await used(db)
        clock.advance(minutes=5)
        await use(client, token)
        assert await used(db) == before
    assert await used(db) - before >= timedelta(minutes=5)


async def test_it_is_written_in_the_background(
    make_settings: MakeSettings, clock: MovableClock, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    async with serving(create_app(make_settings(), clock=clock)) as client:
        token = (await register(client))["token"]
        before = await used(db)
        clock.advance(minutes=5)
        await use(client, token)
        async with asyncio.timeout(60):
            while await used(db) == before:  # noqa: ASYNC110 - it is PostgreSQL that is watched
                await asyncio.sleep(0)


@pytest.mark.parametrize("verb", ["logout", "refresh", "logout-all"])
async def test_a_session_that_has_ended_meanwhile_stays_as_it_is(
    client: httpx.AsyncClient, gate: Gate, db: Any, clock: MovableClock, verb: str
) -> None:
    token = (await register(client))["token"]
    clock.advance(minutes=5)
    await use(client, token)
    await client.post(f"/api/auth/{verb}", headers=bearer(token))
    before = await db.fetch("SELECT * FROM user_sessions")
    assert await touches(gate).flush() == 0
    assert await db.fetch("SELECT * FROM user_sessions") == before


async def test_a_session_that_is_locked_is_left_out_and_holds_nobody_up(
    client: httpx.AsyncClient, gate: Gate, db: Any, clock: MovableClock
) -> None:
    tokens = [(await register(client))["token"], (await login(client))["token"]]
    before = await used(db, 1)
    clock.advance(minutes=5)
    for token in tokens:
        await use(client, token)
    async with db.transaction():
        await db.execute("SELECT FROM user_sessions WHERE id = 1 FOR UPDATE")
        assert await touches(gate).flush() == 1
    assert await used(db, 1) == before
    assert await used(db, 2) - before >= timedelta(minutes=5)


async def test_a_later_time_is_not_overwritten_by_an_earlier(
    gate: Gate, client: httpx.AsyncClient, db: Any
) -> None:
    await register(client)
    now = datetime.now(UTC)
    for at in (now + timedelta(hours=2), now + timedelta(hours=1)):
        touches(gate).note(1, at)
        await touches(gate).flush()
    assert await used(db) == now + timedelta(hours=2)


async def test_a_write_touches_no_index(client: httpx.AsyncClient, db: Any) -> None:
    await register(client)
    async with db.transaction():
        assert await store.touch(db, {1: store.Use(at=datetime.now(UTC))}, at=None) == 1
        updated, hot = await db.fetchrow(
            """
            SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)
            FROM pg_class WHERE oid = 'user_sessions'::regclass
            """
        )
    assert (updated, hot) == (1, 1)


async def test_of_flushes_at_once_one_writes_and_the_others_wait_for_it(
    client: httpx.AsyncClient, gate: Gate, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    at, asked = datetime.now(UTC) + timedelta(hours=1), 0

    async def touch(*args: Any, **kwargs: Any) -> int:
        nonlocal asked
        asked += 1
        return await store.touch(*args, **kwargs)

    monkeypatch.setattr(module, "store", SimpleNamespace(touch=touch, Use=store.Use))
    touches(gate).note(1, at)
    assert sorted(await asyncio.gather(*(touches(gate).flush() for _ in range(3)))) == [0, 0, 1]
    assert asked == 1
    assert await used(db) == at


async def test_what_is_gathered_goes_in_statements_of_a_bounded_size(
    client: httpx.AsyncClient, gate: Gate, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    for _ in range(4):
        await login(client)
    monkeypatch.setattr(module, "STATEMENT_MAX", 2)
    at = datetime.now(UTC) + timedelta(hours=1)
    for session_id in range(1, 6):
        touches(gate).note(session_id, at)
    assert await touches(gate).flush() == 5
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE last_used_at = $1", at) == 5


async def test_while_the_database_is_away_only_so_many_are_remembered(
    client: httpx.AsyncClient, gate: Gate, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    await login(client)
    monkeypatch.setattr(module, "GATHERED_MAX", 1)
    first, second = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) + timedelta(hours=2)
    touches(gate).note(1, first)
    touches(gate).note(2, first)
    touches(gate).note(1, second)
    assert await touches(gate).flush() == 1
    assert await used(db) == second


async def test_what_can_not_be_written_is_kept_and_logged(
    make_settings: MakeSettings,
    clock: MovableClock,
    db: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    write, faults = store.touch, [Unavailable(), ZeroDivisionError()]

    async def failing(conn: Any, used: Any, **at: Any) -> int:
        if faults:
            raise faults.pop()
        return await write(conn, used, **at)

    monkeypatch.setattr(store, "touch", failing)
    async with serving(create_app(make_settings(), clock=clock)) as client:
        token = (await register(client))["token"]
        before = await used(db)
        clock.advance(minutes=5)
        await use(client, token)
        async with asyncio.timeout(60):
            while await used(db) == before:  # noqa: ASYNC110 - it is PostgreSQL that is watched
                await asyncio.sleep(0)
    told = [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]
    assert "last_used_at not written" in told
    assert "last_used_at not written, trying again" in told


async def test_a_stop_without_a_database_is_no_fault(
    client: httpx.AsyncClient, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)

    async def away(*_: Any, **__: Any) -> int:
        raise Unavailable

    monkeypatch.setattr(store, "touch", away)
    touches(gate).note(1, datetime.now(UTC))
    await touches(gate).close()
    assert touches(gate)._gathered

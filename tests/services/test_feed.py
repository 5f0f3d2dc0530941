"""The live feed: nothing missed, nothing twice, whatever becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from tests.conftest import MakeSettings
from tests.http.conftest import Database, logged

from gatepost.db import listener
from gatepost.gate import Gate
from gatepost.services import feed as module
from gatepost.services.feed import Subscription

KILL_LISTENER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query LIKE '%pg_advisory_lock%'
        OR query LIKE '%pg_locks%') AND pid <> pg_backend_pid()
"""
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted"


@pytest.fixture
async def gate(make_settings: MakeSettings) -> AsyncIterator[Gate]:
    async with Gate(make_settings()) as gate:
        yield gate


async def add(db: Database, *actions: str) -> None:
    for action in actions:
        await db.execute("INSERT INTO auth_events (action) VALUES ($1)", action)


async def take(subscription: Subscription, number: int) -> list[str]:
    async with asyncio.timeout(60):
        return [(await anext(subscription)).event.action for _ in range(number)]


async def nothing(subscription: Subscription, seconds: float = 0.4) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            raise AssertionError(f"{await anext(subscription)} came")


async def until(db: Database, question: str, answer: Any) -> None:
    async with asyncio.timeout(60):
        while await db.fetchval(question) != answer:
            await db.execute("SELECT pg_stat_clear_snapshot()")


async def test_what_happens_is_seen_and_what_had_happened_is_not(gate: Gate, db: Database) -> None:
    await add(db, "before")
    async with gate.feed.subscribe() as events:
        await add(db, "a", "b")
        assert await take(events, 2) == ["a", "b"]
        await nothing(events)


async def test_it_is_rung_for_and_not_come_upon(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOOK_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(module, name, 60.0)
    async with gate.feed.subscribe() as events:
        await until(db, HELD, 1)
        await asyncio.wait_for(_one(events, db), 1)


async def _one(events: Subscription, db: Database) -> None:
    await add(db, "a")
    assert await take(events, 1) == ["a"]


async def test_nothing_is_held_while_nobody_watches(gate: Gate, db: Database) -> None:
    async with gate.feed.subscribe(), gate.feed.subscribe():
        await until(db, HELD, 1)
    await until(db, HELD, 0)
    async with gate.feed.subscribe() as events:
        await add(db, "a")
        assert await take(events, 1) == ["a"]


async def test_the_trigger_rings_only_where_somebody_listens(db: Database, owner_dsn: str) -> None:
    heard: list[object] = []
    other = await asyncpg.connect(owner_dsn)
    await other.add_listener(listener.CHANNEL, lambda *args: heard.append(args))
    await add(db, "a")
    await other.execute("SELECT")
    assert heard == []
    await other.execute("SELECT pg_advisory_lock($1)", listener.HEARD_LOCK)
    await add(db, "b")
    async with asyncio.timeout(60):
        while not heard:
            await other.execute("SELECT")
    await other.close()


async def test_an_event_that_commits_after_later_ones_is_not_missed(
    gate: Gate, db: Database, owner_dsn: str
) -> None:
    slow = await asyncpg.connect(owner_dsn)
    transaction = slow.transaction()
    async with gate.feed.subscribe() as events:
        await transaction.start()
        await add(slow, "slow")
        await add(db, "fast")
        assert await take(events, 1) == ["fast"]
        await transaction.commit()
        assert await take(events, 1) == ["slow"]
        await nothing(events)
    await slow.close()


async def test_an_event_under_way_when_the_first_one_comes_is_seen(
    gate: Gate, db: Database, owner_dsn: str
) -> None:
    slow = await asyncpg.connect(owner_dsn)
    transaction = slow.transaction()
    await transaction.start()
    await add(slow, "slow")
    await add(db, "fast")
    async with gate.feed.subscribe() as events:
        await transaction.commit()
        assert await take(events, 1) == ["slow"]
        await nothing(events)
    await slow.close()


async def test_a_killed_connection_costs_no_event_and_doubles_none(gate: Gate, db: Database) -> None:
    async with gate.feed.subscribe() as events:
        await until(db, HELD, 1)
        await add(db, "a")
        assert await take(events, 1) == ["a"]
        killed = await db.fetch(KILL_LISTENER)
        assert killed
        await add(db, "b", "c")
        assert await take(events, 2) == ["b", "c"]
        await until(db, HELD, 1)
        await add(db, "d")
        assert await take(events, 1) == ["d"]
        await nothing(events)


async def test_all_connections_killed_cost_no_event_either(gate: Gate, db: Database) -> None:
    async with gate.feed.subscribe() as events:
        await until(db, HELD, 1)
        await db.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        )
        await add(db, "a", "b")
        assert await take(events, 2) == ["a", "b"]
        await nothing(events)


async def test_where_nothing_is_heard_it_asks_every_second_and_says_so_once(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # What a pooler by transaction does to a notification: nobody gets it.
    monkeypatch.setattr(listener.Bell, "_on_notify", lambda *_: None)
    monkeypatch.setattr(listener, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.1)
    for _ in range(2):
        async with gate.feed.subscribe() as events:
            await add(db, "a", "b")
            assert await take(events, 2) == ["a", "b"]
            await add(db, "c")
            assert await take(events, 1) == ["c"]
            assert await db.fetchval(HELD) == 0  # on a lent connection the lock would be left behind
    said = [record for record in caplog.records if "NOTIFY is not heard" in str(record.msg)]
    assert len(said) == 1
    assert logged(caplog, "the live feed failed") == []


async def test_a_second_process_takes_over_when_the_first_one_leaves(
    make_settings: MakeSettings, gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.2)
    async with Gate(make_settings()) as other, other.feed.subscribe() as events:
        await until(db, HELD, 1)
        async with gate.feed.subscribe() as first:
            await add(db, "a")
            assert (await take(events, 1), await take(first, 1)) == (["a"], ["a"])
        await until(db, HELD, 1)
        await add(db, "b")
        assert await take(events, 1) == ["b"]


async def test_one_who_is_too_slow_is_let_go_after_what_waits(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_MAX", 3)
    async with gate.feed.subscribe() as slow, gate.feed.subscribe() as fast:
        for action in "abcde":
            await add(db, action)
            assert await take(fast, 1) == [action]
        assert await take(slow, 3) == ["a", "b", "c"]
        with pytest.raises(StopAsyncIteration):
            await anext(slow)
        async with gate.feed.subscribe(
            after=await db.fetchval("SELECT max(id) - 2 FROM auth_events")
        ) as again:
            assert await take(again, 2) == ["d", "e"]


async def test_one_who_comes_again_gets_what_came_meanwhile_in_that_order(
    gate: Gate, db: Database, owner_dsn: str
) -> None:
    slow = await asyncpg.connect(owner_dsn)
    transaction = slow.transaction()
    async with gate.feed.subscribe() as others:
        await transaction.start()
        await add(slow, "late")
        await add(db, "a")
        assert await take(others, 1) == ["a"]
        last = await db.fetchval("SELECT max(id) FROM auth_events")
        await transaction.commit()
        assert await take(others, 1) == ["late"]
        async with gate.feed.subscribe(after=last) as again:
            await add(db, "b")
            assert await take(again, 2) == ["late", "b"]
            await nothing(again)
    await slow.close()


async def test_closing_ends_every_subscription(gate: Gate) -> None:
    async with gate.feed.subscribe() as events:
        await gate.feed.close()
        with pytest.raises(StopAsyncIteration):
            await anext(events)

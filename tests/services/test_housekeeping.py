"""Housekeeping: in batches, around locks, by one worker at a time, and while sessions are being checked."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import MakeSettings, bearer, register, serving

from gatepost.app import create_app
from gatepost.errors import Unavailable
from gatepost.gate import Gate
from gatepost.models import Client
from gatepost.services import housekeeping as module
from gatepost.store import endings


async def add_sessions(db: Any, number: int, *, ended: bool = False) -> None:
    """Add sessions of user 1 that expired an hour ago, or ended a year ago."""
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, is_active, ended_at, end_reason)
        SELECT gen_random_uuid()::text, 1, now() - interval '1 hour', NOT $2,
            CASE WHEN $2 THEN now() - interval '1 year' END, CASE WHEN $2 THEN 'logout' END
        FROM generate_series(1, $1)
        """,
        number,
        ended,
    )


async def expired(db: Any) -> int:
    """Count the sessions that have expired and are not ended."""
    return int(await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active AND expires_at < now()"))


async def test_it_works_in_batches_and_tells_of_each(
    client: httpx.AsyncClient, gate: Gate, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    await add_sessions(db, 25)
    await add_sessions(db, 20, ended=True)
    monkeypatch.setattr(module, "BATCH", 10)
    told: list[tuple[str, int]] = []
    cleaned = await gate.housekeeping.run(
        client=Client(), progress=lambda what, done: told.append((what, done))
    )
    assert (cleaned.expired, cleaned.purged) == (25, 20)
    assert told == [
        *[("expired", 10), ("expired", 10), ("expired", 5)],
        *[("purged", 10), ("purged", 10), ("purged", 0)],
    ]
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 26


async def test_it_counts_what_it_would_end(client: httpx.AsyncClient, gate: Gate, db: Any) -> None:
    await register(client)
    await add_sessions(db, 3)
    await add_sessions(db, 2, ended=True)
    assert await gate.housekeeping.count_expired() == 3
    await gate.housekeeping.run(client=Client())
    assert await gate.housekeeping.count_expired() == 0


async def test_the_oldest_go_first(client: httpx.AsyncClient, db: Any) -> None:
    await register(client)
    await add_sessions(db, 3)
    await db.execute("UPDATE user_sessions SET expires_at = now() - interval '1 day' WHERE id = 3")
    assert (await endings.end_expired(db, limit=1, at=None)).count == 1
    assert await db.fetchval("SELECT id FROM user_sessions WHERE NOT is_active") == 3


async def test_every_end_has_its_time_and_reason(client: httpx.AsyncClient, gate: Gate, db: Any) -> None:
    await register(client)
    await add_sessions(db, 3)
    await gate.housekeeping.run(client=Client())
    rows = await db.fetch(
        "SELECT DISTINCT is_active, ended_at = expires_at, end_reason FROM user_sessions WHERE id > 1"
    )
    assert [tuple(row) for row in rows] == [(False, True, "expired")]


@pytest.mark.parametrize("ended", [False, True])
async def test_a_row_that_somebody_holds_is_passed_over(
    client: httpx.AsyncClient, gate: Gate, db: Any, ended: bool
) -> None:
    await register(client)
    await add_sessions(db, 5, ended=ended)
    async with db.transaction():
        await db.execute("SELECT FROM user_sessions WHERE id = 3 FOR UPDATE")
        cleaned = await gate.housekeeping.run(client=Client())
        assert cleaned.expired + cleaned.purged == 4
    cleaned = await gate.housekeeping.run(client=Client())
    assert cleaned.expired + cleaned.purged == 1


async def test_in_the_background_one_worker_at_a_time_does_it(
    client: httpx.AsyncClient, gate: Gate, db: Any
) -> None:
    await register(client)
    await add_sessions(db, 5)
    await add_sessions(db, 5, ended=True)
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", endings.HOUSEKEEPING_LOCK)
        cleaned = await gate.housekeeping._clean(alone=True, progress=None)
        assert (cleaned.expired, cleaned.purged) == (0, 0)
    cleaned = await gate.housekeeping._clean(alone=True, progress=None)
    assert (cleaned.expired, cleaned.purged) == (5, 5)


async def test_on_demand_it_does_not_ask_whether_another_does(
    client: httpx.AsyncClient, gate: Gate, db: Any
) -> None:
    await register(client)
    await add_sessions(db, 5)
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", endings.HOUSEKEEPING_LOCK)
        assert (await gate.housekeeping.run(client=Client())).expired == 5


async def test_several_at_once_end_each_session_once(
    make_settings: MakeSettings, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 50)
    apps = [create_app(make_settings()) for _ in range(2)]
    async with AsyncExitStack() as stack:
        client, _ = [await stack.enter_async_context(serving(app)) for app in apps]
        await register(client)
        await add_sessions(db, 1000)
        cleaned = await asyncio.gather(
            *(app.state.gatepost.housekeeping.run(client=Client()) for app in apps for _ in range(3))
        )
    assert sum(each.expired for each in cleaned) == 1000
    assert await expired(db) == 0


async def test_a_run_by_a_command_is_on_the_trail_as_one(
    client: httpx.AsyncClient, gate: Gate, db: Any
) -> None:
    await gate.housekeeping.run(client=Client())
    detail = await db.fetchval("SELECT detail->>'by' FROM auth_events WHERE action = 'cleanup.run'")
    assert detail == "command"


async def test_sessions_are_checked_while_many_thousands_are_ended(
    make_settings: MakeSettings, db: Any
) -> None:
    app = create_app(make_settings())
    async with serving(app) as client:
        token = (await register(client))["token"]
        await add_sessions(db, 20_000)
        cleaning = asyncio.create_task(app.state.gatepost.housekeeping.run(client=Client()))
        statuses: list[int] = []
        while not cleaning.done():
            statuses.append((await client.get("/api/auth/me", headers=bearer(token))).status_code)
        assert (await cleaning).expired == 20_000
        assert set(statuses) == {200}
        assert len(statuses) > 20
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


# --- In the background ---


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [r.msg for r in caplog.records if isinstance(r.msg, dict) and r.msg["event"] == event]


async def until_none_is_left(db: Any) -> None:
    async with asyncio.timeout(60):
        while await expired(db):  # noqa: ASYNC110 - it is PostgreSQL that is watched
            await asyncio.sleep(0)


async def test_a_server_ends_what_has_expired_without_being_asked(
    make_settings: MakeSettings, client: httpx.AsyncClient, db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="gatepost.housekeeping")
    await register(client)
    await add_sessions(db, 7)
    async with serving(create_app(make_settings(cleanup_interval_seconds=1))):
        await until_none_is_left(db)
        async with asyncio.timeout(60):
            while not (told := lines(caplog, "housekeeping")):  # noqa: ASYNC110 - the log is watched
                await asyncio.sleep(0)
    assert [(line["expired"], line["purged"]) for line in told] == [(7, 0)]


async def test_it_goes_on_after_a_fault_and_after_the_database_was_away(
    make_settings: MakeSettings,
    client: httpx.AsyncClient,
    db: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await register(client)
    await add_sessions(db, 3)
    end, faults = endings.end_expired, [Unavailable(), ZeroDivisionError()]

    async def failing(*args: Any, **kwargs: Any) -> endings.Batch:
        if faults:
            raise faults.pop()
        return await end(*args, **kwargs)

    monkeypatch.setattr(endings, "end_expired", failing)
    app = create_app(make_settings())
    async with serving(app):
        app.state.gatepost.housekeeping.start(timedelta(seconds=0.01))
        await until_none_is_left(db)
    assert lines(caplog, "housekeeping failed")
    assert lines(caplog, "housekeeping put off, the database is away")


async def test_an_interval_of_0_turns_it_off(make_settings: MakeSettings) -> None:
    app = create_app(make_settings(cleanup_interval_seconds=0))
    async with serving(app):
        assert app.state.gatepost.housekeeping._task is None


async def test_a_stop_does_not_wait_for_a_batch_under_way(
    make_settings: MakeSettings, client: httpx.AsyncClient, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    await add_sessions(db, 3)
    begun = asyncio.Event()

    async def endless(*_: Any, **__: Any) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(endings, "end_expired", endless)
    async with asyncio.timeout(60):
        async with serving(create_app(make_settings(cleanup_interval_seconds=1))):
            await begun.wait()
    assert await expired(db) == 3

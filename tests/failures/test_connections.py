"""Connections: never more than the pool has, and none left behind at the server in anybody's way."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import asyncpg
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, bearer, execute, register, serving
from tests.failures.conftest import ATTEMPTS, PATIENCE, POOL_SIZE, Site, connected, eventually
from tests.failures.test_outages import paused
from tests.http.conftest import assert_error

from gatepost import errors
from gatepost.db.pool import Database
from gatepost.library import Gatepost


async def test_a_request_whose_caller_hangs_up_leaves_nothing_running(site: Site) -> None:
    async with connected(site.dsn) as db, db.transaction():
        await db.execute("LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            with site.in_a_hurry():  # what was looked up for several callers runs to its end
                requests = [asyncio.create_task(site.ask(name)) for name in ("refresh", "logout", "me")]
                await eventually(lambda: _any_waits(db))
            for request in requests:
                request.cancel()
            await asyncio.wait(requests)
        await eventually(lambda: _none_waits(db))
        assert await site.holds_no_more_than_its_own()
    await site.recovers()


async def _waiting(db: "asyncpg.Connection[asyncpg.Record]") -> int:
    count = await db.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return int(count)


async def _any_waits(db: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return await _waiting(db) > 0


async def _none_waits(db: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return await _waiting(db) == 0


async def test_an_exhausted_pool_is_503_and_session_checks_go_on(site: Site) -> None:
    database = site.gate.database
    database.timeout = None  # for those who hold the connections here
    database._opened()._hold = None  # nor are they pressed by those who wait
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as held:
        for _ in range(POOL_SIZE):
            await held.enter_async_context(database.connection())
        await site.refuses(but=lambda attempt: attempt.operation in {"me", "verify", "verify_for_envoy"})
    await site.recovers()


async def test_a_use_whose_own_deadline_passes_as_it_is_pressed_is_ended_once(dsn: str) -> None:
    database, loop = Database(dsn, size=1, timeout=PATIENCE), asyncio.get_running_loop()
    await database.open()
    pool = database._opened()
    pool._hold = 0.0
    lease = await pool.lend(limit := asyncio.timeout(None))
    waits = asyncio.create_task(pool.lend(asyncio.timeout(None)))

    async def use() -> None:
        async with limit:
            limit.reschedule(loop.time())
            loop.call_soon(pool._press)
            await loop.create_future()

    with pytest.raises(TimeoutError):
        await asyncio.create_task(use())  # which begins when somebody waits already
    assert not lease.cut, "nobody else ended it"
    pool.take_back(lease, spent=False)
    pool.take_back(await waits, spent=False)
    await database.close()


async def test_a_transaction_that_holds_the_only_connection_is_ended_and_the_others_are_not_kept_waiting(
    make_settings: MakeSettings, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    auth = Gatepost(make_settings(database_pool_size=1, database_timeout_seconds=1.5))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    reached, released = asyncio.Event(), asyncio.Event()

    @auth.on_register
    async def never_ends(conn: object, user: object) -> None:
        reached.set()
        await released.wait()

    body = {"email": "user@example.com", "name": "A", "password": "securepassword123"}
    async with serving(app) as client:
        loop = asyncio.get_running_loop()
        holder = asyncio.create_task(client.post("/api/auth/register", json=body))
        await reached.wait()
        began = loop.time()
        others = [
            client.post("/api/auth/login", json={"email": f"u{n}@example.com", "password": body["password"]})
            for n in range(5)
        ]
        answers = await asyncio.gather(*others)
        # Whoever comes while the connection is taken gets it when it is free, or is told in time.
        assert {answer.status_code for answer in answers} <= {401, 503}
        assert loop.time() - began < PATIENCE
        assert_error(await holder, errors.Unavailable)
        released.set()
        data = await register(client)
        assert (await client.get("/api/auth/sessions", headers=bearer(data["token"]))).status_code == 200
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_a_table_that_is_altered_while_its_statements_are_prepared_is_never_a_500(site: Site) -> None:
    before = await site.ask_all()
    assert {n: answer.status_code for n, answer in before.items()} == {
        n: a.status for n, a in ATTEMPTS.items()
    }
    await execute(
        site.dsn,
        "ALTER TABLE users ALTER COLUMN name TYPE text, ALTER COLUMN email TYPE text",
        "ALTER TABLE user_sessions ALTER COLUMN ip_address TYPE text",
        "ALTER TABLE auth_events ALTER COLUMN user_agent TYPE varchar, ALTER COLUMN ip_address TYPE text",
    )
    after = await site.ask_all()
    told = {name: answer.status_code for name, answer in after.items()}
    assert 500 not in told.values(), told


@pytest.mark.parametrize(
    "end",
    [
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted",
        "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted",
    ],
    ids=["ended", "cancelled"],
)
async def test_a_backend_that_is_ended_or_cancelled_is_replaced(site: Site, end: str) -> None:
    async with connected(site.dsn) as db, db.transaction():
        await db.execute("LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.create_task(site.ask("refresh"))
        await eventually(lambda: _any_waits(db))
        with site.in_a_hurry():
            async with connected(site.server.dsn()) as admin:
                await admin.fetch(end)
            assert_error(await waiting, errors.Unavailable)
    await site.recovers()


async def test_what_is_written_behind_is_kept_and_written_when_the_database_is_back(site: Site) -> None:
    gate = site.gate
    person = site.people["me"]
    async with connected(site.dsn) as db:
        await db.execute("UPDATE user_sessions SET last_used_at = now() - interval '1 day'")
    await site.ask("me")
    await asyncio.to_thread(site.server.stop)
    with pytest.raises(errors.Unavailable):
        await gate.session_tokens._touches.flush()
    await asyncio.to_thread(site.server.start)
    await gate.session_tokens._touches.flush()
    async with connected(site.dsn) as db:
        recent = await db.fetchval(
            "SELECT last_used_at > now() - interval '1 hour' FROM user_sessions WHERE id = $1",
            person["session"],
        )
    assert recent


async def test_a_flush_ends_while_sessions_go_on_being_used(site: Site) -> None:
    touches = site.gate.session_tokens._touches
    session = int(site.people["me"]["session"])

    async def go_on() -> None:
        while True:
            touches.note(session, datetime.now(UTC))
            await asyncio.sleep(0)

    user = asyncio.create_task(go_on())
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(PATIENCE):
            assert await touches.flush() == 1
    finally:
        user.cancel()


async def test_closing_does_not_wait_for_a_server_that_does_not_answer(site: Site) -> None:
    gate = site.gate
    async with paused(site):
        with site.in_a_hurry():
            assert_error(await site.ask("sessions"), errors.Unavailable)
            async with asyncio.timeout(PATIENCE):
                await gate.close()
    await gate.open()
    await site.send_no_mail()
    await site.recovers()

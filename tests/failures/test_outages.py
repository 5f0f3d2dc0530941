"""The database is away while Gatepost serves: 503 in time from every endpoint, and then all is well again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import asyncpg
import httpx
import pytest
from tests.failures.conftest import ATTEMPTS, POOL_SIZE, Attempt, Site, connected, eventually
from tests.http.conftest import until_waiting


async def test_every_operation_of_the_api_is_attempted(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/auth/openapi.json")).json()
    documented = {
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method in {"get", "post", "put", "patch", "delete"}
    }
    assert {attempt.operation for attempt in ATTEMPTS.values()} == documented


# --- What becomes of the database ---


@asynccontextmanager
async def stopped(site: Site) -> AsyncIterator[None]:
    await asyncio.to_thread(site.server.stop)
    yield
    await asyncio.to_thread(site.server.start)


@asynccontextmanager
async def killed(site: Site) -> AsyncIterator[None]:
    await asyncio.to_thread(site.server.kill)
    yield
    await asyncio.to_thread(site.server.start)


@asynccontextmanager
async def paused(site: Site) -> AsyncIterator[None]:
    await site.server.pause()
    yield
    site.server.resume()


@asynccontextmanager
async def full(site: Site) -> AsyncIterator[None]:
    """Others have every connection that the server gives out."""
    async with AsyncExitStack() as others:
        await site.disconnect()
        while True:
            try:
                await others.enter_async_context(connected(site.server.dsn()))
            except asyncpg.TooManyConnectionsError:
                break
        yield


@asynccontextmanager
async def locked(site: Site) -> AsyncIterator[None]:
    """Somebody alters the tables and takes their time."""
    async with connected(site.dsn) as db, db.transaction():
        await db.execute("LOCK TABLE users, user_sessions, auth_events IN ACCESS EXCLUSIVE MODE")
        yield
        assert await site.connections() <= POOL_SIZE + 1, "each try left a connection behind"


@asynccontextmanager
async def sessions_locked(site: Site) -> AsyncIterator[None]:
    async with connected(site.dsn) as db, db.transaction():
        await db.execute("LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def gone(site: Site) -> AsyncIterator[None]:
    """There is no database of this name."""
    name = site.database
    await site.alter_database("ALLOW_CONNECTIONS false")
    await site.disconnect()
    await site.alter_database(f"RENAME TO {name}_away")
    yield
    await site.alter_database(f"RENAME TO {name}", f"{name}_away")
    await site.alter_database("ALLOW_CONNECTIONS true")


@asynccontextmanager
async def closed(site: Site) -> AsyncIterator[None]:
    """The database lets nobody in."""
    await site.alter_database("ALLOW_CONNECTIONS false")
    await site.disconnect()
    yield
    await site.alter_database("ALLOW_CONNECTIONS true")


Outage = Callable[[Site], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("outage", [stopped, killed, paused, full, locked, gone, closed])
async def test_a_database_that_is_away(site: Site, outage: Outage) -> None:
    async with outage(site):
        await site.refuses()  # with the connections that there were
        await site.refuses()  # without any
    await site.recovers()


async def test_a_table_that_is_locked(site: Site) -> None:
    async with sessions_locked(site):
        with site.in_a_hurry():
            answers = await site.ask_all()
        for name, answer in answers.items():
            # What neither has nor starts a session may be answered, where a connection is left for it.
            attempt = ATTEMPTS[name]
            begins = attempt.operation in {"passkey_login_options", "passkey_sign_up_options"}
            served = attempt.token is None and (begins or attempt.status not in {200, 201})
            accepted = {503, attempt.status} if served else {503}
            assert answer.status_code in accepted, name
    await site.recovers()


def _only_reads(attempt: Attempt) -> bool:
    return not attempt.writes


@asynccontextmanager
async def read_only(site: Site) -> AsyncIterator[None]:
    await site.alter_database("SET default_transaction_read_only = on")
    await site.disconnect()
    yield
    await site.alter_database("RESET default_transaction_read_only")


@asynccontextmanager
async def standby(site: Site) -> AsyncIterator[None]:
    """A failover: what was the primary comes back as a standby, and is promoted later."""
    await asyncio.to_thread(site.server.stop)
    (site.server.data / "standby.signal").touch()
    await asyncio.to_thread(site.server.start)
    try:
        yield
    finally:
        async with connected(site.server.dsn()) as admin:
            assert await admin.fetchval("SELECT pg_promote()")


async def test_a_database_that_can_only_be_read(site: Site) -> None:
    async with read_only(site):
        await site.refuses(but=_only_reads)
    await site.recovers()


async def test_a_standby_is_asked_nothing_because_it_may_not_know_yet_what_has_ended(site: Site) -> None:
    async with standby(site):
        await site.refuses()
    await site.recovers()


async def test_a_backend_that_crashes_takes_the_others_with_it_and_all_are_replaced(site: Site) -> None:
    async with connected(site.dsn) as db:
        await db.execute("BEGIN; LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.create_task(site.ask("refresh"))
        await until_waiting(db, 1)
        pid = await db.fetchval("SELECT pid FROM pg_locks WHERE NOT granted")
        os.kill(pid, signal.SIGKILL)
        assert (await waiting).status_code == 503

        async def back() -> bool:
            return (await site.ask("me")).status_code == 200

        await eventually(back)
    await site.recovers()

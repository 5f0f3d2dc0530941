"""Expired sessions by the hundred thousand: ended in batches, while everybody goes on."""

import asyncio
from collections import Counter
from datetime import timedelta

import asyncpg
import httpx
import pytest
from tests.conftest import MakeSettings, bearer, register, serving
from tests.failures.conftest import connected, eventually

from gatepost.app import create_app
from gatepost.gate import Gate
from gatepost.models import Client
from gatepost.services import housekeeping
from gatepost.services.housekeeping import BATCH

MANY = 100_000


@pytest.fixture
def owner_dsn(new_dsn: str) -> str:
    """What an index is read is counted."""
    return new_dsn


async def add_expired(db: "asyncpg.Connection[asyncpg.Record]", number: int, *, ended: bool = False) -> None:
    """Add sessions of user 1 that expired one after the other, or ended so long ago that they are purged."""
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, is_active, ended_at, end_reason)
        SELECT 'expired ' || i, 1, t.at, NOT $2, CASE WHEN $2 THEN t.at END, CASE WHEN $2 THEN 'expired' END
        FROM generate_series(1, $1::integer) i
        CROSS JOIN LATERAL (SELECT now() - $3::interval + i * interval '1 second' AS at) t
        """,
        number,
        ended,
        timedelta(days=365 if ended else 2),
    )


class Everybody:
    """Who goes on meanwhile; `seen` counts what they did."""

    def __init__(self, client: httpx.AsyncClient, dsn: str) -> None:
        self.seen: Counter[str] = Counter()
        self._client = client
        self._dsn = dsn

    async def check(self, token: str) -> None:
        while True:
            assert (await self._client.get("/api/auth/me", headers=bearer(token))).status_code == 200
            self.seen["checks"] += 1

    async def refresh(self, token: str) -> None:
        while True:
            response = await self._client.post("/api/auth/refresh", headers=bearer(token))
            assert response.status_code == 200
            token = response.json()["data"]["token"]
            self.seen["refreshes"] += 1

    async def write(self, email: str) -> None:
        """Write rows that are in no batch, as a console would; who has to wait for a lock fails."""
        async with connected(self._dsn) as db:
            await db.execute("SET lock_timeout = '500ms'")
            while True:
                await db.execute(
                    """
                    UPDATE user_sessions SET user_agent = 'seen' FROM users u
                    WHERE user_id = u.id AND u.email = $1 AND expires_at > now()
                    """,
                    email,
                )
                self.seen["writes"] += 1

    async def watch(self) -> None:
        """Hold that Gatepost never locks the table against anybody's work on it."""
        async with connected(self._dsn) as db:
            while True:
                modes = await db.fetch(
                    """
                    SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                    WHERE l.locktype = 'relation' AND l.relation = 'user_sessions'::regclass
                        AND a.application_name = 'gatepost'
                    """
                )
                weak = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}
                assert {row["mode"] for row in modes} <= weak
                self.seen["looks"] += 1


async def test_a_hundred_thousand_are_ended_in_batches_while_everybody_goes_on(
    client: httpx.AsyncClient, gate: Gate, dsn: str, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await register(client)
    await add_expired(db, MANY)
    checked = await register(client, "checked@example.com")
    refreshed = await register(client, "refreshed@example.com")
    everybody = Everybody(client, dsn)
    batches: list[int] = []
    tasks = [
        asyncio.create_task(work)
        for work in (
            everybody.check(checked["token"]),
            everybody.refresh(refreshed["token"]),
            everybody.write("checked@example.com"),
            everybody.watch(),
        )
    ]
    cleaned = await gate.housekeeping.run(client=Client(), progress=lambda _, done: batches.append(done))
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.wait(tasks)
    assert cleaned.expired == MANY
    assert max(batches) == BATCH
    assert min(everybody.seen.values()) > 0, everybody.seen
    assert len(everybody.seen) == len(tasks)
    told = await db.fetch(
        """
        SELECT is_active, end_reason, count(*) AS count FROM user_sessions
        WHERE end_reason IS DISTINCT FROM 'refreshed' AND (is_active OR ended_at = expires_at)
        GROUP BY 1, 2 ORDER BY 1
        """
    )
    assert [tuple(row) for row in told] == [(False, "expired", MANY), (True, None, 3)]


@pytest.mark.parametrize("ended", [False, True], ids=["expired", "purged"])
async def test_an_old_transaction_does_not_make_batches_slower_and_slower(
    make_settings: MakeSettings,
    dsn: str,
    db: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
    *,
    ended: bool,
) -> None:
    """Its snapshot keeps in the index what was ended, and a batch must not walk through that again."""
    number, batch = 1_000, 20
    monkeypatch.setattr(housekeeping, "BATCH", batch)
    await db.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$"
    )
    async with serving(create_app(make_settings())) as client:
        await register(client)
        await add_expired(db, number, ended=ended)
    reads = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = $1"
    index = "user_sessions_ended_at_idx" if ended else "user_sessions_expires_at_idx"
    app = create_app(make_settings())
    async with connected(dsn) as old, old.transaction(isolation="repeatable_read"):
        await old.execute("SELECT FROM users")
        async with serving(app):
            cleaned = await app.state.gatepost.housekeeping.run(client=Client())
        assert (cleaned.purged if ended else cleaned.expired) == number

    async def told() -> bool:
        return bool(await db.fetchval(reads, index) >= number)

    await eventually(told)  # when the connections that read have closed
    assert await db.fetchval(reads, index) < 5 * number

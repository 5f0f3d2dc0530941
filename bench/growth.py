"""Growth: the session check on tables of ten thousand to ten million sessions, and while a million expire."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from bench import gatepost_servers, machine, seeds
from bench.cores import Cores
from bench.database import Connection, Postgres
from bench.failures import BenchError, Wrong
from bench.measured import Measured
from bench.measures.field import Field
from bench.plan import TOKENS, Plan
from bench.progress import Progress
from bench.rawhttp import connection
from bench.results import Results, Sample
from bench.seeds import FILL_SESSIONS, FILL_USERS, USER_AGENT, Credential
from bench.sizes import row_bytes
from bench.subjects import Subject
from bench.targets import verdicts

SESSIONS_A_USER = 10
CHUNK = 500_000
SPREAD_TOKENS = 100_000
UNIQUE = "user_sessions_session_token_key"
IDLE, EXPIRING = "me-before-expiry", "me-expiring"


@dataclass(frozen=True, slots=True)
class Extent:
    """Attributes:
    sizes: sessions in each table, the least first.
    expiring: how many of the largest expire at once.
    """

    sizes: tuple[int, ...]
    expiring: int


FULL = Extent((10_000, 100_000, 1_000_000, 10_000_000), 1_000_000)
QUICK = Extent((10_000, 1_000_000), 200_000)


async def grow(plan: Plan, progress: Progress) -> Results:
    """Measure what the size of the tables does.

    Raises:
        BenchError: Gatepost answers wrongly, or not at all.
    """
    extent = QUICK if plan.quick else FULL
    cores = Cores.divide()
    about = machine.described(cores)
    os.sched_setaffinity(0, cores.rest)
    postgres = Postgres.start()
    field = Field(cores, postgres)
    try:
        growth = _Growth(plan, extent, postgres, field, progress)
        await growth.set_up()
        await growth.rounds()
        await growth.expire()
        return growth.results(about)
    finally:
        field.stop()
        for size in extent.sizes:
            await postgres.drop(f"bench_growth_{size}")
        postgres.stop()


class _Growth:
    def __init__(
        self, plan: Plan, extent: Extent, postgres: Postgres, field: Field, progress: Progress
    ) -> None:
        self._plan = plan
        self._extent = extent
        self._postgres = postgres
        self._field = field
        self._progress = progress
        self._measured = Measured()
        self._facts: dict[str, float] = {}
        self._admin: Credential | None = None

    async def set_up(self) -> None:
        for size in self._extent.sizes:
            database = f"bench_growth_{size}"
            many = SPREAD_TOKENS if size == self._extent.sizes[-1] else TOKENS
            credentials = await self._fill(database, size, many)
            async with self._postgres.connection(database) as conn:
                found = await row_bytes(conn)
            self._facts |= {f"{name}_at_{size}": value for name, value in found.items()}
            me = Subject(
                key=f"me-{size}",
                group="gatepost",
                name=f"/me, {size:,} sessions",
                program=gatepost_servers.served(
                    f"growth-{size}", self._postgres, database, CLEANUP_INTERVAL_SECONDS="86400"
                ),
                path="/api/auth/me",
                credentials=credentials[:TOKENS],
            )
            await self._enter(me)
        spread = f"{me.name}, any of {len(credentials):,} tokens"
        await self._enter(replace(me, key="me-spread", name=spread, credentials=credentials))
        self._admin = credentials[0]

    async def _enter(self, subject: Subject) -> None:
        await self._field.enter(subject)
        if self._field.absent:
            raise BenchError(f"Gatepost: {self._field.absent[0].note}")

    async def _fill(self, database: str, size: int, tokens: int) -> list[Credential]:
        """Fill a database as `seeds.fill` does, with the indexes made after the rows."""
        await seeds.empty(self._postgres, database)
        users = max(1, size // SESSIONS_A_USER)
        self._progress.expect(size)
        self._progress.doing(f"filling a table with {size:,} sessions")
        async with self._postgres.connection(database) as conn:
            await conn.execute(FILL_USERS, users, seeds.password_hash())
            await conn.execute("UPDATE users SET is_admin = true WHERE id = 1")
            end = await seeds.far(conn)
            async with _indexes_later(conn):
                for first in range(1, size + 1, CHUNK):
                    last = min(size, first + CHUNK - 1)
                    await conn.execute(FILL_SESSIONS, first, last, users, end, USER_AGENT)
                    self._progress.done(last - first + 1)
                self._progress.doing(f"indexing {size:,} sessions")
            self._progress.doing(f"vacuuming {size:,} sessions")
            # The first one is the administrator's.
            credentials = await seeds.hand_out(conn, [1, *seeds.some(2, size, tokens - 1)])
        await self._postgres.settle(database)
        admin = next(each for each in credentials if each.email == "user1@example.com")
        return [admin, *(each for each in credentials if each is not admin)]

    async def rounds(self) -> None:
        plan = self._plan
        self._progress.expect(plan.rounds * len(self._field.entries))
        for number in range(1, plan.rounds + 1):
            for key, entry in self._field.entries.items():
                self._progress.doing(f"round {number} of {plan.rounds}: {entry.subject.name}")
                await self._field.sample(key, number, seconds=plan.seconds, warm_seconds=plan.warm_seconds)
                self._progress.done()
        await self._field.recheck()

    async def expire(self) -> None:
        """Have the worker itself end a great many sessions while it answers others."""
        size, count = self._extent.sizes[-1], self._extent.expiring
        key, database = f"me-{size}", f"bench_growth_{size}"
        self._measured.row(IDLE, "gatepost", f"/me, {size:,} sessions, just before some expire")
        self._measured.row(EXPIRING, "gatepost", f"/me while {count:,} sessions are being expired")
        self._progress.doing(f"letting {count:,} sessions expire")
        keep = [
            each.header.rpartition(" ")[2] for each in self._field.entries["me-spread"].subject.credentials
        ]
        await _let_expire(self._postgres, database, count, keep)
        await self._postgres.settle(database)
        for number in range(1, self._plan.rounds + 1):
            self._measured.add(IDLE, await self._load(key, number))
        self._progress.doing(f"/me while {count:,} sessions are being expired")
        cleanup = asyncio.create_task(self._clean_up(key, count))
        number = 0
        while not cleanup.done():
            number += 1
            sample = await self._load(key, number)
            # The last one may have run on after the end; it counts where there is no other.
            if not cleanup.done() or number == 1:
                self._measured.add(EXPIRING, sample)
        self._measured.note(EXPIRING, f"it took {await cleanup:.1f} s")

    async def _load(self, key: str, number: int) -> Sample:
        return await self._field.load(key, number, seconds=min(2, self._plan.seconds))

    async def _clean_up(self, key: str, count: int) -> float:
        """Ask for the clean-up as an administrator; return the seconds it took."""
        if self._admin is None:
            raise AssertionError("the administrator was made with the rows")
        start = asyncio.get_running_loop().time()
        async with connection(self._field.entries[key].server.port) as asked:
            answer = await asked.request("POST", "/api/auth/cleanup", self._admin.headers)
        if answer.status != 200 or json.loads(answer.body)["data"]["sessions_expired"] < count:
            raise Wrong(f"the clean-up answered {answer.status}: {answer.body[:200]!r}")
        return asyncio.get_running_loop().time() - start

    def results(self, about: dict[str, object]) -> Results:
        sizes = self._extent.sizes
        found = Results(
            date=machine.now(),
            machine=about,
            versions=machine.versions(self._postgres.version),
            plan=self._plan.as_json()
            | {"growth": True, "least": sizes[0], "most": sizes[-1], "expiring": self._extent.expiring},
            rows=[*self._field.rows(), *self._measured.rows()],
            facts=self._facts,
        )
        return replace(found, targets=verdicts(found))


@asynccontextmanager
async def _indexes_later(conn: Connection) -> AsyncIterator[None]:
    """Take the indexes away that a great many rows would be put into one by one, and make them again."""
    constraint = await conn.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", UNIQUE
    )
    indexes = await conn.fetch(
        """
        SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
        FROM pg_index i
        WHERE i.indrelid = 'user_sessions'::regclass
            AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
        """
    )
    await conn.execute("SET maintenance_work_mem = '1GB'; SET session_replication_role = replica")
    await conn.execute(f"ALTER TABLE user_sessions DROP CONSTRAINT {UNIQUE}")
    for index in indexes:
        await conn.execute(f"DROP INDEX {index['name']}")
    yield
    await conn.execute(f"ALTER TABLE user_sessions ADD CONSTRAINT {UNIQUE} {constraint}")
    for index in indexes:
        await conn.execute(index["definition"])
    await conn.execute("RESET session_replication_role")


async def _let_expire(postgres: Postgres, database: str, count: int, keep: list[str]) -> None:
    """Move the end of sessions that nobody uses into the past."""
    kept = [seeds.codec().parse(token)[0] for token in keep]
    async with postgres.connection(database) as conn:
        await conn.execute(
            """
            UPDATE user_sessions SET expires_at = now() - interval '1 hour'
            WHERE id IN (
                SELECT id FROM user_sessions WHERE NOT session_token = ANY($2::varchar[])
                ORDER BY md5(id::text) LIMIT $1
            )
            """,
            count,
            kept,
            timeout=1800,
        )

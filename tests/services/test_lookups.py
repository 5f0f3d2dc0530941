"""The coalesced session check: nothing is answered by a query that left before, and nobody waits for ever."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from tests.conftest import MakeSettings, register, serving

from gatepost.app import create_app
from gatepost.db.pool import Database
from gatepost.db.prepared import Prepared
from gatepost.errors import AuthenticationError, SessionRevoked, Unavailable
from gatepost.gate import Gate
from gatepost.models import Client, Proof
from gatepost.security.tokens import StoredToken
from gatepost.services.clock import database_clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.lookups import BATCH, Lookups, Tokens
from gatepost.store import users
from gatepost.store.sessions import LOOKUP, Found


class Counted(Prepared):
    """The real statement, with its batches written down."""

    def __init__(self, database: Database, sql: str) -> None:
        super().__init__(database, sql)
        self.batches: list[list[StoredToken]] = []
        self.sent = asyncio.Event()

    async def fetch(self, *args: Any) -> list[asyncpg.Record]:
        self.batches.append(list(args[0]))
        self.sent.set()
        return await super().fetch(*args)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn, size=2, timeout=30)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def statement(database: Database) -> Counted:
    return Counted(database, LOOKUP)


@pytest.fixture
async def lookups(statement: Counted) -> AsyncIterator[Lookups]:
    lifetimes = Lifetimes(
        session=timedelta(minutes=30),
        absolute=timedelta(days=30),
        grace=timedelta(seconds=10),
        fresh=timedelta(minutes=10),
        idle=None,
        touch=timedelta(minutes=1),
    )
    lookups = Lookups(statement, clock=database_clock, lifetimes=lifetimes)
    yield lookups
    await lookups.close()


@pytest.fixture
async def tokens(db: "asyncpg.Connection[asyncpg.Record]") -> list[Tokens]:
    """A thousand live sessions of one user."""
    user = await db.fetchval("INSERT INTO users (email, name) VALUES ('a@example.com', 'A') RETURNING id")
    stored = [StoredToken(f"{uuid4()}"[:8] + f".{uuid4().hex}") for _ in range(1000)]
    await db.copy_records_to_table(
        "user_sessions",
        columns=["session_token", "user_id", "expires_at"],
        records=[(token, user, await db.fetchval("SELECT now() + interval '1 hour'")) for token in stored],
    )
    return [(token,) for token in stored]


async def test_a_live_token_is_found_and_an_unknown_one_is_not(
    lookups: Lookups, tokens: list[Tokens]
) -> None:
    found = await lookups.find(tokens[0])
    assert found is not None
    assert found.session is not None
    assert found.refused is None
    assert await lookups.find((StoredToken("nobody's"),)) is None


async def test_the_query_is_planned_once(
    lookups: Lookups, tokens: list[Tokens], statement: Counted, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await db.execute("ANALYZE")
    for token in tokens[:20]:
        await lookups.find(token)
    assert statement._ready is not None
    plans = await statement._ready[0].conn.fetch(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1", LOOKUP
    )
    assert [tuple(each) for each in plans] == [(20, 0)]


async def test_lookups_of_one_turn_leave_in_one_query(
    lookups: Lookups, tokens: list[Tokens], statement: Counted
) -> None:
    await asyncio.gather(*[lookups.find(token) for token in tokens[:50]])
    assert [len(batch) for batch in statement.batches] == [50]


async def test_the_same_token_travels_once(
    lookups: Lookups, tokens: list[Tokens], statement: Counted
) -> None:
    found = await asyncio.gather(*[lookups.find(tokens[0]) for _ in range(40)])
    assert statement.batches == [list(tokens[0])]
    assert len({each.session.id for each in found if each is not None and each.session is not None}) == 1


async def test_what_arrives_meanwhile_forms_the_next_batch(
    lookups: Lookups, tokens: list[Tokens], statement: Counted
) -> None:
    first = asyncio.ensure_future(lookups.find(tokens[0]))
    await statement.sent.wait()
    later = [asyncio.ensure_future(lookups.find(token)) for token in tokens[:30]]
    await asyncio.gather(first, *later)
    assert [len(batch) for batch in statement.batches] == [1, 30]
    assert statement.batches[1][0] == tokens[0][0], "a token under way is asked for again"


async def test_a_batch_is_bounded(lookups: Lookups, tokens: list[Tokens], statement: Counted) -> None:
    found = await asyncio.gather(*[lookups.find(token) for token in tokens])
    assert all(found)
    assert max(len(batch) for batch in statement.batches) == BATCH


async def test_all_forms_of_a_token_are_asked_for(
    lookups: Lookups, tokens: list[Tokens], statement: Counted
) -> None:
    found = await lookups.find((StoredToken("under the new key"), tokens[0][0]))
    assert found is not None
    assert statement.batches == [["under the new key", tokens[0][0]]]


async def test_a_cancelled_caller_harms_nobody(lookups: Lookups, tokens: list[Tokens]) -> None:
    callers = [asyncio.ensure_future(lookups.find(token)) for token in tokens[:20]]
    same = asyncio.ensure_future(lookups.find(tokens[0]))
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    kept = await asyncio.gather(*callers[1::2], same)
    assert all(found is not None for found in kept)


async def test_a_statement_that_waits_to_be_asked_locks_no_table(
    statement: Counted, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for _ in range(2):  # the driver has asked for no types the second time, which would end what it began
        await statement.close()
        await statement.open()
    locked = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND relation = 'user_sessions'::regclass"
    )
    assert await db.fetchval(locked) == 0
    await statement.close()


async def test_a_killed_connection_is_replaced_without_anyone_noticing(
    lookups: Lookups, tokens: list[Tokens], server_dsn: str, dsn: str
) -> None:
    assert await lookups.find(tokens[0]) is not None
    assert await kill_backends(server_dsn, dsn) >= 1
    found = await asyncio.gather(*[lookups.find(token) for token in tokens[:10]])
    assert all(found)


async def test_a_database_that_does_not_answer_is_503_in_time_for_all_who_wait(
    database: Database, lookups: Lookups, tokens: list[Tokens], db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    assert await lookups.find(tokens[0]) is not None
    async with db.transaction():
        await db.execute("LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE")
        database.timeout = 0.3
        early = asyncio.ensure_future(lookups.find(tokens[0]))
        await asyncio.sleep(0.1)
        late = asyncio.ensure_future(lookups.find(tokens[1]))
        async with asyncio.timeout(60):
            answers = await asyncio.gather(early, late, return_exceptions=True)
        database.timeout = 30
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    assert await lookups.find(tokens[0]) is not None, "it recovers by itself"


async def test_closing_answers_who_still_waits(
    lookups: Lookups, tokens: list[Tokens], db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with db.transaction():
        await db.execute("LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE")
        waiting = [asyncio.ensure_future(lookups.find(token)) for token in tokens[:5]]
        await asyncio.sleep(0.05)
        waiting.append(asyncio.ensure_future(lookups.find(tokens[9])))
        await asyncio.sleep(0)
        await lookups.close()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}


async def test_twenty_thousand_lookups_among_faults_and_none_hangs(
    lookups: Lookups,
    tokens: list[Tokens],
    server_dsn: str,
    dsn: str,
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rng = random.Random(7)  # noqa: S311 - chance, repeatable
    callers, each = 200, 100
    counted = {"found": 0, "unavailable": 0, "cancelled": 0}
    over = asyncio.Event()

    async def caller(seed: int) -> None:
        own = random.Random(seed)  # noqa: S311 - chance, repeatable
        for _ in range(each):
            lookup = asyncio.ensure_future(lookups.find(own.choice(tokens)))
            if own.random() < 0.05:
                await asyncio.sleep(0)
                lookup.cancel()
            try:
                found = await lookup
            except Unavailable:
                counted["unavailable"] += 1
            except asyncio.CancelledError:
                counted["cancelled"] += 1
            else:
                assert isinstance(found, Found)
                counted["found"] += 1

    async def trouble() -> None:
        while not over.is_set():
            if rng.random() < 0.5:
                await kill_backends(server_dsn, dsn)
            else:
                async with db.transaction():
                    await db.execute("LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE")
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.05)

    troubled = asyncio.ensure_future(trouble())
    async with asyncio.timeout(120):
        await asyncio.gather(*[caller(seed) for seed in range(callers)])
    over.set()
    await troubled
    assert sum(counted.values()) == callers * each
    assert counted["found"] > 0.8 * callers * each
    assert counted["cancelled"] > 0


async def test_no_check_that_arrives_after_a_logout_succeeds(make_settings: MakeSettings) -> None:
    """Two workers: one logs out, the other checks all the while; what begins after the answer is refused."""
    lanes, rounds = 8, 60
    async with serving(create_app(make_settings())) as first, serving(create_app(make_settings())) as second:
        await register(first)
        one, other = (client._transport.app.state.gatepost for client in (first, second))  # type: ignore[attr-defined]
        proof = await _proof(one)
        client, seen = Client(), {"before": 0, "after": 0}

        async def check(token: str, over: asyncio.Event) -> None:
            while not over.is_set():
                with suppress(AuthenticationError):  # before the end both answers are right
                    await other.session_tokens.resolve(token)
                    seen["before"] += 1

        async def lane() -> None:
            for _ in range(rounds):
                async with one.database.connection() as conn:
                    started = await one.session_tokens.start(conn, proof, client=client)
                over = asyncio.Event()
                checking = asyncio.ensure_future(check(started.token, over))
                await one.session_tokens.revoke(started.token, client)
                after = await asyncio.gather(
                    *(gate.session_tokens.resolve(started.token) for gate in (other, other, one)),
                    return_exceptions=True,
                )
                over.set()
                await checking
                assert {type(each) for each in after} == {SessionRevoked}
                seen["after"] += len(after)

        await asyncio.gather(*(lane() for _ in range(lanes)))
    assert seen["after"] == 3 * lanes * rounds
    assert seen["before"] > 0, "no check ran while the session was live"


async def _proof(gate: Gate) -> Proof:
    async with gate.database.connection() as conn:
        _, stamp = await users.hash_of(conn, 1)
    assert stamp is not None
    return Proof(user_id=1, methods=("pwd",), stamp=stamp, at=None)


async def kill_backends(server_dsn: str, dsn: str) -> int:
    """Kill every connection of Gatepost's to this database; return how many there were."""
    conn = await asyncpg.connect(server_dsn)
    try:
        return int(
            await conn.fetchval(
                """
                SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = $1 AND application_name = 'gatepost'
                """,
                urlsplit(dsn).path[1:],
            )
        )
    finally:
        await conn.close()

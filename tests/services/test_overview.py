"""The overview: what it counts, and that counting ahead of time never changes a figure."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
import httpx
import pytest
from tests.conftest import MakeSettings, MovableClock, login, register, serving, until_settled

from gatepost.app import create_app
from gatepost.gate import Gate
from gatepost.models import Client, Period
from gatepost.services import housekeeping
from gatepost.services import overview as module
from gatepost.services.overview import Kind, Overview
from gatepost.store import endings, statistics

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

NOW = datetime(2026, 3, 10, 14, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACTIONS = {
    "session.started": Kind.SIGN_INS,
    "login.failed": Kind.FAILURES,
    "throttled": Kind.THROTTLED,
    "user.registered": Kind.NEW_ACCOUNTS,
    "user.created": Kind.NEW_ACCOUNTS,
}


class Stopped:
    """A clock that stands still until it is set."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def gate(make_settings: MakeSettings) -> AsyncIterator[Gate]:
    """A Gate at NOW, without a server around it."""
    gate = Gate(make_settings(), clock=Stopped())
    await gate.open(background=False)
    yield gate
    await gate.close()


async def add(db: Database, action: str, *times: datetime, user_id: int | None = None, ip: str = "") -> None:
    await db.executemany(
        "INSERT INTO auth_events (at, action, user_id, ip_address) VALUES ($1, $2, $3, $4)",
        [(at, action, user_id, ip or None) for at in times],
    )


async def roll(db: Database, *, limit: int = 20_000, at: datetime = NOW, settled: bool = True) -> int:
    """Count all that can be counted; two calls, as in housekeeping."""
    total = 0
    for _ in range(2):
        if settled:
            await until_settled(db)
        while counted := await statistics.count_events(db, limit=limit, at=at):
            total += counted
    return total


def of(found: Overview, kind: Kind) -> tuple[int, ...]:
    return next(each.points for each in found.series if each.kind is kind)


# --- The series ---


@pytest.mark.parametrize(
    ("period", "since", "points"),
    [
        (Period.DAY, "2026-03-09T15:00Z", 24),
        (Period.WEEK, "2026-03-03T18:00Z", 28),
        (Period.MONTH, "2026-02-09T00:00Z", 30),
    ],
)
async def test_a_series_has_every_point_also_where_nothing_happened(
    gate: Gate, period: Period, since: str, points: int
) -> None:
    found = await gate.overview.figures(period)
    assert found.since == datetime.fromisoformat(since)
    assert [each.kind for each in found.series] == list(Kind)
    for each in found.series:
        assert (each.points, each.total, each.before) == ((0,) * points, 0, 0)


@pytest.mark.parametrize("period", Period)
async def test_an_event_counts_in_the_point_that_it_happened_in(
    gate: Gate, db: Database, period: Period
) -> None:
    since = (await gate.overview.figures(period)).since
    second = since + period.step
    moment = timedelta(microseconds=1)
    await add(db, "login.failed", since - moment, since, second - moment, second, NOW)
    for rolled in (False, True):
        if rolled:
            assert await roll(db) > 3
        failures = of(await gate.overview.figures(period), Kind.FAILURES)
        assert (failures[0], failures[1], failures[-1], sum(failures)) == (2, 1, 1, 4)


@pytest.mark.parametrize(("action", "kind"), ACTIONS.items())
async def test_each_action_counts_in_its_series_and_others_in_none(
    gate: Gate, db: Database, action: str, kind: Kind
) -> None:
    await add(db, action, NOW, NOW - HOUR)
    await add(db, "session.refreshed", NOW)
    found = await gate.overview.figures(Period.DAY)
    assert {each.kind: each.total for each in found.series if each.total} == {kind: 2}


async def test_the_period_before_ends_at_the_same_hour_of_its_last_step(gate: Gate, db: Database) -> None:
    then = NOW - timedelta(days=30)
    inside = (then, then.replace(minute=59), then - timedelta(days=29, hours=14))
    outside = (then.replace(hour=15, minute=0), then - timedelta(days=29, hours=15))
    await add(db, "session.started", *inside, *outside, NOW)
    before = [each.before for each in (await gate.overview.figures(Period.MONTH)).series]
    await roll(db)
    after = [each.before for each in (await gate.overview.figures(Period.MONTH)).series]
    assert before == after == [3, 0, 0, 0]


async def test_what_people_do_is_counted(
    client: httpx.AsyncClient, make_settings: MakeSettings, clock: MovableClock
) -> None:
    await register(client)
    await login(client)
    await client.post("/api/auth/login", json={"email": "user@example.com", "password": "a guess"})
    async with serving(app := create_app(make_settings())):
        found = await app.state.gatepost.overview.figures(Period.DAY)
    totals = {each.kind: (each.total, each.points[-1]) for each in found.series}
    assert totals == {
        Kind.SIGN_INS: (2, 2),
        Kind.FAILURES: (1, 1),
        Kind.THROTTLED: (0, 0),
        Kind.NEW_ACCOUNTS: (1, 1),
    }
    assert (found.active_sessions.value, found.active_users.value) == (2, 1)
    (address,) = found.addresses
    assert (address.ip_address, address.failures, address.users) == ("127.0.0.1", 1, 1)
    (account,) = found.accounts
    assert (account.email, account.failures, account.in_a_row) == ("user@example.com", 1, 1)


# --- Counting ahead ---


@pytest.mark.parametrize("seed", range(6))
async def test_counting_ahead_changes_no_figure(gate: Gate, db: Database, seed: int) -> None:
    """Whenever it runs, however far it gets, in whatever order the events say that they happened."""
    chance = random.Random(seed)  # noqa: S311 - examples
    limit = chance.randint(1, 20)
    for _ in range(150):
        ago = timedelta(minutes=chance.randint(0, 61 * 24 * 60))
        await add(db, chance.choice(list(ACTIONS)), NOW - ago)
        if chance.random() < 0.3:
            await statistics.count_events(db, limit=limit, at=NOW)
    await until_settled(db)
    assert await statistics.count_events(db, limit=limit, at=NOW) > 0
    found = {period: (await gate.overview.figures(period)).series for period in Period}
    await roll(db, limit=limit)
    assert {period: (await gate.overview.figures(period)).series for period in Period} == found
    await db.execute("TRUNCATE auth_event_hours; UPDATE auth_housekeeping SET counted_id = 0, marked_id = 0")
    assert {period: (await gate.overview.figures(period)).series for period in Period} == found
    assert sum(each.total + each.before for each in found[Period.MONTH]) > 100


async def test_an_event_that_is_committed_late_is_counted_once(
    gate: Gate, db: Database, owner_dsn: str
) -> None:
    await add(db, "login.failed", NOW - HOUR)
    late = await asyncpg.connect(owner_dsn)
    try:
        transaction = late.transaction()
        await transaction.start()
        await add(late, "login.failed", NOW - HOUR)  # has its id before the next one
        await add(db, "login.failed", NOW - HOUR)
        assert (
            await roll(db, settled=False) == 0
        )  # nothing below the mark is safe while that transaction is under way
        assert of(await gate.overview.figures(Period.DAY), Kind.FAILURES)[-2] == 2
        await transaction.commit()
    finally:
        await late.close()
    assert of(await gate.overview.figures(Period.DAY), Kind.FAILURES)[-2] == 3
    await roll(db)
    assert of(await gate.overview.figures(Period.DAY), Kind.FAILURES)[-2] == 3
    hours = "SELECT events FROM auth_event_hours WHERE action = 'login.failed'"
    assert await db.fetchval(hours) == 3


async def test_an_event_of_a_month_ago_that_comes_today_is_counted(gate: Gate, db: Database) -> None:
    then = NOW - timedelta(days=20)
    await add(db, "throttled", then)
    await roll(db)
    await add(db, "throttled", then)
    expected = sum(of(await gate.overview.figures(Period.MONTH), Kind.THROTTLED))
    await roll(db)
    assert sum(of(await gate.overview.figures(Period.MONTH), Kind.THROTTLED)) == expected == 2


async def test_what_is_younger_than_a_minute_is_left_for_the_next_run(gate: Gate, db: Database) -> None:
    await add(db, "throttled", NOW - timedelta(seconds=59))
    assert await roll(db) == 0
    await roll(db, at=NOW + timedelta(seconds=2))
    assert await db.fetchval("SELECT events FROM auth_event_hours WHERE action = 'throttled'") == 1


async def test_two_at_once_count_each_event_once(
    make_settings: MakeSettings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "EVENTS", 50)
    await db.execute(
        "INSERT INTO auth_events (at, action) SELECT $1, 'throttled' FROM generate_series(1, 2000)",
        NOW - HOUR,
    )
    gates = [Gate(make_settings(), clock=Stopped()) for _ in range(2)]
    for gate in gates:
        await gate.open(background=False)
    try:
        await asyncio.gather(*(gate.housekeeping.run(client=Client()) for gate in gates for _ in range(3)))
        await until_settled(db)
        await gates[0].housekeeping.run(client=Client())
        found = await gates[0].overview.figures(Period.DAY)
    finally:
        for gate in gates:
            await gate.close()
    counted = "SELECT sum(events) FROM auth_event_hours WHERE action = 'throttled'"
    assert await db.fetchval(counted) == sum(of(found, Kind.THROTTLED)) == 2000


async def test_in_the_background_one_worker_at_a_time_counts(
    gate: Gate, db: Database, owner_dsn: str
) -> None:
    await add(db, "throttled", NOW - HOUR)
    other = await asyncpg.connect(owner_dsn)
    try:
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock($1)", endings.HOUSEKEEPING_LOCK)
            await gate.housekeeping._clean(alone=True, progress=None)
            assert await db.fetchval("SELECT marked_id FROM auth_housekeeping") == 0
    finally:
        await other.close()
    await gate.housekeeping._clean(alone=True, progress=None)
    await until_settled(db)
    await gate.housekeeping._clean(alone=True, progress=None)
    assert await db.fetchval("SELECT count(*) FROM auth_event_hours WHERE action = 'throttled'") == 1


async def test_a_mark_of_another_server_is_set_anew(gate: Gate, db: Database) -> None:
    await add(db, "throttled", NOW - HOUR)
    await db.execute("UPDATE auth_housekeeping SET marked_id = 1, marked_xid = '9000000000000'")
    assert await roll(db, settled=False) >= 0
    await roll(db)
    assert await db.fetchval("SELECT sum(events) FROM auth_event_hours WHERE action = 'throttled'") == 1


async def test_hours_begin_where_those_of_utc_do(gate: Gate, db: Database) -> None:
    await db.execute("SET timezone = 'Asia/Kolkata'")
    await add(db, "throttled", NOW.replace(minute=10), NOW.replace(minute=50) - HOUR)
    await roll(db, at=NOW)
    hours = "SELECT hour FROM auth_event_hours WHERE action = 'throttled' ORDER BY hour"
    top = NOW.replace(minute=0)
    assert [row["hour"] for row in await db.fetch(hours)] == [top - HOUR, top]


async def test_a_purge_leaves_what_was_counted(gate: Gate, db: Database) -> None:
    await add(db, "session.started", NOW - timedelta(days=20), NOW - HOUR)
    await roll(db)
    before = (await gate.overview.figures(Period.MONTH)).series
    await db.execute("SELECT gatepost_purge_events($1)", NOW - timedelta(days=10))
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'session.started'") == 1
    assert (await gate.overview.figures(Period.MONTH)).series == before


# --- Who is attacked ---


async def add_users(db: Database, number: int) -> None:
    await db.execute(
        "INSERT INTO users (email, name) SELECT 'u' || i || '@example.com', '' FROM generate_series(1, $1) i",
        number,
    )


async def test_the_addresses_of_most_failed_logins_come_first(gate: Gate, db: Database) -> None:
    for number in range(1, 13):
        await add(db, "login.failed", *[NOW] * number, user_id=number % 3, ip=f"192.0.2.{number}")
    await add(db, "login.failed", *[NOW - timedelta(hours=25)] * 50, ip="198.51.100.1")
    await add(db, "session.started", *[NOW] * 50, ip="198.51.100.2")
    found = (await gate.overview.figures(Period.MONTH)).addresses
    expected = [(f"192.0.2.{number}", number, 1) for number in range(12, 2, -1)]
    assert [(each.ip_address, each.failures, each.users) for each in found] == expected


async def test_of_too_many_failures_the_newest_are_looked_at(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_users(db, 2)
    await add(db, "login.failed", *[NOW - HOUR] * 9, user_id=1, ip="192.0.2.1")
    await add(db, "login.failed", *[NOW] * 4, user_id=2, ip="192.0.2.2")
    for most, addresses, users in (
        (14, [("192.0.2.1", 9), ("192.0.2.2", 4)], [(1, 9), (2, 4)]),
        (5, [("192.0.2.2", 4), ("192.0.2.1", 1)], [(2, 4), (1, 1)]),
    ):
        monkeypatch.setattr(module, "LOOKED_AT", most)
        found = await gate.overview.figures(Period.DAY)
        assert [(each.ip_address, each.failures) for each in found.addresses] == addresses
        assert [(each.user_id, each.failures) for each in found.accounts] == users
        assert found.is_cut is (most == 5)
        assert {series.kind: series.total for series in found.series}[Kind.FAILURES] == 13


async def test_accounts_under_attack_are_named_and_whether_they_are_locked(gate: Gate, db: Database) -> None:
    await add_users(db, 12)
    for number in range(1, 14):  # the last one is deleted
        await add(db, "login.failed", *[NOW - HOUR] * number, user_id=number)
    await add(db, "login.failed", *[NOW] * 50)  # of nobody who has an account
    await db.execute(
        "INSERT INTO auth_failures (user_id, place, failures) VALUES (12, 'a', 60), (12, 'b', 40)"
    )
    await db.execute("INSERT INTO auth_failures (user_id, place, failures) VALUES (11, 'a', 99)")
    found = (await gate.overview.figures(Period.DAY)).accounts
    assert [(each.user_id, each.failures) for each in found] == [(n, n) for n in range(12, 2, -1)]
    first, second, third = found[:3]
    assert (first.email, first.in_a_row, first.is_locked, first.last_at) == (
        "u12@example.com",
        100,
        True,
        NOW - HOUR,
    )
    assert (second.in_a_row, second.is_locked) == (99, False)
    assert (third.in_a_row, third.is_locked) == (0, False)


# --- Who is signed in ---


async def add_sessions(db: Database, users: int, each: int, *, ends: str = "1 hour") -> None:
    await add_users(db, users)
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, last_used_at)
        SELECT gen_random_uuid()::text, u.id, $3::timestamptz + $2::text::interval, $3
        FROM users u, generate_series(1, $1)
        """,
        each,
        ends,
        NOW,
    )


async def test_live_sessions_and_their_users_are_counted(gate: Gate, db: Database) -> None:
    await add_sessions(db, 5, 3)
    await db.execute("UPDATE user_sessions SET expires_at = $1 WHERE user_id = 5", NOW)
    await db.execute("UPDATE user_sessions SET is_active = false WHERE id = 1")
    found = await gate.overview.figures(Period.DAY)
    assert (found.active_sessions.value, found.active_sessions.is_exact) == (11, True)
    assert (found.active_users.value, found.active_users.is_exact) == (4, True)


async def test_sessions_that_were_idle_too_long_are_not_live(
    make_settings: MakeSettings, db: Database
) -> None:
    gate = Gate(make_settings(session_idle_minutes=10), clock=Stopped())
    await add_sessions(db, 2, 2)
    idle = NOW - timedelta(minutes=10)
    await db.execute("UPDATE user_sessions SET last_used_at = $1 WHERE user_id = 1", idle)
    await gate.open(background=False)
    try:
        found = await gate.overview.figures(Period.DAY)
    finally:
        await gate.close()
    assert (found.active_sessions.value, found.active_users.value) == (2, 1)


@pytest.mark.parametrize(("limit", "is_exact"), [(6000, True), (5999, False)])
async def test_up_to_a_bound_each_is_counted_and_above_about(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch, limit: int, is_exact: bool
) -> None:
    monkeypatch.setattr(module, "EXACT", limit)
    monkeypatch.setattr(module, "SAMPLED_ROWS", 3000)
    await add_sessions(db, 2000, 3)
    await db.execute("ANALYZE user_sessions")
    found = await gate.overview.figures(Period.DAY)
    assert (found.active_sessions.is_exact, found.active_users.is_exact) == (is_exact, is_exact)
    if is_exact:
        assert (found.active_sessions.value, found.active_users.value) == (6000, 2000)
    else:
        assert found.active_sessions.value == pytest.approx(6000, rel=0.15)
        assert found.active_users.value == pytest.approx(2000, rel=0.15)


async def test_where_few_are_live_more_are_looked_at(
    gate: Gate, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("EXACT", 500), ("GLANCED_ROWS", 300), ("SAMPLED_ROWS", 6000)):
        monkeypatch.setattr(module, name, number)
    await add_sessions(db, 2000, 3)
    await db.execute("UPDATE user_sessions SET is_active = false WHERE id > 900")
    await db.execute("ANALYZE user_sessions")
    found = await gate.overview.figures(Period.DAY)
    assert (found.active_sessions.value, found.active_sessions.is_exact) == (900, False)


@pytest.mark.parametrize("limit", [2000, 1999])
async def test_second_factors_of_active_users_are_counted_and_of_many_estimated(
    make_settings: MakeSettings, db: Database, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(module, "EXACT", limit)
    monkeypatch.setattr(module, "SAMPLED_ROWS", 1000)
    await db.execute(
        """
        INSERT INTO users (email, name, is_active)
        SELECT 'user' || n || '@example.com', 'x', n > 500 FROM generate_series(1, 2500) n;
        INSERT INTO auth_totp (user_id, secret, key_id, last_step, created_at)
        SELECT u.id, decode(repeat('00', 40), 'hex'), 'k', 0, now() FROM users u WHERE u.id % 4 = 0;
        ANALYZE users
        """
    )
    async with serving(app := create_app(make_settings())):
        found = (await app.state.gatepost.overview.figures(Period.DAY)).factors
    counts = [found.users, found.held, found.methods["totp"]]
    if limit == 2000:
        assert [(count.value, count.is_exact) for count in counts] == [
            (2000, True),
            (500, True),
            (500, True),
        ]
    else:
        assert not any(count.is_exact for count in counts)
        assert found.users.value == pytest.approx(2000, rel=0.2)
        assert found.held.value / found.users.value == pytest.approx(0.25, rel=0.1)


@pytest.mark.parametrize(
    ("value", "at_least", "rounded"),
    [(1_234_567, 10, 1_200_000), (996, 1, 1000), (10, 10_001, 10_000), (0, 0, 1)],
)
def test_an_estimate_is_rounded_to_two_digits(value: float, at_least: int, rounded: int) -> None:
    found = module._estimate(value, at_least=at_least)
    assert (found.value, found.is_exact) == (rounded, False)


# --- The database ---


async def test_it_tells_of_the_database_and_of_housekeeping(
    make_settings: MakeSettings, db: Database
) -> None:
    gate = Gate(make_settings(cleanup_interval_seconds=300), clock=(clock := Stopped()))
    await gate.open(background=False)
    try:
        before = await gate.overview.figures(Period.DAY)
        await gate.housekeeping.run(client=Client())
        clock.now = NOW + HOUR
        after = await gate.overview.figures(Period.DAY)
    finally:
        await gate.close()
    assert (before.last_cleanup_at, before.next_cleanup_at) == (None, None)
    assert (after.last_cleanup_at, after.next_cleanup_at) == (NOW, NOW + timedelta(seconds=300))
    assert (before.at, after.at) == (NOW, NOW + HOUR)
    assert before.schema_version == await db.fetchval("SELECT version_num FROM gatepost_version")
    assert before.postgresql_version == (await db.fetchval("SHOW server_version")).partition(" ")[0]
    assert before.oldest_event_at == await db.fetchval("SELECT at FROM auth_events WHERE id = 1")
    assert before.database_bytes > 1_000_000


async def test_without_housekeeping_none_is_due(gate: Gate) -> None:
    await gate.housekeeping.run(client=Client())
    found = await gate.overview.figures(Period.DAY)
    assert (found.last_cleanup_at, found.next_cleanup_at) == (NOW, None)

"""The throttle as a service: bursts and what comes back, known places, failures in a row, clearing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.conftest import PASSWORD, MakeSettings
from tests.http.conftest import StoppedClock, until_waiting

from gatepost.errors import EmailTaken, InvalidCredentials, TooManyAttempts
from gatepost.gate import Gate
from gatepost.models import AuditAction, Bucket, Client, User
from gatepost.services.throttles import Attempt
from gatepost.store.endings import HOUSEKEEPING_LOCK

EMAIL = "user@example.com"
HOME = Client(ip_address="198.51.100.7")
ELSEWHERE = Client(ip_address="203.0.113.9")
WRONG = "not the password"

MakeGate = Callable[..., Awaitable[Gate]]


@pytest.fixture
def stopped() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def make_gate(make_settings: MakeSettings, stopped: StoppedClock) -> AsyncIterator[MakeGate]:
    """Make gates, workers as it were, with limits on attempts."""
    opened: list[Gate] = []

    async def make(**overrides: Any) -> Gate:
        values = {"throttle_enabled": True} | overrides
        gate = Gate(make_settings(**values), clock=stopped)
        await gate.open(background=False)
        opened.append(gate)
        return gate

    yield make
    for gate in opened:
        await gate.close()


@pytest.fixture
async def gate(make_gate: MakeGate) -> Gate:
    return await make_gate()


async def create(gate: Gate, email: str = EMAIL) -> User:
    return await gate.administration.create(
        email=email, name="User", password=PASSWORD, is_admin=False, client=Client()
    )


async def attempt(
    gate: Gate,
    password: str = WRONG,
    *,
    email: str = EMAIL,
    client: Client = ELSEWHERE,
    device: str | None = None,
) -> str | int:
    """Sign in, and say what came of it: `in`, `wrong`, or the seconds after which to come again."""
    try:
        await gate.logins.by_password(email=email, password=password, client=client, device=device)
    except TooManyAttempts as refused:
        return refused.retry_after
    except InvalidCredentials:
        return "wrong"
    return "in"


async def attempts(gate: Gate, number: int, password: str = WRONG, **given: Any) -> list[str | int]:
    return [await attempt(gate, password, **given) for _ in range(number)]


async def sign_in_at(gate: Gate, db: Any, client: Client = HOME) -> None:
    """Make this a known place of the user."""
    assert await attempt(gate, PASSWORD, client=client) == "in"
    await db.execute(
        "UPDATE user_sessions SET place = $1 WHERE id = (SELECT max(id) FROM user_sessions)",
        client.address_block,
    )


async def device_of(gate: Gate, db: Any, email: str = EMAIL) -> str:
    """Return the device cookie of a browser on which this user has signed in."""
    stamp = await db.fetchval("SELECT gatepost.credentials_stamp(u) FROM users u WHERE email = $1", email)
    return gate.devices.issue(None, stamp, now=gate.now())


async def charged(db: Any) -> dict[str, int]:
    """Return how many buckets there are of each kind."""
    rows = await db.fetch("SELECT bucket, count(*) AS count FROM auth_throttles GROUP BY bucket")
    return {row["bucket"]: row["count"] for row in rows}


async def failures(db: Any) -> dict[str, int]:
    """Return the failures in a row by place."""
    rows = await db.fetch("SELECT place, failures FROM auth_failures")
    return {row["place"]: row["failures"] for row in rows}


async def trail(db: Any, action: AuditAction) -> list[tuple[int | None, dict[str, Any]]]:
    rows = await db.fetch("SELECT user_id, detail FROM auth_events WHERE action = $1 ORDER BY id", action)
    return [(row["user_id"], json.loads(row["detail"])) for row in rows]


# --- The account ---


async def test_an_account_has_ten_attempts_and_one_comes_back_each_minute(
    gate: Gate, stopped: StoppedClock
) -> None:
    await create(gate)
    assert await attempts(gate, 11) == ["wrong"] * 10 + [60]
    stopped.advance(seconds=59)
    assert await attempt(gate) == 1
    stopped.advance(seconds=1)
    assert await attempts(gate, 2) == ["wrong", 60]
    stopped.advance(minutes=20)
    assert await attempts(gate, 11) == ["wrong"] * 10 + [60]


async def test_the_right_password_does_not_get_in_among_too_many_attempts(gate: Gate, db: Any) -> None:
    await create(gate)
    await attempts(gate, 10)
    assert await attempt(gate, PASSWORD) == await attempt(gate, WRONG) == 60
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert len(await trail(db, AuditAction.LOGIN_FAILED)) == 10


async def test_a_success_gives_its_attempt_back(gate: Gate, db: Any, stopped: StoppedClock) -> None:
    await create(gate)
    await attempts(gate, 9)
    for _ in range(12):
        assert await attempt(gate, PASSWORD) == "in"
        await db.execute("UPDATE user_sessions SET place = NULL")  # it stays a place that is not known
    assert await attempts(gate, 2) == ["wrong", 60]


async def test_an_unknown_account_is_limited_as_a_known_one_is(gate: Gate, db: Any) -> None:
    await create(gate)
    other = Client(ip_address="203.0.113.10")
    known = await attempts(gate, 12)
    unknown = await attempts(gate, 12, email="nobody@example.com", client=other)
    assert known == unknown == ["wrong"] * 10 + [60, 60]
    assert await trail(db, AuditAction.THROTTLED) == [
        (user_id, {"bucket": "login_account", "verb": "login"}) for user_id in (1, None)
    ]


async def test_the_table_names_no_account(gate: Gate, db: Any) -> None:
    await create(gate)
    await attempt(gate)
    keys = await db.fetch("SELECT key FROM auth_throttles WHERE bucket = 'login_account'")
    assert [len(row["key"]) for row in keys] == [32]
    assert not any("user" in row["key"] for row in keys)


# --- The address and its network ---


async def test_an_address_has_thirty_logins_successful_or_not(gate: Gate, db: Any) -> None:
    await create(gate)
    assert await attempts(gate, 20, PASSWORD) == ["in"] * 20
    assert await attempts(gate, 10) == ["wrong"] * 10
    assert await attempt(gate, email="other@example.com") == 2
    assert await attempt(gate, PASSWORD) == 2


async def test_an_address_that_is_refused_charges_no_account(gate: Gate, db: Any) -> None:
    for number in range(30):
        await attempt(gate, email=f"user{number}@example.com")
    before = await charged(db)
    assert before["login_account"] == 30
    assert await attempt(gate, email="user31@example.com") == 2
    assert await charged(db) == before | {"event": 1}


async def test_a_refusal_locks_and_writes_nothing_in_a_full_bucket(gate: Gate, db: Any) -> None:
    await attempts(gate, 31, email="other@example.com")
    versions = "SELECT bucket, key, xmin::text, xmax::text, ctid FROM auth_throttles ORDER BY bucket, key"
    before = await db.fetch(versions)
    assert await attempts(gate, 5, email="other@example.com") == [2] * 5
    assert await db.fetch(versions) == before


async def test_one_64_is_one_address_and_one_48_one_network(make_gate: MakeGate, db: Any) -> None:
    gate = await make_gate(throttle_login_address="2 then 1/minute", throttle_login_network="5 then 1/minute")

    async def from_(address: str) -> str | int:
        return await attempt(
            gate, email=f"{address.replace(':', '-')}@example.com", client=Client(ip_address=address)
        )

    assert [await from_(f"2001:db8:1:1::{host}") for host in (1, 2, 3)] == ["wrong", "wrong", 60]
    others = [await from_(f"2001:db8:1:{subnet}::1") for subnet in range(2, 6)]
    assert others == ["wrong", "wrong", "wrong", 60]
    assert await from_("2001:db8:2::1") == "wrong"
    rows = await db.fetch("SELECT key FROM auth_throttles WHERE bucket = 'login_network' ORDER BY key")
    assert [row["key"] for row in rows] == ["2001:db8:1::/48", "2001:db8:2::/48"]


async def test_a_network_that_is_refused_charges_no_account(make_gate: MakeGate, db: Any) -> None:
    gate = await make_gate(throttle_login_network="1 then 1/minute")
    for subnet in range(3):
        await attempt(
            gate, email=f"user{subnet}@example.com", client=Client(ip_address=f"2001:db8:1:{subnet}::1")
        )
    assert await charged(db) == {"login_address": 3, "login_network": 1, "login_account": 1, "event": 1}


async def test_an_unknown_address_is_limited_too(make_gate: MakeGate) -> None:
    gate = await make_gate(throttle_login_address="2 then 1/minute")
    assert await attempts(gate, 3, client=Client()) == ["wrong", "wrong", 60]


# --- Known places ---


async def test_the_owner_signs_in_on_a_known_device_while_others_flood_the_account(
    gate: Gate, db: Any
) -> None:
    await create(gate)
    await create(gate, "attacker@example.com")
    device, forged = await device_of(gate, db), await device_of(gate, db, "attacker@example.com")
    assert (await attempts(gate, 12))[-1] == 60
    assert await attempt(gate, PASSWORD, client=HOME, device=device) == "in"
    assert await attempt(gate, PASSWORD, device=forged) == 60
    assert await attempt(gate, PASSWORD, device="nonsense") == 60


async def test_a_known_address_is_no_known_device(gate: Gate, db: Any) -> None:
    await create(gate)
    await sign_in_at(gate, db)
    assert (await attempts(gate, 12))[-1] == 60
    assert await attempt(gate, PASSWORD, client=HOME) == 60


async def test_known_devices_have_limits_of_their_own(gate: Gate, db: Any) -> None:
    await create(gate)
    device = await device_of(gate, db)
    assert await attempts(gate, 11, device=device) == ["wrong"] * 10 + [60]
    assert await attempt(gate, PASSWORD, client=HOME, device=await device_of(gate, db)) == 60
    assert await attempt(gate, PASSWORD, client=HOME) == "in"


async def test_a_success_on_a_known_device_gives_its_attempt_back(gate: Gate, db: Any) -> None:
    await create(gate)
    device = await device_of(gate, db)
    assert await attempts(gate, 12, PASSWORD, device=device) == ["in"] * 12


# --- Failures in a row ---


async def test_a_success_clears_the_failures_of_its_own_place_alone(gate: Gate, db: Any) -> None:
    await create(gate)
    await sign_in_at(gate, db)
    await attempts(gate, 3, client=ELSEWHERE)
    await attempts(gate, 2, client=HOME)
    await attempt(gate, client=Client())
    assert await failures(db) == {"203.0.113.9": 3, "198.51.100.7": 2, "": 1}
    assert await attempt(gate, PASSWORD, client=HOME) == "in"
    assert await failures(db) == {"203.0.113.9": 3, "": 1}
    assert await attempt(gate, PASSWORD, client=ELSEWHERE) == "in"
    assert await failures(db) == {"": 1}


async def test_only_a_wrong_password_of_somebody_counts(gate: Gate, db: Any) -> None:
    await create(gate)
    await attempt(gate, email="nobody@example.com")
    await db.execute("UPDATE users SET is_active = false")
    assert await attempt(gate, PASSWORD) == "wrong"
    await db.execute("UPDATE users SET is_active = true, hashed_password = '$2b$04$corrupt'")
    assert await attempt(gate) == "wrong"
    assert await failures(db) == {}


@pytest.fixture
async def locked(make_gate: MakeGate, db: Any) -> Gate:
    """One user with a known place, and as many failures in a row as there may be."""
    gate = await make_gate(login_failures_max=3)
    await create(gate)
    await sign_in_at(gate, db)
    await attempts(gate, 2)
    await attempt(gate, client=HOME)
    return gate


async def test_too_many_failures_lock_the_password_to_known_places(locked: Gate, db: Any) -> None:
    assert await attempt(locked, PASSWORD) == "wrong"
    assert await attempt(locked) == "wrong"
    reasons = [detail["reason"] for _, detail in await trail(db, AuditAction.LOGIN_FAILED)]
    assert reasons == ["wrong_password"] * 3 + ["locked"] * 2
    assert await failures(db) == {"203.0.113.9": 2, "198.51.100.7": 1}, "rows would grow without end"
    assert await attempt(locked, PASSWORD, client=HOME) == "in"
    device = await device_of(locked, db)
    assert await attempt(locked, PASSWORD, client=Client(ip_address="192.0.2.1"), device=device) == "in"


async def test_an_address_is_known_for_thirty_days_and_to_one_account_alone(
    locked: Gate, db: Any, stopped: StoppedClock
) -> None:
    await create(locked, "other@example.com")
    await attempts(locked, 3, email="other@example.com")
    assert await attempt(locked, PASSWORD, email="other@example.com", client=HOME) == "wrong"
    stopped.advance(days=30, microseconds=-1)
    assert await attempt(locked, PASSWORD, client=HOME) == "in"
    await db.execute("UPDATE user_sessions SET place = NULL WHERE id > 1")
    await attempt(locked)
    stopped.advance(microseconds=1)
    assert await attempt(locked, PASSWORD, client=HOME) == "wrong"


async def test_one_failure_fewer_locks_nothing(make_gate: MakeGate, db: Any) -> None:
    gate = await make_gate(login_failures_max=3)
    await create(gate)
    await attempts(gate, 2)
    assert await attempt(gate, PASSWORD, client=Client(ip_address="192.0.2.1")) == "in"
    assert await failures(db) == {"203.0.113.9": 2}


async def test_an_administrator_unlocks(locked: Gate, db: Any) -> None:
    user = await locked.administration.find(EMAIL)
    await attempts(locked, 10)
    await locked.administration.unlock(user, client=Client())
    assert await failures(db) == {}
    assert await charged(db) == {"login_address": 2}
    assert await attempt(locked, PASSWORD) == "in"
    assert await trail(db, AuditAction.USER_UNLOCKED) == [(1, {"by": "command"})]


async def test_another_password_begins_anew(locked: Gate, db: Any) -> None:
    user = await locked.administration.find(EMAIL)
    await locked.administration.set_password(user, "quite another password", client=Client())
    assert await failures(db) == {}
    assert await attempt(locked, "quite another password") == "in"


async def test_without_limits_nothing_is_charged_and_failures_count_all_the_same(
    make_gate: MakeGate, db: Any
) -> None:
    gate = await make_gate(throttle_enabled=False, login_failures_max=40)
    await create(gate)
    assert await attempts(gate, 40) == ["wrong"] * 40
    assert await attempt(gate, PASSWORD) == "wrong"
    for number in range(7):
        await register(gate, number)
    assert await charged(db) == {}
    assert await failures(db) == {"203.0.113.9": 40}


# --- Registering ---


async def register(gate: Gate, number: int, client: Client = ELSEWHERE) -> str | int:
    try:
        await gate.accounts.register(
            email=f"user{number}@example.com", name="User", password=PASSWORD, client=client
        )
    except TooManyAttempts as refused:
        return refused.retry_after
    except EmailTaken:
        return "taken"
    return "in"


async def test_an_address_registers_five_and_twenty_an_hour(
    gate: Gate, db: Any, stopped: StoppedClock
) -> None:
    told = [await register(gate, number) for number in (1, 2, 2, 3, 4, 5, 6)]
    assert told == ["in", "in", "taken", "in", "in", 180, 180]
    assert await db.fetchval("SELECT count(*) FROM users") == 4
    assert await trail(db, AuditAction.THROTTLED) == [
        (None, {"bucket": "register_address", "verb": "register"})
    ]
    assert await register(gate, 5, HOME) == "in"
    stopped.advance(minutes=3)
    assert [await register(gate, number) for number in (6, 7)] == ["in", 180]


async def test_all_addresses_together_have_a_limit(make_gate: MakeGate, db: Any) -> None:
    gate = await make_gate(throttle_register_total="3 then 1/minute")
    told = [await register(gate, n, Client(ip_address=f"203.0.113.{n}")) for n in range(5)]
    assert told == ["in", "in", "in", 60, 60]
    assert (await charged(db))["register_address"] == 5


# --- Asking for the password again ---


async def confirm(gate: Gate, user: User, *, right: bool, client: Client = ELSEWHERE) -> str | int:
    """Do as one does who asks for the password again."""
    try:
        begun = await gate.throttles.confirm(user.id, session_id=1, client=client, verb="change_password")
    except TooManyAttempts as refused:
        return refused.retry_after
    return await end(gate, begun, right=right)


async def end(gate: Gate, begun: Attempt, *, right: bool) -> str:
    if begun.is_locked or not right:
        await gate.throttles.failed(
            begun, AuditAction.PASSWORD_REFUSED, detail={"verb": "change_password"}, session_id=1
        )
        return "locked" if begun.is_locked else "wrong"
    async with gate.database.connection() as conn:
        await gate.throttles.succeeded(conn, begun)
    return "right"


async def test_a_password_that_is_asked_again_has_five_attempts_and_two_a_minute(
    gate: Gate, db: Any, stopped: StoppedClock
) -> None:
    user = await create(gate)
    assert [await confirm(gate, user, right=True) for _ in range(8)] == ["right"] * 8
    assert [await confirm(gate, user, right=False) for _ in range(6)] == ["wrong"] * 5 + [30]
    assert await confirm(gate, user, right=True) == 30
    assert await failures(db) == {"203.0.113.9": 5}
    assert await trail(db, AuditAction.PASSWORD_REFUSED) == [(1, {"verb": "change_password"})] * 5
    assert await trail(db, AuditAction.THROTTLED) == [
        (1, {"bucket": "confirm_user", "verb": "change_password"})
    ]
    stopped.advance(seconds=30)
    assert await confirm(gate, user, right=True) == "right"
    assert await failures(db) == {}


async def test_a_password_that_is_asked_again_is_locked_by_failures_in_a_row(locked: Gate, db: Any) -> None:
    user = await locked.administration.find(EMAIL)
    assert await confirm(locked, user, right=True) == "locked"
    assert await failures(db) == {"203.0.113.9": 2, "198.51.100.7": 1}
    assert await confirm(locked, user, right=True, client=HOME) == "right"


async def test_asking_again_without_limits_charges_nothing(make_gate: MakeGate, db: Any) -> None:
    gate = await make_gate(throttle_enabled=False)
    user = await create(gate)
    assert [await confirm(gate, user, right=False) for _ in range(7)] == ["wrong"] * 7
    assert await confirm(gate, user, right=True) == "right"
    assert (await charged(db), await failures(db)) == ({}, {})


async def test_a_failure_of_one_who_is_deleted_meanwhile_is_on_the_trail(gate: Gate, db: Any) -> None:
    user = await create(gate)
    begun = await gate.throttles.confirm(user.id, session_id=1, client=ELSEWHERE, verb="change_password")
    await gate.administration.delete(user, client=Client())
    assert await end(gate, begun, right=False) == "wrong"
    assert await failures(db) == {}
    assert len(await trail(db, AuditAction.PASSWORD_REFUSED)) == 1


# --- The trail ---


async def test_refusals_are_on_the_trail_once_a_minute_for_each_bucket(
    gate: Gate, db: Any, stopped: StoppedClock
) -> None:
    await attempts(gate, 60)
    assert [detail["bucket"] for _, detail in await trail(db, AuditAction.THROTTLED)] == [
        "login_account",
        "login_address",
    ]
    stopped.advance(seconds=59)
    await attempts(gate, 40)
    assert len(await trail(db, AuditAction.THROTTLED)) == 2
    stopped.advance(seconds=1)
    await attempts(gate, 2)
    assert len(await trail(db, AuditAction.THROTTLED)) == 3


async def test_refusals_at_the_same_moment_are_one_event(
    make_gate: MakeGate, db: Any, stopped: StoppedClock
) -> None:
    gates = [await make_gate() for _ in range(2)]
    await attempts(gates[0], 10)
    async with db.transaction():
        # A bucket of events that has room, which all of them have to wait for.
        await db.execute(
            "INSERT INTO auth_throttles SELECT 'event', bucket || ':' || key, $1 FROM auth_throttles"
            " WHERE bucket = 'login_account'",
            stopped.now,
        )
        refused = [asyncio.create_task(attempt(gates[number % 2])) for number in range(6)]
        await until_waiting(db, 6)
    assert await asyncio.gather(*refused) == [60] * 6
    assert len(await trail(db, AuditAction.THROTTLED)) == 1


# --- Seeing and clearing ---


async def test_the_page_tells_how_many_attempts_are_left(gate: Gate, stopped: StoppedClock) -> None:
    await attempts(gate, 3)
    await attempts(gate, 12, email="other@example.com", client=HOME)
    found = [
        (each.bucket, each.left, each.drained_at - stopped.now) for each in await gate.throttles.page(limit=9)
    ]
    assert found == [
        (Bucket.LOGIN_ACCOUNT, 0, timedelta(minutes=10)),
        (Bucket.LOGIN_ACCOUNT, 7, timedelta(minutes=3)),
        (Bucket.LOGIN_ADDRESS, 18, timedelta(seconds=24)),
        (Bucket.LOGIN_ADDRESS, 27, timedelta(seconds=6)),
    ]
    assert len(await gate.throttles.page(limit=1)) == 1
    stopped.advance(seconds=30)
    assert [(each.bucket, each.left) for each in await gate.throttles.page(limit=9)] == [
        (Bucket.LOGIN_ACCOUNT, 0),
        (Bucket.LOGIN_ACCOUNT, 7),
    ]


async def test_a_bucket_of_a_newer_gatepost_is_listed_as_it_is(
    gate: Gate, db: Any, stopped: StoppedClock
) -> None:
    later = stopped.now + timedelta(hours=1)
    await db.execute("INSERT INTO auth_throttles VALUES ('token_total', '', $1)", later)
    (level,) = await gate.throttles.page(limit=9)
    assert (level.bucket, level.left) == ("token_total", None)


async def test_an_account_is_cleared_with_its_known_devices_and_no_other_is(gate: Gate, db: Any) -> None:
    user = await create(gate)
    await attempts(gate, 11)
    await attempts(gate, 11, client=HOME, device=await device_of(gate, db))
    await attempt(gate, email="other@example.com")
    await gate.throttles.confirm(user.id, session_id=1, client=HOME, verb="confirm")
    assert await gate.throttles.clear(email=EMAIL, address=None, client=Client()) == 5
    assert await charged(db) == {"login_address": 2, "login_account": 1}
    assert await attempt(gate, PASSWORD) == "in"
    assert await trail(db, AuditAction.THROTTLES_CLEARED) == [
        (1, {"by": "command", "buckets": 5, "email": EMAIL})
    ]


async def test_an_address_is_cleared_with_its_network_and_no_other_is(make_gate: MakeGate, db: Any) -> None:
    gate = await make_gate(throttle_login_address="1 then 1/minute")
    ours, theirs = Client(ip_address="2001:db8:1:1::1"), Client(ip_address="2001:db8:2:1::1")
    assert await attempts(gate, 2, client=ours) == ["wrong", 60]
    assert await attempts(gate, 2, client=theirs) == ["wrong", 60]
    await register(gate, 1, ours)
    assert await gate.throttles.clear(email=None, address=ours.ip_address, client=Client()) == 6
    assert await charged(db) == {
        "login_account": 1,
        "login_address": 1,
        "login_network": 1,
        "register_total": 1,
        "event": 1,
    }
    assert await attempt(gate, client=ours) == "wrong"
    assert await attempt(gate, client=theirs) == 60


async def test_everything_is_cleared(gate: Gate, db: Any) -> None:
    await attempts(gate, 40)
    assert await gate.throttles.clear(email=None, address=None, client=Client()) == 4
    assert await charged(db) == {}
    assert await trail(db, AuditAction.THROTTLES_CLEARED) == [
        (None, {"by": "command", "buckets": 4, "all": True})
    ]


# --- Housekeeping ---


async def test_drained_buckets_and_old_failures_are_removed(
    gate: Gate, db: Any, stopped: StoppedClock
) -> None:
    await create(gate)
    began: datetime = stopped.now
    await attempts(gate, 2)
    stopped.advance(minutes=1)
    await gate.housekeeping.run(client=Client())
    assert await charged(db) == {"login_account": 1}
    stopped.advance(minutes=1, microseconds=1)
    await gate.housekeeping.run(client=Client())
    assert await charged(db) == {}
    stopped.now = began + timedelta(days=90)
    await gate.housekeeping.run(client=Client())
    assert await failures(db) == {"203.0.113.9": 2}
    stopped.advance(microseconds=1)
    await gate.housekeeping.run(client=Client())
    assert await failures(db) == {}


async def test_more_than_a_batch_is_removed_and_by_one_worker_at_a_time(
    gate: Gate, db: Any, stopped: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepost.services.housekeeping.BATCH", 10)
    await db.execute(
        "INSERT INTO auth_throttles SELECT 'login_account', i::text, $1 FROM generate_series(1, 25) i",
        stopped.now - timedelta(seconds=1),
    )
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", HOUSEKEEPING_LOCK)
        await gate.housekeeping._clean(alone=True, progress=None)
        assert await charged(db) == {"login_account": 25}, "another worker is at it"
    await gate.housekeeping._clean(alone=True, progress=None)
    assert await charged(db) == {}

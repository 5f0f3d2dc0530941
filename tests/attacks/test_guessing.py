"""Guessing passwords: in parallel over two workers, spread over addresses, spellings and headers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, a_hurry, register, serving
from tests.http.conftest import StoppedClock, assert_error

from gatepost import errors
from gatepost.app import create_app

Database = Any
LOGIN = "/api/auth/login"
EMAIL = "user@example.com"
HOME = "198.51.100.7"
ELSEWHERE = "203.0.113.9"


@pytest.fixture
async def workers(make_settings: MakeSettings) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two workers on one database behind a proxy that they trust, and one user."""
    clock = StoppedClock()
    settings = make_settings(
        throttle_enabled=True,
        trusted_proxies="127.0.0.1",
        public_url="https://auth.example.com",
        login_failures_max=100,
    )
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(create_app(settings, clock=clock))) for _ in range(2)
        ]
        await register(one, **at(HOME))
        yield one, two


def at(address: str) -> dict[str, str]:
    """Return what the proxy says of who is at this address."""
    return {"X-Forwarded-For": address}


async def guess(
    worker: httpx.AsyncClient,
    password: str,
    address: str = ELSEWHERE,
    email: str = EMAIL,
    *,
    device: str | None = None,
) -> httpx.Response:
    known = {} if device is None else {"Cookie": f"__Host-gatepost-device={device}"}
    body = {"email": email, "password": password}
    return await worker.post(LOGIN, json=body, headers=at(address) | known)


async def checked(db: Database) -> int:
    """Return how many guesses came as far as the password."""
    return int(await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'login.failed'"))


@pytest.mark.parametrize("spread", [False, True], ids=["one address", "an address each"])
async def test_of_64_parallel_guesses_over_two_workers_exactly_the_burst_reaches_the_password(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], db: Database, spread: bool
) -> None:
    answers = await asyncio.gather(
        *(
            guess(workers[number % 2], f"guess {number}", f"203.0.113.{number if spread else 9}")
            for number in range(64)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 54}
    assert await checked(db) == 10
    for answer in answers:
        if answer.status_code == 429:
            assert_error(answer, errors.TooManyAttempts)
            assert answer.headers["retry-after"] in ({"60"} if spread else {"2", "60"})
    addresses = await db.fetchval("SELECT count(*) FROM auth_throttles WHERE bucket = 'login_address'")
    assert addresses == (64 if spread else 1)


async def test_the_right_password_among_throttled_guesses_is_answered_as_they_are(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], db: Database
) -> None:
    passwords = [f"guess {number}" for number in range(63)]
    for password in passwords[:10]:
        await guess(workers[0], password)
    answers = await asyncio.gather(
        *(guess(workers[n % 2], p, f"203.0.113.{n}") for n, p in enumerate([*passwords[10:], PASSWORD]))
    )
    assert {answer.status_code for answer in answers} == {429}
    assert len({(answer.content, answer.headers["retry-after"]) for answer in answers}) == 1
    assert await checked(db) == 10
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_known_and_unknown_accounts_are_refused_alike(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    told = []
    for number, email in enumerate((EMAIL, "nobody@example.com")):
        answers = [await guess(workers[0], "a guess", f"203.0.113.{number}", email) for _ in range(12)]
        varying = {"x-request-id", "date"}
        told.append(
            [
                (a.status_code, a.content, {k: v for k, v in a.headers.items() if k not in varying})
                for a in answers
            ]
        )
    assert told[0] == told[1]


async def test_the_owner_signs_in_on_a_known_device_during_a_flood(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "cookie": True}
    device = (await workers[0].post(LOGIN, json=body, headers=at(HOME))).cookies["__Host-gatepost-device"]
    workers[0].cookies.clear()
    flood = [guess(workers[n % 2], f"guess {n}", f"203.0.113.{n % 20}") for n in range(100)]
    owner = [guess(workers[n % 2], PASSWORD, HOME, device=device) for n in range(5)]
    answers = await asyncio.gather(*flood[:50], *owner, *flood[50:])
    assert [answer.status_code for answer in answers[50:55]] == [200] * 5
    assert Counter(a.status_code for a in (*answers[:50], *answers[55:])) == {401: 10, 429: 90}
    assert (await guess(workers[0], PASSWORD, "192.0.2.1")).status_code == 429


async def test_every_spelling_of_an_address_has_the_same_bucket(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], db: Database
) -> None:
    spellings = [
        EMAIL,
        "USER@example.com",
        "user@EXAMPLE.COM",
        " user@example.com ",
        "user@\uff45xample.com",
        "user@example\u3002com",
    ]
    answers = [
        await guess(workers[n % 2], "a guess", f"203.0.113.{n}", spellings[n % len(spellings)])
        for n in range(12)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert await db.fetchval("SELECT count(*) FROM auth_throttles WHERE bucket = 'login_account'") == 1


async def test_a_thousand_forged_headers_of_a_stranger_change_nothing(
    make_settings: MakeSettings, db: Database
) -> None:
    settings = make_settings(throttle_enabled=True, trusted_proxies="192.0.2.1", bcrypt_rounds=4)
    async with serving(create_app(settings, clock=StoppedClock())) as client:
        statuses: Counter[int] = Counter()
        for batch in range(20):
            answers = await asyncio.gather(
                *(
                    guess(client, "a guess", f"10.{batch}.{n}.1", f"user{batch}.{n}@example.com")
                    for n in range(50)
                )
            )
            statuses.update(answer.status_code for answer in answers)
    assert statuses == {401: 30, 429: 970}
    rows = await db.fetch("SELECT key FROM auth_throttles WHERE bucket = 'login_address'")
    assert [row["key"] for row in rows] == ["127.0.0.1"]


async def test_a_success_does_not_reset_the_limit_of_an_address(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], db: Database
) -> None:
    await register(workers[0], "attacker@example.com", **at(ELSEWHERE))
    told = []
    for number in range(16):
        told.append(
            (await guess(workers[0], f"guess {number}", email=f"user{number}@example.com")).status_code
        )
        told.append((await guess(workers[1], PASSWORD, email="attacker@example.com")).status_code)
    assert told == [401, 200] * 15 + [429] * 2


async def test_a_success_does_not_clear_what_an_attacker_did(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], db: Database
) -> None:
    await asyncio.gather(*(guess(workers[0], f"guess {n}", f"203.0.113.{n}") for n in range(8)))
    assert (await guess(workers[1], PASSWORD, HOME)).status_code == 200
    assert await db.fetchval("SELECT sum(failures) FROM auth_failures") == 8
    answers = [await guess(workers[1], "a guess", f"192.0.2.{n}") for n in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_a_flood_does_not_fill_the_trail(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], db: Database
) -> None:
    before = await db.fetchval("SELECT count(*) FROM auth_events")
    for _ in range(6):
        await asyncio.gather(*(guess(workers[n % 2], "a guess") for n in range(50)))
    rows = await db.fetch("SELECT action, count(*) FROM auth_events GROUP BY action")
    counted = {row["action"]: row["count"] for row in rows}
    assert counted["login.failed"] == 10
    assert counted["throttled"] == 2  # the account's and the address's
    assert sum(counted.values()) == before + 12


async def test_a_throttle_that_can_not_be_asked_lets_nobody_through(
    make_settings: MakeSettings, db: Database
) -> None:
    app = create_app(make_settings(throttle_enabled=True))
    async with serving(app) as client:
        await register(client)
        async with db.transaction():
            await db.execute("LOCK TABLE auth_throttles IN ACCESS EXCLUSIVE MODE")
            for path, body in {
                "login": {"email": EMAIL, "password": PASSWORD},
                "register": {"email": "new@example.com", "name": "New", "password": PASSWORD},
            }.items():
                with a_hurry(app):
                    refused = await client.post(f"/api/auth/{path}", json=body)
                assert_error(refused, errors.Unavailable)
                assert int(refused.headers["retry-after"]) >= 1
        assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
        assert (await guess(client, PASSWORD)).status_code == 200


async def test_registering_is_limited_before_a_password_is_hashed(
    workers: tuple[httpx.AsyncClient, httpx.AsyncClient], db: Database
) -> None:
    async def sign_up(number: int) -> int:
        body = {"email": f"new{number}@example.com", "name": "New", "password": PASSWORD}
        worker = workers[number % 2]
        return (await worker.post("/api/auth/register", json=body, headers=at(ELSEWHERE))).status_code

    statuses = Counter(await asyncio.gather(*(sign_up(number) for number in range(40))))
    assert statuses == {201: 5, 429: 35}
    assert await db.fetchval("SELECT count(*) FROM users") == 6

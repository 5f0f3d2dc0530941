"""Guessing second factors: over many sign-ins, addresses, methods and workers; and codes sent twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from tests.conftest import MakeSettings, MovableClock, bearer, register, serving
from tests.features.authenticators import BODY, FACTOR, LOGIN, App, code_of, enrolled
from tests.features.passkeys_by import ORIGIN
from tests.http.conftest import Database, events

from gatepost.app import create_app
from gatepost.features.totp.codes import PERIOD

HOME = "198.51.100.7"
PLENTY = "100000 then 100000/second"
BURST = 10
"""Wrong codes of one user, as THROTTLE_FACTOR_USER has it by default."""

Workers = tuple[httpx.AsyncClient, httpx.AsyncClient]


@pytest.fixture
async def workers(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[Workers]:
    """Two workers behind a proxy that they trust; passwords may be tried as often as one likes."""
    limits = ("login_account", "login_known", "login_address", "login_network", "form_address")
    settings = make_settings(
        throttle_enabled=True,
        trusted_proxies="127.0.0.1",
        public_url=ORIGIN,
        **{f"throttle_{name}": PLENTY for name in limits},
    )
    clock.advance(seconds=1)
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(create_app(settings, clock=clock))) for _ in range(2)
        ]
        yield one, two


@pytest.fixture
async def app_of(workers: Workers, clock: MovableClock) -> App:
    """The authenticator of the user, set up at home; who is at home has a session."""
    token = (await register(workers[0], **at(HOME)))["token"]
    return await enrolled(workers[0], str(token), clock)


def at(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def challenged(worker: httpx.AsyncClient, address: str) -> str:
    response = await worker.post(LOGIN, json=BODY, headers=at(address))
    assert code_of(response) == "second_factor_required", response.text
    return str(response.json()["error"]["challenge"])


async def guess(worker: httpx.AsyncClient, address: str, code: str, method: str = "totp") -> httpx.Response:
    """Sign in from an address with the password, and guess."""
    body = {"challenge": await challenged(worker, address), "method": method, "code": code}
    return await worker.post(FACTOR, json=body, headers=at(address))


async def test_of_200_guesses_wherever_they_come_from_ten_are_looked_at(
    workers: Workers, app_of: App, db: Database
) -> None:
    """An address, a sign-in and a worker each; every method in turn, and passwords that are right between."""
    answers = []
    for batch in range(20):
        guesses = (
            guess(
                workers[n % 2],
                f"203.0.113.{batch * 10 + n}",
                f"{n:06}",
                ("totp", "recovery_code")[n % 2],
            )
            for n in range(10)
        )
        answers += await asyncio.gather(*guesses)
    assert Counter(map(code_of, answers)) == {"invalid_code": BURST, "too_many_attempts": 190}
    refused = [answer for answer in answers if code_of(answer) == "too_many_attempts"]
    assert len({answer.json()["message"] for answer in refused}) == 1
    reasons = [each["detail"]["reason"] for each in await events(db, "login.failed")]
    assert reasons.count("wrong_code") == BURST
    # The right one is refused as the others are, whatever it is, and there is no session but the owner's.
    for method, code in (("totp", app_of.code()), ("recovery_code", app_of.recovery_codes[0])):
        right = await guess(workers[0], "203.0.113.250", code, method)
        assert code_of(right) == "too_many_attempts"
        assert right.json()["message"] == refused[-1].json()["message"]
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes WHERE used_at IS NOT NULL") == 0


async def test_whoever_guesses_elsewhere_keeps_the_owner_out_neither_at_home_nor_where_they_confirm(
    workers: Workers, app_of: App, clock: MovableClock
) -> None:
    for n in range(BURST + 1):
        last = await guess(workers[n % 2], f"203.0.113.{n}", "000000")
    assert code_of(last) == "too_many_attempts"
    assert code_of(await guess(workers[0], HOME, app_of.code())) == "ok"
    clock.advance(seconds=PERIOD)
    confirm, headers = "/api/auth/confirm", bearer(app_of.token) | at(HOME)
    assert code_of(await workers[1].post(confirm, json={"password": BODY["password"]}, headers=headers)) == (
        "second_factor_required"
    )
    answer = {"method": "totp", "code": app_of.code()}
    assert code_of(await workers[1].post(confirm, json=answer, headers=headers)) == "ok"


async def test_after_100_wrong_ones_in_a_row_a_right_one_is_good_from_known_places_alone(
    workers: Workers, app_of: App, clock: MovableClock, db: Database
) -> None:
    """However slowly they come, and whatever they belong to (NIST SP 800-63B-4 §3.2.2)."""
    for n in range(100):
        clock.advance(minutes=6)
        answer = await guess(workers[n % 2], f"203.0.113.{n}", "000000", ("totp", "recovery_code")[n % 2])
        assert code_of(answer) == "invalid_code"
    clock.advance(hours=2)
    assert await db.fetchval("SELECT sum(failures) FROM auth_failures") == 100
    for method, code in (("totp", app_of.code()), ("recovery_code", app_of.recovery_codes[0])):
        refused = await guess_wherever_it_leads(workers[0], "203.0.113.250", code, method)
        assert refused != "ok"
    assert await guess_wherever_it_leads(workers[0], HOME, app_of.code(), "totp") == "ok"


async def guess_wherever_it_leads(worker: httpx.AsyncClient, address: str, code: str, method: str) -> str:
    response = await worker.post(LOGIN, json=BODY, headers=at(address))
    if code_of(response) != "second_factor_required":
        return code_of(response)
    body = {"challenge": response.json()["error"]["challenge"], "method": method, "code": code}
    return code_of(await worker.post(FACTOR, json=body, headers=at(address)))


@pytest.mark.parametrize("method", ["totp", "recovery_code"])
async def test_of_fifty_who_send_one_code_at_once_one_is_heard(
    workers: Workers, app_of: App, db: Database, method: str
) -> None:
    """Over fifty sign-ins and two workers."""
    code = app_of.code() if method == "totp" else app_of.recovery_codes[0]
    challenges = [await challenged(workers[n % 2], HOME) for n in range(BURST)]
    sent = [
        workers[n % 2].post(
            FACTOR,
            json={"challenge": challenges[n % BURST], "method": method, "code": code},
            headers=at(HOME),
        )
        for n in range(50)
    ]
    found = Counter(code_of(each) for each in await asyncio.gather(*sent))
    assert found["ok"] == 1
    assert set(found) <= {"ok", "invalid_code", "challenge_expired", "too_many_attempts"}
    again = await guess(workers[1], HOME, code, method)
    assert code_of(again) in {"invalid_code", "too_many_attempts"}
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 2

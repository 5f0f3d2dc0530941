"""Guessing second factors: whatever it is tried with, each wrong answer is one more failure in a row."""

from collections.abc import Awaitable, Callable

import httpx
from fastapi import FastAPI
from tests.conftest import MakeSettings, MovableClock, register, serving
from tests.features import passkeys_by
from tests.features.authenticators import App, answered, challenged, code_of, enrolled
from tests.features.passkeys_by import Device
from tests.http.conftest import Database

from gatepost.app import create_app

MOST = 6

Guess = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


def elsewhere(app: FastAPI) -> httpx.AsyncClient:
    """A client at an address from where nobody has signed in."""
    transport = httpx.ASGITransport(app=app, client=("203.0.113.9", 50_000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gatepost.test")


async def by_app(client: httpx.AsyncClient, challenge: str) -> httpx.Response:
    return await answered(client, challenge, "000000")


async def by_recovery_code(client: httpx.AsyncClient, challenge: str) -> httpx.Response:
    return await answered(client, challenge, "A" * 24, "recovery_code")


async def by_passkey(client: httpx.AsyncClient, challenge: str) -> httpx.Response:
    options = await passkeys_by.request_of(client, challenge)
    stranger = Device()
    stranger.create({"rp": {"id": "localhost"}, "user": {"id": "AAAA"}, "challenge": "AAAA"})
    credential = stranger.get(options | {"allowCredentials": []})
    return await passkeys_by.answered(client, challenge, credential)


GUESSES: tuple[Guess, ...] = (by_app, by_passkey, by_recovery_code)


async def failures(db: Database) -> int:
    return int(await db.fetchval("SELECT coalesce(sum(failures), 0) FROM auth_failures"))


async def test_so_many_in_a_row_close_unknown_places_whatever_they_were_tried_with(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    """NIST SP 800-63B-4 §3.2.2: a new challenge, another factor or a right password resets nothing."""
    app = create_app(make_settings(login_failures_max=MOST), clock=clock)
    async with serving(app) as home, elsewhere(app) as thief:
        totp: App = await enrolled(home, str((await register(home))["token"]), clock)
        device = await passkeys_by.enrolled(home, totp.token)
        for number in range(MOST):
            challenge = await challenged(thief)
            assert await failures(db) == number, "the right password gives nothing back"
            wrong = await GUESSES[number % len(GUESSES)](thief, challenge)
            assert code_of(wrong) == "invalid_code", number
            assert await failures(db) == number + 1
        # The right answers come too late, to what waited before and anew.
        assert code_of(await answered(thief, challenge, totp.code())) == "challenge_expired"
        refused = await thief.post(passkeys_by.LOGIN, json=passkeys_by.BODY)
        assert code_of(refused) == "invalid_credentials"
        # Where its owner has signed in before, they do again, and the stranger stays out.
        at_home = await challenged(home)
        credential = device.get(await passkeys_by.request_of(home, at_home))
        assert code_of(await passkeys_by.answered(home, at_home, credential)) == "ok"
        assert await failures(db) == MOST
        refused = await thief.post(passkeys_by.LOGIN, json=passkeys_by.BODY)
        assert code_of(refused) == "invalid_credentials"


async def test_a_passkey_alone_is_guessed_by_nobody_and_signs_in_also_then(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    app = create_app(make_settings(login_failures_max=MOST), clock=clock)
    async with serving(app) as home, elsewhere(app) as abroad:
        device = await passkeys_by.enrolled(home, str((await register(home))["token"]))
        await db.execute(
            "INSERT INTO auth_failures (user_id, place, failures) SELECT id, '198.51.100.1', 100 FROM users"
        )
        assert code_of(await passkeys_by.signed_in_by(abroad, device)) == "ok"
        assert await failures(db) == 100, "those who guess the password go on where they were"

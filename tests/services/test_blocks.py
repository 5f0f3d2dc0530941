"""The rule of blocks: a blocked network gets at no password, link or new token, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, bearer, register, serving
from tests.http.conftest import Database, StoppedClock, assert_error, events
from tests.walking import walked

from gatepost.app import create_app
from gatepost.errors import TooManyAttempts


@pytest.fixture
def stopped() -> StoppedClock:
    return StoppedClock()


BLOCKED = "203.0.113.66"
FREE = "198.51.100.7"

WAYS_IN: dict[str, tuple[str, dict[str, Any]]] = {
    "login": ("/login", {"email": "user@example.com", "password": PASSWORD}),
    "login, unknown": ("/login", {"email": "nobody@example.com", "password": PASSWORD}),
    "register": ("/register", {"email": "new@example.com", "name": "New", "password": PASSWORD}),
    "register, invited": (
        "/register",
        {"email": "new@example.com", "name": "New", "password": PASSWORD, "invitation": "x" * 43},
    ),
    "setup": ("/setup", {"email": "new@example.com", "name": "New", "password": PASSWORD, "token": "x" * 43}),
    "second factor": ("/login/factor", {"challenge": "x" * 43, "method": "badge", "code": "1"}),
    "passkey, options": ("/login/passkey/options", {}),
    "passkey": ("/login/passkey", {"challenge": "x" * 43, "credential": {}}),
    "forgotten password": ("/password/forgot", {"email": "user@example.com"}),
    "mailed link": ("/password/reset", {"token": "x" * 43, "new_password": PASSWORD}),
    "mailed link, new e-mail": ("/email/confirm", {"token": "x" * 43}),
    "mailed link, former e-mail": ("/email/undo", {"token": "x" * 43}),
    "sign-in by mail": ("/login/email", {"email": "user@example.com"}),
    "mailed link, sign-in": ("/login/email/finish", {"token": "x" * 43}),
    "mailed link, own e-mail": ("/email/verify", {"token": "x" * 43}),
    "confirm": ("/confirm", {"password": PASSWORD}),
    "refresh": ("/refresh", {}),
}


@asynccontextmanager
async def at(app: FastAPI, address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speak from an address."""
    transport = httpx.ASGITransport(app=app, client=(address, 50_000), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
        yield client


async def block(db: Database, network: str, until: Any = None) -> int:
    made = await db.fetchval(
        "INSERT INTO auth_blocks (network, until) VALUES ($1::text::cidr, $2) RETURNING id", network, until
    )
    return int(made)


async def ask(client: httpx.AsyncClient, way: str, token: str) -> httpx.Response:
    path, body = WAYS_IN[way]
    return await client.post(f"/api/auth{path}", json=body or None, headers=bearer(token))


async def says(client: httpx.AsyncClient, password: str = PASSWORD) -> int:
    body = {"email": "user@example.com", "password": password}
    return (await client.post("/api/auth/login", json=body)).status_code


@walked("limited", [True, False], ids=["limited", "unlimited"])
@walked("way", WAYS_IN)
async def test_each_way_in_is_shut(
    way: str, limited: bool, make_settings: MakeSettings, db: Database, stopped: StoppedClock
) -> None:
    app = create_app(
        make_settings(throttle_enabled=limited, mail_url="smtp://127.0.0.1:9?tls=off", email_sign_in="both"),
        clock=stopped,
    )
    async with serving(app) as client:
        token = (await register(client))["token"]
        await block(db, "203.0.113.0/24")
        async with at(app, BLOCKED) as there:
            refused = await ask(there, way, token)
            assert_error(refused, TooManyAttempts)
            assert refused.headers["retry-after"] == "3600"
        async with at(app, FREE) as elsewhere:
            assert (await ask(elsewhere, way, token)).status_code != 429
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE ip_address = $1", BLOCKED) == 0
    assert await db.fetchval("SELECT count(*) FROM auth_throttles WHERE key = $1", BLOCKED) == 0
    (event,) = await events(db, "throttled")
    assert (event["ip_address"], event["detail"]["bucket"]) == (BLOCKED, "block")


async def test_a_session_stays_and_is_checked_as_ever(app: FastAPI, client: Any, db: Database) -> None:
    token = (await register(client))["token"]
    await block(db, BLOCKED)
    async with at(app, BLOCKED) as there:
        assert (await there.get("/api/auth/me", headers=bearer(token))).status_code == 200
        assert (await there.get("/api/auth/sessions", headers=bearer(token))).status_code == 200


@walked(
    ("network", "address", "status"),
    [
        ("203.0.113.66", BLOCKED, 429),
        ("203.0.113.0/24", "203.0.114.1", 200),
        ("203.0.113.64/30", "203.0.113.63", 200),
        ("2001:db8:1:2::/64", "2001:db8:1:2:3::4", 429),
        ("2001:db8:1::/48", "2001:db8:1:2:3::4", 429),
        ("2001:db8:1:3::/64", "2001:db8:1:2:3::4", 200),
        ("203.0.113.66", "::ffff:203.0.113.66", 429),
    ],
)
async def test_a_network_is_what_its_prefix_says(
    network: str, address: str, status: int, app: FastAPI, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    await block(db, network)
    async with at(app, address) as there:
        assert await says(there) == status


async def test_a_block_ends_when_its_time_is_over_or_it_is_lifted(
    make_settings: MakeSettings, db: Database, stopped: StoppedClock
) -> None:
    app = create_app(make_settings(), clock=stopped)
    async with serving(app) as client, at(app, BLOCKED) as there:
        await register(client)
        await block(db, BLOCKED, stopped.now)
        assert await says(there) == 200
        stopped.advance(minutes=-2)
        refused = await there.post("/api/auth/login", json=WAYS_IN["login"][1])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "120")
        stopped.advance(minutes=2)
        lasting = await block(db, "203.0.113.0/24")
        assert await says(there) == 429
        await db.execute("UPDATE auth_blocks SET lifted_at = now() WHERE id = $1", lasting)
        assert await says(there) == 200


async def test_of_two_blocks_the_longer_one_is_told(
    make_settings: MakeSettings, db: Database, stopped: StoppedClock
) -> None:
    app = create_app(make_settings(), clock=stopped)
    async with serving(app), at(app, BLOCKED) as there:
        stopped.advance(minutes=-10)
        until = stopped.now
        stopped.advance(minutes=-1)
        await block(db, BLOCKED, until)
        stopped.advance(minutes=-29)
        refused = await there.post("/api/auth/login", json=WAYS_IN["login"][1])
        assert refused.headers["retry-after"] == "1800"
        await block(db, "203.0.113.0/24")
        refused = await there.post("/api/auth/login", json=WAYS_IN["login"][1])
        assert refused.headers["retry-after"] == "3600"


async def test_of_many_at_once_nobody_gets_in_and_nobody_waits_for_a_lock(
    make_settings: MakeSettings, db: Database, stopped: StoppedClock
) -> None:
    app = create_app(make_settings(throttle_enabled=True), clock=stopped)
    async with serving(app) as client, at(app, BLOCKED) as there:
        await register(client)
        await block(db, BLOCKED)
        async with db.transaction():
            # Who changes the block meanwhile holds up nobody: what was there before is what counts.
            await db.execute("UPDATE auth_blocks SET lifted_at = now()")
            assert await asyncio.gather(*(says(there, "wrong") for _ in range(8))) == [429] * 8
            assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0
        assert await says(there) == 200

"""Whoever can't sign in takes the same work, whatever the reason (ASVS 6.3.8).

Time is made of what is done, so that is what is compared, and no clock: the work of bcrypt, the round trips
to the database with the bytes that go each way, and the answer to the last byte.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import bcrypt
import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, serving
from tests.counting import hashing
from tests.http.conftest import Database, assert_error
from tests.walking import walked
from tests.wire import Wire

from gatepost import errors
from gatepost.app import create_app

COST = 6
LONG = "correct horse battery staple " * 10
WRONG = "not the password of anybody"


@pytest.fixture
async def wire(dsn: str, tmp_path: Path) -> AsyncIterator[Wire]:
    async with Wire(dsn).listening(tmp_path) as wire:
        yield wire


@pytest.fixture
async def client(
    wire: Wire, make_settings: MakeSettings, db: Database, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A server with a known, a disabled, a long-worded and an old user, and some without a readable hash."""
    values = make_settings(
        database_url=wire.dsn(tmp_path), database_pool_size=1, throttle_enabled=True, bcrypt_rounds=COST
    )
    async with serving(create_app(values)) as client:
        for name in ("known", "disabled", "old", "long"):
            password = LONG if name == "long" else PASSWORD
            body = {"email": f"{name}@example.com", "name": name, "password": password}
            assert (await client.post("/api/auth/register", json=body)).status_code == 201
        await db.execute("UPDATE users SET is_active = false WHERE email = 'disabled@example.com'")
        for name, stored in (("passwordless", "!"), ("unsupported", "md5$x$y"), ("corrupt", "$2b$06$cut")):
            await db.execute(
                "INSERT INTO users (email, name, hashed_password) VALUES ($1, $2, $3)",
                f"{name}@example.com",
                name,
                stored,
            )
        await db.execute(
            "UPDATE users SET hashed_password = $1 WHERE email = 'old@example.com'",
            bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
        )
        yield client


@walked(
    ("who", "password"),
    [
        ("known", WRONG),
        ("known", ""),
        ("known", LONG),
        ("long", LONG + "x"),
        ("disabled", PASSWORD),
        ("old", WRONG),
        ("passwordless", PASSWORD),
        ("unsupported", PASSWORD),
        ("corrupt", PASSWORD),
    ],
    ids=[
        "wrong",
        "empty",
        "over 72 bytes",
        "one character too many",
        "disabled",
        "old cost",
        "passwordless",
        "unsupported",
        "corrupt",
    ],
)
async def test_no_failure_is_told_from_another_by_its_time(
    client: httpx.AsyncClient, wire: Wire, who: str, password: str
) -> None:
    async def fail(name: str) -> tuple[object, ...]:
        before = wire.round_trips
        with hashing() as work:
            body = {"email": f"{name}@example.com", "password": password}
            response = await client.post("/api/auth/login", json=body)
        assert_error(response, errors.InvalidCredentials)
        headers = [name for name, _ in response.headers.multi_items()]
        assert {kind for kind, _ in work} == {"bcrypt"}
        return wire.round_trips - before, sum(each for _, each in work), response.content, headers

    await fail("unknown")  # statements are prepared once a connection
    assert await fail(who) == await fail("unknown") == await fail("stranger")

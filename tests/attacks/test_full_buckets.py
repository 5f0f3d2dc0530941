"""Full buckets: who can fill whose, and that being refused by one costs the database nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, login, register, serving
from tests.http.conftest import StoppedClock
from tests.walking import walked

from gatepost.app import create_app
from gatepost.features.invitations.service import Invitations
from gatepost.gate import Gate
from gatepost.models import Bucket, Client

Database: TypeAlias = Any
UNKNOWN = "A" * 43
ONCE = "1 then 1/day"


@pytest.fixture
def serve(make_settings: MakeSettings) -> Callable[..., Any]:
    """Run servers behind a proxy that they trust."""

    @asynccontextmanager
    async def serve(**settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Gate]]:
        values = {
            "throttle_enabled": True,
            "trusted_proxies": "127.0.0.1",
            "public_url": "https://auth.example.com",
            "bcrypt_rounds": 4,
        }
        app = create_app(make_settings(**(values | settings)), clock=StoppedClock())
        async with serving(app) as client:
            yield client, app.state.gatepost

    return serve


def at(address: str) -> dict[str, str]:
    """Return what the proxy says of who is at this address."""
    return {"X-Forwarded-For": address}


def of_network(number: int) -> str:
    """Return an address of one IPv6 /48, of another /64 each."""
    return f"2001:db8:1:{number:x}::1"


async def sign_up(client: httpx.AsyncClient, email: str, address: str, invitation: str | None = None) -> int:
    body = {"email": email, "name": "New", "password": PASSWORD}
    body |= {} if invitation is None else {"invitation": invitation}
    return (await client.post("/api/auth/register", json=body, headers=at(address))).status_code


async def look(client: httpx.AsyncClient, number: int) -> int:
    path = f"/auth/sign-up?invitation={UNKNOWN}"
    led_on = await client.get(path, headers=at(of_network(number)))
    kept = {"Cookie": led_on.headers["set-cookie"].partition(";")[0]}
    return (await client.get("/auth/sign-up", headers=at(of_network(number)) | kept)).status_code


async def look_at_setup(client: httpx.AsyncClient, number: int) -> int:
    return (await client.get(f"/auth/setup?token={UNKNOWN}", headers=at(of_network(number)))).status_code


async def guess_invitation(client: httpx.AsyncClient, number: int) -> int:
    return await sign_up(client, f"u{number}@example.com", of_network(number), UNKNOWN)


async def come_uninvited(client: httpx.AsyncClient, number: int) -> int:
    return await sign_up(client, f"u{number}@example.com", of_network(number))


async def guess_setup(client: httpx.AsyncClient, number: int) -> int:
    body = {"token": UNKNOWN, "email": "a@example.com", "name": "A", "password": PASSWORD}
    response = await client.post("/api/auth/setup", json=body, headers=at(of_network(number)))
    return response.status_code


Try: TypeAlias = Callable[[httpx.AsyncClient, int], Awaitable[int]]


@walked(
    ("registration", "attempt"),
    [
        ("open", look),
        ("open", look_at_setup),
        ("open", guess_setup),
        ("invite", look),
        ("invite", guess_invitation),
        ("invite", come_uninvited),
    ],
)
async def test_whoever_is_refused_uses_up_nobody_elses_registrations(
    serve: Callable[..., Any], db: Database, registration: str, attempt: Try
) -> None:
    async with serve(registration=registration, throttle_register_total="3 then 1/day") as (client, gate):
        told = [await attempt(client, number) for number in range(30)]
        assert told[20:] == [429] * 10, "a network has a limit, of whatever number of addresses"
        assert 429 not in told[:20]
        rows = await db.fetch("SELECT DISTINCT bucket FROM auth_throttles WHERE bucket LIKE 'register%'")
        assert [row["bucket"] for row in rows] == []
        issued = await gate.service(Invitations).create(email=None, client=Client())
        token = issued.token if registration == "invite" else None
        assert await sign_up(client, "friend@example.com", "198.51.100.7", token) == 201
        assert await db.fetchval("SELECT email FROM users") == "friend@example.com"


async def test_one_network_registers_so_many_whatever_number_of_addresses_it_has(
    serve: Callable[..., Any], db: Database
) -> None:
    async with serve() as (client, _):
        told = [await sign_up(client, f"u{n}@example.com", of_network(n)) for n in range(23)]
        assert told == [201] * 20 + [429] * 3
        assert await sign_up(client, "other@example.com", "2001:db8:2::1") == 201
    assert await db.fetchval("SELECT count(*) FROM users") == 21
    refused = await db.fetchval("SELECT detail ->> 'bucket' FROM auth_events WHERE action = 'throttled'")
    assert refused == "register_network"


async def test_who_is_invited_registers_whatever_strangers_have_used_up(serve: Callable[..., Any]) -> None:
    async with serve(throttle_register_total="1 then 1/day") as (client, gate):
        assert await sign_up(client, "first@example.com", "203.0.113.1") == 201
        assert await sign_up(client, "second@example.com", "203.0.113.2") == 429
        token = (await gate.service(Invitations).create(email=None, client=Client())).token
        assert await sign_up(client, "friend@example.com", "198.51.100.7", token) == 201
        assert await sign_up(client, "again@example.com", "198.51.100.8", token) == 429, "it is used"


# --- Being refused costs reads ---


class Caller:
    """Does what is charged to each bucket."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.address = "192.0.2.1"
        self.token = ""
        self.device = ""

    async def _post(self, path: str, body: dict[str, Any] | None, **headers: str) -> int:
        self._client.cookies.clear()
        response = await self._client.post(f"/api/auth/{path}", json=body, headers=at(self.address) | headers)
        return response.status_code

    async def login(self) -> int:
        return await self._post("login", {"email": "user@example.com", "password": "a guess"})

    async def login_known(self) -> int:
        body = {"email": "user@example.com", "password": "a guess"}
        return await self._post("login", body, Cookie=f"__Host-gatepost-device={self.device}")

    async def malformed(self) -> int:
        return await self._post("login", {"email": "nobody", "password": "a guess"})

    async def register(self) -> int:
        body = {"email": "user@example.com", "name": "New", "password": PASSWORD}
        return await self._post("register", body)

    async def link(self) -> int:
        body = {"token": UNKNOWN, "email": "a@example.com", "name": "A", "password": PASSWORD}
        return await self._post("setup", body)

    async def refresh(self) -> int:
        return await self._post("refresh", None, **bearer(self.token))

    async def confirm(self) -> int:
        return await self._post("confirm", {"password": "a guess"}, **bearer(self.token))


WAYS: dict[Bucket, tuple[Callable[[Caller], Awaitable[int]], str]] = {
    Bucket.LOGIN_ADDRESS: (Caller.login, "192.0.2.1"),
    Bucket.LOGIN_NETWORK: (Caller.login, "2001:db8::1"),
    Bucket.LOGIN_ACCOUNT: (Caller.login, "192.0.2.1"),
    Bucket.LOGIN_KNOWN: (Caller.login_known, "192.0.2.1"),
    Bucket.FORM_ADDRESS: (Caller.malformed, "192.0.2.1"),
    Bucket.REGISTER_ADDRESS: (Caller.register, "192.0.2.1"),
    Bucket.REGISTER_NETWORK: (Caller.register, "2001:db8::1"),
    Bucket.REGISTER_TOTAL: (Caller.register, "192.0.2.1"),
    Bucket.LINK_ADDRESS: (Caller.link, "192.0.2.1"),
    Bucket.LINK_NETWORK: (Caller.link, "2001:db8::1"),
    Bucket.REFRESH_ADDRESS: (Caller.refresh, "192.0.2.1"),
    Bucket.REFRESH_SESSION: (Caller.refresh, "192.0.2.1"),
    Bucket.CONFIRM_USER: (Caller.confirm, "192.0.2.1"),
}
"""Bucket → what fills it at the second time at the latest, and from where."""


def test_every_bucket_is_tried() -> None:
    # A block, which charges nothing, is tried by tests/services/test_blocks.py.
    # Guesses at factors are in tests/features/recovery_codes/test_api.py.
    assert set(WAYS) == set(Bucket) - {Bucket.EVENT, Bucket.BLOCK, Bucket.FACTOR_USER}


@walked("bucket", WAYS, ids=str)
async def test_a_full_bucket_refuses_without_a_lock_and_without_a_write(
    serve: Callable[..., Any], db: Database, bucket: Bucket
) -> None:
    setting = {"link_address": "register_address", "link_network": "register_network"}.get(bucket, bucket)
    async with serve(**{f"throttle_{setting}": ONCE}) as (client, _):
        caller = Caller(client)
        await register(client, **at("198.51.100.7"))
        body = {"email": "user@example.com", "password": PASSWORD, "cookie": True}
        signed_in = await client.post("/api/auth/login", json=body, headers=at("198.51.100.7"))
        caller.device = signed_in.cookies["__Host-gatepost-device"]
        caller.token = (await login(client, **at("198.51.100.8")))["token"]
        await db.execute("DELETE FROM auth_throttles")
        attempt, caller.address = WAYS[bucket]
        for _ in range(2):
            status = await attempt(caller)
        assert status == 429
        assert await db.fetchval("SELECT count(*) FROM auth_throttles WHERE bucket = $1", bucket) == 1
        full = "SELECT *, xmin::text, xmax::text, ctid FROM auth_throttles WHERE bucket IN ($1, 'event')"
        async with db.transaction():
            # Whoever wants one of these rows waits until it is over, which comes after the answer.
            await db.execute(f"{full.replace('*, xmin::text, xmax::text, ctid', '')} FOR UPDATE", bucket)
            before = await db.fetch(full, bucket)
            assert await asyncio.gather(*(attempt(caller) for _ in range(2))) == [429] * 2
            assert await db.fetch(full, bucket) == before

"""Guesses that pile up before the password checks: nobody waits behind somebody else's."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeAlias

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, login, register, serving
from tests.failures.conftest import PATIENCE, eventually
from tests.http.conftest import assert_error

from gatepost import errors
from gatepost.app import create_app
from gatepost.gate import Gate
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher
from gatepost.services.hashing import Hashing, queue_limit

Answer: TypeAlias = "asyncio.Task[httpx.Response]"
HOME = "198.51.100.7"
SECONDS = 1.0
WAITING = queue_limit(1, SECONDS)
"""How many strangers may wait for one thread."""


class Watched(PasswordHasher):
    """Works once the test lets it, and remembers what it was given."""

    def __init__(self) -> None:
        super().__init__(4)
        self.go = threading.Event()
        self.order: list[str] = []

    @property
    def seconds(self) -> float:
        return SECONDS

    def check(self, password: Password, stored: str | None) -> PasswordCheck:
        assert self.go.wait(PATIENCE)
        self.order.append(password.text)
        return super().check(password, stored)

    def hash(self, password: Password) -> str:
        assert self.go.wait(PATIENCE)
        self.order.append(password.text)
        return super().hash(password)


class Queue:
    """A server whose password checks stand still until they are let go."""

    def __init__(self, client: httpx.AsyncClient, gate: Gate) -> None:
        self.client = client
        self.hasher = Watched()
        self.hashing = Hashing(self.hasher, threads=1)
        self._places: list[tuple[Any, Hashing]] = []
        services = (gate.accounts, gate.logins, gate.own_passwords, gate.profiles._reauthentication)
        for service in services:
            self._places.append((service, service._hashing))
            service._hashing = self.hashing
        self._waiting: list[Answer] = []

    async def ask(self, *asked: Awaitable[httpx.Response]) -> list[Answer]:
        """Send requests and return once each waits for its check, or has its answer."""
        tasks = [asyncio.ensure_future(each) for each in asked]
        self._waiting += tasks

        async def arrived() -> bool:
            done = sum(each.done() for each in self._waiting)
            return self.hashing.under_way + done == len(self._waiting)

        await eventually(arrived)
        return tasks

    async def guesses(self, address: str, number: int) -> list[Answer]:
        """Send guesses from an address."""
        return await self.ask(*(self.guess(f"guess {n} of {address}", address) for n in range(number)))

    def guess(self, password: str, address: str, **headers: str) -> Awaitable[httpx.Response]:
        body = {"email": "user@example.com", "password": password}
        return self.client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": address} | headers)

    async def let_go(self) -> None:
        self.hasher.go.set()
        await asyncio.gather(*self._waiting)

    def close(self) -> None:
        self.hasher.go.set()
        for service, former in self._places:
            service._hashing = former
        self.hashing.close()


@pytest.fixture
async def queue(make_settings: MakeSettings) -> AsyncIterator[Queue]:
    settings = make_settings(
        trusted_proxies="127.0.0.1", public_url="https://auth.example.com", bcrypt_rounds=4
    )
    app = create_app(settings)
    async with serving(app) as client:
        queue = Queue(client, app.state.gatepost)
        queue.hasher.go.set()
        await register(client, **{"X-Forwarded-For": HOME})
        queue.hasher.go.clear()
        queue.hasher.order.clear()
        yield queue
        queue.close()


ATTACKERS = [f"203.0.113.{number}" for number in range(4)]


async def test_the_owner_on_a_known_device_waits_for_one_check_whoever_guesses(
    queue: Queue, make_settings: MakeSettings
) -> None:
    queue.hasher.go.set()
    body = {"email": "user@example.com", "password": PASSWORD, "cookie": True}
    signed_in = await queue.client.post("/api/auth/login", json=body)
    device = signed_in.cookies["__Host-gatepost-device"]
    queue.client.cookies.clear()
    queue.hasher.go.clear()
    queue.hasher.order.clear()
    for address in ATTACKERS:
        await queue.guesses(address, 7)
    assert queue.hashing.under_way == 1 + WAITING
    (owner,) = await queue.ask(queue.guess(PASSWORD, "192.0.2.9", Cookie=f"__Host-gatepost-device={device}"))
    await queue.let_go()
    assert owner.result().status_code == 200
    assert queue.hasher.order.index(PASSWORD) == 1, "after the one that was under way"


async def test_a_stranger_waits_for_one_check_of_each_network_and_has_a_place(queue: Queue) -> None:
    told = [answer for address in ATTACKERS for answer in await queue.guesses(address, 7)]
    (stranger,) = await queue.ask(queue.guess(PASSWORD, "192.0.2.9"))
    (newcomer,) = await queue.ask(
        queue.client.post(
            "/api/auth/register",
            json={"email": "new@example.com", "name": "New", "password": "a new password"},
            headers={"X-Forwarded-For": "192.0.2.10"},
        )
    )
    assert queue.hashing.under_way == 1 + WAITING
    given_up = [each for each in told if each.done()]
    assert len(given_up) == 4 * 7 + 2 - 1 - WAITING, "they are answered at once"
    for each in given_up:
        assert_error(each.result(), errors.Unavailable)
        assert int(each.result().headers["retry-after"]) >= 1
    await queue.let_go()
    assert (stranger.result().status_code, newcomer.result().status_code) == (200, 201)
    assert queue.hasher.order.index(PASSWORD) <= 1 + len(ATTACKERS)
    assert queue.hasher.order.index("a new password") <= 2 + len(ATTACKERS)


async def test_a_48_of_ipv6_is_one_line(queue: Queue) -> None:
    await queue.ask(*(queue.guess("guess", f"2001:db8:1:{number:x}::1") for number in range(9)))
    (stranger,) = await queue.ask(queue.guess(PASSWORD, "2001:db8:2::1"))
    await queue.let_go()
    assert stranger.result().status_code == 200
    assert queue.hasher.order.index(PASSWORD) == 2


@pytest.mark.parametrize("path", ["confirm", "password"])
async def test_whoever_is_signed_in_does_not_wait_behind_strangers(queue: Queue, path: str) -> None:
    queue.hasher.go.set()
    token = (await login(queue.client))["token"]
    queue.hasher.go.clear()
    queue.hasher.order.clear()
    await queue.guesses(ATTACKERS[0], WAITING + 5)
    body = {
        "confirm": {"password": PASSWORD},
        "password": {"current": PASSWORD, "new": "another secure password"},
    }[path]
    headers = bearer(token) | {"X-Forwarded-For": ATTACKERS[0]}
    (own,) = await queue.ask(queue.client.post(f"/api/auth/{path}", json=body, headers=headers))
    await queue.let_go()
    assert own.result().status_code == 200
    assert queue.hasher.order.index(PASSWORD) == 1
    if path == "password":
        assert queue.hasher.order.index("another secure password") <= 4


async def test_known_callers_leave_strangers_every_other_turn(queue: Queue) -> None:
    queue.hasher.go.set()
    token = (await login(queue.client))["token"]
    queue.hasher.go.clear()
    queue.hasher.order.clear()
    bodies = [{"password": f"known {number}"} for number in range(8)]
    await queue.ask(
        *(queue.client.post("/api/auth/confirm", json=body, headers=bearer(token)) for body in bodies)
    )
    await queue.guesses(ATTACKERS[0], 4)
    await queue.let_go()
    kinds = [password.split()[0] for password in queue.hasher.order]
    assert kinds[1:9] in (["guess", "known"] * 4, ["known", "guess"] * 4)

"""More logins than the machine can check: refused at once past the queue, and nobody else is slowed down."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from tests.conftest import bearer, login, register
from tests.failures.conftest import PATIENCE, eventually
from tests.http.conftest import assert_error

from gatepost import errors
from gatepost.library import Gatepost
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher
from gatepost.services.hashing import Hashing

LIMIT = 5
"""One check under way and four in the queue: the least there is, for one thread at the highest cost."""


class HeldUp(PasswordHasher):
    """Takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__(4)
        self.begun = threading.Event()
        self.go = threading.Event()

    @property
    def seconds(self) -> float:
        return 4.0

    def check(self, password: Password, stored: str | None) -> PasswordCheck:
        self.begun.set()
        assert self.go.wait(PATIENCE)
        return super().check(password, stored)


@pytest.fixture
async def held_up(gate: Gatepost, client: httpx.AsyncClient) -> AsyncIterator[HeldUp]:
    hasher = HeldUp()
    former, hashing = gate.logins._hashing, Hashing(hasher, threads=1)
    gate.logins._hashing = gate.accounts._hashing = hashing
    yield hasher
    hasher.go.set()
    hashing.close()
    gate.logins._hashing = gate.accounts._hashing = former


def taken(gate: Gatepost) -> int:
    return gate.logins._hashing.under_way


async def wait_for(true: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return true()

    await eventually(asked)


async def test_past_the_queue_a_login_is_503_at_once_and_session_checks_go_on(
    client: httpx.AsyncClient, gate: Gatepost, held_up: HeldUp
) -> None:
    token = (await register(client))["token"]
    waiting = [asyncio.create_task(login(client)) for _ in range(LIMIT)]
    await wait_for(lambda: taken(gate) == LIMIT)
    for path, body in {
        "login": {"email": "user@example.com", "password": "securepassword123"},
        "register": {"email": "new@example.com", "name": "New", "password": "securepassword123"},
    }.items():
        refused = await client.post(f"/api/auth/{path}", json=body)
        assert_error(refused, errors.Unavailable)
        assert int(refused.headers["retry-after"]) >= 1
    assert not any(each.done() for each in waiting), "they were waited for"
    for path in ("me", "sessions", "events"):
        assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).status_code == 200
    refreshed = await client.post("/api/auth/refresh", headers=bearer(token))
    assert refreshed.status_code == 200
    assert not any(each.done() for each in waiting)
    held_up.go.set()
    assert len({data["token"] for data in await asyncio.gather(*waiting)}) == LIMIT
    await wait_for(lambda: taken(gate) == 0)
    await login(client)


async def test_who_hangs_up_gives_the_place_in_the_queue_back_and_keeps_that_of_the_thread(
    client: httpx.AsyncClient, gate: Gatepost, held_up: HeldUp
) -> None:
    await register(client)
    waiting = [asyncio.create_task(login(client)) for _ in range(LIMIT)]
    await wait_for(lambda: taken(gate) == LIMIT and held_up.begun.is_set())
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    await wait_for(lambda: taken(gate) == 1)
    held_up.go.set()
    await login(client)
    await wait_for(lambda: taken(gate) == 0)

"""Known devices and addresses: they tell nobody who has an account, and end with the password."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, login, register, serving
from tests.http.conftest import StoppedClock, assert_error
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app

Database: TypeAlias = Any
OWNER, NOBODY = "user@example.com", "nobody@example.com"
HOME = "198.51.100.7"
OTHER, WRONG = "another secure password", "a guess"


@pytest.fixture
def stopped() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def client(make_settings: MakeSettings, stopped: StoppedClock) -> AsyncIterator[httpx.AsyncClient]:
    """A server behind a proxy that it trusts."""
    settings = make_settings(
        throttle_enabled=True,
        trusted_proxies="127.0.0.1",
        public_url="https://auth.example.com",
        throttle_register_address="50 then 1/second",
        bcrypt_rounds=4,
    )
    async with serving(create_app(settings, clock=stopped)) as client:
        yield client


def at(address: str) -> dict[str, str]:
    """Return what the proxy says of who is at this address."""
    return {"X-Forwarded-For": address}


async def guess(
    client: httpx.AsyncClient,
    email: str = OWNER,
    address: str = HOME,
    *,
    password: str = WRONG,
    device: str | None = None,
) -> httpx.Response:
    client.cookies.clear()
    cookie = {} if device is None else {"Cookie": f"__Host-gatepost-device={device}"}
    body = {"email": email, "password": password}
    return await client.post("/api/auth/login", json=body, headers=at(address) | cookie)


def device_of(client: httpx.AsyncClient, response: httpx.Response) -> str:
    """Return the device cookie that an answer set, and keep no cookie."""
    assert response.is_success, response.text
    device = response.cookies["__Host-gatepost-device"]
    client.cookies.clear()
    return device


async def signed_in(
    client: httpx.AsyncClient, address: str = HOME, *, password: str = PASSWORD, device: str | None = None
) -> str:
    """Sign the owner in by cookie and return the device cookie."""
    client.cookies.clear()
    cookie = {} if device is None else {"Cookie": f"__Host-gatepost-device={device}"}
    body = {"email": OWNER, "password": password, "cookie": True}
    return device_of(client, await client.post("/api/auth/login", json=body, headers=at(address) | cookie))


async def flood(client: httpx.AsyncClient, email: str = OWNER) -> None:
    """Fill the bucket of an account from elsewhere."""
    for number in range(12):
        refused = await guess(client, email, f"203.0.113.{number}")
    assert refused.status_code == 429


# --- Who has an account ---

Act: TypeAlias = Callable[[httpx.AsyncClient, str, str], Awaitable[None]]


async def owner_does_nothing(client: httpx.AsyncClient, token: str, device: str) -> None:
    pass


async def owner_signs_in(client: httpx.AsyncClient, token: str, device: str) -> None:
    assert (await guess(client, password=PASSWORD, device=device)).status_code == 200


async def owner_fails_on_the_device(client: httpx.AsyncClient, token: str, device: str) -> None:
    answers = [(await guess(client, device=device)).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


async def owner_changes_the_password(client: httpx.AsyncClient, token: str, device: str) -> None:
    body = {"current": PASSWORD, "new": OTHER}
    response = await client.post("/api/auth/password", json=body, headers=bearer(token) | at(HOME))
    assert response.status_code == 200


async def owner_leaves(client: httpx.AsyncClient, token: str, device: str) -> None:
    response = await client.request(
        "DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(token) | at(HOME)
    )
    assert response.status_code == 200


async def owner_confirms(client: httpx.AsyncClient, token: str, device: str) -> None:
    body = {"password": PASSWORD}
    response = await client.post("/api/auth/confirm", json=body, headers=bearer(token) | at(HOME))
    assert response.status_code == 200


@walked(
    "act",
    [
        owner_does_nothing,
        owner_signs_in,
        owner_fails_on_the_device,
        owner_changes_the_password,
        owner_confirms,
    ],
)
@walked("is_full", [True, False], ids=["full", "one left"])
async def test_from_an_address_that_an_account_was_used_from_nobody_learns_that_it_exists(
    client: httpx.AsyncClient, db: Database, act: Act, is_full: bool
) -> None:
    await register(client, **at(HOME))
    device = await signed_in(client)
    token = (await login(client, **at(HOME)))["token"]
    client.cookies.clear()
    for email in (OWNER, NOBODY):
        if is_full:
            await flood(client, email)
        else:
            for number in range(9):
                await guess(client, email, f"203.0.113.{number}")
    await act(client, token, device)
    await db.execute("DELETE FROM auth_throttles WHERE bucket = 'login_address'")
    told = []
    for email in (OWNER, NOBODY):
        answers = [await guess(client, email) for _ in range(3)]
        told.append([(a.status_code, a.content, a.headers.get("retry-after")) for a in answers])
    assert told[0] == told[1]
    assert [status for status, *_ in told[0]] == ([429] * 3 if is_full else [401, 429, 429])


async def test_too_many_failures_in_a_row_tell_nobody_either(
    make_settings: MakeSettings, stopped: StoppedClock, db: Database
) -> None:
    settings = make_settings(
        throttle_enabled=True,
        trusted_proxies="127.0.0.1",
        public_url="https://auth.example.com",
        login_failures_max=3,
        bcrypt_rounds=4,
    )
    async with serving(create_app(settings, clock=stopped)) as client:
        await register(client, **at(HOME))
        await signed_in(client)
        for email in (OWNER, NOBODY):
            for number in range(3):
                await guess(client, email, f"203.0.113.{number}")
        told = [[(await guess(client, email)).status_code for _ in range(9)] for email in (OWNER, NOBODY)]
        assert told[0] == told[1] == [401] * 7 + [429] * 2
        await db.execute("DELETE FROM auth_throttles")
        # An address that it signed in from still lifts the lock, for the right password alone.
        assert (await guess(client, address="192.0.2.1", password=PASSWORD)).status_code == 401
        assert (await guess(client, password=PASSWORD)).status_code == 200


# --- What a device cookie is worth, and until when ---


async def is_known(client: httpx.AsyncClient, device: str, *, password: str = PASSWORD) -> bool:
    """Say whether the owner gets in on this device while the account is flooded."""
    answer = await guess(client, address="192.0.2.77", password=password, device=device)
    assert answer.status_code in (200, 429)
    return answer.status_code == 200


async def test_the_owner_is_known_on_a_device_and_nowhere_else(client: httpx.AsyncClient) -> None:
    await register(client, **at(HOME))
    device = await signed_in(client)
    await flood(client)
    assert await is_known(client, device)
    assert (await guess(client, password=PASSWORD)).status_code == 429
    for forged in (f"{device[:-1]}{'A' if device[-1] != 'A' else 'B'}", device[48:], f"{device}.{device}x"):
        assert not await is_known(client, forged)


async def test_who_had_the_address_before_has_no_attempts_at_the_next_owner(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client, **at("203.0.113.200"))
    collected = [await signed_in(client, "203.0.113.200") for _ in range(4)]
    token = (await login(client, **at("203.0.113.200")))["token"]
    await owner_leaves(client, token, "")
    await register(client, **at(HOME))
    own = await signed_in(client)
    await flood(client)
    checked = await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'login.failed'")
    for number, device in enumerate([*collected, ".".join(collected)]):
        assert_error(await guess(client, address=f"192.0.2.{number}", device=device), errors.TooManyAttempts)
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'login.failed'") == checked
    assert await is_known(client, own)


async def test_another_password_makes_the_devices_before_it_unknown(client: httpx.AsyncClient) -> None:
    await register(client, **at(HOME))
    former = await signed_in(client)
    response = await client.post(
        "/api/auth/login", json={"email": OWNER, "password": PASSWORD, "cookie": True}, headers=at(HOME)
    )
    session = {"Cookie": f"__Host-gatepost={response.cookies['__Host-gatepost']}"}
    device_of(client, response)
    changed = await client.post(
        "/api/auth/password",
        json={"current": PASSWORD, "new": OTHER},
        headers={"Sec-Fetch-Site": "same-origin"} | session | at(HOME),
    )
    here = device_of(client, changed)
    await flood(client)
    assert not await is_known(client, former, password=OTHER)
    assert await is_known(client, here, password=OTHER), "the browser that changed it stays known"


async def test_a_hash_that_was_set_by_sql_makes_them_unknown_too(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client, **at(HOME))
    device = await signed_in(client)
    other = await db.fetchval("SELECT hashed_password FROM users")
    await register(client, "other@example.com", **at(HOME))
    await db.execute(
        "UPDATE users SET hashed_password = (SELECT hashed_password FROM users WHERE id = 2) WHERE id = 1"
    )
    assert other != await db.fetchval("SELECT hashed_password FROM users WHERE id = 1")
    await flood(client)
    assert not await is_known(client, device)


async def test_another_email_makes_devices_unknown_until_the_next_sign_in(client: httpx.AsyncClient) -> None:
    await register(client, **at(HOME))
    device = await signed_in(client)
    token = (await login(client, **at(HOME)))["token"]
    body = {"email": "new@example.com", "password": PASSWORD}
    assert (await client.post("/api/auth/email", json=body, headers=bearer(token))).status_code == 200
    await flood(client, "new@example.com")
    answer = await guess(client, "new@example.com", "192.0.2.7", password=PASSWORD, device=device)
    assert answer.status_code == 429


@pytest.mark.parametrize(("seconds", "known"), [(-1, True), (0, False), (86_400 * 400, False)])
async def test_a_device_is_known_for_180_days_whatever_the_browser_thinks(
    client: httpx.AsyncClient, stopped: StoppedClock, seconds: int, known: bool
) -> None:
    await register(client, **at(HOME))
    device = await signed_in(client)
    stopped.advance(days=180, seconds=seconds)
    await flood(client)
    assert await is_known(client, device) is known


async def test_all_devices_of_an_account_have_one_cap_together(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client, **at(HOME))
    devices = [await signed_in(client) for _ in range(4)]
    several = await signed_in(client, device=devices[0])
    told = [
        (await guess(client, address=f"192.0.2.{number}", device=device)).status_code
        for number, device in enumerate([*devices, several] * 3)
    ]
    assert told == [401] * 10 + [429] * 5
    rows = await db.fetch("SELECT key FROM auth_throttles WHERE bucket = 'login_known'")
    assert [len(row["key"]) for row in rows] == [32]
    assert (await guess(client, password=PASSWORD)).status_code == 200, "elsewhere has its own"


# --- A stolen session against its owner ---


async def confirm(client: httpx.AsyncClient, token: str, address: str, password: str = WRONG) -> int:
    body = {"password": password}
    response = await client.post("/api/auth/confirm", json=body, headers=bearer(token) | at(address))
    return response.status_code


async def change(client: httpx.AsyncClient, token: str, address: str) -> int:
    body = {"current": PASSWORD, "new": OTHER}
    response = await client.post("/api/auth/password", json=body, headers=bearer(token) | at(address))
    return response.status_code


async def test_a_thief_elsewhere_keeps_no_owner_from_changing_the_password(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client, **at(HOME))
    token = (await login(client, **at(HOME)))["token"]
    told = [await confirm(client, token, f"203.0.113.{number}") for number in range(8)]
    assert told == [401] * 5 + [429] * 3
    assert await db.fetchval("SELECT sum(failures) FROM auth_failures") == 5, "they count in a row"
    assert await change(client, token, HOME) == 200


async def test_a_thief_at_the_same_address_keeps_the_next_sign_in_from_nothing(
    client: httpx.AsyncClient,
) -> None:
    await register(client, **at(HOME))
    stolen = (await login(client, **at(HOME)))["token"]
    assert [await confirm(client, stolen, HOME) for _ in range(6)] == [401] * 5 + [429]
    own = (await login(client, **at(HOME)))["token"]
    assert await change(client, own, HOME) == 200


async def test_a_token_that_is_refreshed_has_no_more_attempts(client: httpx.AsyncClient) -> None:
    await register(client, **at(HOME))
    token = (await login(client, **at(HOME)))["token"]
    told = []
    for _ in range(7):
        told.append(await confirm(client, token, HOME))
        refreshed = await client.post("/api/auth/refresh", headers=bearer(token) | at(HOME))
        token = refreshed.json()["data"]["token"]
    assert told == [401] * 5 + [429] * 2

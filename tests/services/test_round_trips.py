"""Round trips to the database, counted on the wire: each endpoint asks as often as it must, and no more."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, login, register, serving
from tests.wire import Wire

from gatepost.app import create_app


@pytest.fixture
async def wire(dsn: str, tmp_path: Path) -> AsyncIterator[Wire]:
    async with Wire(dsn).listening(tmp_path) as wire:
        yield wire


@pytest.fixture
async def client(wire: Wire, make_settings: MakeSettings, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        make_settings(database_url=wire.dsn(tmp_path), database_pool_size=1, throttle_enabled=True)
    )
    async with serving(app) as client:
        yield client


async def spent(
    wire: Wire,
    client: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    refused: int | None = None,
    **request: object,
) -> int:
    before = wire.round_trips
    response = await client.request(method, f"/api/auth/{path}", **request)  # type: ignore[arg-type]  # passed on
    assert response.status_code == refused or response.is_success, response.text
    return wire.round_trips - before


async def change_password(wire: Wire, client: httpx.AsyncClient) -> int:
    """Change the password and back again; return what the first of the two took."""
    counted = []
    current, new = PASSWORD, "another secure password"
    token = (await login(client))["token"]
    for _ in range(2):
        before = wire.round_trips
        response = await client.post(
            "/api/auth/password", headers=bearer(token), json={"current": current, "new": new}
        )
        counted.append(wire.round_trips - before)
        token, current, new = response.json()["data"]["token"], new, current
    return counted[0]


async def change_email(wire: Wire, client: httpx.AsyncClient) -> int:
    """Change the e-mail and back again; return what the first of the two took."""
    counted = []
    token = (await login(client))["token"]
    for email in ("other@example.com", "user@example.com"):
        before = wire.round_trips
        response = await client.post(
            "/api/auth/email", headers=bearer(token), json={"email": email, "password": PASSWORD}
        )
        counted.append(wire.round_trips - before)
        token = response.json()["data"]["token"]
    return counted[0]


async def test_each_endpoint_asks_the_database_as_often_as_it_must(
    wire: Wire, client: httpx.AsyncClient
) -> None:
    await register(client)
    counted: dict[str, int] = {}
    for attempt in (1, 2):  # the first time, statements are prepared: a round trip each, once a connection
        tokens = [(await login(client))["token"] for _ in range(5)]
        one, _, three, four, two = (bearer(token) for token in tokens)
        given = {"password": PASSWORD}
        listed = (await client.get("/api/auth/sessions", headers=one)).json()["data"]["sessions"]
        other = next(each["id"] for each in listed if each["session_token"][:8] == tokens[1][:8])
        credentials = {"email": "user@example.com", "password": PASSWORD}
        wrong = {**credentials, "password": "not the password"}
        leaver = bearer((await register(client, f"leaver{attempt}@example.com"))["token"])
        newcomer = {**credentials, "email": f"new{attempt}@example.com", "name": "New"}
        counted = {
            "me": await spent(wire, client, "GET", "me", headers=one),
            "verify": await spent(wire, client, "GET", "verify", headers=one),
            "sessions": await spent(wire, client, "GET", "sessions", headers=one),
            "events": await spent(wire, client, "GET", "events", headers=one),
            "rename": await spent(wire, client, "PATCH", "me", headers=one, json={"name": "Jane"}),
            "export": await spent(wire, client, "GET", "export", headers=one),
            "revoke": await spent(wire, client, "DELETE", f"sessions/{other}", headers=one),
            "refresh": await spent(wire, client, "POST", "refresh", headers=three),
            "confirm": await spent(wire, client, "POST", "confirm", headers=two, json=given),
            "logout": await spent(wire, client, "POST", "logout", headers=four),
            "logout-others": await spent(wire, client, "POST", "logout-others", headers=one),
            "logout-all": await spent(wire, client, "POST", "logout-all", headers=one),
            "login": await spent(wire, client, "POST", "login", json=credentials),
            "login, wrong": await spent(wire, client, "POST", "login", json=wrong, refused=401),
            "password": await change_password(wire, client),
            "email": await change_email(wire, client),
            "erase": await spent(wire, client, "DELETE", "me", headers=leaver, json=given),
            "register": await spent(wire, client, "POST", "register", json=newcomer),
        }
    assert counted == {
        "me": 1,
        "verify": 1,
        "sessions": 2,  # the check, the list
        "events": 5,  # the check; begin, planned for what is asked, the list, commit
        "rename": 2,
        # The check, newest event, a transaction of its event and the hooks, sessions, events, mails and their
        # links, factors and ways back.
        "export": 12,
        "revoke": 1,
        "refresh": 1,
        # The check, the charge, the hash; begin, two locks, factors, the fresh session, giving back, commit.
        "confirm": 11,
        "logout": 1,
        "logout-others": 6,  # the check; begin, two locks, ends, commit
        "logout-all": 1,
        # Charge and find the user; factors, begin, lock, start, end the oldest, commit; give the charge back.
        "login": 9,
        "login, wrong": 2,  # charge and find the user, the event and the failure
        # The check, whether there is one, the charge, the hash; begin, two locks, factors, hash, two of the
        # throttle, ends, start, what it replaces, event, commit. The start locks and ends the oldest, within
        # a savepoint.
        "password": 21,
        "email": 21,  # as the password, but for one of the throttle, and e-mails of the application's
        # The check, whether there is one, the charge, the hash; begin, two locks, factors, invitations,
        # mails, the end, two of the throttle, commit.
        "erase": 14,
        # Two charges, begin, the application's e-mails, the user, the event, factors, the session, commit;
        # hooks may come between.
        "register": 14,
    }


async def test_a_login_that_is_refused_asks_twice_and_one_without_limits_for_factors_besides(
    wire: Wire, make_settings: MakeSettings, tmp_path: Path
) -> None:
    credentials = {"email": "user@example.com", "password": PASSWORD}
    for limits, status, expected in (
        ({"throttle_enabled": False, "max_sessions_per_user": 0}, None, 4),
        ({"throttle_enabled": True, "throttle_login_address": "1 then 1/day"}, 429, 2),
    ):
        settings = make_settings(database_url=wire.dsn(tmp_path), database_pool_size=1, **limits)
        async with serving(create_app(settings)) as client:
            for _ in range(3):  # statements are prepared, a bucket fills
                await client.post("/api/auth/register", json={**credentials, "name": "x"})
                await client.post("/api/auth/login", json=credentials)
            counted = await spent(wire, client, "POST", "login", json=credentials, refused=status)
            assert counted == expected


async def test_a_refresh_that_is_charged_and_one_that_is_refused_take_no_trip_more(
    wire: Wire, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(
        database_url=wire.dsn(tmp_path),
        database_pool_size=1,
        throttle_enabled=True,
        throttle_refresh_session="3 then 1/hour",
    )
    async with serving(create_app(settings)) as client:
        token = (await register(client))["token"]
        await client.post("/api/auth/refresh", headers=bearer(token))
        assert await spent(wire, client, "POST", "refresh", headers=bearer(token)) == 1
        await client.post("/api/auth/refresh", headers=bearer(token))
        taken = []
        for _ in range(2):
            before = wire.round_trips
            response = await client.post("/api/auth/refresh", headers=bearer(token))
            assert response.status_code == 429
            taken.append(wire.round_trips - before)
    assert taken[1] == 2  # refused, and the event that is not written twice

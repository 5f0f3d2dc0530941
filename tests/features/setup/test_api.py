"""The link that makes the first administrator."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.conftest import (
    PASSWORD,
    MovableClock,
    bearer,
    login,
    nth_user,
    register,
)
from tests.features.conftest import UNKNOWN, Serve, invited, users
from tests.http.conftest import Database, assert_error, assert_success, events, until_waiting

from gatepost import errors
from gatepost.features.setup.errors import InvalidSetupLink
from gatepost.features.setup.service import Setup
from gatepost.library import Gatepost
from gatepost.models import Client, Period
from gatepost.services.overview import Kind

FIRST = {"email": "first@example.com", "name": "First", "password": PASSWORD}


async def set_up(client: httpx.AsyncClient, token: str | None, **other: Any) -> httpx.Response:
    return await client.post("/api/auth/setup", json=FIRST | {"token": token} | other)


async def test_the_setup_link_makes_the_first_administrator_even_where_nobody_may_register(
    serve: Serve, db: Database
) -> None:
    async with serve(registration="closed") as (client, gate):
        token = await gate.service(Setup).issue()
        assert (await gate.service(Setup).look(token, client=Client())).status == "open"
        data = assert_success(
            await set_up(client, token), "Administrator registered successfully", status=201
        )
        assert (await client.post("/api/auth/cleanup", headers=bearer(data["token"]))).status_code == 200
        figures = await gate.overview.figures(Period.DAY)
        assert {each.kind: each.total for each in figures.series}[Kind.NEW_ACCOUNTS] == 1
        again = await set_up(client, token, email="second@example.com")
        assert_error(again, InvalidSetupLink)
        with pytest.raises(InvalidSetupLink):
            await gate.service(Setup).look(token, client=Client())
        assert await gate.service(Setup).issue() is None
        await login(client, FIRST["email"])
    assert [tuple(row) for row in await db.fetch("SELECT email, is_admin FROM users")] == [
        ("first@example.com", True)
    ]
    assert await db.fetchval("SELECT used_by FROM auth_links") == nth_user(1)
    (completed,) = await events(db, "setup.completed")
    assert (completed["user_id"], completed["detail"]) == (nth_user(1), {"link": 1})
    assert [each["detail"]["reason"] for each in await events(db, "setup.refused")] == ["used", "used"]


async def test_by_cookie_the_answer_holds_no_token(client: httpx.AsyncClient, gate: Gatepost) -> None:
    response = await set_up(client, await gate.service(Setup).issue(), cookie=True)
    assert response.status_code == 201
    assert "token" not in response.json()["data"]
    assert "gatepost" in response.headers["set-cookie"]


async def test_a_newer_setup_link_replaces_the_former(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    former, newer = await gate.service(Setup).issue(), await gate.service(Setup).issue()
    assert_error(await set_up(client, former), InvalidSetupLink)
    assert (await set_up(client, newer)).status_code == 201
    assert [each["detail"]["reason"] for each in await events(db, "setup.refused")] == ["revoked"]


@pytest.mark.parametrize("what", ["unknown", "expired", "invitation"])
async def test_another_link_makes_no_administrator(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock, what: str
) -> None:
    token: str | None = UNKNOWN
    if what == "expired":
        token = await gate.service(Setup).issue()
        clock.advance(hours=24)
    elif what == "invitation":
        token = await invited(gate)
    assert_error(await set_up(client, token), InvalidSetupLink)
    assert await users(db) == 0


async def test_whoever_is_made_an_administrator_otherwise_ends_the_link_for_good(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = await gate.service(Setup).issue()
    await register(client)
    user = await gate.administration.find("user@example.com")
    await gate.administration.set_admin(user, is_admin=True, client=Client())
    assert_error(await set_up(client, token), InvalidSetupLink)
    await gate.administration.set_admin(user, is_admin=False, client=Client())
    assert_error(await set_up(client, token), InvalidSetupLink)
    token = await gate.service(Setup).issue()
    await db.execute("UPDATE users SET is_admin = true")  # behind our back
    assert_error(await set_up(client, token), InvalidSetupLink)
    assert await users(db) == 1
    reasons = [each["detail"]["reason"] for each in await events(db, "setup.refused")]
    assert reasons == ["revoked", "revoked", "has_admin"]


async def test_an_email_that_has_an_account_leaves_the_link(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = await gate.service(Setup).issue()
    await register(client, FIRST["email"])
    assert_error(await set_up(client, token), errors.EmailTaken)
    assert (await set_up(client, token, password="short")).status_code == 422
    assert await db.fetchval("SELECT count(*) FROM users WHERE is_admin") == 0
    assert (await set_up(client, token, email="another@example.com")).status_code == 201
    assert [each["detail"] for each in await events(db, "setup.refused")] == [
        {"reason": "email_taken", "email": FIRST["email"]}
    ]


async def test_one_setup_link_makes_one_administrator_however_many_come_with_it_at_once(
    serve: Serve, db: Database
) -> None:
    async with serve() as (client, gate):
        token = await gate.service(Setup).issue()
        answers = await asyncio.gather(*(set_up(client, token, email=f"{i}@example.com") for i in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 19
    assert await users(db) == 1


async def test_of_a_setup_and_a_promotion_at_once_the_promotion_always_stands(
    serve: Serve, db: Database
) -> None:
    """Whichever comes first: the one sees what the other has done."""
    async with serve() as (client, gate):
        await register(client)
        user = await gate.administration.find("user@example.com")
        token = await gate.service(Setup).issue()
        async with gate.database.transaction() as conn:
            await conn.execute("SELECT pg_advisory_xact_lock(7238150043211874562)")
            promoted = asyncio.create_task(
                gate.administration.set_admin(user, is_admin=True, client=Client())
            )
            await until_waiting(db, 1)
            made = asyncio.create_task(set_up(client, token))
            await until_waiting(db, 2)
        assert await promoted
        assert_error(await made, InvalidSetupLink)
    assert [row["email"] for row in await db.fetch("SELECT email FROM users WHERE is_admin")] == [
        "user@example.com"
    ]


async def test_guesses_of_the_setup_link_are_throttled(serve: Serve) -> None:
    async with serve(throttle_enabled=True, throttle_register_address="2 then 1/day") as (client, gate):
        token = await gate.service(Setup).issue()
        for _ in range(2):
            assert_error(await set_up(client, UNKNOWN), InvalidSetupLink)
        assert_error(await set_up(client, UNKNOWN), errors.TooManyAttempts)
        # Whoever has the link is not kept out by those who guess.
        assert (await set_up(client, token)).status_code == 201

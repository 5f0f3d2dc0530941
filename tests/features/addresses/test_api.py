"""Addresses and blocks over HTTP: what is told, what is done, and what is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MovableClock, bearer, login, register
from tests.features.addresses.conftest import (
    GUESSER,
    HOME,
    PROXY,
    VICTIM,
    break_in,
    guess,
    is_live,
    sign_in,
)
from tests.http.conftest import Database, assert_error, assert_success, at, events
from tests.http.pages.conftest import make_user
from tests.walking import walked

from gatepost import Client, Gatepost, errors
from gatepost.features.addresses.errors import NetworkTooWide, OwnAddress, ProtectedAddress

ROUTES = (
    ("GET", f"addresses/{GUESSER}"),
    ("POST", f"addresses/{GUESSER}/end-sessions"),
    ("DELETE", f"addresses/{GUESSER}/throttles"),
    ("GET", "blocks"),
    ("POST", "blocks"),
    ("DELETE", "blocks/1"),
)
BODIES: dict[str, Any] = {"end-sessions": {"expected": 0}, "blocks": {"network": GUESSER, "minutes": 60}}


async def ask(
    client: httpx.AsyncClient, token: str, method: str, path: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    url = f"/api/auth/admin/{path}"
    return await client.request(method, url, json=body, headers=bearer(token))


async def look(client: httpx.AsyncClient, token: str, place: str = GUESSER) -> Any:
    return assert_success(
        await ask(client, token, "GET", f"addresses/{place}"), "Address retrieved successfully"
    )


async def block(
    client: httpx.AsyncClient, token: str, network: str = GUESSER, minutes: int | None = None, **more: str
) -> Any:
    answer = await ask(client, token, "POST", "blocks", {"network": network, "minutes": minutes, **more})
    return assert_success(answer, "Network blocked successfully", status=201)


# --- Who may ---


@walked(("method", "path"), ROUTES)
async def test_others_may_not(client: httpx.AsyncClient, token: str, method: str, path: str) -> None:
    body = BODIES.get(path.rpartition("/")[2]) if method == "POST" else None
    url = f"/api/auth/admin/{path}"
    assert_error(await client.request(method, url, json=body), errors.NotAuthenticated)
    plain = (await register(client))["token"]
    assert_error(await ask(client, plain, method, path, body), errors.AdminRequired)


@walked(("method", "path"), [each for each in ROUTES if each[0] != "GET"])
async def test_what_changes_something_asks_for_a_fresh_session(
    client: httpx.AsyncClient, token: str, clock: MovableClock, method: str, path: str
) -> None:
    clock.advance(minutes=11)
    body = BODIES.get(path.rpartition("/")[2]) if method == "POST" else None
    assert_error(await ask(client, token, method, path, body), errors.FreshSessionRequired)


# --- What is told ---


async def test_a_right_guess_is_told_with_what_came_before_it(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    await break_in(app)
    found = await look(client, token)
    told = (
        "verdict",
        "failed",
        "accounts_tried",
        "accounts_existing",
        "succeeded",
        "refused",
        "open_sessions",
    )
    assert [found[name] for name in told] == ["guessed", 6, 3, 2, 1, 0, 1]
    assert (found["address"], found["around"]) == (GUESSER, "203.0.113.0/24")
    first = found["accounts"][0]
    assert (first["email"], first["failed"], first["is_guessed"], first["is_open"]) == (VICTIM, 2, True, True)
    assert [(each["email"], each["user_id"] is None) for each in found["accounts"][1:]] == [
        ("nobody@example.com", True),
        ("other@example.com", False),
    ]
    assert [each["email"] for each in found["sessions"]] == [VICTIM]
    assert [each["action"] for each in found["events"]] == ["session.started"] + ["login.failed"] * 6
    assert (found["is_throttled"], found["blocks"]) == (False, [])


async def test_many_failures_without_a_success_are_an_attack(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    await guess(app, *["nobody@example.com"] * 5)
    assert (await look(client, token))["verdict"] == "attack"
    assert (await look(client, token, "203.0.113.0/24"))["verdict"] == "attack"
    assert (await look(client, token, "203.0.113.67"))["verdict"] == "quiet"


async def test_who_mistypes_is_no_guesser(app: FastAPI, client: httpx.AsyncClient, token: str) -> None:
    await make_user(app, VICTIM)
    await guess(app, *[VICTIM] * 4)
    await sign_in(app)
    found = await look(client, token)
    assert (found["verdict"], found["failed"], found["succeeded"]) == ("failures", 4, 1)


async def test_who_was_there_before_it_began_is_no_guesser(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    """An office has one address: somebody in it guesses, and all others sign in as they always do."""
    await make_user(app, VICTIM)
    await sign_in(app)
    await guess(app, *["nobody@example.com"] * 9)
    await sign_in(app)
    found = await look(client, token)
    assert (found["verdict"], found["accounts"][0]["is_guessed"]) == ("attack", False)


async def test_support_that_opens_an_account_there_is_no_guesser_and_hides_none(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    gate: Gatepost = app.state.gatepost
    victim = await make_user(app, VICTIM)
    by = await gate.session_tokens.resolve(token)
    office = Client(ip_address=GUESSER)
    await gate.sessions.start(victim.id, by=by, client=office)
    await guess(app, *["nobody@example.com"] * 9)
    await gate.sessions.start(victim.id, by=by, client=office)
    found = await look(client, token)
    assert (found["verdict"], found["succeeded"]) == ("attack", 0)
    await sign_in(app)
    found = await look(client, token)
    assert (found["verdict"], found["succeeded"]) == ("guessed", 1)


async def test_who_registers_there_afterwards_is_no_guesser(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    await guess(app, *["nobody@example.com"] * 6)
    await make_user(app, VICTIM)
    await sign_in(app)
    assert (await look(client, token))["verdict"] == "attack"


async def test_what_is_over_is_told_so(
    app: FastAPI, client: httpx.AsyncClient, token: str, clock: MovableClock
) -> None:
    await break_in(app)
    ended = await ask(client, token, "POST", f"addresses/{GUESSER}/end-sessions", {"expected": 1})
    assert assert_success(ended, "Sessions ended successfully") == {"sessions_revoked": 1}
    found = await look(client, token)
    assert (found["verdict"], found["accounts"][0]["is_open"], found["open_sessions"]) == (
        "guessed",
        False,
        0,
    )
    clock.advance(hours=25)
    token = (await login(client, "admin@example.com"))["token"]
    assert (await look(client, token))["verdict"] == "quiet"


async def test_a_refreshed_session_is_still_the_guessers(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    guessed = await break_in(app)
    assert (await client.post("/api/auth/refresh", headers=bearer(guessed))).status_code == 200
    found = await look(client, token)
    assert (found["accounts"][0]["is_open"], found["open_sessions"]) == (True, 0)


@pytest.mark.parametrize("place", ["here", "203.0.113.0/40"])
async def test_what_is_no_address_is_refused(client: httpx.AsyncClient, token: str, place: str) -> None:
    refused = await ask(client, token, "GET", f"addresses/{place}")
    assert_error(refused, errors.ValidationFailed, fields=refused.json()["error"]["fields"])
    assert_error(await ask(client, token, "GET", "addresses/10.0.0.0/8"), NetworkTooWide)


# --- What is done ---


async def test_sessions_end_as_many_as_were_counted_or_none(
    app: FastAPI, client: httpx.AsyncClient, token: str, db: Database
) -> None:
    guessed = await break_in(app)
    path = f"addresses/{GUESSER}/end-sessions"
    assert_error(await ask(client, token, "POST", path, {"expected": 2}), errors.CountChanged)
    assert await is_live(app, guessed)
    ended = await ask(client, token, "POST", "addresses/203.0.113.0/24/end-sessions", {"expected": 1})
    assert_success(ended, "Sessions ended successfully")
    assert not await is_live(app, guessed)
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    (event,) = await events(db, "sessions.ended")
    assert event["detail"]["filter"] == {"address": "203.0.113.0/24"}


async def test_a_throttle_is_lifted(
    app: FastAPI, client: httpx.AsyncClient, token: str, db: Database
) -> None:
    await db.execute(
        "INSERT INTO auth_throttles (bucket, key, tat) VALUES ('login_address', $1, now() + interval '1 h')",
        GUESSER,
    )
    lifted = await ask(client, token, "DELETE", f"addresses/{GUESSER}/throttles")
    assert assert_success(lifted, "Throttles lifted successfully") == {"buckets_cleared": 1}
    (event,) = await events(db, "throttles.cleared")
    assert event["detail"] == {"admin_id": event["user_id"], "buckets": 1, "address": GUESSER}
    assert_error(await ask(client, token, "DELETE", "addresses/203.0.113.0/24/throttles"), errors.NotFound)


async def test_a_block_keeps_out_and_is_on_the_trail(
    app: FastAPI, client: httpx.AsyncClient, token: str, db: Database
) -> None:
    guessed = await break_in(app)
    made = await block(client, token, GUESSER, 60, reason="  guesses passwords ")
    assert (made["network"], made["status"], made["reason"]) == (GUESSER, "active", "guesses passwords")
    assert at(made["until"]) - at(made["created_at"]) == timedelta(hours=1)
    assert (await sign_in(app)).status_code == 429
    assert (await sign_in(app, address="203.0.113.67")).status_code == 200
    assert await is_live(app, guessed)  # ending it is another thing to do
    assert [each["id"] for each in (await look(client, token, "203.0.113.0/24"))["blocks"]] == [made["id"]]
    assert (await look(client, token, "203.0.113.67"))["blocks"] == []
    (event,) = await events(db, "address.blocked")
    assert event["detail"] == {
        "admin_id": event["user_id"],
        "block": made["id"],
        "network": GUESSER,
        "until": made["until"],
        "reason": "guesses passwords",
    }
    lifted = assert_success(
        await ask(client, token, "DELETE", f"blocks/{made['id']}"), "Block lifted successfully"
    )
    assert (lifted["status"], lifted["lifted_by"]) == ("lifted", event["user_id"])
    assert (await sign_in(app)).status_code == 200
    assert_error(await ask(client, token, "DELETE", f"blocks/{made['id']}"), errors.NotFound)
    assert len(await events(db, "address.unblocked")) == 1


async def test_another_block_of_the_same_network_is_the_one_that_holds(
    app: FastAPI, client: httpx.AsyncClient, token: str, clock: MovableClock
) -> None:
    await make_user(app, VICTIM)
    await block(client, token)
    await block(client, token, minutes=60)
    listed = await ask(client, token, "GET", "blocks")
    found = assert_success(listed, "Blocks retrieved successfully")["blocks"]
    assert [(each["id"], each["status"]) for each in found] == [(2, "active"), (1, "lifted")]
    assert (await sign_in(app)).status_code == 429
    clock.advance(minutes=61)
    assert (await sign_in(app)).status_code == 200


async def test_of_ipv6_the_customers_64_is_blocked(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    await make_user(app, VICTIM)
    made = await block(client, token, "2001:db8:1:2:3::4")
    assert made["network"] == "2001:db8:1:2::/64"
    assert (await sign_in(app, address="2001:db8:1:2:ffff::1")).status_code == 429
    assert (await sign_in(app, address="2001:db8:1:3::1")).status_code == 200


@walked(
    ("network", "kind"),
    [
        (HOME, OwnAddress),
        ("127.0.0.0/24", OwnAddress),
        ("127.9.9.9", ProtectedAddress),
        ("::1", ProtectedAddress),
        (PROXY, ProtectedAddress),
        ("192.0.2.0/24", ProtectedAddress),
        ("203.0.0.0/15", NetworkTooWide),
        ("2001::/24", NetworkTooWide),
    ],
)
async def test_nobody_blocks_themselves_the_server_or_half_the_internet(
    client: httpx.AsyncClient, token: str, db: Database, network: str, kind: type[errors.GatepostError]
) -> None:
    assert_error(await ask(client, token, "POST", "blocks", {"network": network, "minutes": 5}), kind)
    assert await db.fetchval("SELECT count(*) FROM auth_blocks") == 0


@walked(
    ("body", "field"),
    [
        ({"network": "here", "minutes": 5}, "network"),
        ({"network": GUESSER}, "minutes"),
        ({"network": GUESSER, "minutes": 0}, "minutes"),
        ({"network": GUESSER, "minutes": 5, "reason": "a\0b"}, "reason"),
        ({"network": GUESSER, "minutes": 5, "reason": "x" * 201}, "reason"),
    ],
)
async def test_what_does_not_fit_is_told_by_its_field(
    client: httpx.AsyncClient, token: str, body: dict[str, Any], field: str
) -> None:
    refused = await ask(client, token, "POST", "blocks", body)
    assert_error(refused, errors.ValidationFailed, fields=refused.json()["error"]["fields"])
    assert set(refused.json()["error"]["fields"]) == {field}


async def test_of_two_who_lift_a_block_at_once_one_does(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    made = await block(client, token)
    answers = await asyncio.gather(*(ask(client, token, "DELETE", f"blocks/{made['id']}") for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [200, 404, 404, 404]
    assert len(await events(db, "address.unblocked")) == 1


async def test_blocks_come_page_by_page(client: httpx.AsyncClient, token: str) -> None:
    for number in range(3):
        await block(client, token, f"203.0.113.{number}")
    seen, paths = [], ["blocks?limit=2"]
    for path in paths:
        page = assert_success(await ask(client, token, "GET", path), "Blocks retrieved successfully")
        seen += [each["id"] for each in page["blocks"]]
        if page["next_cursor"] is not None:
            paths.append(f"blocks?limit=2&cursor={page['next_cursor']}")
    assert seen == [3, 2, 1]


async def test_housekeeping_takes_blocks_that_are_long_over(
    app: FastAPI, client: httpx.AsyncClient, token: str, db: Database, clock: MovableClock
) -> None:
    await block(client, token, "203.0.113.1", 60)
    await block(client, token, "203.0.113.2")
    clock.advance(days=91)
    token = (await login(client, "admin@example.com"))["token"]
    await client.post("/api/auth/cleanup", headers=bearer(token))
    assert [row["network"] for row in await db.fetch("SELECT network::text FROM auth_blocks")] == [
        "203.0.113.2/32"
    ]


async def test_a_block_outlives_the_account_of_who_made_it(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    made = await block(client, token)
    assert made["created_by"] is not None
    await db.execute("UPDATE users SET is_admin = false")
    await db.execute("SELECT gatepost_erase_user(id) FROM users")
    left = await db.fetchrow("SELECT network::text, created_by FROM auth_blocks")
    assert tuple(left or ()) == (f"{GUESSER}/32", None)

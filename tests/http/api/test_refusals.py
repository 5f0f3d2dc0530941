"""Refusals that a stranger causes: some of each kind are on the trail, and the others are counted."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.conftest import MakeSettings, bearer, nth_user, register, serving
from tests.http.conftest import Database, StoppedClock, events
from tests.walking import walked

from gatepost.app import create_app
from gatepost.library import Gatepost
from gatepost.models import AuditAction, Client
from gatepost.services.audit import REFUSALS_OF_A_PLACE, REFUSALS_OF_A_SITE

ROWS = REFUSALS_OF_A_PLACE.burst
MORE = 7
MADE_UP = bearer(str(uuid4()))
CROSS = {"Sec-Fetch-Site": "cross-site", "Cookie": f"gatepost={uuid4()}; __Host-gatepost={uuid4()}"}
PERSON = {"email": "a@example.com", "name": "A", "password": "a password of length"}

KINDS: dict[str, tuple[str, str, str, Mapping[str, Any]]] = {
    "logout": ("session.refused", "POST", "logout", {"headers": MADE_UP}),
    "logout-all": ("session.refused", "POST", "logout-all", {"headers": MADE_UP}),
    "logout-others": ("session.refused", "POST", "logout-others", {"headers": MADE_UP}),
    "refresh": ("session.refused", "POST", "refresh", {"headers": MADE_UP}),
    "no token at all": ("session.refused", "POST", "logout", {"headers": bearer("x")}),
    "end a session": ("session.refused", "DELETE", "sessions/1", {"headers": MADE_UP}),
    "rename": ("session.refused", "PATCH", "me", {"headers": MADE_UP, "json": {"name": "A"}}),
    "change the e-mail": (
        *("session.refused", "POST", "email"),
        {"headers": MADE_UP, "json": {"email": "a@example.com", "password": "x"}},
    ),
    "administer": ("session.refused", "GET", "admin/users", {"headers": MADE_UP}),
    "from another site": ("cross_origin.refused", "POST", "logout", {"headers": CROSS}),
    "register uninvited": ("user.registration_refused", "POST", "register", {"json": PERSON}),
    "register with a guess": (
        *("invitation.refused", "POST", "register"),
        {"json": PERSON | {"invitation": "x" * 43}},
    ),
    "set up with a guess": ("setup.refused", "POST", "setup", {"json": PERSON | {"token": "x" * 43}}),
}
"""What a stranger does → the action that it is on the trail, and the request."""


@pytest.fixture
def clock() -> StoppedClock:
    """The clock of `client`, stopped as well: a row comes back with every few seconds."""
    return StoppedClock()


@walked("kind", KINDS)
async def test_what_names_nobody_is_counted_past_a_rate(
    make_settings: MakeSettings, clock: StoppedClock, db: Database, kind: str
) -> None:
    """Without the throttle, which has its own limits before these."""
    action, method, path, request = KINDS[kind]
    app = create_app(make_settings(registration="invite", throttle_enabled=False), clock=clock)
    async with serving(app) as client:
        for _ in range(ROWS + MORE):
            answer = await client.request(method, f"/api/auth/{path}", **request)
            assert 400 <= answer.status_code < 429, answer.text
        assert len(await events(db, action)) == ROWS
        (counted,) = await db.fetch("SELECT * FROM auth_refusals")
        assert (counted["action"], counted["place"], counted["refusals"]) == (action, "127.0.0.1", MORE)
        await app.state.gatepost.housekeeping.run(client=Client())
    assert await db.fetchval("SELECT count(*) FROM auth_refusals") == 0
    (event,) = await events(db, "refusals.counted")
    assert event["user_id"] is None
    assert (event["detail"]["action"], event["detail"]["refusals"]) == (action, MORE)
    assert event["detail"]["address"] == "127.0.0.1"


async def test_what_names_a_user_is_counted_by_itself(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/logout", headers=bearer(token))
    for headers in (MADE_UP, bearer(token)):
        for _ in range(ROWS + MORE):
            await client.post("/api/auth/logout", headers=headers)
    users = [event["user_id"] for event in await events(db, "session.refused")]
    assert users == [None] * ROWS + [nth_user(1)] * ROWS
    await gate.housekeeping.run(client=Client())
    assert {event["user_id"] for event in await events(db, "refusals.counted")} == {None, nth_user(1)}


async def test_a_signed_in_user_does_not_fill_the_trail_either(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    for _ in range(ROWS + MORE):
        await client.get("/api/auth/admin/users", headers=bearer(token))
    assert len(await events(db, "access.denied")) == ROWS
    assert await db.fetchval("SELECT refusals FROM auth_refusals WHERE user_id = $1", nth_user(1)) == MORE


async def test_another_place_has_rows_of_its_own_and_a_network_of_places_has_a_limit(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    async def refuse(address: str) -> None:
        await gate.audit.refuse(AuditAction.SESSION_REFUSED, client=Client.of(address, None))

    for _ in range(ROWS + MORE):
        await refuse("198.51.100.7")
    await refuse("203.0.113.9")
    found = [event["ip_address"] for event in await events(db, "session.refused")]
    assert found == ["198.51.100.7"] * ROWS + ["203.0.113.9"]
    for number in range(REFUSALS_OF_A_SITE.burst + MORE):
        await refuse(f"2001:db8:1:{number:x}::1")
    assert len(await events(db, "session.refused")) == ROWS + 1 + REFUSALS_OF_A_SITE.burst
    of_site = await db.fetchval("SELECT refusals FROM auth_refusals WHERE place = '2001:db8:1::/48'")
    assert of_site == MORE


async def test_rows_come_back_with_time(client: httpx.AsyncClient, db: Database, clock: StoppedClock) -> None:
    for _ in range(ROWS + 1):
        await client.post("/api/auth/logout", headers=MADE_UP)
    clock.advance(minutes=1)
    for _ in range(ROWS):
        await client.post("/api/auth/logout", headers=MADE_UP)
    rows = ROWS + REFUSALS_OF_A_PLACE.count
    assert len(await events(db, "session.refused")) == rows
    assert await db.fetchval("SELECT sum(refusals) FROM auth_refusals") == 2 * ROWS + 1 - rows

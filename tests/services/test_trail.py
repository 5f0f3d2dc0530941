"""The trail as administrators read it: what is found at once, and what takes another look."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import MakeSettings

from gatepost.gate import Gate
from gatepost.models import ROUTINE, EventFilter
from gatepost.services import trail

ADDRESS = "203.0.113.7"


@pytest.fixture
async def gate(make_settings: MakeSettings) -> AsyncIterator[Gate]:
    gate = Gate(make_settings())
    await gate.open(background=False)
    yield gate
    await gate.close()


@pytest.mark.parametrize("place", [ADDRESS, "203.0.113.0/24"])
async def test_what_an_address_did_is_found_however_long_ago_if_it_was_not_much(
    gate: Gate, db: Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    done = ("login.failed", "session.started", "session.refreshed", "user.renamed")
    for action in done:
        await db.execute("INSERT INTO auth_events (action, ip_address) VALUES ($1, $2)", action, ADDRESS)
    await db.execute("INSERT INTO auth_events (action) SELECT 'a' FROM generate_series(1, 500)")
    monkeypatch.setattr(trail, "WINDOW", 50)
    monkeypatch.setattr(trail, "PAGE_SECONDS", 0.0)
    wanted = EventFilter(address=place, without=ROUTINE)

    page = await gate.trail.page(wanted, before=None, limit=2)
    assert [each.event.action for each in page.events] == ["user.renamed", "session.started"]
    rest = await gate.trail.page(wanted, before=page.before, limit=2)
    assert ([each.event.action for each in rest.events], rest.before) == (["login.failed"], None)

    monkeypatch.setattr(trail, "FEW", 2)
    page = await gate.trail.page(wanted, before=None, limit=2)
    assert page.events == []
    assert page.before is not None


async def test_what_happens_seldom_is_found_at_once(
    gate: Gate, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.execute("INSERT INTO auth_events (action) VALUES ('user.promoted'), ('throttled')")
    await db.execute("INSERT INTO auth_events (action) SELECT 'a' FROM generate_series(1, 500)")
    monkeypatch.setattr(trail, "WINDOW", 50)
    monkeypatch.setattr(trail, "PAGE_SECONDS", 0.0)
    for action, found in (("user.promoted", 1), ("user.", 1), ("throttled", 0), ("session.", 0)):
        page = await gate.trail.page(EventFilter(action=action), before=None, limit=2)
        assert len(page.events) == found


async def test_a_family_of_actions_comes_in_the_order_of_its_events(gate: Gate, db: Any) -> None:
    actions = (
        "user.renamed",
        "user.disabled",
        "users.exported",
        "user.renamed",
        "login.failed",
        "user.created",
    )
    for action in actions:
        await db.execute("INSERT INTO auth_events (action) VALUES ($1)", action)
    pages, before = [], None
    for _ in range(3):
        page = await gate.trail.page(EventFilter(action="user."), before=before, limit=2)
        pages.append([each.event.action for each in page.events])
        before = page.before
        if before is None:
            break
    assert pages == [["user.created", "user.renamed"], ["user.disabled", "user.renamed"]]
    page = await gate.trail.page(EventFilter(action="login."), before=None, limit=2)
    assert [each.event.action for each in page.events] == ["login.failed"]

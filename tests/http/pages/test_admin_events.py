"""The console's page of the whole trail: who may see it, its filter, its files, and what happens live."""

import asyncio
import csv
import html
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, MovableClock, register
from tests.http.conftest import Database, events
from tests.http.pages.conftest import an_hour_later
from tests.http.pages.forms import Visitor, at, problems, said, visiting
from tests.http.test_uvicorn import running
from tests.summed import ACTIONS
from tests.walking import walked

from gatepost.app import create_app
from gatepost.errors import ValidationFailed
from gatepost.http import streams
from gatepost.http.pages.admin import events as page_of_events
from gatepost.library import Gatepost
from gatepost.models import AuditEvent, EventFilter

WRONG = {"email": "user@example.com", "password": "wrong password"}


@pytest.fixture
async def admin(app: FastAPI, client: httpx.AsyncClient, db: Database) -> AsyncIterator[Visitor]:
    """An administrator with a session of a moment ago, the user with the id 1."""
    async with visiting(app) as visitor:
        await visitor.sign_up("admin@example.com", "Jane Doe")
        await db.execute("UPDATE users SET is_admin = true")
        yield visitor


def rows(page: httpx.Response) -> list[str]:
    """Return the text of each row."""
    body = page.text.replace("<wbr>", "").partition("<tbody")[2].partition("</tbody>")[0]
    found = body.split("<tr data-id")[1:]
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in found]


def actions(page: httpx.Response) -> list[str]:
    """Return the action of each row."""
    body = page.text.partition("<tbody")[2].partition("</tbody>")[0]
    return re.findall(r"<dt>Action</dt><dd>([^<]+)</dd>", body)


# --- Who may ---


@pytest.mark.parametrize("path", ["/admin/events", "/admin/events/export", "/admin/events/live"])
async def test_others_may_not(app: FastAPI, admin: Visitor, db: Database, path: str) -> None:
    async with visiting(app) as nobody:
        assert at(await nobody.get(path)).startswith("/sign-in?next=")
        await nobody.sign_up()
        for answer in (await nobody.get(path), await nobody.post("/admin/events/export", format="csv")):
            assert answer.status_code == 403
            assert "user.registered" not in answer.text
    assert await events(db, "events.exported") == []


async def test_the_page_and_its_files_ask_for_a_fresh_session(
    admin: Visitor, db: Database, clock: MovableClock
) -> None:
    await an_hour_later(admin.client, clock)
    assert at(await admin.get("/admin/events")).startswith("/confirm?next=")
    asked = await admin.post("/admin/events/export", format="csv")
    assert (asked.status_code, 'action="/auth/confirm"' in asked.text) == (403, True)
    assert await events(db, "events.exported") == []


# --- The list ---


async def test_each_event_is_a_row_with_a_sentence_and_its_details(
    admin: Visitor, client: httpx.AsyncClient
) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    await register(client)
    await client.post("/api/auth/login", json=WRONG, headers={"User-Agent": agent})
    page = await admin.get("/admin/events")
    assert actions(page)[:3] == ["login.failed", "session.started", "user.registered"]
    first = rows(page)[0]
    assert "Failed sign-in Action login.failed Event " in first
    assert f"User agent {agent} E-mail user@example.com Reason wrong_password" in first
    assert first.endswith("user@example.com 127.0.0.1 Firefox on Linux")
    assert '<a href="/auth/admin/users/2">user@example.com</a>' in page.text
    assert '<a href="/auth/admin/addresses/127.0.0.1">127.0.0.1</a>' in page.text
    assert '<use href="#kind-bad"/>' in page.text


async def test_what_strangers_sent_is_text(admin: Visitor, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (action, user_agent, ip_address, detail) VALUES
            ('<u>x</u>', '<script>alert(1)</script>/1 "', '"><i>', $1)
        """,
        '{"<b>": "</dd><b>", "n": {"<s>": ["<s>"]}}',
    )
    page = await admin.get("/admin/events")
    for tag in ("<u>", "<script>alert", "<i>", "<b>", "<s>"):
        assert tag not in page.text
    shown = html.unescape(page.text)
    assert '<dt>n</dt><dd>{"<s>":["<s>"]}</dd><dt><b></dt><dd></dd><b></dd>' in shown
    assert '<dd><script>alert(1)</script>/1 "</dd>' in shown


async def test_who_is_gone_is_told_by_number(admin: Visitor, db: Database) -> None:
    await db.execute("INSERT INTO auth_events (action, user_id) VALUES ('session.started', 77)")
    page = await admin.get("/admin/events?user=77")
    assert '<a href="/auth/admin/users/77">user 77</a>' in page.text
    assert "Signed in" in said(page)


async def test_filters_are_combined_and_stay_in_the_form(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    await db.execute(
        """
        INSERT INTO auth_events (at, action, user_id, ip_address) VALUES
            ('2024-01-01T00:00:00Z', 'login.failed', 2, '203.0.113.7'),
            ('2024-01-02T00:00:00Z', 'login.other', NULL, '203.0.113.8'),
            ('2024-01-03T12:30:00Z', 'throttled', NULL, '2001:db8::1')
        """
    )
    for query, expected in (
        ("action=login.", ["login.other", "login.failed"]),
        ("action=login.failed&user=user%40example.com", ["login.failed"]),
        ("user=2&address=203.0.113.7", ["login.failed"]),
        ("address=203.0.113.0%2F24", ["login.other", "login.failed"]),
        ("address=2001%3Adb8%3A%3A%2F32", ["throttled"]),
        ("since=2024-01-02T00%3A00&until=2024-01-03T12%3A30", ["login.other"]),
        ("until=2024-01-03T12%3A31", ["throttled", "login.other", "login.failed"]),
        ("action=throttled&user=&address=&since=&until=", ["throttled"]),
    ):
        page = await admin.get(f"/admin/events?{query}")
        assert actions(page) == expected, query
    page = await admin.get("/admin/events?action=login.&since=2024-01-01T00%3A00&address=203.0.113.7")
    assert '<option value="login." selected>login.*</option>' in page.text
    assert 'value="2024-01-01T00:00:00"' in page.text
    assert 'value="203.0.113.7"' in page.text
    page = await admin.get("/admin/events?until=2024-01-01T02%3A00%3A00%2B02%3A00")
    assert 'value="2024-01-01T00:00:00"' in page.text
    assert all(f">{action}</option>" in page.text for action in ACTIONS)
    for value in ("session.", "session.started", "throttled"):
        chosen = re.findall(
            r"<option[^>]* selected>", (await admin.get(f"/admin/events?action={value}")).text
        )
        assert len(chosen) == 1
    page = await admin.get("/admin/events?action=cleanup.")
    assert "<option selected>cleanup.</option>" in page.text  # a family of one has none for all of it


@walked(
    ("query", "told"),
    [
        ("address=1.2.3", "Enter an address such as 203.0.113.7, or a network such as 2001:db8::/32"),
        ("user=nobody", "User not found"),
        ("action=%00", "Enter an action such as login.failed, or a family: login."),
        ("since=yesterday", "Enter a date and a time"),
        ("until=0001-01-01T00%3A00", "Enter a time such as 2024-01-01T00:00:00Z"),
        ("since=0001-01-01T00%3A00%2B14%3A00", "Enter a time such as 2024-01-01T00:00:00Z"),
    ],
)
async def test_what_is_no_filter_is_told_and_shows_nothing(
    admin: Visitor, db: Database, query: str, told: str
) -> None:
    page = await admin.get(f"/admin/events?{query}")
    assert page.status_code == 422
    assert told in problems(page)
    assert actions(page) == []
    assert "admin-events.js" not in page.text
    assert (await admin.get(f"/admin/events/live?{query}")).status_code == 422
    file = await admin.submit(f"/admin/events/export?{query}", at="/admin/events", format="csv")
    assert file.status_code == 422
    assert told in problems(file)
    assert await events(db, "events.exported") == []


async def test_pages_follow_one_another_and_keep_the_filter(
    admin: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of_events, "ROWS", 2)
    await db.execute("INSERT INTO auth_events (action) SELECT 'a.' || i FROM generate_series(1, 5) i")
    page, seen = await admin.get("/admin/events?action=a."), []
    assert "Live" in said(page)
    while True:
        seen.append(actions(page))
        older = re.search(r'id="older" href="([^"]+)">', page.text)  # without one it is hidden
        if older is None:
            break
        await db.execute("INSERT INTO auth_events (action) VALUES ('a.later')")
        page = await admin.get(html.unescape(older[1]).removeprefix("/auth"))
        assert "Live" not in said(page)
    assert seen == [["a.5", "a.4"], ["a.3", "a.2"], ["a.1"]]
    assert 'href="/auth/admin/events?action=a.">Newest' in page.text


async def test_live_is_offered_where_the_newest_are_shown(admin: Visitor) -> None:
    for query, offered in (("", True), ("?user=1", True), ("?until=2030-01-01T00%3A00", False)):
        page = await admin.get(f"/admin/events{query}")
        assert ("admin-events.js" in page.text) is offered
        assert ("Reload every 10 seconds" in page.text) is offered


async def test_without_scripts_a_page_can_be_had_that_reloads_itself(admin: Visitor) -> None:
    page = await admin.get("/admin/events?user=1&refresh=10")
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page.text
    assert 'href="/auth/admin/events?user=1">Stop reloading' in page.text
    for query in ("?user=1", "?refresh=10&before=9", "?refresh=10&until=2030-01-01T00%3A00"):
        assert "http-equiv" not in (await admin.get(f"/admin/events{query}")).text


async def test_nothing_is_told_as_such(admin: Visitor) -> None:
    page = await admin.get("/admin/events?address=9.9.9.9")
    assert "No events match this filter." in said(page)


async def test_a_full_page_is_small(admin: Visitor, client: httpx.AsyncClient, db: Database) -> None:
    await register(client, f"{'a' * 20}@{'b' * 20}.example.com")
    await db.execute(
        """
        INSERT INTO auth_events (action, user_id, session_id, ip_address, user_agent, detail)
        SELECT 'session.revoked', 2, i, '2001:db8:1111:2222:3333:4444:5555:6666',
            'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0',
            '{"admin_id": 1, "reason": "revoked", "sessions": 1}'
        FROM generate_series(1, 50) i
        """
    )
    page = await admin.get("/admin/events?user=2")
    assert len(actions(page)) == page_of_events.ROWS
    assert len(page.content) <= 60_000


async def test_what_happened_again_and_again_is_one_row(admin: Visitor, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (action, user_id, ip_address, at)
        SELECT 'login.failed', 7, '203.0.113.' || i % 2,
            timestamptz '2024-01-01 12:00Z' + i * interval '7 min'
        FROM generate_series(0, 19) i
        """
    )
    page = await admin.get("/admin/events?user=7")
    told = [int(found[1]) if (found := re.search(r"(\d+) times", row)) else 1 for row in rows(page)]
    assert sum(told) == 20
    assert told == [5, 5, 5, 5]  # of two addresses, within an hour each
    each = await admin.get("/admin/events?user=7&all=yes")
    assert len(actions(each)) == 20
    assert "times" not in "".join(rows(each))


async def test_a_page_of_runs_ends_where_the_next_begins(
    admin: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of_events, "ROWS", 2)
    monkeypatch.setattr(page_of_events, "READ", 5)
    await db.execute(
        "INSERT INTO auth_events (action, user_id) SELECT 'a.' || i / 3, 7 FROM generate_series(0, 11) i"
    )
    place, seen = "/admin/events?user=7", []
    while place:
        page = await admin.get(place)
        seen.append(list(zip(actions(page), [" times" in row for row in rows(page)], strict=True)))
        older = re.search(r'id="older" href="([^"]+)">', page.text)
        place = html.unescape(older[1]).removeprefix("/auth") if older else ""
    assert [action for found in seen for action, _ in found] == ["a.3", "a.2", "a.2", "a.1", "a.0"]


async def test_renewals_and_housekeeping_are_shown_if_asked_for(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    routine = ["session.refreshed", "session.confirmed", "password.rehashed", "cleanup.run"]
    for action in (*routine, "user.renamed"):
        await db.execute("INSERT INTO auth_events (action, user_id) VALUES ($1, 7)", action)
    assert actions(await admin.get("/admin/events?user=7")) == ["user.renamed"]
    assert actions(await admin.get("/admin/events?user=7&all=yes")) == ["user.renamed", *reversed(routine)]
    for action in routine:
        assert actions(await admin.get(f"/admin/events?action={action}&user=7")) == [action]
    file = await admin.submit("/admin/events/export?user=7", at="/admin/events", format="ndjson")
    assert len(file.text.splitlines()) == 5


async def test_a_range_goes_back_from_now_and_gives_way_to_a_time(admin: Visitor, db: Database) -> None:
    await db.execute(
        "INSERT INTO auth_events (action, user_id, at) SELECT 'a.' || i, 7, now() - i * interval '1 min'"
        " FROM unnest(ARRAY[10, 50, 1000, 9000, 40000]) i"
    )
    for last, found in (("15m", 1), ("1h", 2), ("24h", 3), ("7d", 4), ("30d", 5)):
        page = await admin.get(f"/admin/events?user=7&last={last}")
        assert len(actions(page)) == found
        assert re.search(rf'last={last}" aria-current="true"', page.text)
    assert len(actions(await admin.get("/admin/events?user=7&last=15m&since=2000-01-01T00:00"))) == 5
    assert (await admin.get("/admin/events?last=9y")).status_code == 422


async def test_without_scripts_all_times_are_utc_and_said_so(admin: Visitor) -> None:
    page = await admin.get("/admin/events")
    assert "Times in UTC" in said(page)
    assert re.search(r'data-style="clock">\d+:\d\d:\d\d', page.text)
    assert 'data-local="Since">Since (UTC)' in page.text


async def test_an_email_without_an_account_leads_to_where_else_it_was_tried(
    admin: Visitor, client: httpx.AsyncClient
) -> None:
    for email in ("nobody@example.com", "else@example.com"):
        await client.post("/api/auth/login", json={"email": email, "password": "wrong password"})
    page = await admin.get("/admin/events?action=login.failed")
    assert '<a href="/auth/admin/events?user=nobody%40example.com">nobody@example.com</a>' in page.text
    found = rows(await admin.get("/admin/events?user=Nobody%40example.com"))
    assert len(found) == 1
    assert "nobody@example.com" in found[0]


async def test_all_mistakes_of_a_filter_are_told_at_once(admin: Visitor) -> None:
    page = await admin.get("/admin/events?user=nobody&by=nobody&address=foo&since=x")
    assert page.status_code == 422
    assert len(re.findall(r'class="problem" id="(?:user|by|address|since)-problem"', page.text)) == 4


# --- Who did it ---


async def test_the_administrator_is_named_led_to_and_filtered_by(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    await admin.submit("/admin/users/2", action="disable", sure="on")
    page = await admin.get("/admin/events?action=user.disabled")
    assert "admin@example.com disabled the account of user@example.com" in rows(page)[0]
    for user_id in (1, 2):
        assert f'<a href="/auth/admin/users/{user_id}">' in page.text.partition("<tbody")[2]
    mine = await admin.get("/admin/events?by=admin@example.com&action=user.")
    assert actions(mine) == ["user.disabled"]
    assert actions(await admin.get("/admin/events?by=2")) == []
    assert "Done by this person" in said(await admin.get("/admin/users/1"))
    whom = await admin.get("/admin/users/2")
    assert 'by <a href="/auth/admin/users/1">admin@example.com</a>' in whom.text
    assert "admin@example.com disabled the account of user@example.com" not in said(whom)  # by the name


async def test_a_row_says_whose_address_it_shows(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    await admin.submit("/admin/users/2", action="disable", sure="on")
    assert "the administrator's" in rows(await admin.get("/admin/events?action=user.disabled"))[0]
    await db.execute(
        "INSERT INTO auth_events (action, user_id, detail) VALUES ('user.disabled', 2, $1)",
        '{"by": "command"}',
    )
    row = rows(await admin.get("/admin/events?action=user.disabled"))[0]
    assert "Account disabled" in row
    assert "a command" in row


# --- Files ---


async def test_a_file_is_all_of_the_filter_as_the_api_has_it(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    for agent in ("=1+1", 'say "x", y'):
        await client.post("/api/auth/login", json=WRONG, headers={"User-Agent": agent})
    path = "/admin/events/export?action=login.failed"
    file = await admin.submit(path, at="/admin/events", format="csv")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="gatepost-events.csv"'
    assert file.headers["cache-control"] == "no-store"
    assert file.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    found = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))
    assert [row["user_agent"] for row in found] == ['say "x", y', "'=1+1"]
    by_line = await admin.submit(path, at="/admin/events", format="ndjson")
    assert [json.loads(line)["action"] for line in by_line.text.splitlines()] == ["login.failed"] * 2
    noted = await events(db, "events.exported")
    assert [(each["session_id"], each["detail"]) for each in noted] == [
        (1, {"admin_id": 1, "filter": {"action": "login.failed"}, "format": form})
        for form in ("csv", "ndjson")
    ]


async def test_no_file_without_a_form_of_ours(admin: Visitor, db: Database) -> None:
    assert (await admin.post("/admin/events/export", format="csv")).status_code == 403
    shown = await admin.get("/admin/events/export")
    assert "content-disposition" not in shown.headers
    assert await events(db, "events.exported") == []


# --- Live ---


@walked(
    ("wanted", "taken"),
    [
        (EventFilter(), {1, 2, 3, 4}),
        (EventFilter(action="login."), {1, 2}),
        (EventFilter(action="login.failed"), {1}),
        (EventFilter(action="login"), set()),
        (EventFilter(user_id=7), {1, 3}),
        (EventFilter(by=9), {3}),
        (EventFilter(email="no@example.com"), {2}),
        (EventFilter(by=8), set()),
        (EventFilter(address="203.0.113.7"), {1}),
        (EventFilter(address="203.0.113.0/24"), {1, 2}),
        (EventFilter(address="2001:DB8::/32"), {3}),
        (EventFilter(since=datetime(2024, 1, 2, tzinfo=UTC)), {2, 3, 4}),
        (EventFilter(until=datetime(2024, 1, 2, tzinfo=UTC)), {1}),
        (EventFilter(since=datetime(2024, 1, 3)), {3, 4}),  # noqa: DTZ001 - taken for UTC
        (EventFilter(action="login.", user_id=7, address="203.0.113.0/24"), {1}),
    ],
)
async def test_a_live_filter_takes_what_the_search_finds(
    client: httpx.AsyncClient, db: Database, gate: Gatepost, wanted: EventFilter, taken: set[int]
) -> None:
    before = await db.fetchval("SELECT max(id) FROM auth_events")
    made = [
        ("login.failed", 7, "203.0.113.7"),
        ("login.other", None, "203.0.113.8"),
        ("session.started", 7, "2001:db8::1"),
        ("throttled", None, "no address"),
    ]
    for day, (action, user_id, address) in enumerate(made):
        await db.execute(
            "INSERT INTO auth_events (at, action, user_id, ip_address, detail) VALUES ($1, $2, $3, $4, $5)",
            *(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day), action, user_id, address),
            {1: '{"email": "No@example.com"}', 2: '{"admin_id": 9}'}.get(day, "{}"),
        )
    every = (await gate.trail.page(EventFilter(), before=None, limit=4)).events
    found = (await gate.trail.page(wanted, before=None, limit=4)).events
    takes = gate.trail.chooser(wanted)
    assert {seen.event.id - before for seen in found if seen.event.id > before} == taken
    assert {seen.event.id - before for seen in every if takes(seen.event)} == taken


async def test_a_live_filter_is_checked_and_can_do_with_an_event_that_has_nothing(
    client: httpx.AsyncClient, gate: Gatepost
) -> None:
    with pytest.raises(ValidationFailed):
        gate.trail.chooser(EventFilter(address="1.2.3"))
    event = AuditEvent(
        id=1,
        at=datetime.now(UTC),
        action="a",
        user_id=None,
        session_id=None,
        ip_address=None,
        user_agent=None,
        detail={},
    )
    assert not gate.trail.chooser(EventFilter(address="0.0.0.0/0"))(event)
    assert not gate.trail.chooser(EventFilter(address="203.0.113.7"))(event)
    assert not gate.trail.chooser(EventFilter(user_id=1))(event)


@pytest.fixture
async def site(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A real server, and an administrator who is signed in to it by cookie."""
    app = create_app(make_settings())
    async with (
        running(app, "httptools") as url,
        httpx.AsyncClient(
            base_url=url, timeout=60, headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
        ) as client,
    ):
        yield client


@pytest.fixture
async def watcher(site: httpx.AsyncClient, db: Database) -> httpx.AsyncClient:
    body = {"email": "admin@example.com", "name": "Jane Doe", "password": "securepassword123", "cookie": True}
    assert (await site.post("/api/auth/register", json=body)).status_code == 201
    await db.execute("UPDATE users SET is_admin = true")
    return site


class Watched:
    """The blocks of a live stream, each a set of fields."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def block(self) -> dict[str, str]:
        """Return the next block that has an id or a name; none at the end."""
        found: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self._lines:
                if not line and ("id" in found or "event" in found):
                    break
                name, _, value = line.partition(": ")
                found[name] = value
        return {name: value for name, value in found.items() if name in {"id", "event", "data"}}

    async def event(self) -> dict[str, Any]:
        """Return the next event."""
        while "data" not in (block := await self.block()):
            assert block, "the stream has ended"
        event: dict[str, Any] = json.loads(block["data"])
        assert str(event["id"]) == block["id"]
        return event


@asynccontextmanager
async def live(client: httpx.AsyncClient, query: str = "", **headers: str) -> AsyncIterator[httpx.Response]:
    async with client.stream("GET", f"/auth/admin/events/live{query}", headers=headers) as response:
        yield response


async def test_what_happens_is_sent_in_the_words_of_the_page(watcher: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(base_url=watcher.base_url) as other:
        await register(other)
    async with live(watcher) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        await watcher.post("/api/auth/login", json=WRONG, headers={"User-Agent": "<b>x</b>"})
        event = await Watched(response).event()
    facts = dict(event.pop("facts"))
    assert facts.pop("Event") == str(event.pop("id"))
    assert facts.pop("Action") == "login.failed"
    assert facts == {"User agent": "<b>x</b>", "E-mail": "user@example.com", "Reason": "wrong_password"}
    assert event["at"] == event.pop("since")
    assert event.pop("at").endswith("Z")
    assert event.pop("time").endswith("UTC")
    assert event == {
        "action": "login.failed",
        "kind": "bad",
        "text": "Failed sign-in",
        "by": None,
        "by_url": None,
        "count": 1,
        "who": "user@example.com",
        "who_url": "/auth/admin/users/2",
        "address": "127.0.0.1",
        "address_url": "/auth/admin/addresses/127.0.0.1",
        "device": "<b>x<",
    }


async def test_of_what_the_filter_does_not_take_there_is_the_place_to_go_on_from(
    watcher: httpx.AsyncClient, db: Database
) -> None:
    async with live(watcher, "?action=login.") as response:
        watched = Watched(response)
        await db.execute("INSERT INTO auth_events (action) VALUES ('a'), ('login.failed')")
        last = await db.fetchval("SELECT max(id) FROM auth_events")
        assert await watched.block() == {"id": str(last - 1)}
        assert (await watched.event())["id"] == last


@pytest.mark.parametrize("by_header", [False, True])
async def test_a_stream_goes_on_from_where_the_page_or_the_last_one_ended(
    watcher: httpx.AsyncClient, db: Database, *, by_header: bool
) -> None:
    last = await db.fetchval("SELECT max(id) FROM auth_events")
    await db.execute("INSERT INTO auth_events (action) VALUES ('a'), ('b')")
    query, headers = f"?after={last}", {}
    if by_header:
        query, headers = "?after=1", {"Last-Event-ID": str(last)}
    async with live(watcher, query, **headers) as response:
        watched = Watched(response)
        assert [(await watched.event())["action"] for _ in range(2)] == ["a", "b"]


async def test_the_page_says_where_the_stream_is_to_begin(admin: Visitor, db: Database) -> None:
    page = await admin.get("/admin/events?action=nothing")
    last = await db.fetchval("SELECT max(id) FROM auth_events")
    assert f'data-source="/auth/admin/events/live?action=nothing" data-after="{last}"' in page.text


@pytest.mark.parametrize(
    "statement",
    ["UPDATE users SET is_admin = false", "UPDATE user_sessions SET is_active = false"],
)
async def test_a_stream_ends_for_good_with_the_session_or_the_rights(
    watcher: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    async with live(watcher) as response:
        watched = Watched(response)
        await db.execute(statement)
        assert await watched.block() == {"event": "over", "data": "over"}
        assert await watched.block() == {}


async def test_a_stream_whose_session_was_renewed_ends_to_come_again(
    watcher: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    async with live(watcher, "?action=nothing") as response:
        watched = Watched(response)
        name = f"gatepost-{watcher.base_url.port}"
        token = watcher.cookies[name]
        answer = await watcher.post("/api/auth/refresh", json={})
        assert answer.status_code == 200
        assert watcher.cookies[name] != token
        await db.execute("UPDATE user_sessions SET ended_at = ended_at - interval '1 minute' WHERE id = 1")
        while block := await watched.block():
            assert "event" not in block  # it is not over
    async with live(watcher) as again:
        assert again.status_code == 200


async def test_an_open_stream_is_no_use_of_its_session(
    watcher: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.2)
    async with live(watcher) as response:
        watched = Watched(response)
        await db.execute("UPDATE user_sessions SET last_used_at = '2024-01-01T00:00:00Z'")
        for _ in range(3):
            await db.execute("INSERT INTO auth_events (action) VALUES ('a')")
            await watched.event()
    used = await db.fetchval("SELECT last_used_at FROM user_sessions")
    assert used == datetime(2024, 1, 1, tzinfo=UTC)


async def test_more_streams_than_a_user_may_have_are_refused_in_words(
    watcher: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    async with live(watcher) as response:
        assert response.status_code == 200
        async with live(watcher) as refused:
            await refused.aread()
            assert refused.status_code == 429
            assert refused.headers["retry-after"]
            assert refused.headers["content-type"] == "text/html; charset=utf-8"

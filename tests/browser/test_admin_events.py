"""The console's sessions and events in a real browser: live, by polling, by keys alone, in every state."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import (
    LOOKS,
    NARROW_DARK,
    Site,
    Visitors,
    assert_good_in_every_look,
    assert_no_horizontal_scroll,
    make_user,
    sign_in,
)
from tests.conftest import PASSWORD
from tests.http.conftest import Database

from gatepost.features.invitations.service import Invitations
from gatepost.models import Client
from gatepost.texts import LANGUAGES

ADMIN = "admin@example.com"
LONG = f"{'a' * 60}@{'b' * 60}.example.com"


async def console(site: Site, visitor: Visitors, path: str, **look: Any) -> Page:
    """Open a page of the console as a new administrator."""
    await make_user(site, ADMIN, name="Jane Doe", is_admin=True)
    page = await visitor(**look)
    await sign_in(page, site, ADMIN)
    await page.goto(f"{site.url}/auth/admin/{path}")
    return page


async def fail_to_sign_in(site: Site, email: str = "user@example.com", agent: str = "x") -> None:
    wrong = {"email": email, "password": "wrong password"}
    answer = await site.client.post("/api/auth/login", json=wrong, headers={"User-Agent": agent})
    assert answer.status_code == 401


async def fill(db: Database, *, rows: int) -> None:
    """Make sessions and events of somebody with a long name, on addresses of full length, in every month."""
    await db.execute(
        """
        INSERT INTO user_sessions
            (user_id, session_token, created_at, last_used_at, expires_at, ip_address, user_agent)
        SELECT 1, 'x' || i, timestamptz '2024-12-28 23:59Z' + i % 12 * interval '1 month',
            timestamptz '2025-12-28 23:59Z' + i % 12 * interval '1 month', timestamptz '9999-12-28 23:59Z',
            '2001:db8:1111:2222:3333:4444:5555:6666', repeat('x', 500)
        FROM generate_series(1, $1::int) i
        """,
        rows,
    )
    await db.execute(
        """
        INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
        SELECT timestamptz '2024-12-28 23:59Z' + i % 12 * interval '1 month',
            (ARRAY['session.started', 'session.revoked', 'throttled', 'login.failed'])[1 + i % 4], 1, i,
            '2001:db8:1111:2222:3333:4444:5555:6666', repeat('x', 500), jsonb_build_object('filter',
            jsonb_build_object('address', repeat('y', 200)), repeat('z', 60), true)
        FROM generate_series(1, $1::int) i
        """,
        rows,
    )


# --- Every state ---


async def test_every_state_is_accessible_and_no_wider_than_its_window(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site, LONG)
    await fill(db, rows=50)
    page = await console(site, visitor, "sessions", **LOOKS[NARROW_DARK])
    visitor.faults(page).expect("422 .*/admin/sessions", "422 .*/admin/events")
    for path in (
        "sessions",
        "sessions?address=9.9.9.9",
        "sessions?address=x&user=nobody",
        "sessions?user=1&before=10",
        "sessions/end",
        "sessions/end?user=1&older_than=60",
        "sessions/end?user=1",
        "events",
        "events?address=9.9.9.9",
        "events?since=x",
        "events?before=10&action=session.",
    ):
        await page.goto(f"{site.url}/auth/admin/{path}")
        await assert_good_in_every_look(page)
    await page.goto(f"{site.url}/auth/admin/events")
    await page.locator("#events summary").first.click()
    await page.get_by_role("button", name="Live").click()
    await expect(page.locator("#live-state")).to_contain_text("Live")
    await fail_to_sign_in(site, LONG, "y" * 500)
    await page.locator("tr.arrived summary").first.click()
    await expect(page.locator("#live-state")).to_contain_text("1 new event")
    await assert_good_in_every_look(page)


WIDTHS = (320, 640, 768, 1024, 1025, 1100, 1280)
SPACED = "* { letter-spacing: 0.12em !important; word-spacing: 0.16em !important }"
"""What has room for this (WCAG 2.2, 1.4.12) has room for any font."""
_TOO_WIDE = """
    (style) => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(style);
        document.adoptedStyleSheets = [sheet];
        return [document.scrollingElement, ...document.querySelectorAll(".table-box")]
            .filter((each) => each.scrollWidth > each.clientWidth)
            .map((each) => each.cloneNode(false).outerHTML);
    }
"""


async def test_no_list_is_wider_than_its_place_at_any_width_in_any_language(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site, LONG, name="N" * 100)
    await fill(db, rows=12)
    await site.gate.service(Invitations).create(email=f"c{LONG}", client=Client())
    page = await console(site, visitor, "sessions")
    shown = [(name, "sessions") for name in LANGUAGES]
    for name, path in shown + [("de", path) for path in ("events", "users", "invitations")]:
        await page.set_extra_http_headers({"Accept-Language": name.replace("_", "-")})
        await page.goto(f"{site.url}/auth/admin/{path}")
        assert await page.get_attribute("html", "lang") == name.replace("_", "-")
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate(_TOO_WIDE, SPACED) == [], (name, path, width)


async def test_filters_are_folded_on_a_phone_until_they_are_asked_for(site: Site, visitor: Visitors) -> None:
    page = await console(site, visitor, "events", viewport={"width": 1280, "height": 800})
    field, who = page.get_by_label("User (e-mail or ID)"), page.get_by_role("columnheader", name="Who")
    await expect(field).to_be_visible()
    await expect(who).to_have_count(1)
    await page.set_viewport_size({"width": 375, "height": 800})
    await expect(field).to_be_hidden()
    await page.locator("summary", has_text="Filter").click()
    await field.fill(ADMIN)
    await page.get_by_role("button", name="Filter").click()
    await page.wait_for_url("**user=admin**")
    await expect(field).to_be_visible()
    await expect(page.get_by_role("link", name=ADMIN)).to_have_count(0)  # every row would say it
    await page.set_viewport_size({"width": 1280, "height": 800})
    await expect(who).to_have_count(0)


# --- Live ---


async def go_live(page: Page) -> None:
    await page.get_by_role("button", name="Live").click()
    await expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#live-state")).to_contain_text("Live")


async def test_a_failed_sign_in_is_seen_at_once(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await console(site, visitor, "events")
    before = await page.locator("tbody tr[data-id]").count()
    await go_live(page)
    await fail_to_sign_in(site, agent="<b>x</b>")
    row = page.locator("tr.arrived")
    await row.wait_for()
    await expect(row).to_contain_text("Failed sign-in")
    await expect(row.locator(".icon-bad")).to_have_count(1)
    await expect(row.get_by_role("link", name="user@example.com")).to_have_attribute(
        "href", "/auth/admin/users/1"
    )
    await row.locator("summary").click()
    await expect(row).to_contain_text("<b>x</b>")
    assert await page.locator("tbody tr[data-id]").count() == before + 1
    await expect(page.get_by_role("status")).to_contain_text("1 new event")
    # What came live looks as what the server writes.
    shown = await row.evaluate("row => row.cells[1].innerText + row.cells[5].innerText")
    await page.reload()
    again = page.locator("tbody tr[data-id]").first
    await again.locator("summary").click()
    assert await again.evaluate("row => row.cells[1].innerText + row.cells[5].innerText") == shown


@pytest.mark.parametrize("reading", ["pointer", "focus", "scroll"])
async def test_rows_stay_where_they_are_while_they_are_read(
    site: Site, visitor: Visitors, db: Database, reading: str
) -> None:
    await make_user(site)
    await fill(db, rows=50)
    page = await console(site, visitor, "events")
    await go_live(page)
    row = page.locator("tbody tr").nth(4)
    if reading == "pointer":
        await row.hover()
    elif reading == "focus":
        await row.locator("summary").focus()
    else:
        await page.evaluate("scrollTo(0, 500)")
    before = await row.get_attribute("data-id")
    for _ in range(3):
        await fail_to_sign_in(site)
    show = page.get_by_role("button", name="Show 3 new events")
    await expect(show).to_be_in_viewport()
    await expect(page).to_have_title(re.compile(r"^\(3\) Events"))
    assert await row.get_attribute("data-id") == before
    await show.click()
    await expect(page.locator("tr.arrived")).to_have_count(3)
    await expect(show).to_be_hidden()
    await expect(page).to_have_title(re.compile(r"^Events"))
    await expect(page.locator("tr.arrived").first).to_be_in_viewport()


async def test_what_was_held_comes_when_nobody_reads_any_more(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await console(site, visitor, "events")
    await go_live(page)
    await page.locator("tbody tr").first.hover()
    await fail_to_sign_in(site)
    await expect(page.get_by_role("button", name="Show 1 new event")).to_be_visible()
    await page.get_by_role("heading", level=1).hover()
    await expect(page.locator("tr.arrived")).to_have_count(1)


async def test_what_happened_before_the_switch_is_caught_up_with(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await console(site, visitor, "events?action=login.failed")
    await expect(page.get_by_text("No events match this filter.")).to_be_visible()
    await fail_to_sign_in(site)
    await go_live(page)
    await expect(page.locator("tr.arrived")).to_have_count(1)
    await expect(page.get_by_text("No events match this filter.")).to_have_count(0)
    await site.client.get("/api/auth/admin/users", headers={"Authorization": "Bearer x"})
    await fail_to_sign_in(site)
    await expect(page.locator("tr.arrived")).to_have_count(2)
    await expect(page.locator("tbody tr[data-id]")).to_have_count(2)


async def test_the_switch_turns_it_off(site: Site, visitor: Visitors, db: Database) -> None:
    await make_user(site)
    page = await console(site, visitor, "events?action=login.failed")
    await go_live(page)
    await page.get_by_role("button", name="Live").click()
    await expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "false")
    await expect(page.locator("#live-state")).to_have_text("")
    async with asyncio.timeout(60):
        while site.gate.edge.streams._open:
            await site.client.get("/auth/sign-in")


async def test_it_goes_on_after_the_database_ended_its_connection(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site)
    page = await console(site, visitor, "events")
    await go_live(page)
    listening = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%' OR pid IN (
            SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    """
    async with asyncio.timeout(60):
        while not await db.fetchval(listening):
            pass  # it listens a moment after the page is live
    await fail_to_sign_in(site)
    await expect(page.locator("tr.arrived")).to_have_count(1)
    await expect(page.locator("#live-state")).to_contain_text("Live")


async def test_a_stream_that_broke_is_opened_again_and_nothing_is_missed(
    site: Site, visitor: Visitors
) -> None:
    await make_user(site)
    page = await console(site, visitor, "events?action=login.failed")
    await go_live(page)
    site.gate.edge.streams.end_all()
    await expect(page.locator("#live-state")).to_contain_text("Reconnecting…")
    await fail_to_sign_in(site)
    await expect(page.locator("tr.arrived")).to_have_count(1)
    await expect(page.locator("#live-state")).to_contain_text("Live")


async def test_it_stops_when_the_session_ends(
    site: Site, visitor: Visitors, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepost.http.streams.CHECK_SECONDS", 0.05)
    page = await console(site, visitor, "events")
    await go_live(page)
    await db.execute("UPDATE user_sessions SET is_active = false")
    await expect(page.locator("#live-state")).to_contain_text("Stopped. Reload the page to continue.")
    await expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "false")
    await page.reload()
    await expect(page).to_have_url(re.compile("/auth/sign-in"))


async def test_so_many_rows_are_kept_and_the_rest_is_on_the_next_page(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page = await console(site, visitor, "events?action=a&all=yes")
    await go_live(page)
    await db.execute("INSERT INTO auth_events (action) SELECT 'a' FROM generate_series(1, 210)")
    await expect(page.locator("tbody tr[data-id]")).to_have_count(200)
    await expect(page.get_by_role("status")).to_contain_text("210 new events")
    last = await page.locator("tbody tr[data-id]").last.get_attribute("data-id")
    assert last is not None
    await page.get_by_role("link", name="Older").click()
    await expect(page.locator("tbody tr[data-id]")).to_have_count(10)
    first = await page.locator("tbody tr[data-id]").first.get_attribute("data-id")
    assert first is not None
    assert int(first) == int(last) - 1


@pytest.mark.parametrize("reduced", [False, True])
async def test_motion_is_reduced_where_that_is_asked_for(
    site: Site, visitor: Visitors, *, reduced: bool
) -> None:
    await make_user(site)
    page = await console(site, visitor, "events", reduced_motion="reduce" if reduced else "no-preference")
    await go_live(page)
    await fail_to_sign_in(site)
    name = await page.locator("tr.arrived").evaluate("row => getComputedStyle(row).animationName")
    assert name == ("none" if reduced else "arrived")


async def test_without_scripts_the_page_loads_itself_again(
    site: Site, visitor: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepost.http.pages.admin.events.REFRESH_SECONDS", 1)
    await make_user(site)
    page = await console(site, visitor, "events?action=login.failed", java_script_enabled=False)
    await expect(page.get_by_role("button", name="Live")).to_have_count(0)
    await page.get_by_role("link", name="Reload every 1 second").click()
    await expect(page.get_by_role("link", name="Stop reloading")).to_be_visible()
    await fail_to_sign_in(site)
    await expect(page.locator("tbody tr[data-id]")).to_have_count(1)
    await assert_no_horizontal_scroll(page)
    await page.get_by_role("link", name="Stop reloading").click()
    await expect(page).to_have_url(f"{site.url}/auth/admin/events?action=login.failed")


async def test_a_file_is_downloaded_and_the_page_stays(site: Site, visitor: Visitors) -> None:
    page = await console(site, visitor, "events?action=session.started")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="CSV", exact=True).click()
    download = await downloading.value
    assert download.suggested_filename == "gatepost-events.csv"
    assert "session.started" in (await download.path()).read_text("utf-8")
    assert page.url.endswith("/auth/admin/events?action=session.started")


# --- Sessions ---


async def test_the_sessions_of_a_filter_end_by_keys_alone(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site)
    page = await console(site, visitor, "sessions")
    other = await visitor()
    await sign_in(other, site)
    credentials = {"email": "user@example.com", "password": PASSWORD}
    await site.client.post("/api/auth/login", json=credentials)
    await page.get_by_label("User (e-mail or ID)").focus()
    await page.keyboard.type("user@example.com")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(2)
    for name in ("End all 2 matching sessions", "End 2 sessions"):
        target = page.get_by_role("main").get_by_text(name, exact=True)
        for _ in range(40):
            if await target.evaluate("element => element === document.activeElement"):
                break
            await page.keyboard.press("Tab")
        await expect(target).to_be_focused()
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("2 sessions were ended.")
    await expect(page.get_by_text("No sessions match this filter.")).to_be_visible()
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active AND user_id = 1") == 0
    await other.goto(f"{site.url}/auth/account")
    await expect(other).to_have_url(re.compile("/auth/sign-in"))
    await page.goto(f"{site.url}/auth/admin/sessions")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_one_session_ends_without_scripts(site: Site, visitor: Visitors, db: Database) -> None:
    await make_user(site)
    credentials = {"email": "user@example.com", "password": PASSWORD}
    await site.client.post("/api/auth/login", json=credentials)
    page = await console(site, visitor, "sessions", java_script_enabled=False)
    await page.get_by_role("button", name="End session 1 of user@example.com").click()
    await expect(page.get_by_role("status")).to_have_text("python-httpx of user@example.com: session ended")
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert await db.fetchval("SELECT is_active FROM user_sessions WHERE id = 1") is False

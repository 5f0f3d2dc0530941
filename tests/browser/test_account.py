"""One's own account in a real browser: every page in every state, two devices, keys alone."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import (
    LOOKS,
    NARROW,
    NARROW_DARK,
    Site,
    Visitors,
    assert_accessible,
    assert_good_in_every_look,
    assert_no_horizontal_scroll,
    make_user,
    sign_in,
)
from tests.conftest import PASSWORD, MovableClock
from tests.http.conftest import Database

PAGES = [
    "account",
    "account/password",
    "account/email",
    "account/export",
    "account/delete",
    "devices",
    "was-it-you",
    "activity",
]
EMAIL = f"{'a' * 60}@{'b' * 60}.example.com"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


async def assert_fine(page: Page) -> None:
    await assert_accessible(page)
    await assert_no_horizontal_scroll(page)


async def refused(page: Page, site: Site, path: str, button: str, **fields: str) -> None:
    """Send a form of which something is wrong."""
    await page.goto(f"{site.url}/auth/{path}")
    for label, typed in fields.items():
        await page.get_by_label(label, exact=True).fill(typed)
    if path.endswith("delete"):
        await page.get_by_role("checkbox").check()
    await page.get_by_role("main").get_by_role("button", name=button).click()
    await expect(page.locator("[aria-invalid=true]")).to_be_focused()
    assert (await page.title()).startswith("Error: ")


# --- Every page, in every state ---


async def test_every_page_is_accessible_and_no_wider_than_its_window(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site, EMAIL, name="N" * 100)
    page = await visitor(**LOOKS[NARROW_DARK])
    for agent in ("", "x" * 500, IPHONE):
        credentials = {"email": EMAIL, "password": PASSWORD}
        await site.client.post("/api/auth/login", json=credentials, headers={"User-Agent": agent})
    wrong = {"email": EMAIL, "password": "not the password"}
    await site.client.post("/api/auth/login", json=wrong, headers={"User-Agent": "x" * 500})
    address = "2001:db8:1111:2222:3333:4444:5555:6666"
    await db.execute("UPDATE user_sessions SET ip_address = $1 WHERE id = 2", address)
    await sign_in(page, site, EMAIL)
    for path in PAGES:
        await page.goto(f"{site.url}/auth/{path}")
        await assert_good_in_every_look(page)
    await page.goto(f"{site.url}/auth/devices")
    await page.locator("main summary").nth(1).click()
    await assert_good_in_every_look(page)


async def test_mistakes_are_told_in_an_accessible_way(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor(**LOOKS[NARROW_DARK])
    visitor.faults(page).expect("422 .*/auth/account")
    await sign_in(page, site)
    mistakes: list[tuple[str, str, dict[str, str]]] = [
        ("account", "Save", {"Name": " "}),
        (
            "account/password",
            "Change password",
            {"Current password": PASSWORD, "New password": "password1"},
        ),
        ("account/email", "Change e-mail", {"New e-mail": "user@example.com", "Password": PASSWORD}),
        ("account/delete", "Delete account", {"Password": "not the password"}),
    ]
    for path, button, fields in mistakes:
        await refused(page, site, path, button, **fields)
        await assert_good_in_every_look(page)


async def test_with_text_of_twice_the_size_nothing_is_wider_than_the_window(
    site: Site, visitor: Visitors
) -> None:
    await make_user(site, EMAIL, name="N" * 100)
    page = await visitor(viewport={"width": 640, "height": 800})
    await sign_in(page, site, EMAIL)
    session = await page.context.new_cdp_session(page)
    for path in PAGES:
        await page.goto(f"{site.url}/auth/{path}")
        await session.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 1})
        await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        await assert_no_horizontal_scroll(page)


async def test_the_farewell_is_accessible_and_keeps_nothing(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site)
    page = await visitor()
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/account/delete")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Yes, permanently delete my account").check()
    await page.get_by_role("button", name="Delete account").click()
    await expect(page.get_by_role("heading", name="Your account was deleted")).to_be_visible()
    await assert_fine(page)
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert [
        each["name"]
        for each in await page.context.cookies()
        if each["name"].endswith("gatepost") or each["name"].removeprefix("gatepost-").isdigit()
    ] == []


# --- Two browsers ---


async def test_the_end_of_another_device_shows_at_its_next_click(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    computer, phone = await visitor(), await visitor(user_agent=IPHONE, viewport=NARROW)
    for page in (computer, phone):
        await page.goto(f"{site.url}/auth/sign-in")
        await page.get_by_label("E-mail").fill("user@example.com")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/auth/account")
    await computer.get_by_role("navigation").get_by_role("link", name="Devices").click()
    cards = computer.get_by_role("main").get_by_role("listitem")
    await expect(cards).to_have_count(2)
    await expect(cards.first).to_contain_text("This device")
    await expect(cards.nth(1)).to_contain_text("Safari on iOS")
    await cards.nth(1).get_by_role("button", name="Sign out Safari on iOS").click()
    await expect(computer.get_by_role("status")).to_have_text(
        "Safari on iOS of user@example.com: session ended"
    )
    await assert_fine(computer)
    await expect(cards).to_have_count(1)
    await phone.get_by_role("link", name="Activity").first.click()
    await phone.wait_for_url("**/auth/sign-in?next=%2Fauth%2Factivity")
    await expect(phone.get_by_text("Your session was ended. Sign in to continue.")).to_be_visible()


async def test_by_keys_alone_all_other_sessions_end(site: Site, visitor: Visitors, db: Database) -> None:
    await make_user(site)
    for _ in range(2):
        await site.client.post("/api/auth/login", json={"email": "user@example.com", "password": PASSWORD})
    page = await visitor()
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/devices")
    await by_tab(page, "Sign out all other devices")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("2 sessions were ended.")
    await by_tab(page, "Sign out on this device")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0


async def by_tab(page: Page, name: str) -> None:
    """Press Tab until the button with this name has the focus, which can be seen on the way."""
    wanted = page.get_by_role("button", name=name)
    await expect(wanted).to_be_visible()
    for _ in range(30):
        await page.keyboard.press("Tab")
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
        if await wanted.evaluate("(element) => element === document.activeElement"):
            return
    pytest.fail(f"{name} is not reached by Tab")


# --- Times, the file, the way back ---


async def test_times_are_relative_and_whole_in_their_title(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor(locale="en-GB", timezone_id="Asia/Tokyo")
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/devices")
    time = page.locator("time").first
    await expect(time).to_have_text(re.compile("^(now|1 minute ago)$"))
    await expect(time).to_have_attribute("title", re.compile(r"GMT\+9"))


async def test_with_scripts_off_everything_works(site: Site, visitor: Visitors, db: Database) -> None:
    await make_user(site)
    await site.client.post("/api/auth/login", json={"email": "user@example.com", "password": PASSWORD})
    page = await visitor(java_script_enabled=False)
    await page.goto(f"{site.url}/auth/sign-in?next=/auth/devices")
    await page.get_by_label("E-mail").fill("user@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("time").first).to_contain_text("UTC")
    await page.get_by_role("button", name="Sign out all other devices").click()
    await expect(page.get_by_role("status")).to_have_text("1 session was ended.")
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


async def test_ones_data_comes_as_a_file_after_the_password(
    site: Site, visitor: Visitors, clock: MovableClock, tmp_path: Path
) -> None:
    await make_user(site)
    page = await visitor()
    await sign_in(page, site)
    clock.advance(minutes=11)
    await page.goto(f"{site.url}/auth/account")
    await page.get_by_role("link", name="Your data").click()
    await page.get_by_role("link", name="Download my data").click()
    await expect(page.get_by_role("heading", name="Confirm it's you")).to_be_visible()
    await assert_fine(page)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("heading", name="Download my data")).to_be_visible()
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Download").click()
    file = await coming.value
    assert file.suggested_filename == "gatepost-export.json"
    place = tmp_path / "export.json"
    await file.save_as(place)
    held = json.loads(place.read_bytes())
    assert held["data"]["user"]["email"] == "user@example.com"


async def test_an_expired_session_leads_to_sign_in_and_back(
    site: Site, visitor: Visitors, clock: MovableClock
) -> None:
    await make_user(site)
    page = await visitor()
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/devices")
    clock.advance(minutes=31)
    await page.get_by_role("link", name="Activity").first.click()
    await expect(page.get_by_text("Your session has expired. Sign in to continue.")).to_be_visible()
    await page.get_by_label("E-mail").fill("user@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    assert page.url == f"{site.url}/auth/activity"


async def test_a_trail_without_an_end_and_one_without_a_beginning(
    site: Site, visitor: Visitors, db: Database
) -> None:
    user = await make_user(site)
    await db.execute(
        "INSERT INTO auth_events (action, user_id) SELECT 'session.started', $1 FROM generate_series(1, 40)",
        user.id,
    )
    page = await visitor(viewport=NARROW)
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/activity")
    for _ in range(2):
        await page.get_by_role("link", name="Older").click()
        await assert_fine(page)
    await expect(page.get_by_role("link", name="Older")).to_have_count(0)
    await page.goto(f"{site.url}/auth/activity?before=1")
    await expect(page.get_by_text("Nothing to show.")).to_be_visible()
    await assert_fine(page)
    await page.get_by_role("link", name="Newest").click()
    await expect(page.get_by_text("You signed in").first).to_be_visible()

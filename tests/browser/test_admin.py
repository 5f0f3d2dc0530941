"""The console in a real browser: every page in every state, keys alone, what it does to others."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import (
    LOOKS,
    NARROW,
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

ADMIN = "admin@example.com"
EMAIL = f"{'a' * 60}@{'b' * 60}.example.com"
HOSTILE = "<script>throw new Error('run')</script>"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


async def assert_fine(page: Page, site: Site, path: str) -> None:
    """Open a page of the console, with all that can be opened on it."""
    await page.goto(f"{site.url}/auth/admin{path}")
    await assert_no_horizontal_scroll(page)
    # All that is there before is there after it, too.
    await page.evaluate("for (const part of document.querySelectorAll('main details')) part.open = true")
    await assert_good_in_every_look(page)


async def administrator(site: Site, visitor: Visitors, **options: Any) -> Page:
    """Open a page of a visitor who has just signed in as an administrator."""
    await make_user(site, ADMIN, name="Ada Admin", is_admin=True)
    page = await visitor(**options)
    await sign_in(page, site, ADMIN)
    return page


async def fill(site: Site, db: Database) -> None:
    """Have people with long and hostile names, sessions from everywhere, and thirty days of events."""
    user = await make_user(site, EMAIL, name="N" * 100)
    await make_user(site, "two@example.com", name=HOSTILE)
    for agent in ("", "x" * 500, IPHONE, HOSTILE):
        credentials = {"email": EMAIL, "password": PASSWORD}
        await site.client.post("/api/auth/login", json=credentials, headers={"User-Agent": agent})
    await db.execute(
        """
        INSERT INTO users (email, name, hashed_password, is_active, created_at, updated_at)
        SELECT 'person' || n || '@example.com', 'Person Number' || n, 'x', n % 10 <> 0, now(), now()
        FROM generate_series(1, 70) n
        """
    )
    await db.execute(
        """
        INSERT INTO auth_events (action, user_id, ip_address, detail, at)
        SELECT action, $1 + n % 12, '2001:db8:1111:2222:3333:4444:5555:' || to_hex(4096 + n % 12), '{}',
            now() - n * interval '1 hour'
        FROM generate_series(1, 720) n,
            unnest(ARRAY['session.started', 'login.failed', 'throttled', 'user.registered']) action
        """,
        user.id,
    )
    await db.execute(
        """
        INSERT INTO auth_links (purpose, digest, email, expires_at, revoked_at)
        SELECT 'invitation', to_char(n, 'FM000'), n || $1, now() + (n - 5) * interval '1 day',
            CASE WHEN n % 3 = 0 THEN now() END
        FROM generate_series(1, 60) n
        """,
        EMAIL,
    )


# --- Every page, in every state ---


async def test_an_empty_console_is_accessible_and_no_wider_than_its_window(
    site: Site, visitor: Visitors
) -> None:
    page = await administrator(site, visitor, **LOOKS[NARROW_DARK])
    for path in ("", "/users", "/users?q=nobody", "/users/1", "/invitations"):
        await assert_fine(page, site, path)


async def test_a_full_console_is_accessible_and_no_wider_than_its_window(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page = await administrator(site, visitor, **LOOKS[NARROW_DARK])
    await fill(site, db)
    for path in ("", "?period=30d", "/users", "/invitations"):
        await assert_fine(page, site, path)
    for path in ("/checks", "/asvs?state=missed", "/housekeeping"):
        await assert_fine(page, site, f"/system{path}")
    await assert_fine(page, site, "/selected-users?do=end_sessions&user=2&user=3")
    await assert_fine(page, site, "/addresses")
    await assert_fine(page, site, "/users?q=person&status=active&sort=created")
    await assert_fine(page, site, "/users/2")
    await expect(page.get_by_text("Safari on iOS").first).to_be_visible()
    await assert_fine(page, site, "/users/3")
    await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)


async def test_what_is_shown_once_and_what_is_refused_are_accessible_as_well(
    site: Site, visitor: Visitors
) -> None:
    page = await administrator(site, visitor, **LOOKS[NARROW_DARK])
    await make_user(site, EMAIL, name="N" * 100)
    await page.goto(f"{site.url}/auth/admin/invitations")
    await page.get_by_role("button", name="Create link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("The invitation is ready")
    await assert_good_in_every_look(page)
    await page.goto(f"{site.url}/auth/admin/users/2")
    await page.get_by_text("More", exact=True).click()
    await page.get_by_role("link", name="Set a temporary password").click()
    await assert_good_in_every_look(page)
    await page.get_by_role("button", name="Set a temporary password").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Temporary password")
    await assert_good_in_every_look(page)
    visitor.faults(page).expect("status of 422")
    await page.goto(f"{site.url}/auth/admin/users/2")
    await page.get_by_text("More", exact=True).click()
    await page.get_by_role("link", name="Delete account").click()
    await page.get_by_label("Type the account's e-mail address").fill("other@example.com")
    await page.get_by_role("button", name="Delete account").click()
    await expect(page.locator("[data-focus]")).to_be_focused()
    await expect(page.get_by_label("Type the account's e-mail address")).to_be_visible()
    await assert_good_in_every_look(page)


async def test_with_text_of_twice_the_size_nothing_is_wider_than_the_window(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page = await administrator(site, visitor, viewport=NARROW)
    await fill(site, db)
    for path in ("", "/users", "/users/2", "/invitations"):
        await page.goto(f"{site.url}/auth/admin{path}")
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        await assert_no_horizontal_scroll(page)


# --- What it does ---


async def test_a_user_who_is_disabled_while_on_a_page_lands_on_sign_in_with_the_next_click(
    site: Site, visitor: Visitors
) -> None:
    admin = await administrator(site, visitor)
    await make_user(site)
    user = await visitor()
    await sign_in(user, site)
    await user.goto(f"{site.url}/auth/account")

    await admin.goto(f"{site.url}/auth/admin/users?q=user@example.com")
    await admin.get_by_role("link", name="John Doe").click()
    await admin.get_by_role("button", name="Disable account").click()
    await expect(admin.get_by_role("status")).to_contain_text("The account was disabled")
    await expect(admin.get_by_text("Not signed in anywhere.")).to_be_visible()

    await user.get_by_role("link", name="Devices", exact=True).click()
    await expect(user).to_have_url(f"{site.url}/auth/sign-in?next=%2Fauth%2Fdevices")


async def test_a_user_is_found_and_promoted_by_keys_alone(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page = await administrator(site, visitor)
    await make_user(site)
    await page.goto(f"{site.url}/auth/admin/users")
    await until_focused(page, "q")
    await page.keyboard.type("john")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**q=john**")
    await until_focused(page, "John Doe")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/users/2")
    await until_focused(page, "More")
    await page.keyboard.press("Enter")
    await until_focused(page, "Make administrator")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("is now an administrator")
    assert await db.fetchval("SELECT is_admin FROM users WHERE id = 2")


async def until_focused(page: Page, what: str) -> None:
    """Press Tab until what has the focus has this text or id, and see that one can tell."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(
            """() => [document.activeElement.id, document.activeElement.textContent.trim(),
                getComputedStyle(document.activeElement).outlineStyle]"""
        )
        if what in focused[:2]:
            assert focused[2] != "none", json.dumps(focused)
            return
    pytest.fail(f"{what} never had the focus")


async def test_without_scripts_every_form_works_and_a_password_is_shown(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site, ADMIN, name="Ada Admin", is_admin=True)
    await make_user(site)
    page = await visitor(java_script_enabled=False)
    await page.goto(f"{site.url}/auth/admin/users/2")
    await page.get_by_label("E-mail").fill(ADMIN)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("More", exact=True).click()
    await page.get_by_role("link", name="Set a temporary password").click()
    await page.get_by_role("button", name="Set a temporary password").click()
    await expect(page.locator("#password")).to_be_visible()
    await expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    await page.get_by_role("link", name="Back to user").click()
    await page.get_by_role("button", name="Disable account").click()
    await expect(page.get_by_role("status")).to_contain_text("The account was disabled")
    assert not await db.fetchval("SELECT is_active FROM users WHERE id = 2")


async def test_a_link_is_copied(site: Site, visitor: Visitors) -> None:
    page = await administrator(site, visitor, permissions=["clipboard-read", "clipboard-write"])
    await page.goto(f"{site.url}/auth/admin/invitations")
    await page.get_by_role("button", name="Create link").click()
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == await page.locator("#link").inner_text()

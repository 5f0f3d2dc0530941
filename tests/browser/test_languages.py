"""Choosing a language in a browser, and pages from right to left."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import (
    LOOKS,
    NARROW_DARK,
    Site,
    Visitors,
    assert_good_in_every_look,
    make_user,
)
from tests.browser.test_sign_in import fill
from tests.conftest import PASSWORD

from gatepost.texts import LANGUAGES

EMAIL = "user@example.com"
PAGES = ("account", "security", "devices", "activity", "account/data", "account/password", "language")
CONSOLE = (
    "admin",
    "admin/users",
    "admin/users/1",
    "admin/sessions",
    "admin/events",
    "admin/addresses",
    "admin/system",
)

_BRITISH = """
    (at) => new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(new Date(at))
"""


async def signed_in(page: Page, site: Site) -> None:
    """Sign in as whoever there is, and wait for the account."""
    await page.goto(f"{site.url}/auth/sign-in")
    await fill(page, email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/account")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_language_is_chosen_by_keys_and_one_stays_where_one_was(
    site: Site, visitor: Visitors, *, scripts: bool
) -> None:
    await make_user(site)
    page = await visitor(locale="en-GB", java_script_enabled=scripts)
    await page.goto(f"{site.url}/auth/sign-in?next=/auth/devices")
    menu = page.locator("footer .languages")
    await menu.locator("summary").press("Enter")
    await expect(menu.get_by_role("button")).to_have_count(len(LANGUAGES))
    await menu.get_by_role("button", name="Deutsch").press("Enter")
    await page.wait_for_url("**/auth/sign-in?next=/auth/devices")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await fill(page, email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/devices")
    await expect(page.locator("html")).to_have_attribute("lang", "de")


async def test_dates_are_written_as_in_the_readers_region(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor(locale="en-GB", timezone_id="Europe/London")
    await signed_in(page, site)
    at = page.locator("time[data-style='time']").first
    await page.goto(f"{site.url}/auth/activity")
    date = await at.get_attribute("datetime")
    wanted = await page.evaluate(_BRITISH, date)
    await expect(at).to_have_text(wanted)


async def test_arabic_is_laid_out_from_right_to_left(site: Site, visitor: Visitors) -> None:
    await make_user(site, EMAIL, name="منى الحسيني", is_admin=True)
    page = await visitor(locale="ar", **LOOKS[NARROW_DARK])
    await page.goto(f"{site.url}/auth/sign-in")
    await assert_good_in_every_look(page)
    await signed_in(page, site)
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    for look in LOOKS.values():
        await page.set_viewport_size(look["viewport"])
        # The brand begins the line, the menu of the account ends it.
        brand = await page.locator(".brand").bounding_box()
        menu = await page.locator(".menu > summary").bounding_box()
        assert brand is not None
        assert menu is not None
        assert menu["x"] < brand["x"]
    for path in PAGES + CONSOLE:
        await page.goto(f"{site.url}/auth/{path}")
        await assert_good_in_every_look(page)
    await page.goto(f"{site.url}/auth/account")
    await page.locator(".menu > summary").click()
    await page.locator(".menu .languages > summary").click()
    await assert_good_in_every_look(page)

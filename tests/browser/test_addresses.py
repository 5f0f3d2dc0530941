"""An incident in a real browser: from the overview to ended, blocked and disabled, counted."""

from typing import Any

import httpx
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
from tests.conftest import PASSWORD, bearer

ADMIN = "admin@example.com"
VICTIM = f"{'v' * 50}@{'i' * 50}.example.com"
GUESSER = "203.0.113.66"
WIDTHS = (375, 768, 1024)
"""Beside those of the two looks."""


async def guess(site: Site, *emails: str, tried: str = "a wrong guess") -> httpx.Response:
    """Try a password with each of these accounts, from the guesser's address."""
    for email in emails:
        answer = await site.client.post(
            "/api/auth/login",
            json={"email": email, "password": tried},
            headers={"X-Forwarded-For": GUESSER, "User-Agent": "python-requests/2.32.5"},
        )
    return answer


async def break_in(site: Site) -> str:
    """Guess at accounts until one guess is right; return the token of that session."""
    await make_user(site, VICTIM, name="Vic Tim")
    await guess(site, *[VICTIM, ADMIN, "nobody@example.com"] * 2)
    token: str = (await guess(site, VICTIM, tried=PASSWORD)).json()["data"]["token"]
    return token


async def administrator(site: Site, visitor: Visitors, **options: Any) -> Page:
    await make_user(site, ADMIN, name="Ada Admin", is_admin=True)
    page = await visitor(**options)
    await sign_in(page, site, ADMIN)
    return page


@pytest.fixture
async def site(make_site: Any) -> Site:
    found: Site = await make_site(trusted_proxies="127.0.0.1")
    return found


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("width", [375, 1280])
async def test_from_the_overview_to_ended_blocked_and_disabled_are_four_interactions(
    site: Site, visitor: Visitors, width: int, scripts: bool
) -> None:
    page = await administrator(
        site, visitor, viewport={"width": width, "height": 800}, java_script_enabled=scripts
    )
    token = await break_in(site)
    await page.goto(f"{site.url}/auth/admin")
    interactions = (
        page.get_by_role("link", name=GUESSER, exact=True).first,
        page.get_by_role("button", name="End its 1 session"),
        page.get_by_role("button", name="for 24 hours"),
        page.get_by_role("button", name=f"Disable {VICTIM}"),
    )
    said = ("1 guess was right", "1 session was ended.", f"{GUESSER} is blocked until", "was disabled")
    for interaction, text in zip(interactions, said, strict=True):
        await interaction.click()
        await expect(page.locator("main")).to_contain_text(text)
    assert (await site.client.get("/api/auth/me", headers=bearer(token))).status_code == 401
    assert (await guess(site, ADMIN)).status_code == 429


async def test_the_pages_are_accessible_and_fit(site: Site, visitor: Visitors) -> None:
    page = await administrator(site, visitor, **LOOKS[NARROW_DARK])
    await break_in(site)
    places = ("", f"/{GUESSER}", "/203.0.113.0/24", "/2001:db8::1")
    for path in ("", *(f"/addresses{place}" for place in places)):
        await page.goto(f"{site.url}/auth/admin{path}")
        await assert_good_in_every_look(page)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            await assert_no_horizontal_scroll(page)
    await page.goto(f"{site.url}/auth/admin/addresses/{GUESSER}")
    await page.get_by_role("button", name="until lifted").click()
    await expect(page.locator("main")).to_contain_text("is blocked until the block is lifted")
    await assert_good_in_every_look(page)
    visitor.faults(page).expect("status of 400")
    await page.goto(f"{site.url}/auth/admin/addresses")
    await page.get_by_label("Address or network").nth(1).fill("10.0.0.0/8")
    await page.get_by_role("button", name="for 1 hour").click()
    await expect(page.locator("main")).to_contain_text("Choose a smaller network")
    await assert_good_in_every_look(page)

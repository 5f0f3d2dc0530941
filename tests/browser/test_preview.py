"""The preview in a real browser: it reloads, and shows that every page is accessible and fits."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect
from tests.browser.conftest import (
    LOOKS,
    NARROW_DARK,
    Visitors,
    assert_good_in_every_look,
    assert_no_horizontal_scroll,
    listening,
)
from tests.preview.conftest import MakePreview, listed, make_preview

from gatepost.preview.application import Preview

__all__ = ["make_preview"]

LANDMARKS = ("landmark-one-main", "region")
"""Of pages; a mail stands in somebody else's."""

WIDTHS = (375, 768, 1024)
"""Beside those of the two looks."""


@pytest.fixture
async def preview(make_preview: MakePreview) -> AsyncIterator[str]:
    """The address of a preview."""

    def made(url: str) -> Preview:
        return make_preview(port=int(url.rpartition(":")[2]), host="127.0.0.1")

    async with listening(made) as url:
        yield url


async def test_every_page_there_is_is_accessible_and_fits(preview: str, visitor: Visitors) -> None:
    page = await visitor(**LOOKS[NARROW_DARK])
    visitor.faults(page).expect("status of 4", "status of 5")
    async with httpx.AsyncClient(base_url=preview) as client:
        places = await listed(client)
    for place in places:
        await page.goto(f"{preview}{place}")
        await assert_good_in_every_look(page, but=LANDMARKS if "/preview/mail/" in place else ())
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            await assert_no_horizontal_scroll(page)


async def test_an_open_page_reloads_once_the_style_sheet_is_saved(
    preview: str, visitor: Visitors, tmp_path: Path
) -> None:
    page = await visitor()
    await page.goto(f"{preview}/auth/sign-in")
    (tmp_path / "brand.css").write_text("h1 { color: rgb(1, 2, 3) }")
    (tmp_path / ".env").write_text("THEME_CSS=brand.css\nAPP_NAME=Acme\n")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Acme")
    await expect(page.locator("h1")).to_have_css("color", "rgb(1, 2, 3)")
    (tmp_path / "brand.css").write_text("h1 { color: rgb(3, 2, 1); }")
    await expect(page.locator("h1")).to_have_css("color", "rgb(3, 2, 1)")


async def test_all_pages_stand_side_by_side_light_and_dark(preview: str, visitor: Visitors) -> None:
    page = await visitor()
    visitor.faults(page).expect("status of [45]")
    await page.goto(preview)
    wide, narrow = (
        page.frame_locator(f"li:has(a[href='/auth/sign-in?as=nobody']) .{kind} iframe")
        for kind in ("wide", "narrow")
    )
    await expect(wide.get_by_role("heading", name="Sign in to Gatepost", include_hidden=True)).to_be_visible()
    await expect(wide.locator("body")).to_have_css("background-color", "rgb(244, 245, 248)")
    await expect(narrow.locator("body")).to_have_css("background-color", "rgb(14, 16, 21)")
    assert await page.evaluate("document.activeElement === document.body"), "no frame takes the focus"
    await page.get_by_role("link", name="/auth/account", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Profile")

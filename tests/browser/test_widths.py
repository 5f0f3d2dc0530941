"""The main pages from a phone to a wide window: none scrolls sideways, no control lies over another."""

from playwright.async_api import Page, ViewportSize
from tests.browser.conftest import Site, Visitors, assert_no_horizontal_scroll
from tests.browser.test_admin import administrator, fill
from tests.http.conftest import Database

WINDOWS: list[ViewportSize] = [
    {"width": 375, "height": 800},
    {"width": 768, "height": 800},
    {"width": 1024, "height": 800},
    {"width": 1280, "height": 800},
    # A window of 1440 pixels, of which 200 % leave half.
    {"width": 720, "height": 450},
]
"""In which each page is looked at."""

PAGES = (
    "/account",
    "/account/data",
    "/account/password",
    "/security",
    "/devices",
    "/activity",
    "/was-it-you",
    "/admin",
    "/admin/users",
    "/admin/users?q=person&status=active&role=user",
    "/admin/users?sort=-created",
    "/admin/users/2",
    "/admin/new-user",
    "/admin/selected-users?do=disable&user=2&user=3",
    "/admin/invitations",
    "/admin/sessions",
    "/admin/sessions/end?user=2",
    "/admin/addresses",
    "/admin/addresses/2001:db8:1111:2222:3333:4444:5555:1001",
    "/admin/events",
    "/admin/events?action=login.&last=24h",
    "/admin/system",
    "/admin/system/checks",
    "/admin/system/asvs?state=missed",
    "/admin/system/housekeeping",
)

COVERED = """
() => {
    const controls = "a[href], button, input, select, textarea, summary";
    const found = [];
    for (const each of document.querySelectorAll(controls)) {
        if (!each.checkVisibility({ visibilityProperty: true })) continue;
        if (each.closest(".hidden, .skip, svg")) continue;
        each.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
        // Of a link that is broken into lines the first one.
        const box = each.getClientRects()[0];
        if (!box || !box.width || !box.height) continue;
        const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        if (!hit || each.contains(hit) || hit.contains(each)) continue;
        found.push(`${each.outerHTML.slice(0, 120)} lies below ${hit.outerHTML.slice(0, 120)}`);
    }
    return found;
}
"""
"""Finds the controls of a page that something else lies over, in the middle."""


async def test_no_page_scrolls_sideways_and_no_control_lies_over_another(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page = await administrator(site, visitor)
    await fill(site, db)
    for path in PAGES:
        await page.set_viewport_size(WINDOWS[0])
        await page.goto(f"{site.url}/auth{path}")
        for window in WINDOWS:
            await page.set_viewport_size(window)
            await assert_no_horizontal_scroll(page)
            assert await _covered(page) == [], (path, window)


async def _covered(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(COVERED)
    return found

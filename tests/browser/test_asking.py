"""Being asked for the password again, and staying where one was, with scripts and without."""

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Site, Visitors, assert_accessible, make_user, sign_in
from tests.conftest import PASSWORD, MovableClock
from tests.http.conftest import Database, events

ADMIN = "admin@example.com"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize("scripts", [True, False])
async def test_what_was_asked_for_is_done_after_the_password(
    site: Site, visitor: Visitors, clock: MovableClock, db: Database, scripts: bool
) -> None:
    await make_user(site)
    await make_user(site, ADMIN, is_admin=True)
    page = await visitor(java_script_enabled=scripts)
    visitor.faults(page).expect("403 .*/auth/admin/users/1")
    await sign_in(page, site, ADMIN)
    await page.goto(f"{site.url}/auth/admin/users/1")
    clock.advance(minutes=11)
    await page.locator("form:has(input[value=disable]) button").click()
    await expect(page.get_by_role("heading", name="Confirm it's you")).to_be_visible()
    await expect(page.locator("main")).to_contain_text(f"Enter the password for {ADMIN}")
    if scripts:
        await assert_accessible(page)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("status")).to_contain_text("disabled")
    assert page.url == f"{site.url}/auth/admin/users/1"
    assert len(await events(db, "user.disabled")) == 1


@pytest.mark.parametrize("scripts", [True, False])
async def test_who_ends_a_session_of_a_long_list_stays_beside_it(
    site: Site, visitor: Visitors, scripts: bool
) -> None:
    await make_user(site)
    await make_user(site, ADMIN, is_admin=True)
    for _ in range(20):
        credentials = {"email": "user@example.com", "password": PASSWORD}
        await site.client.post("/api/auth/login", json=credentials, headers={"User-Agent": IPHONE})
    page = await visitor(java_script_enabled=scripts)
    await sign_in(page, site, ADMIN)
    await page.goto(f"{site.url}/auth/admin/sessions")
    row = page.locator("tbody tr").nth(18)
    beside = await page.locator("tbody tr").nth(19).get_attribute("id")
    await row.get_by_role("button").click()
    notice = page.get_by_role("status").first
    await expect(notice).to_have_text("Safari on iOS of user@example.com: session ended")
    await expect(notice).to_be_in_viewport()
    assert page.url.endswith(f"/auth/admin/sessions#{beside}")
    await expect(page.locator(f"#{beside}")).to_be_in_viewport()
    await expect(page).to_have_title("Safari on iOS of user@example.com: session ended · Sessions · Gatepost")
    if scripts:
        await expect(notice).to_be_focused()

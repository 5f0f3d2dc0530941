"""Second factors in a real browser: set up, with scripts and without, and asked for at the door."""

import base64

from playwright.async_api import Page, expect
from tests.browser.conftest import (
    LOOKS,
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
from tests.features.authenticators import App

from gatepost.features.totp.codes import PERIOD


async def fine(page: Page) -> None:
    await assert_accessible(page)
    await assert_no_horizontal_scroll(page)


async def test_an_app_is_set_up_asked_for_and_replaced_by_a_recovery_code(
    site: Site, visitor: Visitors, clock: MovableClock
) -> None:
    await make_user(site)
    page = await visitor(**LOOKS[NARROW_DARK])
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/security")
    await assert_good_in_every_look(page)
    await page.get_by_role("link", name="Set up Authenticator app").click()
    await expect(page.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
    await assert_good_in_every_look(page)
    secret = (await page.locator("#secret").inner_text()).replace(" ", "")
    app = App(base64.b32decode(secret), clock)
    await page.get_by_label("Code from your authenticator app").fill(app.code())
    await page.get_by_role("button", name="Turn on").click()
    await expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    await assert_good_in_every_look(page)
    codes = (await page.locator("#codes").inner_text()).split()
    assert len(codes) == 10
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    with (await (await download.value).path()).open() as file:
        assert file.read().split() == codes
    await page.get_by_role("link", name="I've saved them. Continue").click()
    await expect(page.get_by_text("10 left")).to_be_visible()
    await assert_good_in_every_look(page)
    await page.goto(f"{site.url}/auth/account/authenticator")
    await assert_good_in_every_look(page)
    await page.goto(f"{site.url}/auth/account/recovery-codes")
    await assert_good_in_every_look(page)
    clock.advance(seconds=PERIOD)

    await page.context.clear_cookies()
    await page.goto(f"{site.url}/auth/sign-in")
    await page.get_by_label("E-mail").fill("user@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Code from your authenticator app")).to_be_focused()
    await assert_good_in_every_look(page)
    await page.get_by_role("link", name="Recovery codes").click()
    await page.get_by_label("Recovery code").fill(codes[0])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site.url}/auth/account")

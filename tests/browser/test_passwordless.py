"""Accounts without a password, in a real browser: signing up by passkey, and removing the password."""

from playwright.async_api import expect
from tests.browser.conftest import LOOKS, NARROW_DARK, MakeSite, Site, Visitors, assert_good_in_every_look
from tests.browser.test_passkeys import (
    authenticator,
    come_back,
    fine,
    member,
    session_info,
    site,
    use_passkey,
    without_offers,
)
from tests.http.conftest import Database

__all__ = ["site"]


async def test_one_signs_up_with_a_passkey_and_comes_back_by_it(
    make_site: MakeSite, visitor: Visitors, db: Database
) -> None:
    site = await make_site(host="localhost", passwordless_sign_up=True)
    page = await visitor(**LOOKS[NARROW_DARK])
    await without_offers(page)
    device = await authenticator(page)
    await page.goto(f"{site.url}/auth/sign-up")
    await page.get_by_role("link", name="Sign up with a passkey instead of a password").click()
    await assert_good_in_every_look(page)
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("button", name="Sign up").click()
    await page.get_by_role("link", name="I've saved them. Continue").click()
    await page.wait_for_url(f"{site.url}/auth/account")
    assert (await session_info(page, site))["aal"] == 2
    assert await db.fetchval("SELECT hashed_password IS NULL FROM users")
    [credential] = await device.credentials()
    assert credential["isResidentCredential"]
    await page.goto(f"{site.url}/auth/security")
    await expect(page.get_by_text("You don't have one. You sign in another way.")).to_be_visible()
    await assert_good_in_every_look(page)
    await come_back(page, site)
    await use_passkey(page)
    await page.wait_for_url(f"{site.url}/auth/account")


async def test_a_password_is_removed_once_there_is_a_passkey(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page, _ = await member(site, visitor)
    await page.goto(f"{site.url}/auth/security")
    await page.get_by_role("link", name="Remove password").click()
    await fine(page)
    await page.get_by_role("button", name="Remove password").click()
    await expect(page.get_by_text("Your password was removed.")).to_be_visible()
    assert await db.fetchval("SELECT hashed_password IS NULL FROM users")
    await come_back(page, site)
    await use_passkey(page)
    await page.wait_for_url(f"{site.url}/auth/account")
    await page.goto(f"{site.url}/auth/account/password")
    await fine(page)
    await page.get_by_label("New password", exact=True).fill("a password of my own")
    await page.get_by_role("button", name="Set a password").click()
    await page.wait_for_url(f"{site.url}/auth/security")
    assert await db.fetchval("SELECT hashed_password IS NOT NULL FROM users")

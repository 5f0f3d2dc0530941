"""Each way that mails lead, as somebody walks it, with scripts and without."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import MakeSite, Site, Visitors, make_user, sign_in
from tests.browser.test_sign_in import assert_well_made, fill
from tests.conftest import PASSWORD
from tests.features.email.conftest import resting
from tests.features.email.mailbox import read_mail
from tests.http.conftest import Database

__all__ = ["resting"]

pytestmark = pytest.mark.usefixtures("resting")

EMAIL, OTHER = "user@example.com", "other@example.com"
ANOTHER = "an altogether other password"
MAIL: dict[str, Any] = {"mail_url": "smtp://127.0.0.1:9?tls=off", "email_sign_in": "both"}
ON = MAIL | {"email_verification": "optional"}


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
async def page(request: pytest.FixtureRequest, visitor: Visitors) -> Page:
    """Of somebody whose browser runs scripts, or none."""
    return await visitor(java_script_enabled=request.param)


async def follow(page: Page, site: Site, db: Database, mail: str, path: str) -> None:
    """Open the link of the newest mail of a kind, and see that the address keeps nothing of it."""
    token = (await read_mail(site.gate, db, mail)).token
    await page.goto(f"{site.url}/auth/{path}?token={token}")
    assert page.url == f"{site.url}/auth/{path}"


async def test_signing_up_by_mail(page: Page, make_site: MakeSite, visitor: Visitors, db: Database) -> None:
    site = await make_site(**MAIL)
    await page.goto(f"{site.url}/auth/sign-up")
    await page.get_by_role("link", name="Sign up by mail").click()
    await fill(page, email=EMAIL)
    await expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    await page.locator("#code").fill((await read_mail(site.gate, db, "sign_up")).code)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("have an account yet")).to_be_visible()
    elsewhere = await visitor()
    await follow(elsewhere, site, db, "sign_up", "sign-in/email/finish")
    await expect(elsewhere.get_by_text("requested in another browser")).to_be_visible()
    await assert_well_made(elsewhere)
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    await fill(page, name="Ada")
    await page.wait_for_url("**/auth/account")


async def test_signing_in_by_the_link(page: Page, make_site: MakeSite, db: Database) -> None:
    site = await make_site(**MAIL)
    await make_user(site)
    await page.goto(f"{site.url}/auth/sign-in/email?next=/auth/devices")
    await fill(page, email=EMAIL)
    await follow(page, site, db, "sign_in", "sign-in/email/finish")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/auth/account")


async def test_the_button_for_another_mail_waits_until_one_can_be_sent(
    visitor: Visitors, make_site: MakeSite
) -> None:
    site = await make_site(**MAIL, throttle_enabled=True)
    page = await visitor()
    await page.clock.install()
    await page.goto(f"{site.url}/auth/forgot-password")
    await fill(page, email=EMAIL)
    button = page.get_by_role("button", name="Send another")
    await expect(button).to_be_disabled()
    await expect(page.get_by_text("Possible in")).to_have_text(re.compile(r"Possible in (1:0\d|0:\d\d)"))
    await page.clock.run_for(62_000)
    await expect(button).to_be_enabled()
    await expect(page.get_by_text("Possible in")).to_have_count(0)


@pytest.mark.parametrize("by", ["link", "code"])
async def test_verifying_an_address(page: Page, make_site: MakeSite, db: Database, by: str) -> None:
    site = await make_site(**ON)
    await page.goto(f"{site.url}/auth/sign-up")
    await fill(page, name="Ada", email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/account")
    if by == "code":
        await page.get_by_role("link", name="Verify it").click()
        await page.locator("#code").fill((await read_mail(site.gate, db, "verify_email")).code)
        await page.locator("main .button-main").click()
    else:
        await follow(page, site, db, "verify_email", "verify-email")
        await page.locator("main form button[class]").last.click()
    await page.wait_for_url("**/auth/account")
    await expect(page.get_by_role("link", name="Verify it")).to_have_count(0)
    assert await db.fetchval("SELECT email_verified_at IS NOT NULL FROM users")


async def test_another_e_mail_and_back(page: Page, make_site: MakeSite, db: Database) -> None:
    site = await make_site(**MAIL)
    await make_user(site)
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/account/email")
    await page.locator("#email").fill(OTHER)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("main form button[class]").last.click()
    await expect(page.get_by_text("Until then, nothing changes")).to_be_visible()
    await follow(page, site, db, "email_change", "confirm-email")
    assert await db.fetchval("SELECT email FROM users") == EMAIL, "the link alone changes nothing"
    await page.locator("main form button[class]").last.click()
    await page.wait_for_url("**/auth/sign-in")
    assert await db.fetchval("SELECT email FROM users") == OTHER
    await follow(page, site, db, "email_changed", "undo-email")
    await page.locator("main form button[class]").last.click()
    await page.wait_for_url("**/auth/forgot-password")
    assert await db.fetchval("SELECT email FROM users") == EMAIL


async def test_a_reset_that_an_administrator_starts(
    page: Page, make_site: MakeSite, visitor: Visitors, db: Database
) -> None:
    site = await make_site(**MAIL)
    user = await make_user(site)
    await make_user(site, "admin@example.com", is_admin=True)
    admin = await visitor()
    await sign_in(admin, site, "admin@example.com")
    await admin.goto(f"{site.url}/auth/admin/users/{user.id}/mail/reset")
    await admin.locator("main form button[class]").last.click()
    await admin.wait_for_url(f"**/auth/admin/users/{user.id}")
    await follow(page, site, db, "password_reset", "reset-password")
    await fill(page, new_password=ANOTHER)
    await page.wait_for_url("**/auth/sign-in")
    await fill(page, email=EMAIL, password=ANOTHER)
    await page.wait_for_url("**/auth/account")

"""What mails lead to in a real browser: no address keeps a token, and nothing submits by itself."""

from typing import Any

import pytest
from playwright.async_api import expect
from tests.browser.conftest import LOOKS, NARROW_DARK, MakeSite, Site, Visitors, make_user
from tests.browser.test_sign_in import assert_well_made_in_every_look, fill
from tests.conftest import PASSWORD
from tests.features.email.conftest import resting
from tests.features.email.mailbox import Mailed, read_mail
from tests.http.conftest import Database

__all__ = ["resting"]

pytestmark = pytest.mark.usefixtures("resting")

EMAIL = "user@example.com"
ANOTHER = "an altogether other password"
MAIL: dict[str, Any] = {"mail_url": "smtp://127.0.0.1:9?tls=off", "email_sign_in": "both"}


async def read(site: Site, db: Database, mail: str) -> Mailed:
    return await read_mail(site.gate, db, mail)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_forgotten_password_is_replaced(
    make_site: MakeSite, visitor: Visitors, db: Database, scripts: bool
) -> None:
    site = await make_site(**MAIL)
    await make_user(site)
    page = await visitor(java_script_enabled=scripts)
    await page.goto(f"{site.url}/auth/sign-in")
    await page.get_by_role("link", name="Forgot your password?").click()
    await fill(page, email=EMAIL)
    await expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    mail = await read(site, db, "password_reset")
    await page.goto(f"{site.url}/auth/reset-password?token={mail.token}")
    assert page.url == f"{site.url}/auth/reset-password"
    await page.reload()
    await page.reload()
    assert await db.fetchval("SELECT used_at IS NULL FROM auth_email_links"), "nothing submits by itself"
    await fill(page, new_password=ANOTHER)
    await expect(page.get_by_text("Your password was changed")).to_be_visible()
    await page.go_back()
    assert mail.token not in page.url
    await page.goto(f"{site.url}/auth/sign-in")
    await fill(page, email=EMAIL, password=ANOTHER)
    await page.wait_for_url("**/auth/account")


async def test_a_scanner_that_runs_scripts_uses_no_link_up(
    make_site: MakeSite, visitor: Visitors, db: Database
) -> None:
    site = await make_site(**MAIL, email_verification="required")
    scanner, page = await visitor(), await visitor()
    await page.goto(f"{site.url}/auth/sign-up")
    await fill(page, name="Ann", email=EMAIL)
    mail = await read(site, db, "verify_email")
    for _ in range(2):
        await scanner.goto(f"{site.url}/auth/finish-sign-up?token={mail.token}")
        await scanner.wait_for_load_state("networkidle")
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    await page.goto(f"{site.url}/auth/finish-sign-up?token={mail.token}")
    await fill(page, password=PASSWORD)
    await page.wait_for_url("**/auth/account")


async def test_signing_in_by_the_code_of_a_mail(make_site: MakeSite, visitor: Visitors, db: Database) -> None:
    site = await make_site(**MAIL)
    await make_user(site)
    page = await visitor()
    visitor.faults(page).expect("400")
    await page.goto(f"{site.url}/auth/sign-in")
    await page.get_by_role("link", name="Sign in by mail").click()
    await fill(page, email=EMAIL)
    code = (await read(site, db, "sign_in")).code
    await page.locator("#code").fill("1")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#code")).to_be_focused()
    await page.locator("#code").fill(f"{code[:4]} {code[4:]}")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/auth/account")


async def test_the_pages_are_well_made(make_site: MakeSite, visitor: Visitors, db: Database) -> None:
    site = await make_site(**MAIL)
    await make_user(site)
    page = await visitor(**LOOKS[NARROW_DARK])
    visitor.faults(page).expect("400")
    await page.goto(f"{site.url}/auth/sign-in")
    await assert_well_made_in_every_look(page)
    for path in ("/forgot-password", "/sign-in/email"):
        await page.goto(f"{site.url}/auth{path}")
        await assert_well_made_in_every_look(page)
        await fill(page, email=EMAIL)
        await assert_well_made_in_every_look(page)
    reset, by_mail = await read(site, db, "password_reset"), await read(site, db, "sign_in")
    for path, token in (("reset-password", reset.token), ("sign-in/email/finish", by_mail.token)):
        await page.goto(f"{site.url}/auth/{path}?token={token}")
        await assert_well_made_in_every_look(page)
    await page.goto(f"{site.url}/auth/reset-password?token=nonsense")
    await assert_well_made_in_every_look(page)
    await page.goto(f"{site.url}/auth/sign-in/email/finish?token={by_mail.token}")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/auth/account")

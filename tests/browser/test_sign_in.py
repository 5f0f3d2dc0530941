"""Signing in and up in a real browser: with scripts and without, by keyboard alone, and what goes wrong."""

from typing import Any

from playwright.async_api import Page, expect
from tests.browser.conftest import (
    LOOKS,
    NARROW_DARK,
    MakeSite,
    Site,
    Visitors,
    assert_accessible,
    assert_good_in_every_look,
    assert_no_horizontal_scroll,
    make_user,
)
from tests.conftest import PASSWORD

from gatepost.features.invitations.service import Invitations
from gatepost.features.setup.service import Setup
from gatepost.models import Client

EMAIL = "user@example.com"


async def fill(page: Page, **typed: str) -> None:
    """Type into the fields of these names and send the form."""
    for name, text in typed.items():
        await page.locator(f"#{name}").fill(text)
    await page.locator("main form button[class]").last.click()


async def sign_out(page: Page) -> None:
    """Sign out by the account menu."""
    await page.locator(".menu > summary").click()
    await page.locator(".menu").get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()


async def assert_well_made(page: Page) -> None:
    """Hold what holds for every page, as it is and with texts of twice the size."""
    await assert_accessible(page)
    await assert_no_horizontal_scroll(page)
    await _assert_fits_zoomed(page)


async def assert_well_made_in_every_look(page: Page) -> None:
    """The same, in each of the two looks, of the page of a visitor who has the narrow one."""
    await assert_good_in_every_look(page)
    await _assert_fits_zoomed(page)


async def _assert_fits_zoomed(page: Page) -> None:
    session = await page.context.new_cdp_session(page)
    await session.send("Emulation.setDeviceMetricsOverride", await _zoomed(page))
    await assert_no_horizontal_scroll(page)
    await session.send("Emulation.clearDeviceMetricsOverride")
    await session.detach()


async def _zoomed(page: Page) -> dict[str, Any]:
    """Return what zooming to 200 % makes of the window, though no narrower than 320 (WCAG 2.2 §1.4.10)."""
    size = page.viewport_size
    assert size is not None
    width = max(320, size["width"] // 2)
    return {"width": width, "height": size["height"], "deviceScaleFactor": 2, "mobile": False}


# --- The way in ---


async def test_signing_up_out_and_in_again(site: Site, visitor: Visitors) -> None:
    page = await visitor()
    await page.goto(f"{site.url}/")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.get_by_role("link", name="Sign up").click()
    await fill(page, name="Ann", email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/account")
    await sign_out(page)
    await page.get_by_role("link", name="Sign in", exact=True).click()
    await fill(page, email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/account")


async def test_without_scripts_everything_works_and_mistakes_take_the_focus(
    site: Site, visitor: Visitors
) -> None:
    await make_user(site)
    page = await visitor(java_script_enabled=False)
    visitor.faults(page).expect("422")
    await page.goto(f"{site.url}/auth/devices")
    await expect(page.locator("#email")).to_be_focused()
    await expect(page.get_by_role("button", name="Show")).to_have_count(0)
    await fill(page, email=EMAIL, password="wrong-password")
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(page.locator("#email")).to_have_value(EMAIL)
    await expect(page.locator("#password")).to_have_value("")
    await fill(page, password=PASSWORD)
    await page.wait_for_url("**/auth/devices")
    await sign_out(page)


async def test_by_keyboard_alone(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor()
    visitor.faults(page).expect("422")
    await page.goto(f"{site.url}/auth/sign-in")
    await page.keyboard.type("nobody")
    await page.keyboard.press("Enter")
    await expect(page.locator("#email")).to_be_focused()  # the browser itself asks for an e-mail
    await page.keyboard.press("Control+A")
    await page.keyboard.type(EMAIL)
    await page.keyboard.press("Tab")
    await expect(page.locator("#password")).to_be_focused()
    await page.keyboard.type("wrong-password")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    assert await page.locator("#password").get_attribute("type") == "text"
    await page.locator("#password").press("Enter")
    await expect(page.get_by_role("alert")).to_be_focused()
    await page.locator("#password").focus()
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("checkbox")).to_be_focused()
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/auth/account")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is seen"


async def test_a_password_is_pasted_shown_and_sent_as_one(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor()
    await page.goto(f"{site.url}/auth/sign-in")
    password = page.locator("#password")
    await page.locator("#email").fill(PASSWORD)
    await page.locator("#email").press("Control+A")
    await page.keyboard.press("Control+X")
    await password.focus()
    await page.keyboard.press("Control+V")
    await expect(password).to_have_value(PASSWORD)
    await page.get_by_role("button", name="Show").click()
    await expect(password).to_have_attribute("type", "text")
    await page.get_by_role("button", name="Hide").click()
    await expect(password).to_have_attribute("type", "password")
    await fill(page, email=EMAIL)
    await page.wait_for_url("**/auth/account")


async def test_caps_lock_is_told_of(site: Site, visitor: Visitors) -> None:
    page = await visitor()
    await page.goto(f"{site.url}/auth/sign-in")
    await page.evaluate(
        """() => document.getElementById("password").dispatchEvent(
            new KeyboardEvent("keydown", {key: "A", modifierCapsLock: true}))"""
    )
    await expect(page.locator("#password-caps")).to_have_text("Caps Lock is on.")
    await page.locator("#password").focus()
    await page.locator("#email").focus()
    await expect(page.locator("#password-caps")).to_have_text("")


async def test_two_clicks_start_one_session(site: Site, visitor: Visitors) -> None:
    user = await make_user(site)
    page = await visitor()
    await page.goto(f"{site.url}/auth/sign-in")
    await page.locator("#email").fill(EMAIL)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("main button.button-main").dblclick(no_wait_after=True)
    await page.wait_for_url("**/auth/account")
    assert len(await site.gate.session_tokens.active(user.id)) == 1


async def test_the_account_menu_opens_by_keys_and_closes_by_escape_or_a_click_elsewhere(
    site: Site, visitor: Visitors
) -> None:
    await make_user(site)
    page = await visitor()
    await page.goto(f"{site.url}/auth/sign-in")
    await fill(page, email=EMAIL, password=PASSWORD)
    menu, account = page.locator(".menu"), page.locator(".menu").get_by_role("link", name="Your account")
    await menu.locator("> summary").press("Enter")
    await expect(menu).to_contain_text(EMAIL)
    await expect(account).to_be_visible()
    await assert_accessible(page)
    await account.press("Escape")
    await expect(account).to_be_hidden()
    await expect(menu.locator("> summary")).to_be_focused()
    await menu.locator("> summary").click()
    await page.get_by_role("heading", level=1).click()
    await expect(account).to_be_hidden()


# --- What goes wrong ---


async def test_too_many_attempts(make_site: MakeSite, visitor: Visitors) -> None:
    site = await make_site(throttle_enabled=True, throttle_login_address="1 then 4/hour")
    page = await visitor()
    visitor.faults(page).expect("422", "429")
    await page.goto(f"{site.url}/auth/sign-in")
    for _ in range(2):
        await fill(page, email=EMAIL, password="wrong-password")
    await expect(page.get_by_role("alert")).to_contain_text("Try again in 15 minutes.")
    await assert_well_made(page)


async def test_a_form_of_another_site_is_refused(site: Site, make_site: MakeSite, visitor: Visitors) -> None:
    await make_user(site)
    other = await make_site()
    page = await visitor()
    visitor.faults(page).expect("403")
    await page.goto(f"{other.url}/auth/sign-in")
    # The other server's page has no policy of ours in its way, as an attacker's would not.
    await page.route(
        "**/evil",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{site.url}/auth/sign-in"><button>Go</button></form>',
        ),
    )
    await page.goto(f"{other.url.replace('127.0.0.1', 'localhost')}/evil")
    await page.get_by_role("button", name="Go").click()
    await expect(page.get_by_role("heading")).to_contain_text("came from another site")


async def test_an_expired_session_leads_back(site: Site, visitor: Visitors, clock: Any) -> None:
    await make_user(site)
    page = await visitor()
    await page.goto(f"{site.url}/auth/sign-in")
    await fill(page, email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/account")
    clock.advance(days=2)
    await page.get_by_role("link", name="Devices").first.click()
    await expect(page.get_by_role("status").first).to_have_text(
        "Your session has expired. Sign in to continue."
    )
    await assert_well_made(page)
    await fill(page, email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/devices")


# --- Links and temporary passwords ---


async def test_the_setup_link_is_used_once(site: Site, visitor: Visitors) -> None:
    link = f"{site.url}/auth/setup?token={await site.gate.service(Setup).issue()}"
    page, late = await visitor(), await visitor()
    visitor.faults(late).expect("403")
    for each in (page, late):
        await each.goto(link)
    await assert_well_made(page)
    await fill(page, name="Ann", email=EMAIL, password=PASSWORD)
    await page.wait_for_url("**/auth/admin")
    await fill(late, name="Eve", email="eve@example.com", password=PASSWORD)
    await expect(late.get_by_role("heading")).to_contain_text("no longer works")
    await assert_well_made(late)


async def test_an_invitation(make_site: MakeSite, visitor: Visitors) -> None:
    site = await make_site(registration="invite")
    issued = await site.gate.service(Invitations).create(email=EMAIL, client=Client())
    page = await visitor()
    await page.goto(issued.url)
    await expect(page.locator("#email")).to_have_value(EMAIL)
    await fill(page, name="Ann", password=PASSWORD)
    await page.wait_for_url("**/auth/account")


async def test_a_temporary_password(site: Site, visitor: Visitors) -> None:
    user = await make_user(site)
    given = await site.gate.administration.set_temporary_password(user, client=Client())
    page = await visitor()
    await page.goto(f"{site.url}/auth/sign-in")
    await fill(page, email=EMAIL, password=given.password)
    await expect(page.get_by_text("This password is temporary.")).to_be_visible()
    await expect(page.locator("#new_password")).to_be_focused()
    await assert_well_made(page)
    await fill(page, new_password="a password of my own")
    await page.wait_for_url("**/auth/account")


# --- Looks ---


async def test_the_pages_without_a_session_in_every_look(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor(**LOOKS[NARROW_DARK])
    visitor.faults(page).expect("422", "404")
    for path in ("/auth/sign-in", "/auth/sign-up"):
        await page.goto(site.url + path)
        await assert_well_made_in_every_look(page)
        await page.evaluate("document.querySelector('main form').noValidate = true")
        await fill(page, email="x" * 60, password="short")
        await expect(page.locator("[data-focus]")).to_be_focused()
        await assert_well_made_in_every_look(page)
    await page.goto(f"{site.url}/auth/nothing")
    await assert_well_made_in_every_look(page)

"""Passkeys in a real browser, whose authenticators are Chromium's virtual ones."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, Route, expect
from tests.browser.conftest import (
    LOOKS,
    NARROW_DARK,
    PATIENCE_MS,
    MakeSite,
    Site,
    Visitors,
    assert_accessible,
    assert_good_in_every_look,
    assert_no_horizontal_scroll,
    make_user,
    sign_in,
)
from tests.conftest import PASSWORD, MovableClock
from tests.http.conftest import Database, events


@dataclass(frozen=True, kw_only=True)
class Authenticator:
    """A virtual authenticator of a visitor's browser."""

    session: CDPSession
    id: str

    async def send(self, method: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self.session.send(
            f"WebAuthn.{method}", {"authenticatorId": self.id, **more}
        )
        return answer

    async def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.send("getCredentials"))["credentials"]
        return found


async def authenticator(page: Page, **how: Any) -> Authenticator:
    """Give a visitor's browser an authenticator: a device's own, which checks its owner."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
        **how,
    }
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Authenticator(session=session, id=made["authenticatorId"])


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    """A server at a name, on the database of this test."""
    return await make_site(host="localhost")


async def without_offers(page: Page) -> None:
    """Have the browser offer no passkeys in the field of the e-mail: a virtual one would be taken at once."""
    await page.add_init_script(
        "PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(false)"
    )


async def fine(page: Page) -> None:
    await assert_accessible(page)
    await assert_no_horizontal_scroll(page)


async def add_passkey(page: Page, site: Site, name: str = "") -> None:
    """Add a passkey at the page for it."""
    await page.goto(f"{site.url}/auth/account/passkeys")
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create a passkey").click()
    codes = page.get_by_role("heading", name="Your recovery codes")
    await codes.or_(page.get_by_text("Your passkey was added.")).wait_for()


async def member(
    site: Site, visitor: Visitors, name: str = "Laptop", **how: Any
) -> tuple[Page, Authenticator]:
    """A user who has a passkey, and is signed in."""
    await make_user(site)
    page = await visitor()
    await without_offers(page)
    device = await authenticator(page, **how)
    await sign_in(page, site)
    await add_passkey(page, site, name)
    return page, device


async def come_back(page: Page, site: Site) -> None:
    """Be at the door without a session."""
    await page.context.clear_cookies()
    await page.goto(f"{site.url}/auth/sign-in")


async def use_passkey(page: Page) -> None:
    await page.get_by_role("button", name="Use a passkey").click()


async def give_password(page: Page) -> None:
    await page.get_by_label("E-mail").fill("user@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def session_info(page: Page, site: Site) -> dict[str, Any]:
    answer = await page.context.request.get(f"{site.url}/api/auth/me")
    assert answer.ok, await answer.text()
    found: dict[str, Any] = (await answer.json())["data"]["session_info"]
    return found


async def test_a_passkey_is_added_and_signs_in_alone(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor(**LOOKS[NARROW_DARK])
    device = await authenticator(page, defaultBackupEligibility=True, defaultBackupState=True)
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/security")
    await assert_good_in_every_look(page)
    await page.get_by_role("link", name="Add a passkey").click()
    await expect(page.get_by_label("Name")).to_be_focused()
    await assert_good_in_every_look(page)
    await page.get_by_label("Name").fill("Laptop")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    await page.get_by_role("link", name="I've saved them. Continue").click()
    await expect(page.get_by_role("link", name="Change Laptop")).to_be_visible()
    await expect(page.get_by_text("Synced")).to_be_visible()
    await assert_good_in_every_look(page)
    [credential] = await device.credentials()
    assert credential["isResidentCredential"]

    await without_offers(page)
    await come_back(page, site)
    await assert_good_in_every_look(page)
    await page.get_by_label("Keep me signed in").check()
    await use_passkey(page)
    await page.wait_for_url(f"{site.url}/auth/account")
    info = await session_info(page, site)
    assert (info["aal"], "passkey" in info["methods"]) == (2, True)
    kept = [each for each in await page.context.cookies() if each["name"].startswith("gatepost")]
    assert any(each["expires"] > 0 for each in kept if "device" not in each["name"]), "it is to be kept"


async def test_the_field_of_the_email_offers_passkeys(site: Site, visitor: Visitors) -> None:
    page, device = await member(site, visitor)
    other = await page.context.new_page()  # in which nothing keeps offers away, and the device is another one
    await page.context.clear_cookies()
    mine = await authenticator(other)
    [credential] = await device.credentials()
    await mine.send("addCredential", credential=credential)
    assert 'autocomplete="username webauthn"' in (await site.client.get("/auth/sign-in")).text
    await other.goto(f"{site.url}/auth/sign-in", wait_until="commit")
    await other.wait_for_url(f"{site.url}/auth/account")  # a virtual authenticator takes the offer at once


WAITING_OFFERS = """
const get = navigator.credentials.get.bind(navigator.credentials);
window.offers = [];
navigator.credentials.get = (options) => options.mediation !== "conditional" ? get(options)
    : new Promise((_, refuse) => {
        offers.push(options.signal);
        options.signal.addEventListener("abort", () => refuse(options.signal.reason));
    });
PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(true);
"""


async def until(page: Page, expression: str) -> None:
    """Return once it holds; the pages' policy lets Playwright wait for nothing by itself."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(expression):
            pass


async def test_an_offer_makes_way_for_the_button_and_comes_again(site: Site, visitor: Visitors) -> None:
    page, _ = await member(site, visitor)
    await page.add_init_script(WAITING_OFFERS)
    await page.clock.install()
    await come_back(page, site)
    await until(page, "offers.length === 1")
    await page.clock.run_for(5 * 60_000)  # what was asked for is not good any more
    await until(page, "offers.length === 2 && offers[0].aborted && !offers[1].aborted")

    await page.route("**/options", lambda route: route.fulfill(status=503), times=1)
    visitor.faults(page).expect("status of 503")
    await use_passkey(page)
    await expect(page.get_by_role("alert")).to_have_text(
        "That didn't work. Try again, or choose another way."
    )
    await until(page, "offers.length === 3 && offers[1].aborted && !offers[2].aborted")
    await use_passkey(page)
    await page.wait_for_url(f"{site.url}/auth/account")


async def test_after_the_password_a_passkey_is_the_second_factor(site: Site, visitor: Visitors) -> None:
    page, _ = await member(site, visitor)
    await come_back(page, site)
    await give_password(page)
    await expect(page.get_by_text("your browser will ask for your passkey")).to_be_visible()
    await expect(page.get_by_role("link", name="Recovery codes")).to_be_visible()
    await fine(page)
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(f"{site.url}/auth/account")
    assert (await session_info(page, site))["aal"] == 2


async def test_a_key_that_checks_nobody_is_a_second_factor_and_signs_in_nobody_alone(
    site: Site, visitor: Visitors
) -> None:
    page, device = await member(site, visitor, "Blue key", transport="usb")
    [credential] = await device.credentials()
    await device.send("removeVirtualAuthenticator")
    key = await authenticator(page, transport="usb", hasUserVerification=False, isUserVerified=False)
    await key.send("addCredential", credential=credential)
    asked: list[dict[str, Any]] = []

    async def impatiently(route: Route) -> None:
        answer = await route.fetch()
        asked.append(await answer.json())
        asked[-1]["publicKey"]["timeout"] = 1
        await route.fulfill(response=answer, json=asked[-1])

    await page.route("**/options", impatiently)
    await come_back(page, site)
    await use_passkey(page)
    await expect(page.get_by_role("alert")).to_have_text(
        "That was cancelled, or took too long. You can try again.", timeout=PATIENCE_MS
    )
    assert [each["publicKey"]["userVerification"] for each in asked] == ["required"]
    await fine(page)
    await give_password(page)
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(f"{site.url}/auth/account")
    assert (await session_info(page, site))["aal"] == 2


async def test_an_authenticator_makes_no_second_passkey_of_the_same_user(
    site: Site, visitor: Visitors
) -> None:
    page, device = await member(site, visitor)
    await page.goto(f"{site.url}/auth/account/passkeys")
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "This device or security key already has a passkey for your account."
    )
    assert len(await device.credentials()) == 1


async def test_a_copy_that_lags_behind_is_refused_and_told_of(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page, device = await member(site, visitor)
    [before] = await device.credentials()
    await come_back(page, site)
    await use_passkey(page)
    await page.wait_for_url(f"{site.url}/auth/account")
    await device.send("removeCredential", credentialId=before["credentialId"])
    await device.send("addCredential", credential=before)  # it has signed once less
    await come_back(page, site)
    visitor.faults(page).expect("status of 422")
    await use_passkey(page)
    await expect(page.get_by_role("alert").filter(has_text="did not sign you in")).to_be_focused()
    await fine(page)
    assert len(await events(db, "factor.copied")) == 1


@pytest.mark.parametrize(("eligible", "said"), [(False, "This device only"), (True, "Synced")])
async def test_whether_it_may_be_synced_is_told_and_never_changes(
    site: Site, visitor: Visitors, *, eligible: bool, said: str
) -> None:
    page, device = await member(site, visitor, defaultBackupEligibility=eligible)
    await page.goto(f"{site.url}/auth/security")
    await expect(page.get_by_text(said)).to_be_visible()
    [credential] = await device.credentials()
    await device.send(
        "setCredentialProperties",
        credentialId=credential["credentialId"],
        backupEligibility=not eligible,
        backupState=False,
    )
    await come_back(page, site)
    visitor.faults(page).expect("status of 422")
    await use_passkey(page)
    await expect(page.get_by_role("alert").filter(has_text="did not sign you in")).to_be_visible()


async def test_what_is_removed_here_is_removed_from_the_browser_as_well(
    site: Site, visitor: Visitors, db: Database
) -> None:
    page, device = await member(site, visitor)
    other = await authenticator(page, transport="usb")
    await add_passkey(page, site, "Blue key")
    assert (len(await device.credentials()), len(await other.credentials())) == (1, 1)
    await page.get_by_role("link", name="Change Laptop").click()
    await fine(page)
    await page.get_by_role("button", name="Remove this passkey").click()
    await expect(page.get_by_text("Your passkey was removed.")).to_be_visible()
    await gone(page, device)
    assert len(await other.credentials()) == 1

    await db.execute("DELETE FROM auth_passkeys")  # by other means, of which no page has told
    await come_back(page, site)
    visitor.faults(page).expect("status of 422")
    await use_passkey(page)
    await expect(page.get_by_role("alert").filter(has_text="is not known here")).to_be_visible()
    await gone(page, other)


async def test_passkeys_are_shown_by_the_name_and_the_email_of_now(site: Site, visitor: Visitors) -> None:
    page, device = await member(site, visitor)
    [passkey] = await device.credentials()
    assert (passkey["userName"], passkey["userDisplayName"]) == ("user@example.com", "John Doe")
    await page.goto(f"{site.url}/auth/account")
    await page.get_by_label("Name").fill("Joan Doe")
    await page.get_by_role("button", name="Save").click()
    await known_as(page, device, "user@example.com", "Joan Doe")
    await page.goto(f"{site.url}/auth/account/email")
    await page.get_by_label("New e-mail").fill("joan@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Change e-mail").click()
    await known_as(page, device, "joan@example.com", "Joan Doe")


async def known_as(page: Page, device: Authenticator, *names: str) -> None:
    """Return once an authenticator knows the user of its passkey by these names."""
    while [(each["userName"], each["userDisplayName"]) for each in await device.credentials()] != [names]:
        await page.evaluate("new Promise(requestAnimationFrame)")


async def gone(page: Page, device: Authenticator) -> None:
    """Return once an authenticator has no passkey any more."""
    while await device.credentials():
        await page.evaluate("new Promise(requestAnimationFrame)")


async def test_one_is_renamed(site: Site, visitor: Visitors, clock: MovableClock) -> None:
    page, _ = await member(site, visitor)
    await page.goto(f"{site.url}/auth/security")
    await page.get_by_role("link", name="Change Laptop").click()
    clock.advance(minutes=11)
    await page.get_by_label("Name").fill("Work laptop")
    visitor.faults(page).expect("status of 403")
    await page.keyboard.press("Enter")
    # What was typed is carried through confirming, which a passkey does by itself.
    await expect(page.get_by_role("heading", name="Confirm it's you")).to_be_visible()
    await page.get_by_role("button", name="Passkey").click()
    await expect(page.get_by_text("your browser will ask for your passkey")).to_be_visible()
    await fine(page)
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("link", name="Change Work laptop")).to_be_visible()


async def test_whoever_signed_in_by_passkey_confirms_by_passkey(
    site: Site, visitor: Visitors, clock: MovableClock
) -> None:
    page, _ = await member(site, visitor)
    await come_back(page, site)
    await use_passkey(page)
    await page.wait_for_url(f"{site.url}/auth/account")
    clock.advance(minutes=11)
    await page.goto(f"{site.url}/auth/account/export")
    await expect(page.get_by_role("button", name="Password")).to_be_visible()
    await page.get_by_role("button", name="Confirm").click()
    await page.wait_for_url(f"{site.url}/auth/account/export")


async def test_the_first_factor_is_a_passkey_where_one_has_to_be_set_up(
    make_site: MakeSite, visitor: Visitors
) -> None:
    site = await make_site(host="localhost", mfa_required="all")
    await make_user(site)
    page = await visitor()
    await without_offers(page)
    await authenticator(page)
    await page.goto(f"{site.url}/auth/sign-in")
    await give_password(page)
    await expect(page.get_by_text("creates a passkey")).to_be_visible()
    await fine(page)
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("link", name="I've saved them. Continue").click()
    await page.wait_for_url(f"{site.url}/auth/account")
    assert (await session_info(page, site))["aal"] == 2


async def test_a_passkey_of_another_site_is_none_of_ours(site: Site, visitor: Visitors) -> None:
    page, _ = await member(site, visitor)
    await come_back(page, site)
    await give_password(page)
    field = page.locator("input[name=credential]")
    options = json.loads(await field.get_attribute("data-options") or "")
    other = json.dumps(options | {"rpId": "example.com"})
    await field.evaluate("(input, options) => { input.dataset.options = options; }", other)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "That didn't work. Try again, or choose another way."
    )


async def test_browsers_that_read_no_json_are_helped(site: Site, visitor: Visitors) -> None:
    page, _ = await member(site, visitor)
    await page.add_init_script(
        "delete PublicKeyCredential.parseCreationOptionsFromJSON;"
        "delete PublicKeyCredential.parseRequestOptionsFromJSON;"
        "delete PublicKeyCredential.prototype.toJSON;"
    )
    await authenticator(page, transport="usb")
    await add_passkey(page, site, "Blue key")
    await come_back(page, site)
    await give_password(page)
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(f"{site.url}/auth/account")


# --- Where there are none ---


async def test_without_scripts_another_way_is_open(site: Site, visitor: Visitors) -> None:
    await member(site, visitor)
    page = await visitor(java_script_enabled=False)
    await page.goto(f"{site.url}/auth/sign-in")
    await expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    await give_password(page)
    await expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    await page.get_by_role("link", name="Recovery codes").click()
    await expect(page.get_by_label("Recovery code")).to_be_visible()


@pytest.mark.parametrize(
    ("host", "settings", "said"),
    [
        ("127.0.0.1", {}, "Passkeys need a host name. This site is open at an IP address."),
        ("localhost", {"webauthn_rp_id": "example.com"}, "Passkeys for this site only work at example.com."),
    ],
)
async def test_pages_say_why_there_are_none(
    make_site: MakeSite, visitor: Visitors, host: str, settings: dict[str, str], said: str
) -> None:
    site = await make_site(host=host, **settings)
    await make_user(site)
    page = await visitor()
    await page.goto(f"{site.url}/auth/sign-in")
    await expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/security")
    await expect(page.get_by_text(said)).to_be_visible()
    await expect(page.get_by_role("link", name="Add a passkey")).to_have_count(0)
    await fine(page)


async def test_in_arabic_on_a_telephone(site: Site, visitor: Visitors) -> None:
    await make_user(site)
    page = await visitor(locale="ar", viewport={"width": 375, "height": 700})
    await without_offers(page)
    await authenticator(page)
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/account/passkeys")
    await fine(page)
    await page.locator("#name").fill("حاسوبي")
    await page.keyboard.press("Enter")
    await page.locator("#codes").wait_for()
    await page.goto(f"{site.url}/auth/security")
    await fine(page)
    await come_back(page, site)
    await fine(page)
    await page.get_by_role("button", name="استخدام مفتاح مرور").click()
    await page.wait_for_url(f"{site.url}/auth/account")

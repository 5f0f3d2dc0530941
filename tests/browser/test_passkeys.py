"""Passkeys in a real browser, whose authenticators are Chromium's virtual ones."""

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, expect
from tests.browser.conftest import (
    LOOKS,
    MakeSite,
    Site,
    Visitors,
    assert_accessible,
    assert_no_horizontal_scroll,
    make_user,
    sign_in,
)


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
    """Add a passkey at the page for it, and come back with or without recovery codes."""
    await page.goto(f"{site.url}/auth/account/passkeys")
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create a passkey").click()
    await (
        page.get_by_role("heading", name="Your recovery codes")
        .or_(page.get_by_text("Your passkey was added."))
        .wait_for()
    )


@pytest.mark.parametrize("look", LOOKS)
async def test_a_passkey_is_added_and_signs_in_alone(site: Site, visitor: Visitors, look: str) -> None:
    await make_user(site)
    page = await visitor(**LOOKS[look])
    device = await authenticator(page, defaultBackupEligibility=True, defaultBackupState=True)
    await sign_in(page, site)
    await page.goto(f"{site.url}/auth/security")
    await fine(page)
    await page.get_by_role("link", name="Add a passkey").click()
    await expect(page.get_by_label("Name")).to_be_focused()
    await fine(page)
    await page.get_by_label("Name").fill("Laptop")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    await page.get_by_role("link", name="I have kept them, go on").click()
    await expect(page.get_by_role("link", name="Change Laptop")).to_be_visible()
    await expect(page.get_by_text("Synced")).to_be_visible()
    await fine(page)
    [credential] = await device.credentials()
    assert credential["isResidentCredential"]

    await page.context.clear_cookies()
    await without_offers(page)
    await page.goto(f"{site.url}/auth/sign-in")
    await expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
    await fine(page)
    await page.get_by_role("button", name="Use a passkey").click()
    await page.wait_for_url(f"{site.url}/auth/account")

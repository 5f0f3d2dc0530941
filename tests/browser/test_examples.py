"""The examples, started as they are and walked through by a visitor."""

import io
import tarfile
from collections.abc import AsyncIterator
from functools import cache

import pytest
from playwright.async_api import Browser, Page, Route, expect
from scripts import npm
from tests.browser.conftest import ROOT, Visitors, listening, visiting
from tests.conftest import PASSWORD, load

HTMX = "oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg=="


@cache
def htmx() -> bytes:
    """Return what the page loads from elsewhere, so that the test needs no network but npm."""
    package = npm.fetch("htmx.org", "4.0.1", sha512=HTMX)
    with tarfile.open(fileobj=io.BytesIO(package)) as files:
        found = files.extractfile("package/dist/htmx.min.js")
        assert found is not None
        return found.read()


async def send_htmx(route: Route) -> None:
    await route.fulfill(
        body=htmx(), content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"}
    )


@pytest.fixture
async def board(users_environment: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    module = load(ROOT / "examples" / "board" / "app.py", monkeypatch)
    async with listening(lambda _: module.app) as url:
        yield url


@pytest.fixture
async def visitor(browser: Browser, board: str) -> AsyncIterator[Visitors]:
    async with visiting(browser, base_url=board) as visitors:
        yield visitors


async def open_board(visitor: Visitors, board: str) -> Page:
    page = await visitor(base_url=board)
    await page.route("https://cdn.jsdelivr.net/**", send_htmx)
    return page


async def test_the_board_of_jinja_and_htmx(visitor: Visitors, board: str) -> None:
    page = await open_board(visitor, board)
    await page.goto("/")
    await expect(page.get_by_role("heading")).to_have_text("Hello, stranger")
    await page.get_by_role("link", name="To the board").click()
    await expect(page).to_have_url(f"{board}/auth/sign-in?next=%2Fboard")
    await page.locator("a[href*='/auth/sign-up']").first.click()
    for name, value in {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}.items():
        await page.locator(f"input[name={name}]").fill(value)
    await page.locator("input[name=password]").press("Enter")
    await expect(page).to_have_url(f"{board}/board")
    await page.get_by_label("Note").fill("Buy milk")
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("listitem")).to_have_text(["Ada: Buy milk"])
    # Signed out in another tab: what htmx asks next leads to sign-in, the whole page, and back.
    other = await page.context.new_page()
    await other.route("https://cdn.jsdelivr.net/**", send_htmx)
    await other.goto("/")
    await other.get_by_role("button", name="Sign out").click()
    await expect(other).to_have_url(f"{board}/auth/sign-out")
    visitor.faults(page).expect("401")
    await page.get_by_label("Note").fill("Never seen")
    await page.get_by_role("button", name="Add").click()
    await expect(page).to_have_url(f"{board}/auth/sign-in?next=%2Fboard")

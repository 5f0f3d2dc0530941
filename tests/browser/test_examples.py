"""The examples, started as they are and walked through by a visitor."""

import asyncio
import io
import socket
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect
from scripts import client, npm, spa
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from tests.browser.conftest import PATIENCE_MS, ROOT, Visitors, listening, visiting
from tests.conftest import PASSWORD, load
from tests.http.conftest import Database

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


# --- A page on another origin ---


VITE = "node_modules/vite/bin/vite.js"
TSC = "node_modules/typescript/bin/tsc"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def developed(port: int, **environment: str) -> AsyncIterator[None]:
    """Run `npm run dev` until the end; it is there once it says so."""
    process = await asyncio.create_subprocess_exec(
        client.node(),
        VITE,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--strictPort",
        cwd=spa.EXAMPLE,
        env={"PATH": "", "NO_COLOR": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        said = b""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while b"Local:" not in said:
                line = await process.stdout.readline()
                assert line, said.decode()
                said += line
        yield
    finally:
        process.kill()
        await process.communicate()


async def built(into: Path, **environment: str) -> None:
    """Run `npm run build`: the types are checked, then Vite builds."""
    for arguments in ([TSC], [VITE, "build", "--outDir", str(into), "--emptyOutDir"]):
        process = await asyncio.create_subprocess_exec(
            client.node(),
            *arguments,
            cwd=spa.EXAMPLE,
            env={"PATH": "", "NO_COLOR": "1", **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()


@asynccontextmanager
async def api(origin: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Serve the API of the example to pages of an origin."""
    monkeypatch.setenv("ALLOWED_ORIGINS", origin)
    module = load(ROOT / "examples" / "spa" / "server.py", monkeypatch)
    async with listening(lambda _: module.app) as url:
        yield url


async def sign_up(page: Page) -> None:
    await page.get_by_role("button", name="I am new here").click()
    for label, value in {"Name": "Ada", "E-mail": "ada@example.com", "Password": PASSWORD}.items():
        await page.get_by_label(label).fill(value)
    await page.get_by_role("button", name="Sign up").click()
    await expect(page.get_by_role("heading")).to_have_text("Notes of Ada")


def without_remarks(visitor: Visitors, page: Page) -> None:
    """Leave out what the browser says of a request without cookies: that there are none to clear."""
    faults = visitor.faults(page)
    faults.found = [line for line in faults.found if "Clear-Site-Data" not in line]


async def test_the_single_page_application_on_another_origin(
    browser: Browser, users_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(spa.prepare)
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    async with (
        api(origin, monkeypatch) as url,
        developed(port, VITE_API=url),
        visiting(browser, base_url=origin) as visitor,
    ):
        page = await visitor(base_url=origin)
        visitor.faults(page).expect("401")
        await page.goto("/")
        await sign_up(page)
        await page.get_by_label("Note").fill("Buy milk")
        await page.get_by_role("button", name="Add").click()
        await expect(page.get_by_role("listitem")).to_have_text(["Buy milk"])
        await page.reload()
        await expect(page.get_by_role("listitem")).to_have_text(["Buy milk"])
        other = await page.context.new_page()
        await other.goto(origin)
        await other.get_by_role("button", name="Sign out").click()
        for tab in (other, page):
            await expect(tab.get_by_role("heading")).to_have_text("Sign in")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Password").fill("not the password")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        for tab in (page, other):
            await expect(tab.get_by_role("listitem")).to_have_text(["Buy milk"])
        without_remarks(visitor, page)


async def test_its_tabs_refresh_a_token_once(
    browser: Browser,
    users_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    db: Database,
) -> None:
    await asyncio.to_thread(spa.prepare)
    pages = tmp_path / "pages"
    pages.mkdir()
    files = Starlette(routes=[Mount("/", StaticFiles(directory=pages, html=True))])
    async with (
        listening(lambda _: files) as origin,
        api(origin, monkeypatch) as url,
        visiting(browser, base_url=origin) as visitor,
    ):
        await built(pages, VITE_API=url, VITE_TOKENS="1")
        page = await visitor(base_url=origin)
        visitor.faults(page).expect("401")
        await page.goto("/")
        await sign_up(page)
        other = await page.context.new_page()
        await other.goto(origin)
        await expect(other.get_by_role("heading")).to_have_text("Notes of Ada")
        for tab in (page, other):
            await tab.evaluate("Date.now = ((now) => () => now() + 20 * 60_000)(Date.now)")
            await tab.get_by_label("Note").fill("Once")
        for tab in (page, other):
            await tab.evaluate("document.forms[0].requestSubmit()")
        for tab in (page, other):
            await expect(tab.get_by_role("listitem").first).to_have_text("Once")
        without_remarks(visitor, page)
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'session.refreshed'") == 1
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1

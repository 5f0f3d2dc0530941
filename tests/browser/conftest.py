"""Gatepost in a real browser: a server, visitors with cookies of their own, and what no page may do.

One Chromium serves the tests of a module in a worker; each visitor is a context of it. Playwright's
asynchronous API is used: its synchronous one holds the loop of every other test in the worker.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    async_playwright,
)
from starlette.types import ASGIApp
from tests.conftest import PASSWORD, MakeSettings, MovableClock

from gatepost.app import create_app
from gatepost.library import Gatepost
from gatepost.models import Client, User

ROOT = Path(__file__).parents[2]
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"

PATIENCE_MS = 60_000
"""Milliseconds that a page is waited for; machines may be slow, so it says nothing of Gatepost."""

NARROW, WIDE = {"width": 320, "height": 640}, {"width": 1280, "height": 800}

NARROW_DARK = "narrow, dark, little motion"
LOOKS: dict[str, dict[str, Any]] = {
    "wide, light": {"viewport": WIDE, "color_scheme": "light"},
    NARROW_DARK: {
        "viewport": NARROW,
        "color_scheme": "dark",
        "reduced_motion": "reduce",
    },
}
"""What pages are looked at in: colours do not depend on the width, so that each stands in one of two."""

MakeSite = Callable[..., Awaitable["Site"]]

# --- The browser ---


@cache
def chromium() -> str:
    """Return the program; a run without one fails."""
    script = [sys.executable, "-m", "scripts.chromium"]
    found = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.fixture(scope="module")
async def browser(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A headless Chromium that keeps what it writes to itself.

    It runs without its sandbox, as Playwright has it: root and most containers can't have one, and what is
    loaded is our own.
    """
    home = tmp_path_factory.mktemp("chromium")
    places = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=chromium(),
            args=["--disable-dev-shm-usage", "--disable-gpu"],
            env={**os.environ, **places},
        ) as browser,
    ):
        yield browser


# --- Visitors ---

_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error(
    `CSP ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile || ""}:${event.lineNumber}`));
"""


@dataclass
class Faults:
    """What a visitor's pages did that no page may do.

    Errors on the console, which hold violations of the content security policy and answers of 400 and above;
    exceptions that nobody caught; requests that failed. What the browser gave up itself, as it does when it
    leaves a page, is none.

    Attributes:
        found: one line each, in their order.
    """

    found: list[str] = field(default_factory=list)
    _expected: list[re.Pattern[str]] = field(default_factory=list)

    def expect(self, *patterns: str) -> None:
        """Say what this test brings about: lines with such a pattern have to come, and are no fault."""
        self._expected += [re.compile(pattern) for pattern in patterns]

    def check(self) -> None:
        """Hold what came against what was expected."""
        unexpected = [line for line in self.found if not any(each.search(line) for each in self._expected)]
        assert not unexpected, "the browser complains:\n" + "\n".join(unexpected)
        missing = [each.pattern for each in self._expected if not any(map(each.search, self.found))]
        assert not missing, f"expected of the browser, and did not come: {missing}"

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.found.append(f"uncaught: {error.error}"))
        context.on("requestfailed", self._on_request_failed)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.found.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _on_request_failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            self.found.append(f"failed: {request.method} {request.url}: {request.failure}")


class Visitors:
    """Opens contexts, each a visitor with cookies of its own, and closes them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._faults: dict[BrowserContext, Faults] = {}

    async def __call__(self, **options: Any) -> Page:
        """Open a page of a new visitor.

        Args:
            options: of Playwright's `new_context`: `color_scheme`, `viewport`, `java_script_enabled`,
                `locale`, `reduced_motion`, `user_agent`, `base_url`, …
        """
        context = await self._browser.new_context(**({"viewport": WIDE} | options))
        self._faults[context] = faults = Faults()
        context.set_default_timeout(PATIENCE_MS)
        faults.watch(context)
        await context.add_init_script(_REPORT_VIOLATIONS)
        return await context.new_page()

    def faults(self, page: Page) -> Faults:
        """Return what was found at this visitor's pages; its `expect` says what shall be."""
        return self._faults[page.context]

    async def close(self) -> None:
        """Close them all; what is on its way from the browser comes before that."""
        for context in self._faults:
            for page in context.pages:
                with suppress(Error):  # one that is just going elsewhere
                    await page.evaluate("0")
            await context.close()

    def check(self) -> None:
        """Hold that none of them had a fault but those expected."""
        for faults in self._faults.values():
            faults.check()


@asynccontextmanager
async def visiting(browser: Browser, **defaults: Any) -> AsyncIterator[Visitors]:
    """Open visitors, and close and check them at the end; a test that fails keeps its own reason."""
    visitors = Visitors(browser)
    try:
        yield visitors
    finally:
        await visitors.close()
    visitors.check()


@pytest.fixture
async def visitor(browser: Browser, make_site: MakeSite) -> AsyncIterator[Visitors]:
    """Open visitors of this test, who leave before its servers do: `page = await visitor(viewport=NARROW)`.

    At the end of the test none of their pages may have had a fault but those that
    `visitor.faults(page).expect(…)` told of.
    """
    async with visiting(browser) as visitors:
        yield visitors


# --- The server ---


@asynccontextmanager
async def listening(app: Callable[[str], ASGIApp], *, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve what `app` makes for the address that it will have, and return that address.

    `host` is what this machine is called in it: browsers have passkeys at a name alone.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://{host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(app(url), log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.wait([serving], timeout=0.01)
            assert not serving.done(), serving.exception()
        try:
            yield url
        finally:
            server.should_exit = True
            await serving


@dataclass(frozen=True, kw_only=True)
class Site:
    """The stand-alone application where a browser can reach it.

    Attributes:
        url: its origin, which is its `public_url` too.
        client: speaks to it without a browser.
    """

    url: str
    gate: Gatepost
    client: httpx.AsyncClient


@pytest.fixture
async def make_site(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[MakeSite]:
    """Start servers with other settings on the database of this test: `await make_site(docs=False)`."""
    async with AsyncExitStack() as stack:

        async def make(*, host: str = "127.0.0.1", **overrides: Any) -> Site:
            made: list[Gatepost] = []

            def application(url: str) -> ASGIApp:
                app = create_app(make_settings(**({"public_url": url} | overrides)), clock=clock)
                made.append(app.state.gatepost)
                return app

            url = await stack.enter_async_context(listening(application, host=host))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
            return Site(url=url, gate=made[0], client=client)

        yield make


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    """A server on the database of this test."""
    return await make_site()


# --- Through the front door ---


async def make_user(
    site: Site, email: str = "user@example.com", *, name: str = "John Doe", is_admin: bool = False
) -> User:
    """Make an account with the password `PASSWORD`, as an admin does."""
    return await site.gate.administration.create(
        email=email, name=name, password=PASSWORD, is_admin=is_admin, client=Client()
    )


async def sign_in(page: Page, site: Site, email: str = "user@example.com", password: str = PASSWORD) -> None:
    """Give a visitor the cookies of a sign-in by the API, where a test is about what comes after it."""
    answer = await page.context.request.post(
        f"{site.url}/api/auth/login",
        data={"email": email, "password": password, "cookie": True},
        headers={"Origin": site.url, "User-Agent": await page.evaluate("navigator.userAgent")},
    )
    assert answer.ok, await answer.text()


# --- What holds for every page ---


async def assert_no_horizontal_scroll(page: Page) -> None:
    """Hold that a page is no wider than its window, and name what is."""
    wide = await page.evaluate(
        """() => {
            const room = document.documentElement.clientWidth;
            if (document.scrollingElement.scrollWidth <= room) return [];
            return ["the page"].concat([...document.body.querySelectorAll("*")]
                .filter((element) => element.getBoundingClientRect().right > room + 0.5)
                .map((element) => element.cloneNode(false).outerHTML.slice(0, 200)));
        }"""
    )
    assert not wide, f"wider than the window at {page.url}:\n" + "\n".join(wide)


_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN_AXE = f"""
    axe.run(document, {{
        runOnly: {{type: "tag", values: {json.dumps(_TAGS)}}}, resultTypes: ["violations"], preload: false,
    }})
        .then((found) => found.violations.map(({{id, impact, help, nodes}}) => ({{
            id, impact, help, nodes: nodes.map(({{html, failureSummary}}) => ({{html, failureSummary}})),
        }})))
"""


async def assert_accessible(page: Page, *, but: Collection[str] = ()) -> None:
    """Hold that axe-core finds nothing, by WCAG 2.2 A and AA and what it holds to be good practice.

    Args:
        page: what is looked at.
        but: rules of good practice that are not for this document.

    It runs in a world of its own beside the page's: neither the page's policy nor its scripts meet it. Where
    scripts are off it can't run.
    """
    await (await _axe(page, but))()


async def assert_good_in_every_look(page: Page, *, but: Collection[str] = ()) -> None:
    """Hold that a page is accessible and no wider than its window in each of the two looks.

    It is the page of a visitor who has the narrow one, and stays so.
    """
    check = await _axe(page, but)
    for name in ("wide, light", NARROW_DARK):
        look = LOOKS[name]
        # Without motion nothing is between one colour and the other.
        await page.emulate_media(color_scheme=look["color_scheme"], reduced_motion="reduce")
        await page.set_viewport_size(look["viewport"])
        await check()
        await assert_no_horizontal_scroll(page)


async def _axe(page: Page, but: Collection[str]) -> Callable[[], Awaitable[None]]:
    """Load axe-core beside a page; return what has it look."""
    session = await page.context.new_cdp_session(page)
    frame = (await session.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    world = await session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})
    where = {"contextId": world["executionContextId"]}

    async def evaluate(source: str, **options: bool) -> Any:
        asked = {**where, "expression": source, "returnByValue": True, **options}
        async with asyncio.timeout(PATIENCE_MS / 1000):
            answer = await session.send("Runtime.evaluate", asked)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def check() -> None:
        violations = [each for each in await evaluate(_RUN_AXE, awaitPromise=True) if each["id"] not in but]
        told = [
            f"{each['id']} ({each['impact']}): {each['help']}\n"
            + "\n".join(f"  {node['html']}\n    {node['failureSummary']}" for node in each["nodes"])
            for each in violations
        ]
        assert not told, f"axe-core on {page.url}:\n" + "\n".join(told)

    await evaluate(AXE.read_text("utf-8"))
    # It goes with the page: detached, it would take the virtual authenticators of other sessions with it.
    return check

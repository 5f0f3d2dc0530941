"""The harness itself: what no page may do is told, and a session lives in a real browser."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.browser.conftest import (
    NARROW,
    Site,
    Visitors,
    assert_accessible,
    assert_no_horizontal_scroll,
    listening,
    make_user,
    sign_in,
    visiting,
)
from tests.conftest import PASSWORD
from tests.http.conftest import Database

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " require-trusted-types-for 'script'"
)
PAGE = """<!doctype html><html lang="en"><head><title>A page</title>{head}</head>
<body><main><h1>A page</h1>{body}</main></body></html>"""


@pytest.fixture
async def pages() -> AsyncIterator[str]:
    """A small application with a strict policy: pages and scripts that misbehave by their name."""
    pages = {
        "good": PAGE.format(head="", body="<p>Nothing is wrong.</p>"),
        "wide": PAGE.format(head="", body='<img id="wide" alt="" src="/wide.svg" width="2000" height="1">'),
        "unlabelled": PAGE.format(head="", body='<input id="nameless">'),
        "inline": PAGE.format(head="<script>window.ran = true</script>", body=""),
        **{
            name: PAGE.format(head=f'<script src="/{name}.js" defer></script>', body="")
            for name in ("logging", "throwing", "sink")
        },
    }
    scripts = {
        "logging": 'console.error("the page is unhappy")',
        "throwing": 'throw new Error("nobody catches this")',
        "sink": 'try { document.body.innerHTML = "<p>text</p>" } catch {}',
    }

    async def page(request: Request) -> Response:
        return HTMLResponse(pages[request.path_params["name"]], headers={"Content-Security-Policy": POLICY})

    async def script(request: Request) -> Response:
        return PlainTextResponse(scripts[request.path_params["name"]], media_type="text/javascript")

    async def image(request: Request) -> Response:
        return Response('<svg xmlns="http://www.w3.org/2000/svg"/>', media_type="image/svg+xml")

    async def icon(request: Request) -> Response:
        return Response(status_code=204)

    routes = [
        Route("/wide.svg", image),
        Route("/favicon.ico", icon),
        Route("/{name}.js", script),
        Route("/{name}", page),
    ]
    app = Starlette(routes=routes)
    async with listening(lambda _: app) as url:
        yield url


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_good_page_passes(scheme: str, pages: str, visitor: Visitors) -> None:
    page = await visitor(color_scheme=scheme)
    await page.goto(f"{pages}/good")
    await assert_no_horizontal_scroll(page)
    await assert_accessible(page)


async def test_with_scripts_off_they_are_off(pages: str, visitor: Visitors) -> None:
    page = await visitor(java_script_enabled=False, viewport=NARROW)
    await page.goto(f"{pages}/throwing")
    await assert_no_horizontal_scroll(page)


async def visit(browser: Browser, url: str, *expected: str) -> None:
    """Visit one page, with what is expected of it."""
    async with visiting(browser) as visitor:
        page = await visitor()
        visitor.faults(page).expect(*expected)
        with suppress(Error):  # one that can't be reached
            await page.goto(url)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("logging", "error: the page is unhappy"),
        ("throwing", "uncaught: .*nobody catches this"),
        ("inline", "error: CSP script-src-elem inline"),
        ("sink", "error: CSP require-trusted-types-for trusted-types-sink"),
    ],
)
async def test_what_a_page_may_not_do_fails_the_test(
    name: str, fault: str, pages: str, browser: Browser
) -> None:
    with pytest.raises(AssertionError, match=fault):
        await visit(browser, f"{pages}/{name}")
    await visit(browser, f"{pages}/{name}", fault, "^(error|uncaught): ")


async def test_a_request_that_fails_fails_the_test(browser: Browser) -> None:
    with pytest.raises(AssertionError, match=r"failed: GET http://127\.0\.0\.1:9/: net::ERR"):
        await visit(browser, "http://127.0.0.1:9/")


async def test_what_was_expected_and_did_not_come_fails_the_test(pages: str, browser: Browser) -> None:
    with pytest.raises(AssertionError, match=r"did not come: \['nothing like it'\]"):
        await visit(browser, f"{pages}/good", "nothing like it")


async def test_a_page_wider_than_its_window_is_told_with_what_is_wide(pages: str, visitor: Visitors) -> None:
    page = await visitor(viewport=NARROW)
    await page.goto(f"{pages}/wide")
    with pytest.raises(AssertionError, match='<img id="wide"'):
        await assert_no_horizontal_scroll(page)


async def test_a_finding_of_axe_is_told_with_its_rule_and_its_element(pages: str, visitor: Visitors) -> None:
    page = await visitor()
    await page.goto(f"{pages}/unlabelled")
    with pytest.raises(AssertionError, match=r'label \(critical\)(.|\n)*<input id="nameless">'):
        await assert_accessible(page)


# --- Gatepost ---


async def test_a_session_by_cookie_lives_in_a_real_browser(
    site: Site, visitor: Visitors, db: Database
) -> None:
    await make_user(site)
    page = await visitor()
    visitor.faults(page).expect("401 .*/api/auth/me")
    await page.goto(f"{site.url}/api/auth/docs")
    ask = """async ([method, path, body]) => {
        const headers = {"Content-Type": "application/json"};
        const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)});
        return [answer.status, document.cookie];
    }"""
    who = {"email": "user@example.com", "password": PASSWORD, "cookie": True}
    assert await page.evaluate(ask, ["POST", "/api/auth/login", who]) == [200, ""]
    assert await page.evaluate(ask, ["GET", "/api/auth/me", None]) == [200, ""]
    assert await page.evaluate(ask, ["POST", "/api/auth/logout", None]) == [200, ""]
    assert await page.evaluate(ask, ["GET", "/api/auth/me", None]) == [401, ""]
    assert await db.fetchval("SELECT end_reason FROM user_sessions") == "logout"


async def test_two_visitors_are_two_devices(site: Site, visitor: Visitors, db: Database) -> None:
    await make_user(site)
    for agent in ("one", "two"):
        page = await visitor(user_agent=agent)
        await sign_in(page, site)
        answer = await page.goto(f"{site.url}/api/auth/sessions")
        assert answer is not None
        assert answer.ok
    agents = await db.fetch("SELECT user_agent FROM user_sessions ORDER BY id")
    assert [each["user_agent"] for each in agents] == ["one", "two"]


async def test_the_page_of_the_api_keeps_its_policy(site: Site, visitor: Visitors) -> None:
    page = await visitor()
    await page.goto(f"{site.url}/api/auth/docs")
    await page.get_by_text("/api/auth/login", exact=True).wait_for()


# --- What comes from others ---


def test_what_the_tests_have_from_others_is_what_it_says_it_is() -> None:
    vendor = Path(__file__).parent / "vendor"
    listed = json.loads((vendor / "VENDORED.json").read_text("utf-8"))
    held = {str(path.relative_to(vendor)) for path in vendor.rglob("*") if path.is_file()}
    digests = {
        f"{each['folder']}/{name}": digest for each in listed for name, digest in each["sha256"].items()
    }
    assert held == set(digests) | {"VENDORED.json"}
    for name, digest in digests.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name
    for package in listed:
        assert any(name.startswith("LICENSE") for name in package["sha256"])
        script = (vendor / package["folder"] / "axe.min.js").read_text("utf-8")
        assert re.match(rf"/\*! axe v{re.escape(package['version'])}", script)

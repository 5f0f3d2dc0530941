"""The client for browsers, clients/js: compiled, small, and at work on pages of another origin."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from scripts import client as building
from scripts import render_client
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from tests.browser.conftest import MakeSite, Site, Visitors, listening, make_user, visiting
from tests.conftest import PASSWORD, MovableClock
from tests.http.conftest import Database

CREDENTIALS = {"email": "user@example.com", "password": PASSWORD}
COOKIES, TOKENS = "undefined", "localStorage"

PAGE = """<!doctype html><meta charset="utf-8"><title>An application</title><link rel="icon" href="data:,">
<script type="module">
  import {createClient, GatepostError} from "/client/index.js";
  window.start = (url, storage) => {
    window.told = [];
    window.auth = createClient({url, storage});
    auth.onChange((current) => told.push(current && current.user.email));
  };
  window.refused = async (promise) => promise.then(() => null, (error) => {
    if (!(error instanceof GatepostError)) throw error;
    return [error.status, error.code, error.fields, error.retryAfter];
  });
  window.ready = true;
</script>"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("client")
    building.build(place)
    return place


@pytest.fixture
async def elsewhere(compiled: Path) -> AsyncIterator[str]:
    """The origin of an application whose pages use the client."""
    routes = [
        Route("/", lambda _: HTMLResponse(PAGE)),
        Mount("/client", StaticFiles(directory=compiled)),
    ]
    async with listening(lambda _: Starlette(routes=routes)) as url:
        yield url


@pytest.fixture
async def site(make_site: MakeSite, elsewhere: str) -> Site:
    site = await make_site(allowed_origins=[elsewhere])
    await make_user(site)
    return site


@pytest.fixture
async def visitor(browser: Browser, site: Site) -> AsyncIterator[Visitors]:
    async with visiting(browser) as visitors:
        yield visitors


async def start(page: Page, site: Site, elsewhere: str, storage: str) -> Page:
    """Open the application in a tab."""
    await page.goto(elsewhere)
    await page.wait_for_function("window.ready")
    await page.evaluate(f"start({site.url!r}, {storage})")
    return page


def test_it_is_small_and_stands_alone(compiled: Path) -> None:
    written = (compiled / "index.js").read_bytes()
    assert len(gzip.compress(written, 9, mtime=0)) <= 3_000
    assert not any(line.startswith(b"import") for line in written.splitlines())
    assert b'from "react"' in (compiled / "react.js").read_bytes()


def test_its_types_are_those_of_the_document() -> None:
    assert render_client.TARGET.read_text() == render_client.types()


@pytest.mark.parametrize("storage", [COOKIES, TOKENS])
async def test_signing_in_is_known_in_every_tab_and_so_is_signing_out(
    visitor: Visitors, site: Site, elsewhere: str, storage: str
) -> None:
    one = await start(await visitor(), site, elsewhere, storage)
    visitor.faults(one).expect("401")
    other = await start(await one.context.new_page(), site, elsewhere, storage)
    assert await one.evaluate("auth.me()") is None
    assert await other.evaluate("auth.me()") is None
    assert await one.evaluate("auth.current") is None
    signed_in = await one.evaluate("(body) => auth.signIn(body)", CREDENTIALS)
    assert signed_in["user"]["email"] == "user@example.com"
    assert bool(signed_in.get("token")) == (storage == TOKENS)
    for tab in (one, other):
        await tab.wait_for_function("told.at(-1) === 'user@example.com'")
        assert (await tab.evaluate("auth.current.user.name")) == "John Doe"
    found = await other.evaluate("auth.sessions()")
    assert [each["is_current"] for each in found["sessions"]] == [True]
    await other.evaluate("auth.signOut()")
    for tab in (one, other):
        await tab.wait_for_function("told.at(-1) === null")
        assert await tab.evaluate("auth.me()") is None
    assert await one.evaluate("localStorage.length") == 0
    # Of a request without cookies the browser may say that there are none to clear.
    faults = visitor.faults(one)
    faults.found = [line for line in faults.found if "Clear-Site-Data" not in line]


async def test_what_is_refused_is_an_error_with_its_code(
    visitor: Visitors, site: Site, elsewhere: str
) -> None:
    page = await start(await visitor(), site, elsewhere, COOKIES)
    visitor.faults(page).expect("401", "422")
    refused = await page.evaluate("(body) => refused(auth.signIn(body))", CREDENTIALS | {"password": "wrong"})
    assert refused == [401, "invalid_credentials", {}, None]
    refused = await page.evaluate("refused(auth.signUp({email: 'x', name: '', password: 'short'}))")
    assert refused[:2] == [422, "validation_failed"]
    assert set(refused[2]) == {"email", "name", "password"}
    await page.evaluate("start('http://127.0.0.1:1')")
    visitor.faults(page).expect("ERR_UNSAFE_PORT|ERR_CONNECTION_REFUSED")
    assert (await page.evaluate("refused(auth.me())"))[:2] == [0, "unreachable"]
    await page.evaluate(f"start({elsewhere!r})")
    visitor.faults(page).expect("404")
    assert (await page.evaluate("refused(auth.me())"))[:2] == [404, "unreachable"]


async def test_too_many_attempts_say_how_long_to_wait(
    visitor: Visitors, make_site: MakeSite, elsewhere: str
) -> None:
    strict = {"throttle_enabled": True, "throttle_login_address": "1 then 1/day"}
    site = await make_site(allowed_origins=[elsewhere], **strict)
    page = await start(await visitor(), site, elsewhere, COOKIES)
    visitor.faults(page).expect("401", "429")
    for status in (401, 429):
        refused = await page.evaluate(
            "(body) => refused(auth.signIn(body))", CREDENTIALS | {"password": "wrong"}
        )
        assert refused[0] == status
    assert 0 < refused[3] <= 24 * 60 * 60


async def test_the_life_of_an_account(visitor: Visitors, site: Site, elsewhere: str, db: Database) -> None:
    page = await start(await visitor(), site, elsewhere, COOKIES)
    made = {"email": "new@example.com", "name": "Ada", "password": PASSWORD}
    assert (await page.evaluate("(body) => auth.signUp(body)", made))["user"]["name"] == "Ada"
    await page.evaluate("auth.request('PATCH', '/me', {name: 'Ada L.'})")
    assert (await page.evaluate("auth.me()"))["user"]["name"] == "Ada L."
    another = {"current": PASSWORD, "new": "another secure password"}
    assert (await page.evaluate("(body) => auth.changePassword(body)", another))["user"]["name"] == "Ada L."
    await page.evaluate("auth.confirm({password: 'another secure password'})")
    await page.evaluate("(body) => auth.signIn(body)", {"email": made["email"], "password": another["new"]})
    assert await page.evaluate("auth.signOutEverywhere()") == 1
    assert await page.evaluate("told.at(-1)") is None
    await page.evaluate("(body) => auth.signIn(body)", {"email": made["email"], "password": another["new"]})
    await page.evaluate("auth.deleteAccount({password: 'another secure password'})")
    assert await page.evaluate("auth.current") is None
    assert await db.fetchval("SELECT count(*) FROM users WHERE email = $1", made["email"]) == 0


async def test_a_token_is_refreshed_once_for_all_tabs(
    visitor: Visitors, site: Site, elsewhere: str, clock: MovableClock, db: Database
) -> None:
    tabs = [await start(await visitor(), site, elsewhere, TOKENS)]
    tabs += [await start(await tabs[0].context.new_page(), site, elsewhere, TOKENS) for _ in range(2)]
    first = (await tabs[0].evaluate("(body) => auth.signIn(body)", CREDENTIALS))["token"]
    clock.advance(minutes=20)
    past = "Date.now = ((now) => () => now() + 20 * 60_000)(Date.now)"
    for tab in tabs:
        await tab.evaluate(past)
    for tab in tabs:  # three requests each, all at once
        await tab.evaluate("void (window.asked = Promise.all([auth.me(), auth.me(), auth.me()]))")
    for tab in tabs:
        assert all(each["user"]["email"] == "user@example.com" for each in await tab.evaluate("asked"))
    kept = {await tab.evaluate("JSON.parse(localStorage.getItem('gatepost')).token") for tab in tabs}
    assert len(kept) == 1
    assert kept != {first}
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'session.refreshed'") == 1


async def test_a_tab_whose_token_was_replaced_meanwhile_goes_on_with_the_new_one(
    visitor: Visitors, site: Site, elsewhere: str
) -> None:
    page = await start(await visitor(), site, elsewhere, TOKENS)
    visitor.faults(page).expect("401")
    await page.evaluate("(body) => auth.signIn(body)", CREDENTIALS)
    replaced = await page.evaluate(
        """async (url) => {
            const kept = localStorage.getItem("gatepost");
            const {data} = await (await fetch(`${url}/api/auth/refresh`, {
                method: "POST", headers: {Authorization: `Bearer ${JSON.parse(kept).token}`}})).json();
            // The tab asks with the old token, and the other tab's new one is there when the answer comes.
            let asked = 0;
            Storage.prototype.getItem = function (key) {
                if (asked++ === 0) return kept;
                return JSON.stringify({...JSON.parse(kept), token: data.token});
            };
            return (await auth.me())?.user.email;
        }""",
        site.url,
    )
    assert replaced == "user@example.com"


async def test_routes_of_the_application_are_asked_with_the_session(
    visitor: Visitors, site: Site, elsewhere: str
) -> None:
    async def notes(request: Any) -> JSONResponse:
        return JSONResponse({"sent": request.headers.get("authorization", "")[:7]})

    own = CORSMiddleware(
        Starlette(routes=[Route("/notes", notes)]),
        allow_origins=[elsewhere],
        allow_headers=["authorization"],
    )
    async with listening(lambda _: own) as url:
        page = await start(await visitor(), site, elsewhere, TOKENS)
        await page.evaluate("(body) => auth.signIn(body)", CREDENTIALS)
        assert await page.evaluate("(url) => auth.fetch(url).then((r) => r.json())", f"{url}/notes") == {
            "sent": "Bearer "
        }

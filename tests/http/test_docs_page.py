"""The interactive page: outside production only, and all of it from the package."""

import re
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, serving
from tests.http.conftest import assert_error
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.http import docs
from gatepost.library import Gatepost

PAGE = "/api/auth/docs"


async def referenced(client: httpx.AsyncClient) -> list[str]:
    """Return what the page refers to, as a browser understands it."""
    html = (await client.get(PAGE)).text
    return [urljoin(PAGE, found) for found in re.findall(r'(?:src|href|data-openapi)="([^"]*)"', html)]


async def test_the_page_is_html_that_runs_scripts_of_this_server_only(client: httpx.AsyncClient) -> None:
    response = await client.get(PAGE)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"<script(?![^>]*\bsrc=)", response.text), "no script stands in the page itself"


async def test_nothing_in_the_page_comes_from_elsewhere(client: httpx.AsyncClient) -> None:
    html = (await client.get(PAGE)).text
    assert not re.search(r"https?:|//[a-z]", html)
    for reference in await referenced(client):
        assert reference.startswith(("/api/auth/", "/auth/"))


async def test_the_style_sheet_and_our_script_fetch_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    for reference in await referenced(client):
        if reference.endswith((".css", "start.js")):
            text = (await client.get(reference)).text
            assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", text)
            assert "validatorUrl: null" in text or reference.endswith(".css")


async def test_everything_that_the_page_refers_to_is_there(client: httpx.AsyncClient) -> None:
    found = [reference for reference in await referenced(client) if not reference.startswith("data:")]
    assert len(found) == 7
    # Back to the pages: what they load is theirs to test.
    assert [each for each in found if each.startswith("/auth/")] == ["/auth/icon", "/auth/account"]
    kinds = {}
    for reference in sorted({each for each in found if each.startswith("/api/")}):
        response = await client.get(reference)
        assert response.status_code == 200, reference
        assert response.headers["x-content-type-options"] == "nosniff"
        kinds[reference.rpartition("/")[2]] = response.headers["content-type"].partition(";")[0]
    assert kinds == {
        "swagger-ui.css": "text/css",
        "start.css": "text/css",
        "swagger-ui-bundle.js": "text/javascript",
        "start.js": "text/javascript",
        "openapi.json": "application/json",
    }


async def test_a_file_may_be_kept_for_ever_because_its_address_changes_with_it(
    client: httpx.AsyncClient,
) -> None:
    (style,) = [found for found in await referenced(client) if found.endswith("swagger-ui.css")]
    response = await client.get(style)
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.content == (docs.ASSETS / "swagger-ui" / "swagger-ui.css").read_bytes()
    stale = style.replace(docs._digest(), "0" * 12)
    assert_error(await client.get(stale), errors.NotFound)


@walked("name", ["nothing.js", "LICENSE", "..%2f__init__.py", "%2e%2e%2f%2e%2e%2fapp.py", "start.js%00", ""])
async def test_nothing_else_of_the_package_is_served(client: httpx.AsyncClient, name: str) -> None:
    assert_error(await client.get(f"{PAGE}/{docs._digest()}/{name}"), errors.NotFound)


async def test_the_root_leads_to_the_account(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert (response.status_code, response.headers["location"]) == (303, "/auth/account")


async def test_the_root_leads_to_the_page_where_there_are_no_pages_for_people(
    make_settings: MakeSettings,
) -> None:
    async with serving(create_app(make_settings(pages=False))) as client:
        response = await client.get("/")
    assert (response.status_code, response.headers["location"]) == (303, PAGE)


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/{docs._digest()}/start.js", "/"])
async def test_in_production_there_is_none(make_settings: MakeSettings, path: str) -> None:
    app = create_app(make_settings(environment="production", bcrypt_rounds=10, pages=False))
    async with serving(app) as client:
        assert_error(await client.get(path), errors.NotFound)


async def test_in_production_the_document_is_there_all_the_same(make_settings: MakeSettings) -> None:
    app = create_app(make_settings(environment="production", bcrypt_rounds=10))
    async with serving(app) as client:
        assert (await client.get("/api/auth/openapi.json")).json()["openapi"].startswith("3.1")


async def test_it_says_whose_api_it_is_and_leads_back_to_pages_that_there_are(
    make_settings: MakeSettings,
) -> None:
    async with serving(create_app(make_settings(app_name="<Ann's> & Co"))) as client:
        html = (await client.get(PAGE)).text
        assert "<title>&lt;Ann&#x27;s&gt; &amp; Co API</title>" in html
        assert '<a href="../../auth/account">Your account</a>' in html
    auth = Gatepost(make_settings(), prefix="/accounts")
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages="/login/people")
    async with serving(app) as client:
        assert '<a href="../login/people/account">' in (await client.get("/accounts/docs")).text
    async with serving(create_app(make_settings(pages=False))) as client:
        assert "Your account" not in (await client.get(PAGE)).text


async def test_the_page_stands_below_the_prefix_that_was_chosen(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), prefix="/accounts")
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        html = (await client.get("/accounts/docs")).text
    assert "/api/auth" not in html
    assert not re.search(r'(?:src|href|data-openapi)="/', html), "nor does it know of a proxy's own path"

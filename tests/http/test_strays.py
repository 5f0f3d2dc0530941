"""Two session cookies of one name: refused, and no longer there the next time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response
from tests.conftest import PASSWORD, MakeSettings, serving
from tests.http.conftest import assert_error
from tests.walking import walked

from gatepost import CurrentSession, Gatepost, errors
from gatepost.app import create_app

HOST = "auth.eu.example.com"
NAME = "__Secure-gatepost"
WHO = {"email": "user@example.com", "password": PASSWORD}
SAME = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """What a browser keeps for a host, by name, domain and path (RFC 6265 §5.3), as httpx' jar does not."""

    client: httpx.AsyncClient
    kept: dict[tuple[str, str | None, str], str] = field(default_factory=dict)

    def keep(self, value: str, domain: str | None, path: str = "/") -> None:
        self.kept[NAME, domain, path] = value

    def held(self) -> list[tuple[str | None, str]]:
        """Return where the session cookies stand."""
        return [(domain, path) for name, domain, path in self.kept if name == NAME]

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        sent = [f"{name}={value}" for (name, _, at), value in self.kept.items() if path.startswith(at)]
        headers = SAME | ({"Cookie": "; ".join(sent)} if sent else {})
        self.client.cookies.clear()
        response = await self.client.request(method, path, headers=headers, **more)
        for header in response.headers.get_list("set-cookie"):
            ((name, morsel),) = SimpleCookie(header).items()
            domain = morsel["domain"] or None
            if domain is not None and (name.startswith("__Host-") or not f".{HOST}".endswith(f".{domain}")):
                continue
            place = (name, domain, morsel["path"])
            self.kept.pop(place, None)
            if morsel["max-age"] != "0":
                self.kept[place] = morsel.value
        return response

    async def sign_in(self) -> httpx.Response:
        return await self.ask("POST", "/api/auth/login", json=WHO | {"cookie": True})


@pytest.fixture
async def browser(make_settings: MakeSettings) -> AsyncIterator[Browser]:
    settings = make_settings(public_url=f"https://{HOST}", cookie_domain="eu.example.com")
    async with serving(create_app(settings)) as client:
        client.base_url = httpx.URL(f"https://{HOST}")
        browser = Browser(client)
        await browser.ask("POST", "/api/auth/register", json=WHO | {"name": "N"})
        yield browser


OTHERS: list[tuple[str | None, str]] = [
    (None, "/"),
    (HOST, "/"),
    ("example.com", "/"),
    ("eu.example.com", "/api"),
    (None, "/api/auth"),
    ("example.com", "/api/auth/me"),
]


@walked("place", OTHERS)
async def test_the_refusal_leaves_the_one_that_a_sign_in_sets(
    browser: Browser, place: tuple[str | None, str]
) -> None:
    await browser.sign_in()
    assert browser.held() == [("eu.example.com", "/")]
    browser.keep("planted, or of another COOKIE_DOMAIN", *place)
    refused = await browser.ask("GET", "/api/auth/me")
    assert_error(refused, errors.InvalidSession)
    assert browser.held() == [("eu.example.com", "/")]
    assert (await browser.ask("GET", "/api/auth/me")).status_code == 200


@walked("place", OTHERS)
async def test_a_sign_in_and_a_logout_leave_none_elsewhere(
    browser: Browser, place: tuple[str | None, str]
) -> None:
    browser.keep("of another COOKIE_DOMAIN", *place)
    browser.keep("of a third", None)
    assert (await browser.sign_in()).status_code == 200
    if place[1] == "/" or "/api/auth/login".startswith(place[1]):
        assert browser.held() == [("eu.example.com", "/")]
    browser.keep("planted", *place)
    assert (await browser.ask("POST", "/api/auth/logout")).status_code in {200, 401}
    await browser.ask("POST", "/api/auth/logout")
    assert [each for each in browser.held() if each[1] != "/api/auth/me"] == []


async def test_the_one_of_a_former_domain_is_gone_after_a_sign_in(browser: Browser) -> None:
    """It is alone, so that nothing tells where it stands, and a sign-in sets a second one."""
    browser.keep("of a former COOKIE_DOMAIN", "example.com")
    await browser.sign_in()
    assert browser.held() == [("eu.example.com", "/")]
    assert (await browser.ask("GET", "/api/auth/me")).status_code == 200


async def test_pages_are_a_way_out_too(browser: Browser) -> None:
    await browser.sign_in()
    browser.keep("planted", None)
    led = await browser.ask("GET", "/auth/account")
    assert (led.status_code, browser.held()) == (303, [("eu.example.com", "/")])
    assert (await browser.ask("GET", "/auth/account")).status_code == 200


async def test_who_has_one_is_left_alone(browser: Browser) -> None:
    await browser.sign_in()
    for path in ("/api/auth/me", "/auth/account", "/api/auth/sessions"):
        assert "set-cookie" not in (await browser.ask("GET", path)).headers


async def test_an_application_and_what_may_be_cached(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(public_url=f"https://{HOST}", cookie_domain="example.com"))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.get("/notes")
    async def notes(session: CurrentSession) -> str:
        return session.user.email

    @app.get("/logo")
    async def logo() -> Response:
        return Response(b"", headers={"Cache-Control": "public, max-age=60"})

    async with serving(app) as client:
        client.base_url = httpx.URL(f"https://{HOST}")
        browser = Browser(client)
        await browser.ask("POST", "/api/auth/register", json=WHO | {"name": "N", "cookie": True})
        browser.keep("planted", None)
        assert "set-cookie" not in (await browser.ask("GET", "/logo")).headers
        refused = await browser.ask("GET", "/notes")
        assert (refused.status_code, refused.headers["cache-control"]) == (401, "no-store")
        assert (await browser.ask("GET", "/notes")).json() == "user@example.com"


@walked("path", ["/a;Domain=x", "/%0d%0aset-cookie:b=c", "/ä/b", "//", "/a/" * 50])
async def test_no_path_writes_a_header(browser: Browser, path: str) -> None:
    browser.keep("one", None)
    browser.keep("two", "example.com")
    response = await browser.ask("GET", path)
    for header in response.headers.get_list("set-cookie"):
        assert len(SimpleCookie(header)) == 1
        assert header.startswith(f"{NAME}=; Path=/")
        assert header.count("Domain=") <= 1
    assert len(response.headers.get_list("set-cookie")) < 40

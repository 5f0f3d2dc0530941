"""A visitor of the pages without a browser: reads forms out of HTML and sends them as browsers do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, serving

from gatepost.app import create_app
from gatepost.library import Gatepost
from gatepost.models import Client, User

ORIGIN = "https://auth.example.com"
SAME = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}
EMAIL = "user@example.com"

_VOID = {"input", "meta", "link", "img", "br", "hr", "path", "rect", "circle", "line"}


@dataclass
class HtmlForm:
    """A form: where it leads, and its fields as it was served with them; an unchecked box is none."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


class Html(HTMLParser):
    """What tests ask of a page.

    Attributes:
        forms: in their order.
        elements: name and attributes of each, in their order.
        texts: what stands in an element, by its `id`, `role` and name.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[HtmlForm] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def form(self, action: str) -> HtmlForm:
        """Return the one form that leads to a path ending so."""
        (found,) = [form for form in self.forms if form.action.endswith(action)]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"{tag} has an attribute twice: {attrs}"
        self.elements.append((tag, attributes))
        if tag == "form":
            self.forms.append(HtmlForm(attributes["action"] or "", attributes.get("method") or "get"))
        name = attributes.get("name")
        if tag == "input" and name and (attributes.get("type") != "checkbox" or "checked" in attributes):
            unnamed = "on" if attributes.get("type") == "checkbox" else ""
            self.forms[-1].fields[name] = attributes.get("value") or unnamed
        if tag not in _VOID:
            keys = [tag, *(value for key in ("id", "role") if (value := attributes.get(key)))]
            self._open.append((tag, keys))
            for key in keys:
                self.texts.setdefault(key, "")

    def handle_endtag(self, tag: str) -> None:
        while self._open and tag not in _VOID:
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        for key in {key for _, keys in self._open for key in keys}:
            self.texts[key] = " ".join(f"{self.texts[key]} {data}".split())


class Visitor:
    """One browser without scripts: its cookies, the page it shows.

    Attributes:
        client: with the cookies.
        answer: what the server answered last.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.answer = httpx.Response(204)

    @property
    def page(self) -> Html:
        return Html(self.answer.text)

    @property
    def place(self) -> str:
        """Where the answer leads."""
        assert self.answer.status_code == 303, (self.answer.status_code, self.answer.text)
        return self.answer.headers["location"]

    async def get(self, path: str, **headers: str) -> httpx.Response:
        self.answer = await self.client.get(path, headers=headers)
        return self.answer

    async def send(
        self, action: str, typed: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send the form of the page that leads to `action`, with what was typed over what it had."""
        form = self.page.form(action)
        return await self.post(form.action, form.fields | (typed or {}), headers)

    async def post(
        self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send fields to a path as a form of this site does."""
        self.answer = await self.client.post(path, data=fields, headers=SAME if headers is None else headers)
        return self.answer

    async def follow(self) -> httpx.Response:
        """Go where the answer leads."""
        return await self.get(self.place)

    async def sign_up(self, email: str = EMAIL, name: str = "John Doe") -> None:
        await self.get("/auth/sign-up")
        await self.send("/sign-up", {"email": email, "name": name, "password": PASSWORD})
        assert self.place == "/auth/account"

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD, **typed: str) -> httpx.Response:
        """Type into the form that is shown."""
        return await self.send("/sign-in", {"email": email, "password": password, **typed})

    async def sign_out(self) -> None:
        await self.get("/auth/account")
        await self.send("/sign-out")
        assert self.answer.status_code == 200, self.answer.text


@asynccontextmanager
async def visiting(app: Any, origin: str = ORIGIN) -> AsyncIterator[Visitor]:
    """Run an application and visit it."""
    async with serving(app) as client:
        client.base_url = httpx.URL(origin)
        yield Visitor(client)


@asynccontextmanager
async def another(app: FastAPI, host: str = "127.0.0.1") -> AsyncIterator[Visitor]:
    """Visit an application that runs with another browser."""
    transport = httpx.ASGITransport(app=app, client=(host, 50_001), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield Visitor(client)


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(public_url=ORIGIN), clock=clock)


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[Visitor]:
    """A browser that comes for the first time."""
    async with visiting(app) as visitor:
        yield visitor


@pytest.fixture
async def member(visitor: Visitor) -> Visitor:
    """A browser that has just signed up."""
    await visitor.sign_up()
    return visitor


# --- The console ---


async def an_hour_later(client: httpx.AsyncClient, clock: MovableClock) -> None:
    """Be signed in for an hour without a look at the console."""
    for _ in range(4):
        clock.advance(minutes=15)
        await client.get("/auth/account")


ADMIN = "admin@example.com"


async def make_user(
    app: FastAPI, email: str = EMAIL, name: str = "John Doe", *, is_admin: bool = False
) -> User:
    """Make an account with the password `PASSWORD`, as a command does."""
    gate: Gatepost = app.state.gatepost
    return await gate.administration.create(
        email=email, name=name, password=PASSWORD, is_admin=is_admin, client=Client()
    )


@pytest.fixture
async def admin(app: FastAPI, visitor: Visitor) -> Visitor:
    """A browser where an administrator has just signed in; their user is the first."""
    await make_user(app, ADMIN, "Ada Admin", is_admin=True)
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(ADMIN)
    assert visitor.place == "/auth/account"
    return visitor

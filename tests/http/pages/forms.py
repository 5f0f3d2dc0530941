"""Somebody at a browser, as far as pages need one: cookies, forms with their tokens, redirects."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from tests.conftest import PASSWORD

ORIGIN = "https://gatepost.test"


class Visitor:
    """A browser of its own on one server.

    Args:
        client: its connection, with its cookies.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str) -> httpx.Response:
        """Open a page below `/auth`, wherever it leads to."""
        return await self.client.get(f"/auth{path}")

    async def submit(self, path: str, *, at: str | None = None, **fields: str) -> httpx.Response:
        """Open the page with a form, send the form to `path`, and go to where that leads.

        Args:
            path: the form's action, below `/auth`.
            at: the page that it is on, where that is another.
            fields: what is typed in, besides the token.
        """
        shown = await self.get(at or path)
        token = re.search(r'name="form_token" value="([^"]+)"', shown.text)
        assert token is not None, shown.text
        return await self.post(path, form_token=token[1], **fields)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form as it is given."""
        return await self.client.post(
            f"/auth{path}", data=fields, headers={"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
        )

    async def sign_up(self, email: str = "user@example.com", name: str = "John Doe") -> None:
        """Make an account and be signed in to it."""
        answer = await self.submit("/sign-up", email=email, name=name, password=PASSWORD)
        assert at(answer) == "/account", answer.text

    async def sign_in(self, email: str = "user@example.com", password: str = PASSWORD) -> None:
        """Be signed in."""
        answer = await self.submit("/sign-in", email=email, password=password)
        assert at(answer) == "/account", answer.text


@asynccontextmanager
async def visiting(app: FastAPI, user_agent: str = "Mozilla/5.0") -> AsyncIterator[Visitor]:
    """Lend a browser on an application that is served already."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport,
        base_url=ORIGIN,
        follow_redirects=True,
        headers={"User-Agent": user_agent, "Accept-Language": "en"},
    ) as client:
        yield Visitor(client)


def at(response: httpx.Response) -> str:
    """Return the page that a visitor has come to, below `/auth`, with its query."""
    place = response.url.path.removeprefix("/auth")
    query = response.url.query.decode()
    return f"{place}?{query}" if query else place


def said(response: httpx.Response) -> str:
    """Return the text of a page as somebody reads it."""
    body = response.text.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def problems(response: httpx.Response) -> str:
    """Return what a page says is wrong with its form: in a summary, or at the one field that it is about."""
    found = re.search(_PROBLEMS, response.text, re.DOTALL)
    assert found is not None, response.text
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[0])).split())


_PROBLEMS = r'<div class="problems".*?</div>|<p class="problem" id="[\w-]+-problem">.*?</p>'


def focused(response: httpx.Response) -> str | None:
    """Return the id of what takes the focus."""
    found = re.search(r"<[^>]* autofocus[^>]*>", response.text)
    assert found is not None, response.text
    named = re.search(r' id="([^"]+)"', found[0])
    return named and named[1]

"""An administrator somewhere safe, and somebody who guesses passwords elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, register
from tests.http.conftest import Database
from tests.http.pages.conftest import ORIGIN, Visitor, make_user, visiting

from gatepost.app import create_app

GUESSER = "203.0.113.66"
HOME = "127.0.0.1"
VICTIM = "victim@example.com"
PROXY = "192.0.2.1"


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(public_url=ORIGIN, trusted_proxies=PROXY), clock=clock)


@pytest.fixture
async def token(client: httpx.AsyncClient, db: Database) -> str:
    """Of an administrator, the first user."""
    token: str = (await register(client, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[Visitor]:
    """A browser where an administrator, the first user, has just signed in."""
    async with visiting(app) as visitor:
        await make_user(app, "admin@example.com", "Ada Admin", is_admin=True)
        await visitor.get("/auth/sign-in")
        await visitor.sign_in("admin@example.com")
        yield visitor


@asynccontextmanager
async def at(app: FastAPI, address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speak from an address, to the server that is running."""
    transport = httpx.ASGITransport(app=app, client=(address, 50_000), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


async def guess(app: FastAPI, *emails: str, address: str = GUESSER) -> None:
    """Try a wrong password with each of these accounts."""
    async with at(app, address) as client:
        for email in emails:
            body = {"email": email, "password": "a wrong guess"}
            assert (await client.post("/api/auth/login", json=body)).status_code == 401


async def sign_in(app: FastAPI, email: str = VICTIM, address: str = GUESSER) -> Any:
    """Sign in with the right password; return the answer."""
    async with at(app, address) as client:
        return await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})


async def break_in(app: FastAPI) -> str:
    """Guess at three accounts until one guess is right; return the token of that session."""
    await make_user(app, VICTIM, "Vic Tim")
    await make_user(app, "other@example.com", "Other")
    await guess(app, *[VICTIM, "other@example.com", "nobody@example.com"] * 2)
    answer = await sign_in(app)
    token: str = answer.json()["data"]["token"]
    return token


async def is_live(app: FastAPI, token: str) -> bool:
    async with at(app, GUESSER) as client:
        return (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200

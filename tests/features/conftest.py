"""What the tests of features share: applications with other settings, pages, commands, and sign-ups."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.cli.conftest import ada, command, gatepost, logging_as_it_was, outside, settings_of
from tests.conftest import PASSWORD, MakeSettings, MovableClock, serving
from tests.http.conftest import Database
from tests.http.pages.conftest import admin, visitor

from gatepost.app import create_app
from gatepost.features.invitations.service import Invitations
from gatepost.library import Gatepost
from gatepost.models import Client

__all__ = ["ada", "admin", "command", "gatepost", "logging_as_it_was", "outside", "settings_of", "visitor"]

NEWCOMER = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}
UNKNOWN = "A" * 43

Serve = Callable[..., Any]


@pytest.fixture
def serve(make_settings: MakeSettings, clock: MovableClock) -> Serve:
    """Serve with other settings than the defaults."""

    @asynccontextmanager
    async def made(**overrides: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Gatepost]]:
        app = create_app(make_settings(**overrides), clock=clock)
        async with serving(app) as client:
            yield client, app.state.gatepost

    return made


async def invited(gate: Gatepost, email: str | None = None, **options: Any) -> str:
    return (await gate.service(Invitations).create(email=email, client=Client(), **options)).token


async def sign_up(client: httpx.AsyncClient, token: str | None = None, **other: Any) -> httpx.Response:
    return await client.post("/api/auth/register", json=NEWCOMER | {"invitation": token} | other)


async def users(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM users"))

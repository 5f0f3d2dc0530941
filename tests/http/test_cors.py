"""Pages of ALLOWED_ORIGINS: answered by the API, and by an application's own routes where it wants that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, bearer, register, serving

from gatepost import CurrentSession, Gatepost

SPA = "https://app.example.com"
OTHER = "https://evil.example.com"


@asynccontextmanager
async def application(make_settings: MakeSettings, *, cors: bool) -> AsyncIterator[httpx.AsyncClient]:
    auth = Gatepost(make_settings(allowed_origins=[SPA], public_url="https://gatepost.test"))
    app = FastAPI(lifespan=auth.lifespan)

    @app.put("/notes")
    async def notes(session: CurrentSession) -> str:
        return session.user.email

    auth.install(app, cors=cors)
    async with serving(app) as client:
        yield client


def asked(origin: str, method: str) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }


@pytest.mark.parametrize("origin", [SPA, OTHER, "null"])
async def test_own_routes_answer_allowed_origins_and_no_others(
    make_settings: MakeSettings, origin: str
) -> None:
    expected = SPA if origin == SPA else None
    async with application(make_settings, cors=True) as client:
        token = (await register(client))["token"]
        for path, method in (("/notes", "PUT"), ("/api/auth/me", "PATCH")):
            preflight = await client.options(path, headers=asked(origin, method))
            assert preflight.headers.get("Access-Control-Allow-Origin") == expected
            assert preflight.status_code == (200 if expected else 403)
        for headers, status in ((bearer(token), 200), ({}, 401)):
            answer = await client.put("/notes", headers={"Origin": origin, **headers})
            assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (
                status,
                expected,
            )
        mine = await client.get("/api/auth/me", headers={"Origin": origin, **bearer(token)})
        assert mine.headers.get_list("Access-Control-Allow-Origin") == ([SPA] if expected else [])


async def test_unless_it_is_asked_for_the_api_alone_answers(make_settings: MakeSettings) -> None:
    async with application(make_settings, cors=False) as client:
        assert (await client.options("/notes", headers=asked(SPA, "PUT"))).status_code == 405
        assert (await client.options("/api/auth/me", headers=asked(SPA, "PATCH"))).status_code == 200

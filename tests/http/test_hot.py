"""Me, verify and refresh: the same answers in front of the framework and through it."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Mount
from tests.conftest import MakeSettings, bearer, register, serving
from tests.http.conftest import Standing, assert_error

from gatepost import errors
from gatepost.app import create_app
from gatepost.http.hot import HotPaths
from gatepost.library import Gatepost

CHECKS = [(method, path) for method in ("GET", "HEAD") for path in ("me", "verify")]


def framework_of(app: FastAPI) -> Any:
    """Return the API as the framework serves it, with nothing in front."""
    mounted: list[Any] = [route.app for route in app.routes if isinstance(route, Mount)]
    (in_front,) = [each.app for each in mounted if isinstance(each.app, HotPaths)]
    return in_front._app


@asynccontextmanager
async def through_the_framework(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=framework_of(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
        yield client


def same(one: httpx.Response, other: httpx.Response) -> bool:
    """Say whether two answers differ in nothing but their request ids."""
    headers = [{k: v for k, v in each.headers.items() if k != "x-request-id"} for each in (one, other)]
    return (one.status_code, one.content, headers[0]) == (other.status_code, other.content, headers[1])


@pytest.mark.parametrize(("method", "path"), CHECKS)
@pytest.mark.parametrize("token", ["good", "unknown", "none"])
async def test_the_framework_answers_a_check_in_the_same_way(
    standing: Standing, method: str, path: str, token: str
) -> None:
    headers = {"good": bearer(standing.token), "unknown": bearer("0" * 43), "none": {}}[token]
    in_front = await standing.client.request(method, f"/api/auth/{path}", headers=headers)
    async with through_the_framework(standing.app) as client:
        through = await client.request(method, f"/{path}", headers=headers)
    assert same(in_front, through)
    assert in_front.is_success == (token == "good")


async def test_a_refresh_with_a_body_goes_through_the_framework_and_is_the_same(
    client: httpx.AsyncClient,
) -> None:
    token = (await register(client))["token"]
    in_front = await client.post("/api/auth/refresh", headers=bearer(token))
    through = await client.post("/api/auth/refresh", headers=bearer(token), json={})
    assert in_front.status_code == 200
    assert same(in_front, through)


async def test_the_guard_of_bodies_stands_before_a_refresh_as_well(standing: Standing) -> None:
    refused = await standing.client.post("/api/auth/refresh", headers=bearer(standing.token), data={"a": "b"})
    assert_error(refused, errors.UnsupportedMediaType)
    refused = await standing.client.post(
        "/api/auth/refresh",
        content=b" " * 65_537,
        headers=bearer(standing.token) | {"Content-Type": "application/json"},
    )
    assert_error(refused, errors.BodyTooLarge)
    assert await standing.holds_one_user_and_session()


@pytest.mark.parametrize(
    "path", ["/api/auth/me/", "/api/auth//me", "/API/auth/me", "/me", "/api/auth/api/auth/me"]
)
async def test_only_the_very_path_is_theirs(standing: Standing, path: str) -> None:
    assert_error(await standing.client.get(path, headers=bearer(standing.token)), errors.NotFound)


@pytest.mark.parametrize(
    ("root_path", "path", "status"),
    [
        ("", "/api/auth", 200),
        ("/proxy", "/proxy/api/auth", 200),
        ("/api", "/api/api/auth", 200),
        ("/api", "/api/auth", 404),
    ],
)
async def test_below_a_root_path_they_are_found_as_the_framework_finds_its_own(
    standing: Standing, root_path: str, path: str, status: int
) -> None:
    transport = httpx.ASGITransport(app=standing.app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
        for name in ("me", "sessions"):
            response = await client.get(f"{path}/{name}", headers=bearer(standing.token))
            assert response.status_code == status


async def test_an_installed_api_has_them_in_front_too(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), prefix="/accounts")
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        body = {"email": "user@example.com", "name": "x", "password": "securepassword123"}
        token = (await client.post("/accounts/register", json=body)).json()["data"]["token"]
        in_front = await client.get("/accounts/me", headers=bearer(token))
        async with through_the_framework(app) as framework:
            assert same(in_front, await framework.get("/me", headers=bearer(token)))
        assert in_front.status_code == 200


async def test_before_it_is_open_they_are_a_fault_and_no_refusal(make_settings: MakeSettings) -> None:
    app = create_app(make_settings())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
        for method, path in (("GET", "me"), ("GET", "verify"), ("POST", "refresh")):
            response = await client.request(method, f"/api/auth/{path}", headers=bearer("x"))
            assert_error(response, errors.InternalError)


async def test_request_ids_are_random(standing: Standing) -> None:
    paths = ["me", "sessions", "nothing", "register"] * 5
    answers = [await standing.client.get(f"/api/auth/{path}") for path in paths]
    ids = [answer.headers["x-request-id"] for answer in answers]
    # Neither half is that of another: nothing of it is the process's, nothing counts.
    assert len({each[:16] for each in ids} | {each[16:] for each in ids}) == 2 * len(paths)


FORKED = """
import os
from gatepost.http.middleware import Begun

def ids():
    return [Begun({"path": "/"}, []).request_id for _ in range(3)]

ids()
for _ in range(2):
    if (child := os.fork()) == 0:
        print(*ids(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
print(*ids())
"""


def test_request_ids_of_forks_are_never_the_same() -> None:
    told = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert len(set(told.stdout.split())) == 9

"""The API and the pages below a root path, with a proxy that takes it off and with one that does not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from tests.conftest import PASSWORD, MakeSettings, bearer, register, serving
from tests.http.conftest import logged
from tests.walking import walked

from gatepost import CurrentSession, Gatepost

WHO = {"email": "user@example.com", "name": "N", "password": PASSWORD}


def application(auth: Gatepost, root: str) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    app.root_path = root  # as `FastAPI(root_path=…)`, which warns
    auth.install(app, pages=True)

    @app.get("/notes")
    async def notes(session: CurrentSession, request: Request) -> str:
        return str(request.scope["path"])

    return app


@asynccontextmanager
async def behind(app: FastAPI, server_root: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Have the server know of a root, as by `uvicorn --root-path`."""
    async with serving(app):
        transport = httpx.ASGITransport(app=app, root_path=server_root, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            yield client


PLACES = [
    # root of the application, of the server, what the path begins with when it comes here
    ("", "", ""),
    ("/x", "", ""),  # stripped
    ("/x", "", "/x"),  # not stripped
    ("/x/y/", "", ""),
    ("/auth-server", "", ""),
    ("", "/x", "/x"),
    ("/api/authx", "", ""),
]


@walked(("root", "server_root", "path"), PLACES)
async def test_api_pages_and_hot_paths_are_found(
    make_settings: MakeSettings, root: str, server_root: str, path: str
) -> None:
    shown = root.rstrip("/") or server_root
    app = application(Gatepost(make_settings()), root)
    async with behind(app, server_root) as client:
        registered = await client.post(f"{path}/api/auth/register", json=WHO | {"cookie": True})
        assert registered.status_code == 201, registered.text
        for name, status in (
            ("me", 200),
            ("verify", 204),
            ("sessions", 200),
            ("docs", 200),
            ("nowhere", 404),
        ):
            assert (await client.get(f"{path}/api/auth/{name}")).status_code == status, name
        wrong = await client.put(f"{path}/api/auth/me")
        assert (wrong.status_code, "PATCH" in wrong.headers["allow"]) == (405, True)
        own = {"Sec-Fetch-Site": "same-origin"}
        assert (await client.post(f"{path}/api/auth/refresh", headers=own)).status_code == 200
        assert (await client.post(f"{path}/api/auth/refresh", headers=own, json={})).status_code == 200
        page = await client.get(f"{path}/auth/account")
        assert page.status_code == 200
        assert f'href="{shown}/auth/devices"' in page.text
        style = page.text.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
        assert style.startswith(f"{shown}/auth/assets/")
        assert (await client.get(path + style.removeprefix(shown))).status_code == 200
        assert (await client.get(f"{path}/notes")).json() == f"{path}/notes", (
            "the application's own is its own"
        )
        client.cookies.clear()
        led = await client.get(f"{path}/auth/account")
        assert led.headers["location"].partition("?")[0] == f"{shown}/auth/sign-in"
        assert led.headers["location"].endswith(f"next={shown.replace('/', '%2F')}%2Fauth%2Faccount")


@pytest.mark.parametrize(("root", "path"), [("/x", ""), ("/x", "/x"), ("", "")])
async def test_in_an_application_below_another(make_settings: MakeSettings, root: str, path: str) -> None:
    auth = Gatepost(make_settings())
    inner = application(auth, "")
    app = FastAPI(lifespan=auth.lifespan)
    app.root_path = root
    app.mount("/v1", inner)
    async with behind(app) as client:
        registered = await client.post(f"{path}/v1/api/auth/register", json=WHO)
        assert registered.status_code == 201, registered.text
        token = bearer(registered.json()["data"]["token"])
        for name, status in (("me", 200), ("verify", 204), ("sessions", 200)):
            assert (await client.get(f"{path}/v1/api/auth/{name}", headers=token)).status_code == status
        page = await client.get(f"{path}/v1/auth/sign-in")
        assert f'action="{root}/v1/auth/sign-in' in page.text


async def test_a_path_that_only_begins_like_the_root_is_another(make_settings: MakeSettings) -> None:
    app = application(Gatepost(make_settings()), "/x")
    async with behind(app) as client:
        for path in ("/xapi/auth/me", "/x/x/api/auth/me", "/y/api/auth/me", "/x"):
            assert (await client.get(path)).status_code == 404
        await register(client)


def test_a_route_that_takes_the_apis_requests_is_warned_of(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    def warned(define: Callable[[FastAPI], object], *, prefix: str = "/api/auth") -> list[str]:
        caplog.clear()
        app = FastAPI()
        define(app)
        Gatepost(make_settings(), prefix=prefix).install(app, pages=True)
        told = logged(caplog, "a route of the application comes before Gatepost's")
        return [line["route"] for line in told]

    def nothing() -> None: ...

    assert warned(lambda app: app.get("/notes")(nothing)) == []
    assert warned(lambda _: None, prefix="/auth/api") == []
    assert warned(lambda app: app.post("/api/auth/login")(nothing)) == ["/api/auth/login"]
    assert warned(lambda app: app.get("/{path:path}")(nothing)) == ["/{path:path}"] * 2
    assert warned(lambda app: app.mount("/", Starlette())) == ["/"] * 2

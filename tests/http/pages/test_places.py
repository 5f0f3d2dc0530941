"""Where pages stand: in an application of one's own, beside others, behind a proxy at a sub-path."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.conftest import AsApp, MakeSettings, MovableClock, scratch_database
from tests.http.pages.conftest import ORIGIN, Visitor, visiting

from gatepost import CurrentSession, Gatepost
from gatepost.app import create_app

# --- In an application ---


def application(auth: Gatepost, **installed: Any) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, **installed)

    @app.get("/notes")
    async def notes(session: CurrentSession) -> str:
        return session.user.email

    return app


@pytest.mark.parametrize(("pages", "prefix"), [(True, "/auth"), ("/people/me", "/people/me")])
async def test_an_application_has_pages_where_it_wants_them(
    make_settings: MakeSettings, clock: MovableClock, pages: bool | str, prefix: str
) -> None:
    auth = Gatepost(make_settings(public_url=ORIGIN), clock=clock)
    async with visiting(application(auth, pages=pages)) as visitor:
        await visitor.get(f"{prefix}/sign-up?next=/notes")
        await visitor.send(
            "/sign-up", {"email": "a@b.example", "name": "Ann", "password": "securepassword123"}
        )
        assert visitor.place == "/notes"
        assert (await visitor.follow()).json() == "a@b.example"
        await visitor.get(f"{prefix}/")
        assert visitor.place == f"{prefix}/account"
        await visitor.follow()
        for place in re.findall(r'(?:href|src|action)="(/[^"]*)"', visitor.answer.text):
            assert place.startswith(f"{prefix}/")
        await visitor.get("/nothing")
        assert visitor.answer.json() == {"detail": "Not Found"}, "the application's own"


async def test_pages_are_opt_in_and_the_setting_turns_them_off(make_settings: MakeSettings) -> None:
    for settings, installed in ((make_settings(), {}), (make_settings(pages=False), {"pages": True})):
        async with visiting(application(Gatepost(settings), **installed)) as visitor:
            assert (await visitor.get("/auth/sign-in")).status_code == 404


@pytest.mark.parametrize("path", ["auth", "/auth/", "/a b", "/", ""])
def test_a_place_that_is_none_is_refused(make_settings: MakeSettings, path: str) -> None:
    auth = Gatepost(make_settings())
    if path:
        with pytest.raises(ValueError, match="pages must be a path"):
            auth.install(FastAPI(), pages=path)
    app = FastAPI()
    auth.install(app, pages=True)
    with pytest.raises(ValueError, match="already"):
        auth.install(app, api=False, pages=True)


async def test_two_gateposts_have_pages_side_by_side(
    make_settings: MakeSettings, clock: MovableClock, server_dsn: str, template: str, as_app: AsApp
) -> None:
    async with scratch_database(server_dsn, template) as dsn:
        settings = make_settings(public_url=ORIGIN)
        customers = Gatepost(settings, clock=clock)
        staff = Gatepost(
            make_settings(public_url=ORIGIN, database_url=as_app(dsn), app_name="Staff"),
            prefix="/api/staff",
            clock=clock,
        )

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with customers.lifespan(app), staff.lifespan(app):
                yield

        app = FastAPI(lifespan=lifespan)
        customers.install(app, pages=True)
        staff.install(app, pages="/staff")
        async with visiting(app) as visitor:
            for prefix, email in (("/auth", "customer@example.com"), ("/staff", "staff@example.com")):
                await visitor.get(f"{prefix}/sign-up")
                who = {"email": email, "name": "Ann", "password": "securepassword123"}
                await visitor.send("/sign-up", who)
                assert visitor.place == f"{prefix}/account"
            await visitor.get("/staff/account")
            assert "· Staff" in visitor.page.texts["title"]
            await visitor.send("/sign-out")
            await visitor.get("/staff/account")
            assert visitor.answer.status_code == 303
            await visitor.get("/auth/account")
            assert visitor.answer.status_code in {200, 303}


# --- Behind a proxy ---


class Stripping:
    """A proxy that takes the root off the path, or not."""

    def __init__(self, app: FastAPI, root: str, *, strips: bool) -> None:
        self.app: ASGIApp = app
        self.router = app.router
        self._root = root
        self._strips = strips

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith(self._root), f"{scope['path']} leads past the proxy"
            if self._strips:
                scope = {**scope, "path": scope["path"][len(self._root) :] or "/"}
        await self.app(scope, receive, send)


@pytest.mark.parametrize("strips", [True, False])
@pytest.mark.parametrize("root", ["/accounts", "/auth", "/x/api", "/a/b"])
async def test_behind_a_proxy_at_a_sub_path_everything_leads_through_it(
    make_settings: MakeSettings, clock: MovableClock, root: str, strips: bool
) -> None:
    app = create_app(make_settings(public_url=ORIGIN, root_path=root), clock=clock)
    async with visiting(Stripping(app, root, strips=strips)) as visitor:
        await visitor.get(f"{root}/")
        assert visitor.place == f"{root}/auth/account"
        if not strips:
            await visitor.get(root)
            assert visitor.place == f"{root}/auth/account"
        await visitor.follow()
        assert visitor.place.startswith(
            f"{root}/auth/sign-in?next={root.replace('/', '%2F')}%2Fauth%2Faccount"
        )
        await visitor.follow()
        places = re.findall(r'(?:href|src|action)="([^"#][^"]*)"', visitor.answer.text)
        for place in places:
            assert place.startswith((f"{root}/auth/", "data:")), place
            if "/assets/" in place:
                assert (await visitor.client.get(place)).status_code == 200
        await visitor.get(f"{root}/auth/sign-up?next={root}/auth/devices")
        who = {"email": "a@b.example", "name": "Ann", "password": "securepassword123"}
        await visitor.send("/sign-up", who)
        assert visitor.place == f"{root}/auth/devices"
        assert "Path=/;" in visitor.answer.headers["set-cookie"]
        await visitor.follow()
        assert visitor.answer.status_code == 200
        current = [each["href"] for each in visitor.page.all("a") if each.get("aria-current") == "page"]
        assert current == [f"{root}/auth/devices"]
        assert (await visitor.client.get(f"{root}/api/auth/me")).status_code == 200
        assert (await visitor.client.get(f"{root}/auth/nothing")).status_code == 404
        document = (await visitor.client.get(f"{root}/api/auth/openapi.json")).json()
        assert document["servers"] == [{"url": root}]
        assert "/api/auth/me" in document["paths"]


async def test_without_a_sub_path_the_document_names_no_servers(visitor: Visitor) -> None:
    answer: httpx.Response = await visitor.client.get("/api/auth/openapi.json")
    assert "servers" not in answer.json()

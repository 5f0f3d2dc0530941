"""Pages that an application renders itself: who may see them, and where everybody else is led."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from tests.conftest import PASSWORD, MakeSettings, bearer, login, register, serving
from tests.walking import walked

from gatepost import Gatepost, OptionalSession, PageSession

Serve = Callable[..., Any]


@pytest.fixture
def serve(make_settings: MakeSettings) -> Serve:
    @asynccontextmanager
    async def serve(*, pages: bool | str = True, root: str = "") -> AsyncIterator[httpx.AsyncClient]:
        auth = Gatepost(make_settings(root_path=root))
        app, part = FastAPI(lifespan=auth.lifespan), FastAPI()

        @app.api_route("/notes", methods=["GET", "POST"])
        async def notes(session: PageSession) -> str:
            return session.user.email

        @app.get("/notes/{name}")
        async def note(session: PageSession, name: str) -> str:
            return name

        @part.get("/drafts")
        async def drafts(session: PageSession) -> str:
            return session.user.email

        @app.get("/")
        async def home(session: OptionalSession, request: Request) -> dict[str, Any]:
            return {"email": session and session.user.email, "form_token": auth.form_token(request)}

        auth.install(app, pages=pages)
        auth.install(part, api=False)
        app.mount("/part", part)
        async with serving(app, root_path=root) as client:
            yield client

    return serve


def led_to(response: httpx.Response) -> tuple[str, str | None]:
    """Return where a visitor is led, and where from there."""
    assert response.status_code == 303
    place = urlsplit(response.headers["Location"])
    return place.path, parse_qs(place.query).get("next", [None])[0]


@walked("path", ["/notes", "/notes?sort=age&of=a%20b", "/part/drafts"])
@walked(("pages", "place"), [(True, "/auth/sign-in"), ("/members", "/members/sign-in")])
async def test_a_stranger_is_led_to_sign_in_and_comes_back(
    serve: Serve, path: str, pages: bool | str, place: str
) -> None:
    async with serve(pages=pages) as client:
        assert led_to(await client.get(path)) == (place, path)
        assert led_to(await client.get(path, headers=bearer("no token"))) == (place, path)
        token = (await register(client))["token"]
        assert (await client.get(path, headers=bearer(token))).json() == "user@example.com"
        await client.post("/api/auth/logout", headers=bearer(token))
        assert led_to(await client.get(path, headers=bearer(token))) == (place, path)


@pytest.mark.parametrize("path", ["/notes/caf%C3%A9", "/notes/why%3F%23%25", "/notes/a%20b?c=%20"])
async def test_a_path_of_whatever_letters_is_come_back_to(serve: Serve, path: str) -> None:
    async with serve() as client:
        await register(client)
        assert led_to(await client.get(path)) == ("/auth/sign-in", path)
        page = await client.get((await client.get(path)).headers["Location"])
        form_token = page.text.partition('name="form_token" value="')[2].partition('"')[0]
        signed_in = await client.post(
            f"/auth/sign-in?{urlencode({'next': path})}",
            data={"form_token": form_token, "email": "user@example.com", "password": PASSWORD},
            headers={"Origin": "http://gatepost.test", "Sec-Fetch-Site": "same-origin"},
        )
        assert signed_in.headers["Location"] == path
        # As where the id of a user is such a text.
        place = f"/auth/admin/users/{path.partition('?')[0].removeprefix('/notes/')}"
        client.cookies.clear()
        assert led_to(await client.get(place)) == ("/auth/sign-in", place)


async def test_where_a_form_went_nobody_is_led_back_to(serve: Serve) -> None:
    async with serve() as client:
        assert led_to(await client.post("/notes")) == ("/auth/sign-in", None)


async def test_what_the_application_is_below_is_part_of_the_way(serve: Serve) -> None:
    async with serve(root="/shop") as client:
        for path in ("/shop/notes", "/shop/part/drafts"):
            assert led_to(await client.get(path)) == ("/shop/auth/sign-in", path)


@pytest.mark.parametrize(
    ("current", "back"),
    [
        ("https://gatepost.test/board?tab=2", "/board?tab=2"),
        ("https://elsewhere.test//evil.test/", "//evil.test/"),
        ("", None),
        ("https://[gatepost.test/board", None),
    ],
)
async def test_htmx_is_led_with_the_whole_page(serve: Serve, current: str, back: str | None) -> None:
    async with serve() as client:
        headers = {"HX-Request": "true", "HX-Current-URL": current}
        refused = await client.post("/notes", headers=headers)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        place = urlsplit(refused.headers["HX-Redirect"])
        assert place.path == "/auth/sign-in"
        assert parse_qs(place.query).get("next") == ([back] if back else None)
        # What comes from outside is looked at once more where it would be gone to.
        page = await client.get(refused.headers["HX-Redirect"])
        assert page.status_code == 200
        assert "//evil.test" not in page.text


async def test_a_page_for_both_is_told_who_is_there(serve: Serve) -> None:
    async with serve() as client:
        assert (await client.get("/")).json() == {"email": None, "form_token": ""}
        token = (await register(client))["token"]
        found = (await client.get("/", headers=bearer(token))).json()
        assert found["email"] == "user@example.com"
        assert len(found["form_token"]) == 64


async def test_a_button_signs_out_with_one_click(serve: Serve) -> None:
    async with serve() as client:
        await register(client)
        client.cookies = httpx.Cookies()
        body = {"email": "user@example.com", "password": PASSWORD, "cookie": True}
        site = {"Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/api/auth/login", json=body, headers=site)).status_code == 200
        token = (await client.get("/", headers=site)).json()["form_token"]
        for other in ("", token[:-4] + "AAAA"):
            await client.post("/auth/sign-out", data={"form_token": other}, headers=site)
            assert (await client.get("/", headers=site)).json()["email"] == "user@example.com"
        done = await client.post("/auth/sign-out", data={"form_token": token}, headers=site)
        assert done.status_code == 200
        assert (await client.get("/", headers=site)).json()["email"] is None


async def test_a_form_token_of_another_sign_in_is_none(serve: Serve) -> None:
    async with serve() as client:
        first = (await register(client))["token"]
        other = (await register(client, "other@example.com"))["token"]
        token = (await client.get("/", headers=bearer(other))).json()["form_token"]
        await client.post("/auth/sign-out", data={"form_token": token}, headers=bearer(first))
        assert (await client.get("/", headers=bearer(first))).json()["email"] == "user@example.com"


async def test_what_was_forgotten_is_said(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings())
    with pytest.raises(RuntimeError, match="pages=True"):
        auth.url_for("sign_in")
    auth.install(FastAPI(), pages=True)
    with pytest.raises(ValueError, match="'login': there are sign_in, sign_up"):
        auth.url_for("login")
    assert auth.url_for("sign_in") == "/auth/sign-in"
    assert auth.url_for("sign_in", next="/a?b=c&d") == "/auth/sign-in?next=%2Fa%3Fb%3Dc%26d"
    with pytest.raises(RuntimeError, match="PageSession or OptionalSession"):
        auth.form_token(Request({"type": "http", "headers": []}))


async def test_every_page_that_has_a_name_is_there(serve: Serve, make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings())
    auth.install(FastAPI(), pages=True)
    async with serve() as client:
        token = (await register(client))["token"]
        await login(client)
        for page in ("sign_in", "sign_up", "sign_out", "confirm", "account", "devices", "activity", "admin"):
            answer = await client.get(auth.url_for(page), headers=bearer(token))
            assert answer.status_code in {200, 303, 403}, page

"""`auth.set_cookie`: an application of one's own signs a browser in."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from tests.conftest import PASSWORD, MakeSettings, load, register, serving
from tests.http.conftest import Database, events

from gatepost import AdminSession, Gatepost
from gatepost.models import Client

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
(EXAMPLE,) = re.findall(r'^```python title="checkout.py"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
SAME = {"Sec-Fetch-Site": "same-origin"}
OTHER = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users_environment: None) -> Any:
    (tmp_path / "checkout.py").write_text(EXAMPLE)
    return load(tmp_path / "checkout.py", monkeypatch)


async def test_the_browser_is_signed_in_and_its_former_session_ends(example: Any, db: Database) -> None:
    async with serving(example.app) as client:
        for email in ("ada@example.com", "b@example.com"):
            bought = await client.post("/checkout", data={"email": email, "name": "Ada"}, headers=SAME)
            assert bought.status_code == 303
            assert bought.headers["cache-control"] == "no-store"
            assert email in (await client.get("/auth/account")).text
    rows = await db.fetch("SELECT end_reason FROM user_sessions ORDER BY id")
    assert [row["end_reason"] is None for row in rows] == [False, True]


async def test_another_site_signs_nobody_in(example: Any, db: Database) -> None:
    async with serving(example.app) as client:
        form = {"email": "ada@example.com", "name": "Ada"}
        refused = await client.post("/checkout", data=form, headers=OTHER)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cross_origin_refused")
        assert not any("gatepost" in cookie for cookie in refused.headers.get_list("set-cookie"))


async def test_a_link_that_is_followed_may_and_a_picture_of_another_site_may_not(
    make_settings: MakeSettings,
) -> None:
    auth = Gatepost(make_settings())
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.get("/callback")
    async def callback(request: Request, response: Response) -> str:
        user = await auth.users.find("user@example.com")
        assert user is not None
        signed_in = await auth.sessions.start(user.id, methods=["fed"])
        await auth.set_cookie(request, response, signed_in)
        return "done"

    from_elsewhere = {"Sec-Fetch-Site": "cross-site"}
    async with serving(app) as client:
        await register(client)
        picture = {**from_elsewhere, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        assert (await client.get("/callback", headers=picture)).status_code == 403
        assert (await client.get("/api/auth/me")).status_code == 401
        link = {**from_elsewhere, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert (await client.get("/callback", headers=link)).status_code == 200
        assert (await client.get("/api/auth/me")).status_code == 200


async def test_an_impersonation_is_held_and_the_session_that_it_hangs_on_goes_on(
    make_settings: MakeSettings, db: Database
) -> None:
    auth = Gatepost(make_settings())
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.post("/support/{user_id}")
    async def support(user_id: int, session: AdminSession, request: Request, response: Response) -> None:
        signed_in = await auth.sessions.start(user_id, by=session)
        await auth.set_cookie(request, response, signed_in)

    async with serving(app) as client:
        user = (await register(client))["user"]["id"]
        body = {"email": "admin@example.com", "name": "Admin", "password": PASSWORD, "cookie": True}
        assert (await client.post("/api/auth/register", json=body, headers=SAME)).status_code == 201
        found = await auth.administration.find("admin@example.com")
        await auth.administration.set_admin(found, is_admin=True, client=Client())
        taken = await client.post(f"/support/{user}", headers=SAME)
        assert taken.status_code == 200, taken.text
        names = [each.partition("=")[0] for each in taken.headers.get_list("set-cookie")]
        assert not [name for name in names if "device" in name], names
        me = (await client.get("/api/auth/me")).json()["data"]
        assert me["session_info"]["impersonator_id"] == found.id
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE ended_at IS NULL") == 3
    assert len(await events(db, "session.impersonated")) == 1

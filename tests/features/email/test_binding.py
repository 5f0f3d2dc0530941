"""Codes of mails work in the browser that asked for them; links in any, which say that they were not."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, register
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.http.conftest import Database, assert_error
from tests.http.pages.conftest import Visitor, another, make_user, visitor

from gatepost import Gatepost, errors
from gatepost.app import create_app
from gatepost.features.email.errors import InvalidLink

__all__ = ["visitor"]

pytestmark = pytest.mark.usefixtures("resting")

EMAIL = "user@example.com"
SITE = "https://auth.example.com"


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**MAIL_ON, email_sign_in="both"), clock=clock)


WAYS = {
    "sign_in": ("login/email", "login/email/finish", {}),
    "password_reset": ("password/forgot", "password/reset", {"new_password": f"{PASSWORD} new"}),
}


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> tuple[str, str, str, dict[str, str]]:
    return (request.param, *WAYS[request.param])


async def test_a_code_that_a_browser_asked_for_works_nowhere_else_and_loses_no_try_there(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, way: tuple[str, str, str, Any]
) -> None:
    mail, asking, finishing, more = way
    await register(client)
    asked = await client.post(f"/api/auth/{asking}", json={"email": EMAIL, "cookie": True})
    assert asked.json()["data"] is None
    kept = client.cookies.get("__Host-gatepost-asked") or client.cookies.get("gatepost-asked")
    assert kept
    body = {"email": EMAIL, "code": (await read_mail(gate, db, mail)).code} | more
    client.cookies.clear()
    for stolen in (None, "A" * 43, "not ours"):
        headers = (
            {} if stolen is None else {"Cookie": f"gatepost-asked={stolen}; __Host-gatepost-asked={stolen}"}
        )
        for _ in range(3):
            refused = await client.post(f"/api/auth/{finishing}", json=body, headers=headers)
            assert_error(refused, InvalidLink)
    assert await db.fetchval("SELECT tries FROM auth_email_links") == 0
    headers = {"Cookie": f"gatepost-asked={kept}; __Host-gatepost-asked={kept}"}
    right = await client.post(f"/api/auth/{finishing}", json=body, headers=headers)
    assert right.status_code == 200


async def test_without_a_cookie_a_code_works_where_it_is_typed(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, way: tuple[str, str, str, Any]
) -> None:
    mail, asking, finishing, more = way
    await register(client)
    asked = await client.post(f"/api/auth/{asking}", json={"email": EMAIL})
    assert "set-cookie" not in asked.headers
    body = {"email": EMAIL, "code": (await read_mail(gate, db, mail)).code} | more
    assert (await client.post(f"/api/auth/{finishing}", json=body)).status_code == 200


async def test_no_other_site_has_a_browser_keep_anything(
    client: httpx.AsyncClient, way: tuple[str, str, str, Any]
) -> None:
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    body = {"email": EMAIL, "cookie": True}
    refused = await client.post(f"/api/auth/{way[1]}", json=body, headers=elsewhere)
    assert_error(refused, errors.CrossOriginRefused)


async def test_two_requests_of_one_browser_do_not_end_each_other(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await make_user(app)
    await visitor.get("/auth/sign-in/email")
    await visitor.send("/sign-in/email", {"email": EMAIL})
    form = visitor.page.form("/sign-in/email/finish")
    await visitor.get("/auth/forgot-password")
    await visitor.send("/forgot-password", {"email": EMAIL})
    code = (await read_mail(app.state.gatepost, db, "sign_in")).code
    await visitor.post(form.action, form.fields | {"code": code})
    assert visitor.place == "/auth/account"


async def test_on_the_pages_a_code_is_of_no_use_to_whoever_it_was_told_to(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await make_user(app)
    await visitor.get("/auth/sign-in/email")
    await visitor.send("/sign-in/email", {"email": EMAIL})
    code = (await read_mail(app.state.gatepost, db, "sign_in")).code
    async with another(app, "203.0.113.9") as thief:
        await thief.get("/auth/sign-in/email")
        await thief.send("/sign-in/email", {"email": "thief@example.com"})
        await thief.send("/sign-in/email/finish", {"email": EMAIL, "code": code})
        assert thief.answer.status_code == 400
    await visitor.send("/sign-in/email/finish", {"code": code})
    assert visitor.place == "/auth/account"


async def test_a_link_works_elsewhere_and_its_page_says_that_it_was_not_asked_for_there(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await make_user(app)
    await visitor.get("/auth/sign-in/email")
    await visitor.send("/sign-in/email", {"email": EMAIL})
    path = (await read_mail(app.state.gatepost, db, "sign_in")).url.removeprefix(SITE)
    await visitor.get(path)
    await visitor.follow()
    assert "another browser" not in visitor.answer.text
    async with another(app, "203.0.113.9") as phone:
        await phone.get(path)
        await phone.follow()
        assert "another browser" in phone.answer.text
        assert EMAIL in phone.answer.text
        await phone.send("/sign-in/email/finish")
        assert phone.place == "/auth/account"

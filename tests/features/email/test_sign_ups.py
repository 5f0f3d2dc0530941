"""Signing up where an address has to be verified: nobody learns who has an account, or takes one first."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, execute, login, serving
from tests.features.conftest import invited
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.http.pages.conftest import Visitor, another, visitor
from tests.walking import walked

from gatepost import Gatepost, NewUser, User, errors
from gatepost.app import create_app
from gatepost.features.email.errors import InvalidLink

__all__ = ["visitor"]

pytestmark = pytest.mark.usefixtures("resting")

EMAIL = "ada@example.com"
NEWCOMER = {"email": EMAIL, "name": "Ada", "password": PASSWORD}
ANOTHER = "chosen by the owner of it"
REQUIRED = MAIL_ON | {"email_verification": "required"}


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**REQUIRED), clock=clock)


async def sign_up(client: httpx.AsyncClient, **other: Any) -> httpx.Response:
    return await client.post("/api/auth/register", json=NEWCOMER | other)


async def finish(client: httpx.AsyncClient, **shown: Any) -> httpx.Response:
    return await client.post("/api/auth/email/verify", json={"password": ANOTHER} | shown)


async def users(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM users"))


@pytest.mark.parametrize("by", ["token", "code"])
async def test_there_is_a_user_once_the_mailbox_has_answered_with_the_password_that_is_chosen_then(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, by: str
) -> None:
    data = assert_success(await sign_up(client), "Open the link in the mail to go on", status=202)
    assert data == {"pending_email": EMAIL}
    assert await users(db) == 0
    assert await mails(db) == [("verify_email", EMAIL)]
    mail = await read_mail(gate, db, "verify_email")
    assert mail.url == f"https://auth.example.com/auth/finish-sign-up?token={mail.token}"
    shown = {"token": mail.token} if by == "token" else {"email": EMAIL, "code": mail.code}
    made = assert_success(await finish(client, **shown), "User registered successfully", status=201)
    assert (made["user"]["name"], made["user"]["email_verified"]) == ("Ada", True)
    assert (await client.get("/api/auth/me", headers=bearer(made["token"]))).status_code == 200
    refused = await client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert_error(refused, errors.InvalidCredentials)


async def test_over_http_a_browser_that_wants_a_cookie_has_the_code_for_itself(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    asked = await sign_up(client, cookie=True)
    assert "gatepost-asked=" in asked.headers["set-cookie"]
    code = (await read_mail(gate, db, "verify_email")).code
    kept = dict(client.cookies)
    client.cookies.clear()
    assert_error(await finish(client, email=EMAIL, code=code), InvalidLink)
    client.cookies.update(kept)
    assert (await finish(client, email=EMAIL, code=code)).status_code == 201
    await login(client, EMAIL, ANOTHER)
    assert [name for name, _ in await mails(db)] == ["verify_email"], "nobody is asked twice"
    assert len(await events(db, "user.registered")) == 1


async def test_whoever_asks_gets_the_same_answer_and_the_mailbox_alone_is_told(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await sign_up(client)
    await finish(client, token=(await read_mail(gate, db, "verify_email")).token)
    taken, free = await sign_up(client), await sign_up(client, email="eve@example.com")
    assert (taken.status_code, free.status_code) == (202, 202)
    assert taken.text.replace(EMAIL, "…") == free.text.replace("eve@example.com", "…")
    assert (await mails(db))[-2:] == [("address_taken", EMAIL), ("verify_email", "eve@example.com")]
    row = await db.fetchval("SELECT link_id FROM auth_messages WHERE template = 'address_taken'")
    assert row is None, "it carries no link by which an account would be made"
    assert await users(db) == 1


async def test_a_password_is_not_needed_and_one_that_is_sent_is_checked(
    client: httpx.AsyncClient, db: Database
) -> None:
    nameless = {"email": EMAIL, "name": "Ada"}
    assert (await client.post("/api/auth/register", json=nameless)).status_code == 202
    short = await sign_up(client, password="short")
    assert list(short.json()["error"]["fields"]) == ["password"]
    both = await client.post("/api/auth/register", json={"email": "no address", "name": " "})
    assert set(both.json()["error"]["fields"]) == {"email", "name"}
    assert not await db.fetchval("SELECT bool_or(detail::text LIKE '%secure%') FROM auth_email_links")


async def test_one_link_makes_one_user_however_many_come_with_it_at_once(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await sign_up(client)
    token = (await read_mail(gate, db, "verify_email")).token
    answers = await asyncio.gather(*(finish(client, token=token) for _ in range(50)))
    assert sorted(each.status_code for each in answers) == [201, *[400] * 49]
    assert await users(db) == 1


@walked("why", ["used", "expired", "revoked", "taken", "purpose"])
async def test_a_link_that_is_not_good_makes_no_user(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock, why: str
) -> None:
    await sign_up(client)
    token = (await read_mail(gate, db, "verify_email")).token
    match why:
        case "used":
            await finish(client, token=token)
        case "expired":
            clock.advance(hours=24)
        case "revoked":
            await sign_up(client)
        case "taken":
            await db.execute("INSERT INTO users (email, name) VALUES ($1, 'Ada')", EMAIL)
        case "purpose":
            await db.execute("INSERT INTO users (email, name) VALUES ('eve@example.com', 'Eve')")
            await client.post("/api/auth/password/forgot", json={"email": "eve@example.com"})
            token = (await read_mail(gate, db, "password_reset")).token
    before = await users(db)
    assert_error(await finish(client, token=token), InvalidLink)
    assert await users(db) == before
    reasons = [each["detail"]["reason"] for each in await events(db, "mail.link_refused")]
    assert reasons == [{"purpose": "unknown"}.get(why, why)]


async def test_what_does_not_fit_leaves_the_link(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await sign_up(client)
    token = (await read_mail(gate, db, "verify_email")).token
    answer = await finish(client, token=token, password="short", name=" ")
    assert set(answer.json()["error"]["fields"]) == {"password", "name"}
    made = await finish(client, token=token, name="Ada Lovelace", cookie=True)
    assert made.json()["data"]["user"]["name"] == "Ada Lovelace"
    assert "gatepost" in made.headers["set-cookie"]
    assert "token" not in made.json()["data"]


async def test_an_invitation_is_used_by_the_account_that_is_made_in_the_end(
    make_settings: MakeSettings, db: Database
) -> None:
    app = create_app(make_settings(**REQUIRED, registration="invite"))
    async with serving(app) as client:
        gate = app.state.gatepost
        assert (await sign_up(client)).status_code == 403
        invitation = await invited(gate, EMAIL)
        assert (await sign_up(client, invitation=invitation)).status_code == 202
        assert await db.fetchval("SELECT used_at IS NULL FROM auth_links")
        made = await finish(client, token=(await read_mail(gate, db, "verify_email")).token)
        assert made.status_code == 201
    assert await db.fetchval("SELECT used_by IS NOT NULL FROM auth_links")


class Fields(BaseModel):
    """What an application asks for."""

    company: str


async def test_fields_of_ones_own_are_kept_until_then(
    make_settings: MakeSettings, db: Database, owner_dsn: str
) -> None:
    await execute(owner_dsn, "ALTER TABLE users ADD COLUMN company text NOT NULL DEFAULT ''")
    auth = Gatepost(make_settings(**REQUIRED), registration=Fields)

    @auth.on_insert("company")
    async def insert(_: object, user: NewUser) -> dict[str, str]:
        assert isinstance(user.fields, Fields)
        return {"company": user.fields.company}

    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        assert (await sign_up(client)).status_code == 422
        assert (await sign_up(client, company="Acme")).status_code == 202
        made = await finish(client, token=(await read_mail(auth, db, "verify_email")).token)
        assert made.status_code == 201
    assert await db.fetchval("SELECT company FROM users") == "Acme"


class Several(Fields):
    newsletter: bool = False
    nickname: str = "none"
    tags: list[str] = []


async def test_the_page_shows_the_fields_that_somebody_else_may_have_filled_in(
    make_settings: MakeSettings, db: Database
) -> None:
    auth = Gatepost(make_settings(**REQUIRED), registration=Several)
    came: list[Several | None] = []

    @auth.on_register
    async def note(_: object, user: User, fields: Several | None) -> None:
        came.append(fields)

    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    async with serving(app) as client, another(app) as visitor:
        given = {"company": "Evil", "nickname": "x", "newsletter": True, "tags": ["a"]}
        assert (await sign_up(client, **given)).status_code == 202
        mail = await read_mail(auth, db, "verify_email")
        await visitor.get(mail.url.removeprefix("https://auth.example.com"))
        await visitor.follow()
        shown = {each.get("name"): each.get("value") for each in visitor.page.all("input")}
        assert (shown["company"], shown["nickname"]) == ("Evil", "x")
        assert any(
            each.get("name") == "newsletter" and "checked" in each for each in visitor.page.all("input")
        )
        form = visitor.page.form("/finish-sign-up").fields
        form.pop("newsletter", None)  # a box that is not ticked is not sent
        own = {"company": "Acme", "nickname": "", "password": ANOTHER}
        await visitor.post("/auth/finish-sign-up", form | own)
        assert visitor.place == "/auth/account"
    assert came == [Several(company="Acme", newsletter=False, nickname="none", tags=["a"])]


async def test_what_nobody_asked_for_is_not_kept(client: httpx.AsyncClient, db: Database) -> None:
    assert (await sign_up(client, stray="a\0b")).status_code == 202
    assert "stray" not in await db.fetchval("SELECT detail::text FROM auth_email_links")


async def test_in_the_other_modes_no_password_makes_an_account(
    make_settings: MakeSettings, db: Database
) -> None:
    async with serving(create_app(make_settings(**MAIL_ON))) as client:
        assert_error(await finish(client, token="A" * 43), errors.NotFound)
        assert (await client.get("/auth/finish-sign-up")).status_code == 404


# --- The pages ---


async def test_the_page_behind_the_link_asks_for_the_password(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await visitor.get("/auth/sign-up")
    assert "password" not in visitor.page.form("/sign-up").fields
    await visitor.send("/sign-up", {"email": EMAIL, "name": "Ada"})
    assert visitor.answer.status_code == 200
    assert "Check your mail" in visitor.page.texts["h1"]
    mail = await read_mail(app.state.gatepost, db, "verify_email")
    for _ in range(3):
        await visitor.get(mail.url.removeprefix("https://auth.example.com"))
        await visitor.follow()
    assert await users(db) == 0
    assert visitor.page.form("/finish-sign-up").fields["name"] == "Ada"
    await visitor.send("/finish-sign-up", {"password": "short"})
    assert visitor.answer.status_code == 422
    await visitor.send("/finish-sign-up", {"password": ANOTHER})
    assert visitor.place == "/auth/account"
    await visitor.follow()
    assert visitor.answer.status_code == 200
    async with another(app) as late:
        await late.get(mail.url.removeprefix("https://auth.example.com"))
        await late.follow()
        assert late.answer.status_code == 400


async def test_the_code_does_as_well_where_one_signed_up(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await visitor.get("/auth/sign-up")
    await visitor.send("/sign-up", {"email": EMAIL, "name": "Ada"})
    code = (await read_mail(app.state.gatepost, db, "verify_email")).code
    async with another(app, "203.0.113.9") as thief:
        await thief.get("/auth/finish-sign-up")
        await thief.send("/finish-sign-up", {"email": EMAIL, "code": code, "password": PASSWORD})
        assert thief.answer.status_code == 400, "it was not asked for there"
    assert await db.fetchval("SELECT tries FROM auth_email_links") == 0
    await visitor.send("/finish-sign-up", {"code": "1", "password": ANOTHER})
    assert "is invalid" in visitor.page.texts["code-problem"]
    await visitor.send("/finish-sign-up", {"code": code, "password": ANOTHER})
    assert visitor.place == "/auth/account"

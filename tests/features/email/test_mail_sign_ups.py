"""Signing up by the mail that one signs in with, where nobody has the mailbox yet."""

import asyncio
from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, execute, register, serving
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.http.pages.conftest import ORIGIN, Visitor, visiting, visitor

from gatepost import Gatepost, NewUser
from gatepost.app import create_app
from gatepost.features.email.errors import InvalidLink

__all__ = ["visitor"]

pytestmark = pytest.mark.usefixtures("resting")

EMAIL = "ada@example.com"
BOTH = MAIL_ON | {"email_sign_in": "both"}


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**BOTH), clock=clock)


async def ask(client: httpx.AsyncClient, email: str = EMAIL) -> httpx.Response:
    return await client.post("/api/auth/login/email", json={"email": email})


async def finish(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/api/auth/login/email/finish", json=body)


async def users(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM users"))


@pytest.mark.parametrize("by", ["token", "code"])
async def test_a_mailbox_that_nobody_has_makes_an_account_without_a_password(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, by: str
) -> None:
    assert (await ask(client)).status_code == 202
    assert await mails(db) == [("sign_up", EMAIL)]
    mail = await read_mail(gate, db, "sign_up")
    assert mail.url == f"https://auth.example.com/auth/sign-in/email/finish?token={mail.token}"
    shown = {"token": mail.token} if by == "token" else {"email": EMAIL, "code": mail.code}
    data = assert_success(
        await finish(client, **shown, name="Ada"), "User registered successfully", status=201
    )
    assert (data["user"]["name"], data["user"]["email_verified"]) == ("Ada", True)
    assert (data["session_info"]["methods"], data["session_info"]["aal"]) == (["email"], 1)
    assert (await client.get("/api/auth/me", headers=bearer(data["token"]))).status_code == 200
    assert await db.fetchval("SELECT hashed_password IS NULL FROM users")
    assert len(await events(db, "user.registered")) == 1
    assert_error(await finish(client, **shown, name="Ada"), InvalidLink)
    await ask(client)
    again = await finish(client, token=(await read_mail(gate, db, "sign_in")).token)
    assert_success(again, "Login successful")


async def test_known_and_unknown_get_the_same_answer(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await register(client, "disabled@example.com")
    await db.execute("UPDATE users SET is_active = false WHERE email = 'disabled@example.com'")
    answers = [await ask(client, each) for each in ("user@example.com", "disabled@example.com", EMAIL)]
    assert {each.status_code for each in answers} == {202}
    assert len({each.content for each in answers}) == 1
    assert len({tuple(sorted(set(each.headers) - {"date"})) for each in answers}) == 1
    assert [name for name, _ in await mails(db)] == ["sign_in", "sign_in", "sign_up"]


async def test_who_is_disabled_makes_no_second_account(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await db.execute("UPDATE users SET is_active = false")
    await ask(client, "user@example.com")
    with pytest.raises(LookupError):
        await read_mail(gate, db, "sign_in")


@pytest.mark.parametrize("by", ["token", "code"])
async def test_what_does_not_fit_leaves_the_link_and_the_code(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, by: str
) -> None:
    await ask(client)
    mail = await read_mail(gate, db, "sign_up")
    shown = {"token": mail.token} if by == "token" else {"email": EMAIL, "code": mail.code}
    for _ in range(6):
        answer = await finish(client, **shown)
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (422, ["name"])
    assert await users(db) == 0
    assert (await finish(client, **shown, name="Ada")).status_code == 201


async def test_one_link_makes_one_account_however_many_come_with_it_at_once(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await ask(client)
    token = (await read_mail(gate, db, "sign_up")).token
    answers = await asyncio.gather(*(finish(client, token=token, name="Ada") for _ in range(20)))
    assert sorted(each.status_code for each in answers) == [201, *[400] * 19]
    assert await users(db) == 1


async def test_somebody_who_registers_meanwhile_has_the_address(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await ask(client)
    token = (await read_mail(gate, db, "sign_up")).token
    await register(client, EMAIL)
    assert_error(await finish(client, token=token, name="Ada"), InvalidLink)
    assert [each["detail"]["reason"] for each in await events(db, "mail.link_refused")] == ["taken"]


@pytest.mark.parametrize("registration", ["invite", "closed"])
async def test_where_not_anybody_may_register_nobody_signs_up_by_mail(
    make_settings: MakeSettings, db: Database, registration: str
) -> None:
    async with serving(app := create_app(make_settings(**BOTH, registration=registration))) as client:
        await ask(client)
        assert await mails(db) == [("sign_in", EMAIL)]
        with pytest.raises(LookupError):
            await read_mail(app.state.gatepost, db, "sign_in")
        assert "/sign-in/email" not in (await client.get("/auth/sign-up")).text


async def test_a_link_that_was_made_while_anybody_could_register_makes_nothing_later(
    make_settings: MakeSettings, db: Database
) -> None:
    async with serving(app := create_app(make_settings(**BOTH))) as client:
        await ask(client)
        token = (await read_mail(app.state.gatepost, db, "sign_up")).token
    async with serving(create_app(make_settings(**BOTH, registration="closed"))) as client:
        assert_error(await finish(client, token=token, name="Ada"), InvalidLink)
    assert await users(db) == 0


class Fields(BaseModel):
    """What an application asks for."""

    company: str
    terms: Literal[True]


def asking(settings: Any) -> tuple[Gatepost, FastAPI]:
    """Return an application that asks for these."""
    auth = Gatepost(settings, registration=Fields)

    @auth.on_insert("company")
    async def insert(_: object, user: NewUser) -> dict[str, str]:
        assert isinstance(user.fields, Fields)
        return {"company": user.fields.company}

    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    return auth, app


async def test_the_application_is_given_what_it_asks_for(
    make_settings: MakeSettings, db: Database, owner_dsn: str
) -> None:
    await execute(owner_dsn, "ALTER TABLE users ADD COLUMN company text NOT NULL DEFAULT ''")
    auth, app = asking(make_settings(**BOTH))
    async with serving(app) as client:
        await ask(client)
        token = (await read_mail(auth, db, "sign_up")).token
        lacking = await finish(client, token=token)
        assert set(lacking.json()["error"]["fields"]) == {"name", "company", "terms"}
        made = await finish(client, token=token, name="Ada", company="Acme", terms=True)
        assert made.status_code == 201
        document = (await client.get("/api/auth/openapi.json")).json()
        body = document["components"]["schemas"]["FinishLoginRequest"]
        assert "company" in body["properties"]
        assert "company" not in body.get("required", [])
        await ask(client)
        signed_in = await finish(client, token=(await read_mail(auth, db, "sign_in")).token)
        assert signed_in.status_code == 200, "who has an account is asked for nothing"
    assert await db.fetchval("SELECT company FROM users") == "Acme"


# --- The pages ---


async def test_the_page_behind_the_link_asks_for_a_name_and_keeps_the_language(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await visitor.get("/auth/sign-up")
    assert any(a["href"] == "/auth/sign-in/email" for a in visitor.page.all("a"))
    await visitor.get("/auth/sign-in/email")
    await visitor.send("/sign-in/email", {"email": EMAIL})
    assert EMAIL in visitor.answer.text
    mail = await read_mail(app.state.gatepost, db, "sign_up")
    for _ in range(3):
        await visitor.get(mail.url.removeprefix("https://auth.example.com"))
        await visitor.follow()
    assert await users(db) == 0
    assert "password" not in visitor.page.form("/sign-in/email/finish").fields
    assert "another browser" not in visitor.answer.text
    await visitor.send("/sign-in/email/finish", {"name": " "})
    assert visitor.answer.status_code == 422
    await visitor.send("/sign-in/email/finish", {"name": "Ada"})
    assert visitor.place == "/auth/account"
    await visitor.follow()
    assert visitor.answer.status_code == 200


async def test_the_code_leads_to_the_same_page(app: FastAPI, visitor: Visitor, db: Database) -> None:
    await visitor.get("/auth/sign-in/email?next=/auth/devices")
    await visitor.send("/sign-in/email", {"email": EMAIL})
    code = (await read_mail(app.state.gatepost, db, "sign_up")).code
    await visitor.send("/sign-in/email/finish", {"code": code})
    assert visitor.answer.status_code == 200
    assert await users(db) == 0
    await visitor.send("/sign-in/email/finish", {"name": " "})
    assert "name-problem" in visitor.page.texts
    await visitor.send("/sign-in/email/finish", {"name": "Ada"})
    assert visitor.place == "/auth/devices"


@pytest.mark.parametrize("by", ["code", "link"])
async def test_the_page_asks_for_what_the_application_needs(
    make_settings: MakeSettings, db: Database, owner_dsn: str, by: str
) -> None:
    await execute(owner_dsn, "ALTER TABLE users ADD COLUMN company text NOT NULL DEFAULT ''")
    auth, app = asking(make_settings(**BOTH))
    async with visiting(app, ORIGIN) as visitor:
        await visitor.get("/auth/sign-in/email")
        assert visitor.answer.status_code == 200, visitor.answer.text
        await visitor.send("/sign-in/email", {"email": EMAIL})
        mail = await read_mail(auth, db, "sign_up")
        if by == "code":
            await visitor.send("/sign-in/email/finish", {"code": mail.code})
        else:
            await visitor.get(mail.url.removeprefix("https://auth.example.com"))
            await visitor.follow()
        await visitor.send("/sign-in/email/finish", {"name": "Ada", "company": "Acme"})
        assert "terms-problem" in visitor.page.texts
        await visitor.send("/sign-in/email/finish", {"name": "Ada", "company": "Acme", "terms": "on"})
        assert visitor.place == "/auth/account"
    assert await db.fetchval("SELECT company FROM users") == "Acme"


async def test_a_password_can_be_set_afterwards_and_signs_in(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await ask(client)
    await finish(client, token=(await read_mail(gate, db, "sign_up")).token, name="Ada")
    await client.post("/api/auth/password/forgot", json={"email": EMAIL})
    token = (await read_mail(gate, db, "password_reset")).token
    await client.post("/api/auth/password/reset", json={"token": token, "new_password": PASSWORD})
    signed_in = await client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert signed_in.status_code == 200

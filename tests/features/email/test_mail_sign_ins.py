"""Signing in by mail: over HTTP, with the outbox's own rows, through the one door."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, SECRET_KEY, MakeSettings, MovableClock, bearer, login, register, serving
from tests.features.badges import BADGES
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.http.pages.conftest import Visitor, another, make_user, visitor
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.feature import schemas_of
from gatepost.features import FEATURES
from gatepost.features.email.errors import InvalidLink
from gatepost.library import Gatepost
from gatepost.models import Client
from gatepost.settings.feature import settings_of

__all__ = ["visitor"]

pytestmark = pytest.mark.usefixtures("resting")

EMAIL = "user@example.com"
BOTH = MAIL_ON | {"email_sign_in": "both"}
WITH_BADGES = (*FEATURES, BADGES)


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**BOTH), clock=clock)


async def ask(client: httpx.AsyncClient, email: str = EMAIL) -> httpx.Response:
    return await client.post("/api/auth/login/email", json={"email": email})


async def finish(client: httpx.AsyncClient, **shown: Any) -> httpx.Response:
    return await client.post("/api/auth/login/email/finish", json=shown)


async def verified(client: httpx.AsyncClient, db: Database, email: str = EMAIL) -> str:
    token = str((await register(client, email))["token"])
    await db.execute("UPDATE users SET email_verified_at = now() WHERE email = $1", email)
    return token


@pytest.mark.parametrize("by", ["token", "code"])
async def test_who_reads_the_mail_is_signed_in_as_by_a_password(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, by: str
) -> None:
    await verified(client, db)
    sent = "If there is such an account, a mail is on its way"
    assert assert_success(await ask(client), sent, status=202) is None
    mail = await read_mail(gate, db, "sign_in")
    assert mail.url == f"https://auth.example.com/auth/sign-in/email/finish?token={mail.token}"
    shown = {"token": mail.token} if by == "token" else {"email": EMAIL, "code": mail.code}
    data = assert_success(await finish(client, **shown), "Login successful")
    assert (data["session_info"]["methods"], data["session_info"]["aal"]) == (["email"], 1)
    assert (await client.get("/api/auth/me", headers=bearer(data["token"]))).status_code == 200
    assert_error(await finish(client, **shown), InvalidLink)
    await login(client)
    assert len(await events(db, "login.mail_requested")) == 1


async def test_by_cookie_the_answer_holds_no_token(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await verified(client, db)
    await ask(client)
    answer = await finish(client, token=(await read_mail(gate, db, "sign_in")).token, cookie=True)
    assert "gatepost" in answer.headers["set-cookie"]
    assert "token" not in answer.json()["data"]


@pytest.mark.parametrize("mode", ["link", "code"])
async def test_a_mail_has_what_the_setting_says_and_nothing_else_works(
    make_settings: MakeSettings, db: Database, mode: str
) -> None:
    async with serving(app := create_app(make_settings(**MAIL_ON, email_sign_in=mode))) as client:
        await verified(client, db)
        await ask(client)
        gate = app.state.gatepost
        row = await db.fetchrow("SELECT id FROM auth_email_links")
        assert row is not None
        mail = await read_mail(gate, db, "sign_in")
        assert (bool(mail.url), bool(mail.code)) == (mode == "link", mode == "code")
        if mode == "link":
            assert_error(await finish(client, email=EMAIL, code="00000000"), InvalidLink)
            assert (await finish(client, token=mail.token)).status_code == 200
        else:
            assert (await finish(client, email=EMAIL, code=mail.code)).status_code == 200


async def test_whoever_asks_gets_the_same_answer_and_only_accounts_get_a_link(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await verified(client, db)
    await verified(client, db, "nobody@example.com")
    await db.execute("UPDATE users SET is_active = false WHERE email = 'nobody@example.com'")
    known, unknown = await ask(client), await ask(client, "nobody@example.com")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert len(await mails(db)) == 2
    with pytest.raises(LookupError):
        await read_mail(gate, db, "sign_in")


async def test_of_many_who_come_with_one_link_one_is_signed_in(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await verified(client, db)
    await ask(client)
    token = (await read_mail(gate, db, "sign_in")).token
    before = await db.fetchval("SELECT count(*) FROM user_sessions")
    answers = await asyncio.gather(*(finish(client, token=token) for _ in range(50)))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 49]
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == before + 1


@walked("why", ["expired", "revoked", "password", "disabled", "purpose", "code"])
async def test_what_is_not_good_signs_nobody_in(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock, why: str
) -> None:
    await verified(client, db)
    await ask(client)
    mail = await read_mail(gate, db, "sign_in")
    user = await gate.administration.find(EMAIL)
    shown = {"token": mail.token}
    match why:
        case "expired":
            clock.advance(minutes=10)
        case "revoked":
            await ask(client)
        case "password":
            await gate.administration.set_password(user, "another one by command", client=Client())
        case "disabled":
            await gate.administration.set_active(user, is_active=False, client=Client())
        case "purpose":
            await client.post("/api/auth/password/forgot", json={"email": EMAIL})
            shown = {"token": (await read_mail(gate, db, "password_reset")).token}
        case "code":
            shown = {"email": EMAIL, "code": f"{(int(mail.code) + 1) % 10**8:08}"}
    before = await db.fetchval("SELECT count(*) FROM user_sessions")
    assert_error(await finish(client, **shown), InvalidLink)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == before


async def test_an_address_that_answers_first_takes_the_account_from_whoever_typed_it(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    thiefs = (await register(client))["token"]
    await ask(client)
    data = assert_success(
        await finish(client, token=(await read_mail(gate, db, "sign_in")).token), "Login successful"
    )
    assert data["user"]["email_verified"]
    assert (await client.get("/api/auth/me", headers=bearer(thiefs))).status_code == 401
    refused = await client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert_error(refused, errors.InvalidCredentials)


async def test_a_second_factor_is_asked_as_after_a_password(
    make_settings: MakeSettings, dsn: str, db: Database
) -> None:
    await migrate.migrate(dsn, features=schemas_of(WITH_BADGES))
    values = {"database_url": dsn, "environment": "test", "bcrypt_rounds": 4, "secret_key": SECRET_KEY}
    settings = settings_of(WITH_BADGES).load(env_file=None, throttle_enabled=False, **values, **BOTH)
    async with serving(app := create_app(settings, features=WITH_BADGES)) as client:
        token = await verified(client, db)
        await client.post("/api/auth/badges", json={"name": "guardian"}, headers=bearer(token))
        await ask(client)
        before = await db.fetchval("SELECT count(*) FROM user_sessions")
        asked = await finish(client, token=(await read_mail(app.state.gatepost, db, "sign_in")).token)
        error = asked.json()["error"]
        assert (asked.status_code, error["code"]) == (401, "second_factor_required")
        assert await db.fetchval("SELECT count(*) FROM user_sessions") == before
        answer = {"challenge": error["challenge"], "method": "badge", "code": "guardian"}
        right = await client.post("/api/auth/login/factor", json=answer)
        info = right.json()["data"]["session_info"]
        assert (info["methods"], info["aal"]) == (["email", "kba", "mfa"], 2)


async def test_off_which_is_the_default_there_is_no_such_thing(
    make_settings: MakeSettings, db: Database
) -> None:
    async with serving(create_app(make_settings(**MAIL_ON))) as client:
        assert_error(await ask(client), errors.NotFound)
        assert_error(await finish(client, token="A" * 43), errors.NotFound)
        assert (await client.get("/auth/sign-in/email")).status_code == 404
        assert "/sign-in/email" not in (await client.get("/auth/sign-in")).text


# --- The pages ---


async def test_the_link_leads_to_a_button_and_that_to_the_account(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await make_user(app)
    await db.execute("UPDATE users SET email_verified_at = now()")
    await visitor.get("/auth/sign-in")
    assert any(a["href"] == "/auth/sign-in/email" for a in visitor.page.all("a"))
    await visitor.get("/auth/sign-in/email")
    await visitor.send("/sign-in/email", {"email": EMAIL})
    mail = await read_mail(app.state.gatepost, db, "sign_in")
    async with another(app, "203.0.113.9") as phone:
        for _ in range(3):
            await phone.get(mail.url.removeprefix("https://auth.example.com"))
            await phone.follow()
        assert EMAIL in phone.answer.text
        assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
        await phone.send("/sign-in/email/finish")
        assert phone.place == "/auth/account"
    wrong = f"{(int(mail.code) + 1) % 10**8:08}"
    await visitor.send("/sign-in/email/finish", {"code": wrong})
    assert visitor.answer.status_code == 400
    assert "is invalid" in visitor.page.texts["code-problem"]


async def test_the_code_goes_on_to_where_one_was(app: FastAPI, visitor: Visitor, db: Database) -> None:
    await make_user(app)
    await visitor.get("/auth/sign-in/email?next=/auth/devices")
    await visitor.send("/sign-in/email", {"email": EMAIL})
    code = (await read_mail(app.state.gatepost, db, "sign_in")).code
    await visitor.send("/sign-in/email/finish", {"code": code, "remember": "on"})
    assert visitor.place == "/auth/devices"
    assert any("Max-Age" in each for each in visitor.answer.headers.get_list("set-cookie"))

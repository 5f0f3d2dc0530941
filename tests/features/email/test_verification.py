"""Verified addresses, where nobody has to: a mail at registration, and what a proof takes from a stranger."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, login, nth_user, register, serving
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.http.pages.conftest import Visitor, another, member, visitor

from gatepost import Gatepost, VerifiedSession, errors
from gatepost.app import create_app
from gatepost.features.email.email_changes import EmailChanges
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.verification import Verifications
from gatepost.models import Client

pytestmark = pytest.mark.usefixtures("resting")

__all__ = ["member", "visitor"]

EMAIL = "user@example.com"
OPTIONAL = MAIL_ON | {"email_verification": "optional"}


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**OPTIONAL), clock=clock)


async def verify(client: httpx.AsyncClient, session: str | None = None, /, **shown: str) -> httpx.Response:
    headers = {} if session is None else bearer(session)
    return await client.post("/api/auth/email/verify", json=shown, headers=headers)


async def is_verified(db: Database, email: str = EMAIL) -> bool:
    return bool(await db.fetchval("SELECT email_verified_at IS NOT NULL FROM users WHERE email = $1", email))


@pytest.mark.parametrize("by", ["token", "code"])
async def test_who_registers_is_asked_and_keeps_all_by_a_proof_of_their_own(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, by: str
) -> None:
    token = (await register(client))["token"]
    assert await mails(db) == [("verify_email", EMAIL)]
    mail = await read_mail(gate, db, "verify_email")
    assert mail.url == f"https://auth.example.com/auth/verify-email?token={mail.token}"
    shown = {"token": mail.token} if by == "token" else {"email": EMAIL, "code": mail.code}
    assert not await is_verified(db)
    assert assert_success(await verify(client, token, **shown), "E-mail verified successfully") is None
    assert (await client.get("/api/auth/me", headers=bearer(token))).json()["data"]["user"]["email_verified"]
    assert (await login(client))["user"]["email_verified"], "the password stays"
    (event,) = await events(db, "email.verified")
    assert event["detail"] == {"email": EMAIL, "disowned": False}


async def test_accounts_that_come_and_go_do_not_flood_an_address(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    few = {"throttle_enabled": True, "throttle_mail_again": "9 then 1/day"}
    few |= {"throttle_mail_recipient": "2 then 1/day"}
    app = create_app(make_settings(**OPTIONAL, **few), clock=clock)
    sent = []
    async with serving(app) as client:
        for _ in range(3):
            token = (await register(client))["token"]
            sent.append(len(await mails(db)))
            body = {"password": PASSWORD}
            await client.request("DELETE", "/api/auth/me", json=body, headers=bearer(token))
    assert sent == [1, 1, 0]


@pytest.mark.parametrize("who", ["nobody", "another user", "nobody, by code"])
async def test_whoever_made_the_account_with_an_address_of_others_loses_it(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, who: str
) -> None:
    thiefs = (await register(client))["token"]
    mail = await read_mail(gate, db, "verify_email")
    others = (await register(client, "other@example.com"))["token"] if who == "another user" else None
    shown = {"email": EMAIL, "code": mail.code} if "code" in who else {"token": mail.token}
    assert (await verify(client, others, **shown)).status_code == 200
    assert (await client.get("/api/auth/me", headers=bearer(thiefs))).status_code == 401
    refused = await client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert_error(refused, errors.InvalidCredentials)
    assert await is_verified(db)
    await client.post("/api/auth/password/forgot", json={"email": EMAIL})
    body = {"token": (await read_mail(gate, db, "password_reset")).token, "new_password": "a new password"}
    assert (await client.post("/api/auth/password/reset", json=body)).status_code == 200
    (event,) = await events(db, "email.verified")
    assert (event["user_id"], event["detail"]["disowned"]) == (nth_user(1), True)


async def test_what_a_stranger_without_a_password_had_sent_to_their_own_mailbox_ends_with_the_rest(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    """No password is taken away by it that would end the links."""
    await register(client)
    await db.execute("UPDATE users SET hashed_password = NULL")
    user = await gate.administration.find(EMAIL)
    async with gate.database.transaction() as conn:
        await gate.service(EmailChanges).begin(conn, user, "stranger@example.com", client=Client())
        await gate.service(Verifications)._ask(conn, user, Client())
    theirs = await read_mail(gate, db, "email_change")
    mail = await read_mail(gate, db, "verify_email")
    assert (await verify(client, token=mail.token)).status_code == 200
    refused = await client.post("/api/auth/email/confirm", json={"token": theirs.token})
    assert_error(refused, InvalidLink)
    assert await is_verified(db)


async def test_a_code_is_that_of_whoever_has_the_address_now(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    """Somebody else had it first, and what was mailed to them is over but not gone."""
    await register(client)
    await db.execute("UPDATE users SET email = 'other@example.com', email_key = NULL")
    token = (await register(client))["token"]
    mail = await read_mail(gate, db, "verify_email")
    for code in ["00000000"] * 4 + [mail.code]:
        refused = await verify(client, token, email=EMAIL, code=code)
    assert refused.status_code == 200
    assert await is_verified(db)
    tries = await db.fetch("SELECT tries FROM auth_email_links ORDER BY id")
    assert [row["tries"] for row in tries] == [0, 4]


async def test_a_second_link_of_a_verified_account_takes_nothing_away(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    mail = await read_mail(gate, db, "verify_email")
    await db.execute("UPDATE users SET email_verified_at = now()")
    assert (await verify(client, token=mail.token)).status_code == 200
    await login(client)


async def test_a_link_is_used_once_and_not_after_a_day_or_another_password(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock
) -> None:
    token = (await register(client))["token"]
    mail = await read_mail(gate, db, "verify_email")
    answers = await asyncio.gather(*(verify(client, token, token=mail.token) for _ in range(20)))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 19]
    await register(client, "late@example.com")
    late = (await read_mail(gate, db, "verify_email")).token
    clock.advance(hours=24)
    assert_error(await verify(client, token=late), InvalidLink)
    assert not await is_verified(db, "late@example.com")


async def test_a_link_for_another_purpose_verifies_nothing(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/password/forgot", json={"email": EMAIL})
    link = (await read_mail(gate, db, "password_reset")).token
    assert_error(await verify(client, token, token=link), InvalidLink)
    assert not await is_verified(db)


async def test_the_mail_is_sent_again_once_a_minute_and_not_to_who_is_verified(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    app = create_app(make_settings(**OPTIONAL, throttle_enabled=True), clock=clock)
    async with serving(app) as client:
        token = (await register(client))["token"]
        former = (await read_mail(app.state.gatepost, db, "verify_email")).token

        async def send() -> httpx.Response:
            return await client.post("/api/auth/email/verification", headers=bearer(token))

        clock.advance(seconds=1)
        assert_error(await send(), errors.TooManyAttempts)  # the mail of the registration was one
        clock.advance(minutes=1)
        assert assert_success(await send(), "A mail is on its way", status=202) is None
        assert_error(await send(), errors.TooManyAttempts)
        assert_error(await verify(client, token, token=former), InvalidLink)
        mail = await read_mail(app.state.gatepost, db, "verify_email")
        assert (await verify(client, token, token=mail.token)).status_code == 200
        clock.advance(minutes=2)
        assert (await send()).status_code == 202
        assert len(await mails(db)) == 2


async def test_off_nobody_is_asked(make_settings: MakeSettings, db: Database) -> None:
    async with serving(create_app(make_settings(**MAIL_ON))) as client:
        token = (await register(client))["token"]
        assert await mails(db) == []
        sent = await client.post("/api/auth/email/verification", headers=bearer(token))
        assert_error(sent, errors.NotFound)
        assert_error(await verify(client, token=token[:1] * 43), errors.NotFound)
        assert (await client.get("/auth/verify-email")).status_code == 404


@pytest.fixture
async def own(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    """An application with a route for those who are verified."""
    auth = Gatepost(make_settings(**OPTIONAL))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.get("/notes")
    async def notes(session: VerifiedSession) -> str:
        return session.user.email

    async with serving(app) as client:
        yield client


async def test_a_route_may_be_for_those_whose_address_is_verified(
    own: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(own))["token"]
    assert (await own.get("/notes")).status_code == 401
    refused = await own.get("/notes", headers=bearer(token))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "email_not_verified")
    await db.execute("UPDATE users SET email_verified_at = now()")
    assert (await own.get("/notes", headers=bearer(token))).json() == EMAIL


# --- The pages ---


async def test_the_account_reminds_until_the_code_is_typed(
    app: FastAPI, member: Visitor, db: Database
) -> None:
    await member.get("/auth/account")
    assert "is not verified yet" in member.answer.text
    await member.get("/auth/verify-email")
    typing, again = (form for form in member.page.forms if form.action.endswith("/verify-email"))
    await member.post(typing.action, typing.fields | {"code": "00000000"})
    assert member.answer.status_code == 400
    assert "is invalid" in member.page.texts["code-problem"]
    await member.post(again.action, again.fields | {"again": "1"})
    assert member.place == "/auth/verify-email"
    mail = await read_mail(app.state.gatepost, db, "verify_email")
    await member.post(typing.action, typing.fields | {"code": mail.code})
    assert member.place == "/auth/account"
    await member.follow()
    assert "Your e-mail is verified" in member.answer.text
    assert "is not verified yet" not in member.answer.text


async def test_the_link_in_the_same_browser_takes_nothing_away(
    app: FastAPI, member: Visitor, db: Database
) -> None:
    mail = await read_mail(app.state.gatepost, db, "verify_email")
    await member.get(mail.url.removeprefix("https://auth.example.com"))
    await member.follow()
    assert "is yours" in member.answer.text
    await member.send("/verify-email")
    assert member.place == "/auth/account"
    await member.follow()
    assert member.answer.status_code == 200


async def test_the_link_elsewhere_says_what_it_takes_away(
    app: FastAPI, member: Visitor, db: Database
) -> None:
    mail = await read_mail(app.state.gatepost, db, "verify_email")
    async with another(app) as elsewhere:
        for _ in range(3):
            await elsewhere.get(mail.url.removeprefix("https://auth.example.com"))
            await elsewhere.follow()
        assert "password and sessions are removed" in elsewhere.answer.text
        await elsewhere.send("/verify-email")
        assert elsewhere.place == "/auth/forgot-password"
    await member.get("/auth/account")
    assert member.place.startswith("/auth/sign-in")

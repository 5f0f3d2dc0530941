"""Another e-mail over HTTP: it counts once its mailbox has answered, and the former one takes it back."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, login, register
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.http.pages.conftest import Visitor, member
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.features.email.errors import InvalidLink
from gatepost.library import Gatepost
from gatepost.models import Client

pytestmark = pytest.mark.usefixtures("resting")

__all__ = ["member"]

EMAIL, NEW, OTHER = "user@example.com", "new@example.com", "other@example.com"


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**MAIL_ON), clock=clock)


async def change(client: httpx.AsyncClient, token: str, email: str = NEW) -> httpx.Response:
    body = {"email": email, "password": PASSWORD}
    return await client.post("/api/auth/email", json=body, headers=bearer(token))


async def confirm(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/email/confirm", json={"token": token})


async def undo(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/email/undo", json={"token": token})


async def changed(client: httpx.AsyncClient, gate: Gatepost, db: Database, email: str = NEW) -> None:
    token = (await login(client, await current(db)))["token"]
    assert (await change(client, token, email)).status_code == 202
    assert (await confirm(client, (await read_mail(gate, db, "email_change")).token)).status_code == 200


async def current(db: Database) -> str:
    return str(await db.fetchval("SELECT email FROM users ORDER BY id LIMIT 1"))


async def test_the_new_mailbox_has_to_answer_before_anything_changes(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE users SET email_verified_at = now()")
    data = assert_success(
        await change(client, token), "Open the link in the mail to the new address", status=202
    )
    assert data == {"pending_email": NEW}
    assert await current(db) == EMAIL
    assert (await client.get("/api/auth/me", headers=bearer(token))).json()["data"]["user"]["email_verified"]
    mail = await read_mail(gate, db, "email_change")
    assert (mail.recipient, mail.code) == (NEW, "")
    assert mail.url == f"https://auth.example.com/auth/confirm-email?token={mail.token}"
    assert assert_success(await confirm(client, mail.token), "E-mail changed successfully") is None
    assert await current(db) == NEW
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401
    assert (await login(client, NEW))["user"]["email_verified"], "its mailbox has answered"
    assert [name for name, _ in await mails(db)][-1] == "email_changed"
    (event,) = await events(db, "user.email_changed")
    assert event["detail"] == {"email": EMAIL}


async def test_the_password_comes_first(client: httpx.AsyncClient, db: Database) -> None:
    token = (await register(client))["token"]
    body = {"email": NEW, "password": "a wrong guess"}
    refused = await client.post("/api/auth/email", json=body, headers=bearer(token))
    assert_error(refused, errors.InvalidCredentials)
    assert await mails(db) == []


async def test_the_former_mailbox_takes_it_back_whatever_was_changed_since(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock
) -> None:
    await register(client)
    await changed(client, gate, db)
    mail = await read_mail(gate, db, "email_changed")
    assert mail.recipient == EMAIL
    token = (await login(client, NEW))["token"]
    body = {"current": PASSWORD, "new": "an altogether other password"}
    token = (await client.post("/api/auth/password", json=body, headers=bearer(token))).json()["data"][
        "token"
    ]
    clock.advance(days=6)
    assert_success(await undo(client, mail.token), "The change was undone")
    assert await current(db) == EMAIL
    assert await db.fetchval("SELECT email_verified_at IS NOT NULL FROM users")
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0
    assert_error(await undo(client, mail.token), InvalidLink)
    (event,) = await events(db, "email.change_undone")
    assert event["detail"] == {"email": NEW}


async def test_after_a_week_it_stays(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock
) -> None:
    await register(client)
    await changed(client, gate, db)
    token = (await read_mail(gate, db, "email_changed")).token
    clock.advance(days=7)
    assert_error(await undo(client, token), InvalidLink)
    assert await current(db) == NEW


async def test_whoever_changes_it_twice_does_not_outrun_the_first_mailbox(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await changed(client, gate, db)
    owners = (await read_mail(gate, db, "email_changed")).token
    await changed(client, gate, db, OTHER)
    thiefs = (await read_mail(gate, db, "email_changed")).token
    assert (await undo(client, thiefs)).status_code == 200
    assert await current(db) == NEW
    assert (await undo(client, owners)).status_code == 200
    assert await current(db) == EMAIL


async def test_nobody_bars_the_way_back_by_registering_with_the_former_address(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock
) -> None:
    await register(client)
    await changed(client, gate, db)
    owners = (await read_mail(gate, db, "email_changed")).token
    body = {"email": EMAIL, "password": PASSWORD, "name": "A thief"}
    assert_error(await client.post("/api/auth/register", json=body), errors.EmailTaken)
    assert (await undo(client, owners)).status_code == 200
    assert await current(db) == EMAIL
    await changed(client, gate, db)
    clock.advance(days=7)
    await register(client, EMAIL)


async def test_who_takes_it_back_ends_the_links_of_later_changes(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await changed(client, gate, db)
    owners = (await read_mail(gate, db, "email_changed")).token
    await changed(client, gate, db, OTHER)
    thiefs = (await read_mail(gate, db, "email_changed")).token
    assert (await undo(client, owners)).status_code == 200
    assert_error(await undo(client, thiefs), InvalidLink)
    assert await current(db) == EMAIL


async def test_who_takes_it_back_ends_a_change_that_waits_also_where_the_address_is_theirs_by_now(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await changed(client, gate, db)
    owners = (await read_mail(gate, db, "email_changed")).token
    await changed(client, gate, db, EMAIL)
    await change(client, (await login(client))["token"], OTHER)
    thiefs = (await read_mail(gate, db, "email_change")).token
    assert (await undo(client, owners)).status_code == 200
    assert_error(await confirm(client, thiefs), InvalidLink)
    assert await current(db) == EMAIL


async def test_of_two_changes_the_newer_one_counts_and_of_two_clicks_one(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = (await register(client))["token"]
    await change(client, token)
    former = (await read_mail(gate, db, "email_change")).token
    await change(client, token, OTHER)
    newer = (await read_mail(gate, db, "email_change")).token
    assert_error(await confirm(client, former), InvalidLink)
    answers = await asyncio.gather(*(confirm(client, newer) for _ in range(20)))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 19]
    assert await current(db) == OTHER


@walked("why", ["expired", "password", "disabled", "purpose"])
async def test_a_link_that_is_not_good_changes_nothing(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock, why: str
) -> None:
    token = (await register(client))["token"]
    await change(client, token)
    link = (await read_mail(gate, db, "email_change")).token
    user = await gate.administration.find(EMAIL)
    match why:
        case "expired":
            clock.advance(hours=24)
        case "password":
            await gate.administration.set_password(user, "another one by command", client=Client())
        case "disabled":
            await gate.administration.set_active(user, is_active=False, client=Client())
        case "purpose":
            await client.post("/api/auth/password/forgot", json={"email": EMAIL})
            link = (await read_mail(gate, db, "password_reset")).token
    assert_error(await confirm(client, link), InvalidLink)
    assert_error(await undo(client, link), InvalidLink)
    assert await current(db) == EMAIL


async def test_an_address_that_somebody_has_is_told_to_its_mailbox_alone(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    token = (await register(client))["token"]
    await register(client, NEW)
    assert (await change(client, token)).status_code == 202
    link = (await read_mail(gate, db, "email_change")).token
    assert_error(await confirm(client, link), errors.EmailTaken)
    assert await current(db) == EMAIL
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def test_a_forgotten_password_ends_the_change_that_waits_and_not_the_way_back(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await changed(client, gate, db)
    back = (await read_mail(gate, db, "email_changed")).token
    token = (await login(client, NEW))["token"]
    await change(client, token, OTHER)
    waiting = (await read_mail(gate, db, "email_change")).token
    await client.post("/api/auth/password/forgot", json={"email": NEW})
    mail = await read_mail(gate, db, "password_reset")
    body = {"token": mail.token, "new_password": "an altogether other password"}
    assert (await client.post("/api/auth/password/reset", json=body)).status_code == 200
    assert_error(await confirm(client, waiting), InvalidLink)
    assert (await undo(client, back)).status_code == 200


# --- The pages ---


async def test_the_pages_show_a_button_and_do_what_it_says(
    app: FastAPI, member: Visitor, db: Database
) -> None:
    await member.get("/auth/account/email")
    await member.send("/account/email", {"email": NEW, "password": PASSWORD})
    assert member.place == "/auth/security"
    await member.follow()
    assert "Until then, nothing changes" in member.answer.text
    await _press(app, member, db, "email_change", "/confirm-email", NEW)
    assert member.place == "/auth/sign-in"
    await member.follow()
    assert "Your e-mail was changed" in member.answer.text
    await _press(app, member, db, "email_changed", "/undo-email", EMAIL)
    assert member.place == "/auth/forgot-password"
    await member.follow()
    assert "The change was undone" in member.answer.text
    assert await current(db) == EMAIL


async def _press(app: FastAPI, visitor: Visitor, db: Database, mail: str, path: str, email: str) -> None:
    gate: Any = app.state.gatepost
    await visitor.get((await read_mail(gate, db, mail)).url.removeprefix("https://auth.example.com"))
    assert visitor.place == f"/auth{path}"
    for _ in range(3):
        await visitor.get(f"/auth{path}")
    assert email in visitor.answer.text
    await visitor.send(path)

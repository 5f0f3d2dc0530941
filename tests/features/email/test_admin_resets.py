"""Resets that an administrator starts: over HTTP, on the console and by a command."""

import json

import httpx
import pytest
from fastapi import FastAPI
from tests.cli.conftest import Command
from tests.conftest import MakeSettings, MovableClock, bearer, login, serving
from tests.features.email.conftest import Postman, part
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.http.pages.conftest import EMAIL, Visitor, another, make_user

from gatepost import errors
from gatepost.app import create_app
from gatepost.features.email.errors import NotMailable
from gatepost.features.email.sender import Sender
from gatepost.library import Gatepost
from gatepost.models import Client

pytestmark = pytest.mark.usefixtures("resting")

ADMIN = "admin@example.com"
ANOTHER = "an altogether other password"
SENT = "A mail is on its way"


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**MAIL_ON), clock=clock)


@pytest.fixture
async def user_id(app: FastAPI, client: httpx.AsyncClient) -> str:
    """Of somebody who is to have another password."""
    return str((await make_user(app)).id)


@pytest.fixture
async def token(app: FastAPI, client: httpx.AsyncClient) -> str:
    """Of an administrator who has just signed in."""
    await make_user(app, ADMIN, is_admin=True)
    return str((await login(client, ADMIN))["token"])


async def send(client: httpx.AsyncClient, user_id: str, token: str) -> httpx.Response:
    return await client.post(f"/api/auth/admin/users/{user_id}/password-reset", headers=bearer(token))


async def test_the_user_alone_chooses_a_password_by_the_link(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, user_id: str, token: str, clock: MovableClock
) -> None:
    theirs = (await login(client, EMAIL))["token"]
    answer = await send(client, user_id, token)
    assert assert_success(answer, SENT, status=202) is None
    mail = await read_mail(gate, db, "password_reset")
    assert (mail.recipient, mail.code) == (EMAIL, "")
    assert mail.token not in answer.text
    told = json.loads(mail.data)
    assert (told.pop("minutes"), told.pop("by_admin"), set(told)) == (24 * 60, True, {"at"})
    me = await client.get("/api/auth/me", headers=bearer(theirs))
    assert me.status_code == 200, "nothing has changed yet"
    clock.advance(hours=23)
    chosen = {"token": mail.token, "new_password": ANOTHER}
    assert (await client.post("/api/auth/password/reset", json=chosen)).status_code == 200
    await login(client, EMAIL, ANOTHER)
    again = await client.post("/api/auth/password/reset", json=chosen)
    assert again.status_code == 400


async def test_who_started_it_is_on_the_trail_and_not_in_what_the_user_is_told(
    client: httpx.AsyncClient, db: Database, user_id: str, token: str
) -> None:
    await send(client, user_id, token)
    (event,) = await events(db, "password.reset_sent")
    admin_id = await db.fetchval("SELECT id FROM users WHERE email = $1", ADMIN)
    assert (str(event["user_id"]), event["detail"]) == (user_id, {"admin_id": admin_id})
    assert event["ip_address"] == "127.0.0.1"
    link = await db.fetchrow("SELECT ip_address, user_agent, code_digest FROM auth_email_links")
    assert link is not None
    assert set(link.values()) == {None}


async def test_a_day_later_or_after_another_one_it_is_over(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, user_id: str, token: str, clock: MovableClock
) -> None:
    await send(client, user_id, token)
    former = await read_mail(gate, db, "password_reset")
    await send(client, user_id, token)
    newer = await read_mail(gate, db, "password_reset")
    body = {"token": former.token, "new_password": ANOTHER}
    assert (await client.post("/api/auth/password/reset", json=body)).status_code == 400
    clock.advance(hours=24)
    body = {"token": newer.token, "new_password": ANOTHER}
    assert (await client.post("/api/auth/password/reset", json=body)).status_code == 400


async def test_it_takes_an_administrator_who_has_just_given_the_password(
    client: httpx.AsyncClient, db: Database, user_id: str, token: str, clock: MovableClock
) -> None:
    theirs = (await login(client, EMAIL))["token"]
    assert_error(await send(client, user_id, theirs), errors.AdminRequired)
    clock.advance(minutes=11)
    assert_error(await send(client, user_id, token), errors.FreshSessionRequired)
    assert await mails(db) == []


async def test_who_cant_be_mailed_is_told(
    client: httpx.AsyncClient, db: Database, user_id: str, token: str
) -> None:
    await db.execute("INSERT INTO auth_undeliverable VALUES ($1, now(), '550 5.1.1')", EMAIL)
    refused = await send(client, user_id, token)
    assert refused.json()["error"]["code"] == NotMailable.code
    assert "mail server refused" in refused.json()["message"]
    await db.execute("UPDATE users SET is_active = false WHERE email = $1", EMAIL)
    refused = await send(client, user_id, token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_mailable")
    assert "disabled" in refused.json()["message"]
    assert await mails(db) == []
    assert await events(db, "password.reset_sent") == []


async def test_without_mail_there_is_no_such_thing(make_settings: MakeSettings, clock: MovableClock) -> None:
    app = create_app(make_settings(), clock=clock)
    async with serving(app) as client, another(app) as visitor:
        await make_user(app, ADMIN, is_admin=True)
        user = await make_user(app)
        token = (await login(client, ADMIN))["token"]
        assert_error(await send(client, str(user.id), token), errors.NotFound)
        await visitor.get("/auth/sign-in")
        await visitor.sign_in(ADMIN)
        page = f"/auth/admin/users/{user.id}"
        await visitor.get(page)
        assert f"{page}/mail/reset" not in visitor.answer.text
        await visitor.get(f"{page}/mail/reset")
        assert visitor.answer.status_code == 404


async def test_on_the_console_it_is_asked_for_and_sent(
    app: FastAPI, user_id: str, visitor: Visitor, db: Database
) -> None:
    await make_user(app, ADMIN, is_admin=True)
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(ADMIN)
    page = f"/auth/admin/users/{user_id}"
    await visitor.get(page)
    entries = [str(a["href"]) for a in visitor.page.all("a") if f"{page}/" in str(a["href"])]
    assert f"{page}/mail/reset" in entries
    await visitor.get(f"{page}/mail/reset")
    assert EMAIL in visitor.page.texts["main"]
    assert "24 hours" in visitor.page.texts["main"]
    assert await mails(db) == []
    await visitor.send("/mail/reset")
    assert visitor.place == page
    await visitor.follow()
    assert "on its way" in visitor.page.texts["status"]
    assert await mails(db) == [("password_reset", EMAIL)]


async def test_a_disabled_user_is_told_on_the_page(
    app: FastAPI, user_id: str, visitor: Visitor, db: Database
) -> None:
    await make_user(app, ADMIN, is_admin=True)
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(ADMIN)
    await db.execute("UPDATE users SET is_active = false WHERE email = $1", EMAIL)
    await visitor.get(f"/auth/admin/users/{user_id}/mail/reset")
    await visitor.send("/mail/reset")
    assert visitor.answer.status_code == 409
    assert "Enable it first" in visitor.page.texts["main"]


async def test_the_mail_says_who_asks_and_for_how_long_the_link_works(
    make_settings: MakeSettings, clock: MovableClock, port: int, postman: Postman
) -> None:
    url = f"smtp://127.0.0.1:{port}?tls=off"
    app = create_app(make_settings(**MAIL_ON | {"mail_url": url}), clock=clock)
    async with serving(app) as client:
        await make_user(app, ADMIN, is_admin=True)
        user = await make_user(app)
        await send(client, str(user.id), (await login(client, ADMIN))["token"])
        assert await app.state.gatepost.service(Sender).step() == 1
    ((recipient, letter),) = postman.taken
    assert recipient == EMAIL
    for kind in ("plain", "html"):
        text = part(letter, kind)
        assert "An administrator of Gatepost asks you" in text
        assert "24 hours" in text
        assert "/auth/reset-password?token=" in text
        assert "an account at Gatepost has this address" in text
        for left_out in ("127.0.0.1", ADMIN, "Wasn't it you", "code"):
            assert left_out not in text


async def test_by_a_command(
    gatepost: Command, ada: int, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = await gatepost("mail", "reset", "ada@example.com", "--json")
    assert off.failed("mail_off") == "MAIL_URL is not set, and without one no mail is sent"
    for name, value in MAIL_ON.items():
        monkeypatch.setenv(name.upper(), value)
    sent = await gatepost("mail", "reset", "ada@example.com")
    assert sent.code == 0, sent
    assert "goes to ada@example.com. It works for 24 hours." in sent.out
    assert "mail list" in sent.out
    assert await mails(db) == [("password_reset", "ada@example.com")]
    (event,) = await events(db, "password.reset_sent")
    assert (event["user_id"], event["detail"]) == (ada, {"by": "command"})


async def test_no_administrator_gives_a_password_where_a_link_can_be_mailed(
    app: FastAPI, client: httpx.AsyncClient, gate: Gatepost, db: Database, user_id: str, token: str
) -> None:
    before = await db.fetchval("SELECT hashed_password FROM users WHERE email = $1", EMAIL)
    path = f"/api/auth/admin/users/{user_id}/temporary-password"
    assert_error(await client.post(path, headers=bearer(token)), errors.NotFound)
    async with another(app) as admin:
        await admin.get("/auth/sign-in")
        await admin.sign_in(ADMIN)
        await admin.get(f"/auth/admin/users/{user_id}")
        offered = {str(a["href"]).rpartition("/")[2] for a in admin.page.all("a")}
        assert "reset" in offered
        assert "temporary_password" not in offered
        await admin.get(f"/auth/admin/users/{user_id}/temporary_password")
        assert admin.answer.status_code == 404
    assert await db.fetchval("SELECT hashed_password FROM users WHERE email = $1", EMAIL) == before
    user = await gate.administration.find(EMAIL)
    assert (await gate.administration.set_temporary_password(user, client=Client())).password, "by a command"


async def test_without_mail_there_is_the_temporary_password(make_settings: MakeSettings) -> None:
    async with serving(app := create_app(make_settings())) as client:
        user_id = (await make_user(app)).id
        await make_user(app, ADMIN, is_admin=True)
        token = (await login(client, ADMIN))["token"]
        path = f"/api/auth/admin/users/{user_id}/temporary-password"
        assert (await client.post(path, headers=bearer(token))).status_code == 200

"""Invitations by mail: over HTTP, on the console and by a command."""

import httpx
import pytest
from fastapi import FastAPI
from tests import secrecy
from tests.cli.conftest import Command
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, login, serving
from tests.features.email.conftest import Postman, part
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_success
from tests.http.pages.conftest import Visitor, make_user

from gatepost.app import create_app
from gatepost.features.email.sender import Sender
from gatepost.library import Gatepost

pytestmark = pytest.mark.usefixtures("resting")

ADMIN, ADA = "admin@example.com", "ada@example.com"
INVITE = MAIL_ON | {"registration": "invite"}


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**INVITE), clock=clock)


@pytest.fixture
async def token(app: FastAPI, client: httpx.AsyncClient) -> str:
    """Of an administrator who has just signed in."""
    await make_user(app, ADMIN, is_admin=True)
    return str((await login(client, ADMIN))["token"])


async def invite(client: httpx.AsyncClient, token: str, **body: object) -> httpx.Response:
    return await client.post("/api/auth/admin/invitations", json=body, headers=bearer(token))


async def test_the_mail_has_the_link_that_the_administrator_is_shown(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, token: str
) -> None:
    made = assert_success(
        await invite(client, token, email=ADA), "Invitation created successfully", status=201
    )
    assert made["sent"] is True
    mail = await read_mail(gate, db, "invitation")
    assert (mail.recipient, mail.url) == (ADA, made["url"])
    assert mail.url.startswith("https://auth.example.com/auth/sign-up?invitation=")
    link = await db.fetchrow("SELECT user_id, ip_address, user_agent, code_digest FROM auth_email_links")
    assert link is not None
    assert set(link.values()) == {None}
    newcomer = {"email": ADA, "name": "Ada", "password": PASSWORD, "invitation": made["token"]}
    assert (await client.post("/api/auth/register", json=newcomer)).status_code == 201
    with pytest.raises(LookupError, match="is not sent"):
        await read_mail(gate, db, "invitation")


@pytest.mark.parametrize("body", [{"email": ADA, "send": False}, {}])
async def test_who_does_not_want_it_sent_or_says_no_address_has_the_link_alone(
    client: httpx.AsyncClient, db: Database, token: str, body: dict[str, object]
) -> None:
    made = (await invite(client, token, **body)).json()["data"]
    assert made["sent"] is False
    assert made["url"].endswith(made["token"])
    assert await mails(db) == []


async def test_one_that_was_revoked_meanwhile_is_not_sent_and_others_are(
    make_settings: MakeSettings, clock: MovableClock, port: int, postman: Postman, db: Database
) -> None:
    url = f"smtp://127.0.0.1:{port}?tls=off"
    app = create_app(make_settings(**INVITE | {"mail_url": url}), clock=clock)
    async with serving(app) as client:
        await make_user(app, ADMIN, is_admin=True)
        token = (await login(client, ADMIN))["token"]
        former = (await invite(client, token, email=ADA)).json()["data"]
        newer = (await invite(client, token, email=ADA)).json()["data"]
        path = f"/api/auth/admin/invitations/{former['invitation']['id']}"
        assert (await client.delete(path, headers=bearer(token))).status_code == 200
        assert await app.state.gatepost.service(Sender).step() == 2
    ((recipient, letter),) = postman.taken
    assert recipient == ADA
    assert newer["url"] in part(letter, "plain")
    assert "7 days" in part(letter, "plain")
    assert "127.0.0.1" not in part(letter, "plain")
    rows = await db.fetch("SELECT state FROM auth_messages ORDER BY id")
    assert [row["state"] for row in rows] == ["superseded", "sent"]
    assert await db.fetchval("SELECT count(*) FROM auth_email_links WHERE nonce IS NOT NULL") == 0


async def test_on_the_console_a_tick_box_says_whether(app: FastAPI, visitor: Visitor, db: Database) -> None:
    await make_user(app, ADMIN, is_admin=True)
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(ADMIN)
    await visitor.get("/auth/admin/invitations")
    fields = dict(visitor.page.form("/admin/invitations").fields)
    await visitor.send("/admin/invitations", {"email": ADA})
    assert "on its way to" in visitor.page.texts["main"]
    assert await mails(db) == [("invitation", ADA)]
    del fields["send"]
    await visitor.post("/auth/admin/invitations", fields | {"email": "bob@example.com"})
    assert "on its way to" not in visitor.page.texts["main"]
    assert await mails(db) == [("invitation", ADA)]


async def test_by_a_command(gatepost: Command, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    off = await gatepost("users", "invite", "--email", ADA, "--json")
    for name, value in INVITE.items():
        monkeypatch.setenv(name.upper(), value)
    left_out = await gatepost("users", "invite", "--email", ADA, "--no-send", "--json")
    for each in (off, left_out):
        assert each.json["sent"] is False
        for _ in ("token", "url"):
            secrecy.shown_once(each.json["token"])
    assert await mails(db) == []
    sent = await gatepost("users", "invite", "--email", ADA)
    secrecy.shown_once(sent.out.splitlines()[1].partition("=")[2])
    assert "a running server mails it to them" in sent.out
    assert await mails(db) == [("invitation", ADA)]

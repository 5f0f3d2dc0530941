"""Who may sign up, by which link, and the passwords that administrators give out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock
from tests.http.conftest import Database
from tests.http.pages.conftest import EMAIL, ORIGIN, Visitor, another, make_user, visiting

from gatepost.app import create_app
from gatepost.features.invitations.service import Invitations
from gatepost.features.setup.service import Setup
from gatepost.library import Gatepost
from gatepost.models import Client

WHO = {"email": EMAIL, "name": "Ann", "password": PASSWORD}
Opened = Callable[[str], Awaitable[tuple[Visitor, Gatepost]]]


@pytest.fixture
async def opened(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[Opened]:
    """Visit a server whose REGISTRATION is as given."""
    async with AsyncExitStack() as stack:

        async def make(registration: str) -> tuple[Visitor, Gatepost]:
            app = create_app(make_settings(public_url=ORIGIN, registration=registration), clock=clock)
            return await stack.enter_async_context(visiting(app)), app.state.gatepost

        yield make


def signs_up(visitor: Visitor) -> bool:
    return any("/sign-up" in (link["href"] or "") for link in visitor.page.all("a"))


# --- Signing up ---


async def test_where_registration_is_closed_the_page_says_so(opened: Opened, db: Database) -> None:
    visitor, _ = await opened("closed")
    await visitor.get("/auth/sign-in")
    assert not signs_up(visitor)
    token = visitor.page.form("/sign-in").fields["form_token"]
    await visitor.get("/auth/sign-up")
    for _ in range(2):
        assert visitor.answer.status_code == 403
        assert "Ask an administrator for an account" in visitor.page.texts["h1"]
        assert not visitor.page.forms
        await visitor.post("/auth/sign-up", WHO | {"form_token": token})
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_where_it_takes_an_invitation_the_page_says_so(opened: Opened) -> None:
    visitor, _ = await opened("invite")
    await visitor.get("/auth/sign-in")
    assert not signs_up(visitor)
    await visitor.get("/auth/sign-up")
    assert visitor.answer.status_code == 403
    assert "requires an invitation" in visitor.page.texts["h1"]


@pytest.mark.parametrize("registration", ["open", "invite"])
async def test_an_invitation_leads_to_an_account_once(
    opened: Opened, db: Database, registration: str
) -> None:
    visitor, gate = await opened(registration)
    issued = await gate.service(Invitations).create(email=EMAIL, client=Client())
    assert issued.url == f"{ORIGIN}/auth/sign-up?invitation={issued.token}"
    await visitor.get(issued.url)
    assert visitor.answer.status_code == 200
    assert visitor.answer.headers["referrer-policy"] == "strict-origin"
    form = visitor.page.form("/sign-up")
    assert form.fields["email"] == EMAIL, "it is for nobody else"
    await visitor.send("/sign-up", {"name": "Ann", "password": "short"})
    assert visitor.answer.status_code == 422
    assert visitor.page.form("/sign-up").fields["invitation"] == issued.token
    await visitor.send("/sign-up", {"password": PASSWORD})
    assert visitor.place == "/auth/account"
    assert await db.fetchval("SELECT email FROM users") == EMAIL
    await visitor.post("/auth/sign-up", form.fields | WHO)
    assert visitor.place == "/auth/account", "sent twice, it leads on"
    await visitor.follow()
    await visitor.sign_out()
    await visitor.get(issued.url)
    assert visitor.answer.status_code == 403
    assert "invalid" in visitor.page.texts["h1"]


async def test_an_invitation_that_is_over_is_a_page_and_one_entry_on_the_trail(
    opened: Opened, clock: MovableClock, db: Database
) -> None:
    visitor, gate = await opened("invite")
    issued = await gate.service(Invitations).create(email=None, lifetime=timedelta(hours=1), client=Client())
    await visitor.get(issued.url)
    clock.advance(hours=2)
    await visitor.send("/sign-up", WHO)
    assert visitor.answer.status_code == 403
    assert issued.token not in visitor.answer.text
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'invitation.refused'") == 1
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_an_e_mail_that_is_taken_is_told_beside_its_field(visitor: Visitor, app: FastAPI) -> None:
    await make_user(app)
    await visitor.get("/auth/sign-up")
    await visitor.send("/sign-up", WHO)
    assert visitor.answer.status_code == 409
    assert "already exists" in visitor.page.texts["email-problem"]


# --- The first administrator ---


async def test_the_setup_link_makes_the_first_administrator_once(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    link = f"/auth/setup?token={await app.state.gatepost.service(Setup).issue()}"
    await visitor.get(link)
    assert visitor.answer.status_code == 200
    assert visitor.answer.headers["referrer-policy"] == "strict-origin"
    form = visitor.page.form("/setup")
    await visitor.send("/setup", WHO | {"password": "short"})
    assert visitor.answer.status_code == 422
    await visitor.send("/setup", WHO)
    assert visitor.place == "/auth/admin"
    await visitor.follow()
    assert visitor.answer.status_code == 200
    assert await db.fetchval("SELECT is_admin FROM users")
    await visitor.post("/auth/setup", form.fields | WHO)
    assert visitor.place == "/auth/admin", "sent twice, it leads on"
    async with another(app) as late:
        await late.get(link)
        assert late.answer.status_code == 403
        assert "invalid" in late.page.texts["h1"]
        assert not late.page.forms


@pytest.mark.parametrize("query", ["", "?token=", "?token=nonsense", "?token=" + "A" * 43])
async def test_a_setup_link_that_is_none_is_answered_with_a_page(visitor: Visitor, query: str) -> None:
    await visitor.get(f"/auth/setup{query}")
    assert visitor.answer.status_code == 403
    assert "setup link is invalid" in visitor.page.texts["h1"]


# --- Temporary passwords ---


@pytest.fixture
async def temporary(app: FastAPI, visitor: Visitor) -> str:
    """The password that an administrator gave somebody."""
    gate: Gatepost = app.state.gatepost
    user = await make_user(app)
    return (await gate.administration.set_temporary_password(user, client=Client())).password


async def test_a_temporary_password_asks_for_one_of_ones_own(
    visitor: Visitor, temporary: str, db: Database
) -> None:
    await visitor.get("/auth/sign-in?next=/auth/devices")
    await visitor.sign_in(password=temporary, remember="on")
    assert visitor.answer.status_code == 403
    assert "temporary" in visitor.page.texts["alert"]
    fields = visitor.page.form("/sign-in").fields
    assert (fields["email"], fields["password"], fields["new_password"]) == (EMAIL, "", "")
    assert fields["remember"] == "on"
    assert temporary not in visitor.answer.text
    await visitor.sign_in(password=temporary, new_password="short")
    assert visitor.answer.status_code == 422
    assert visitor.page.texts["new_password-problem"]
    await visitor.sign_in(password="wrong-password", new_password="a password of my own")
    assert visitor.answer.status_code == 422
    assert "new_password" in visitor.page.form("/sign-in").fields, "it is still asked for"
    await visitor.sign_in(password=temporary, new_password="a password of my own")
    assert visitor.place == "/auth/devices"
    await visitor.follow()
    await visitor.sign_out()
    await visitor.get("/auth/sign-in")
    assert "new_password" not in visitor.page.form("/sign-in").fields
    await visitor.sign_in(password="a password of my own")
    assert visitor.place == "/auth/account"

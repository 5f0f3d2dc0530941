"""Signing up with a passkey on the pages, without a browser: what its script does is done here."""

import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from tests.conftest import MakeSettings, MovableClock
from tests.features.email.conftest import resting
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.features.passkeys_by import Device
from tests.http.conftest import Database
from tests.http.pages.conftest import ORIGIN, Visitor, visiting

from gatepost import Gatepost, User
from gatepost.app import create_app

__all__ = ["resting"]

pytestmark = pytest.mark.usefixtures("resting")

PAGE = "/auth/sign-up/passkey"
ADA = {"email": "ada@example.com", "name": "Ada"}


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(public_url=ORIGIN, passwordless_sign_up=True), clock=clock)


@pytest.fixture
async def proving(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[tuple[FastAPI, Visitor]]:
    """Where a mailbox has to answer first."""
    modes = {"public_url": ORIGIN, "email_verification": "required"}
    app = create_app(make_settings(**MAIL_ON | modes), clock=clock)
    async with visiting(app) as visitor:
        yield app, visitor


async def send(visitor: Visitor, index: int, device: Device, **typed: str) -> None:
    """Fill a form in and have the device make what it asks for, as the script does."""
    place, form = str(visitor.answer.url.path), visitor.page.forms[index]
    fields = form.fields | typed
    asked = (await visitor.post(f"{PAGE}/options", fields)).json()
    credential = json.dumps(device.create(asked["publicKey"]))
    await visitor.post(
        form.action or place, fields | {"challenge": asked["challenge"], "credential": credential}
    )


async def test_who_signs_up_with_a_passkey_sees_the_recovery_codes_first(
    visitor: Visitor, db: Database
) -> None:
    await visitor.get("/auth/sign-up")
    assert any(link["href"] == PAGE for link in visitor.page.all("a"))
    await visitor.get(PAGE)
    (index,) = [i for i, form in enumerate(visitor.page.forms) if "challenge" in form.fields]
    await send(visitor, index, Device(ORIGIN, verifies=False), **ADA)
    assert visitor.answer.status_code == 422
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert "ada@example.com" in visitor.answer.text, "what was typed is there"
    await send(visitor, index, Device(ORIGIN), **ADA)
    assert visitor.answer.status_code == 200, visitor.answer.text
    assert await db.fetchval("SELECT hashed_password IS NULL FROM users")
    assert "saved them. Continue" in visitor.answer.text
    await visitor.get("/auth/security")
    assert "You don't have one. You sign in another way." in visitor.answer.text


class Fields(BaseModel):
    """What an application asks for."""

    company: str
    newsletter: bool = False


async def test_the_application_is_given_what_it_asks_for(make_settings: MakeSettings, db: Database) -> None:
    auth = Gatepost(make_settings(public_url=ORIGIN, passwordless_sign_up=True), registration=Fields)
    came: list[Fields | None] = []

    @auth.on_register
    async def note(_: object, user: User, fields: Fields | None) -> None:
        came.append(fields)

    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    async with visiting(app) as visitor:
        await visitor.get(PAGE)
        (index,) = [i for i, form in enumerate(visitor.page.forms) if "challenge" in form.fields]
        await send(visitor, index, Device(ORIGIN), **ADA, company="Acme")
        assert visitor.answer.status_code == 200, visitor.answer.text
    assert came == [Fields(company="Acme")]


async def test_behind_the_link_of_the_mail_a_passkey_is_offered(
    proving: tuple[FastAPI, Visitor], db: Database
) -> None:
    app, visitor = proving
    await visitor.get(PAGE)
    assert visitor.answer.status_code == 404, "the mailbox comes first"
    await visitor.get("/auth/sign-up")
    assert not any(link["href"] == PAGE for link in visitor.page.all("a"))
    await visitor.send("/sign-up", ADA)
    mail = await read_mail(app.state.gatepost, db, "verify_email")
    await visitor.get(mail.url.removeprefix(ORIGIN))
    await visitor.follow()
    (index,) = [i for i, form in enumerate(visitor.page.forms) if "challenge" in form.fields]
    await send(visitor, index, Device("https://evil.example"))
    assert visitor.answer.status_code == 422
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    await send(visitor, index, Device(ORIGIN))
    assert visitor.answer.status_code == 200, visitor.answer.text
    row = await db.fetchrow("SELECT name, hashed_password, email_verified_at FROM users")
    assert row is not None
    assert (row["name"], row["hashed_password"], row["email_verified_at"] is not None) == ("Ada", None, True)
    await visitor.get("/auth/account")
    assert visitor.answer.status_code == 200

"""Temporary passwords on the pages."""

import pytest
from fastapi import FastAPI
from tests.conftest import MovableClock
from tests.http.conftest import Database, events
from tests.http.pages.conftest import EMAIL, Visitor, make_user

from gatepost.library import Gatepost
from gatepost.models import Client


@pytest.fixture
async def temporary(app: FastAPI, visitor: Visitor) -> str:
    """The password that an administrator gave somebody."""
    gate: Gatepost = app.state.gatepost
    user = await make_user(app)
    return (await gate.administration.set_temporary_password(user, client=Client())).password


PLACE = "/sign-in/new-password"
OWN = "a password of my own"


async def test_a_temporary_password_asks_for_one_of_ones_own_alone(
    visitor: Visitor, temporary: str, db: Database
) -> None:
    await visitor.get("/auth/sign-in?next=/auth/devices")
    await visitor.sign_in(password=temporary, remember="on")
    assert visitor.place == f"/auth{PLACE}?next=%2Fauth%2Fdevices"
    await visitor.follow()
    assert visitor.answer.status_code == 200
    assert EMAIL in visitor.page.texts["main"]
    assert "alert" not in visitor.page.texts, "it is no mistake"
    asked = visitor.page.form(PLACE).fields
    assert set(asked) == {"form_token", "next", "username", "new_password"}, "the temporary one is given"
    assert temporary not in visitor.answer.text
    await visitor.send(PLACE, {"new_password": "short"})
    assert visitor.answer.status_code == 422
    assert visitor.page.texts["new_password-problem"]
    await visitor.send(PLACE, {"new_password": temporary})
    assert visitor.answer.status_code == 422
    assert "other than the current one" in visitor.page.texts["new_password-problem"]
    await visitor.send(PLACE, {"new_password": OWN})
    assert visitor.place == "/auth/devices"
    assert await db.fetchval("SELECT remembered FROM user_sessions WHERE is_active")
    [event] = await events(db, "password.changed")
    assert event["detail"]["temporary"] is True
    await visitor.follow()
    await visitor.sign_out()
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(password=OWN)
    assert visitor.place == "/auth/account"


async def test_it_goes_on_once_and_for_a_while(
    app: FastAPI, visitor: Visitor, temporary: str, db: Database, clock: MovableClock
) -> None:
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(password=temporary)
    await visitor.follow()
    clock.advance(minutes=15)
    await visitor.send(PLACE, {"new_password": OWN})
    assert visitor.place == "/auth/sign-in"
    await visitor.follow()
    assert "took too long" in visitor.page.texts["main"]
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0


@pytest.mark.parametrize("then", ["another password", "disabled", "expired"])
async def test_what_has_changed_meanwhile_ends_it(
    app: FastAPI, visitor: Visitor, temporary: str, db: Database, clock: MovableClock, then: str
) -> None:
    clock.advance(hours=23, minutes=50)
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(password=temporary)
    await visitor.follow()
    if then == "expired":
        clock.advance(minutes=10)
    elif then == "disabled":
        await db.execute("UPDATE users SET is_active = false")
    else:
        await db.execute("UPDATE users SET hashed_password = 'x'")
    await visitor.send(PLACE, {"new_password": OWN})
    assert visitor.place == "/auth/sign-in"
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert await events(db, "password.changed") == []


async def test_without_a_temporary_password_it_leads_to_the_sign_in(visitor: Visitor) -> None:
    await visitor.get(f"/auth{PLACE}?next=/auth/devices")
    assert visitor.place == "/auth/sign-in?next=%2Fauth%2Fdevices"


async def test_the_challenge_of_a_password_answers_no_factor_and_that_of_a_factor_no_password(
    app: FastAPI, visitor: Visitor, temporary: str
) -> None:
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(password=temporary)
    await visitor.get("/auth/sign-in/factor")
    assert visitor.place == "/auth/sign-in"

"""Temporary passwords on the pages."""

import pytest
from fastapi import FastAPI
from tests.http.conftest import Database
from tests.http.pages.conftest import EMAIL, Visitor, make_user

from gatepost.library import Gatepost
from gatepost.models import Client


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
    assert "temporary" in visitor.page.texts["status"]
    assert "alert" not in visitor.page.texts, "it is no mistake"
    assert not visitor.page.texts["title"].startswith("Error")
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

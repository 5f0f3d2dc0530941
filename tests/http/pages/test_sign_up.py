"""Signing up on the pages."""

from fastapi import FastAPI
from tests.conftest import PASSWORD
from tests.http.pages.conftest import EMAIL, Visitor, make_user

WHO = {"email": EMAIL, "name": "Ann", "password": PASSWORD}


async def test_an_e_mail_that_is_taken_is_told_beside_its_field(visitor: Visitor, app: FastAPI) -> None:
    await make_user(app)
    await visitor.get("/auth/sign-up")
    await visitor.send("/sign-up", WHO)
    assert visitor.answer.status_code == 409
    assert "already exists" in visitor.page.texts["email-problem"]

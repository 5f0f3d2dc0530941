"""The page behind the setup link."""

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock
from tests.http.conftest import Database
from tests.http.pages.conftest import EMAIL, ORIGIN, Visitor, another

from gatepost.app import create_app
from gatepost.features.setup.service import Setup

WHO = {"email": EMAIL, "name": "Ann", "password": PASSWORD}


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(public_url=ORIGIN), clock=clock)


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
        assert late.page.texts["h1"] == "This setup link no longer works"
        assert not [form for form in late.page.forms if form.action.endswith("/setup")]


@pytest.mark.parametrize("query", ["", "?token=", "?token=nonsense", "?token=" + "A" * 43])
async def test_a_setup_link_that_is_none_is_answered_with_a_page(visitor: Visitor, query: str) -> None:
    await visitor.get(f"/auth/setup{query}")
    assert visitor.answer.status_code == 403
    assert visitor.page.texts["h1"] == "This setup link no longer works"
    assert "the server prints a new one when it starts" in visitor.answer.text

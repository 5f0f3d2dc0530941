"""What the kernel tells features of an account: what its owner should hear of, in the act's transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, MovableClock, serving

from gatepost.app import create_app
from gatepost.db.pool import Connection
from gatepost.feature import Feature
from gatepost.library import Gatepost
from gatepost.models import Client
from gatepost.services.feature import Happened, Wired

ADA = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}
ANOTHER = "nine lives of a garden cat"


class Ear:
    """A feature that keeps what it hears, and may raise."""

    def __init__(self) -> None:
        self.heard: list[Happened] = []
        self.fails = False

    async def hears(self, conn: Connection, happened: Happened) -> None:
        assert conn.is_in_transaction()
        if self.fails:
            raise RuntimeError
        self.heard.append(happened)

    @property
    def feature(self) -> Feature:
        return Feature(name="ear", wire=lambda _: Wired(hears=(self.hears,)))

    def actions(self) -> list[str]:
        heard, self.heard = self.heard, []
        return [str(happened.action) for happened in heard]


@pytest.fixture
def ear() -> Ear:
    return Ear()


@asynccontextmanager
async def served(
    ear: Ear, make_settings: MakeSettings, clock: MovableClock
) -> AsyncIterator[tuple[httpx.AsyncClient, Gatepost]]:
    app = create_app(make_settings(), clock=clock, features=(ear.feature,))
    async with serving(app) as client:
        yield client, app.state.gatepost


async def signed_in(client: httpx.AsyncClient, password: str = PASSWORD, **other: object) -> dict[str, str]:
    answer = await client.post("/api/auth/login", json={"email": ADA["email"], "password": password} | other)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['data']['token']}"}


async def test_what_its_owner_should_hear_of_is_told(
    ear: Ear, make_settings: MakeSettings, clock: MovableClock
) -> None:
    async with served(ear, make_settings, clock) as (client, gate):
        assert (await client.post("/api/auth/register", json=ADA)).status_code == 201
        assert ear.actions() == ["user.registered", "session.started"]

        bearer = await signed_in(client)
        assert ear.actions() == []  # from where she has just signed up

        changed = await client.post(
            "/api/auth/password", json={"current": PASSWORD, "new": ANOTHER}, headers=bearer
        )
        assert changed.status_code == 200, changed.text
        assert ear.actions() == ["password.changed"]

        user = await gate.administration.find(ADA["email"])
        temporary = await gate.administration.set_temporary_password(user, client=Client())
        assert ear.heard[0].by_others
        assert ear.actions() == ["user.password_set"]

        await signed_in(client, temporary.password, new_password=PASSWORD)
        assert "password.changed" in ear.actions()


async def test_a_change_of_the_email_tells_the_former_one(
    ear: Ear, make_settings: MakeSettings, clock: MovableClock
) -> None:
    async with served(ear, make_settings, clock) as (client, _):
        await client.post("/api/auth/register", json=ADA)
        bearer = await signed_in(client)
        ear.actions()

        body = {"email": "countess@example.com", "password": PASSWORD}
        assert (await client.post("/api/auth/email", json=body, headers=bearer)).status_code == 200

        (happened,) = ear.heard
        assert (happened.user.email, happened.former_email) == ("countess@example.com", "ada@example.com")
        assert not happened.by_others


async def test_what_a_feature_raises_undoes_the_act(
    ear: Ear, make_settings: MakeSettings, clock: MovableClock
) -> None:
    async with served(ear, make_settings, clock) as (client, _):
        await client.post("/api/auth/register", json=ADA)
        bearer = await signed_in(client)

        ear.fails = True
        body = {"current": PASSWORD, "new": ANOTHER}
        assert (await client.post("/api/auth/password", json=body, headers=bearer)).status_code == 500

        ear.fails = False
        await signed_in(client)

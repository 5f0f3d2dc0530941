"""A pooler that lends the server's connections by the transaction: found out, and worked with."""

import asyncio

import pytest
from fastapi import FastAPI
from tests.conftest import bearer, login, register, serving, settings_for
from tests.failures.conftest import HANDFUL, MortalServer
from tests.failures.proxies import pooled, through

from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.gate import Gate


def prepares(app: FastAPI) -> bool:
    gate: Gate = app.state.gatepost
    return gate.database.prepares


async def test_a_pooler_by_transaction_is_found_out_at_the_start_and_nothing_fails(
    mortal: MortalServer, mortal_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with pooled(mortal_dsn, tells=True) as place:
        app = create_app(settings_for(through(mortal_dsn, place), tmp_path_factory.mktemp("home")))
        async with serving(app) as client:
            assert not prepares(app)
            token = (await register(client))["token"]
            for _ in range(3):
                for path in ("me", "verify", "sessions", "events"):
                    assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).is_success
                token = (await client.post("/api/auth/refresh", headers=bearer(token))).json()["data"][
                    "token"
                ]
            assert len(await asyncio.gather(*(login(client) for _ in range(10)))) == 10
        assert (await migrate.migrate(through(mortal_dsn, place))).before == migrate.HEAD


async def test_a_pooler_that_does_not_tell_is_found_out_by_the_first_statements_that_are_lost(
    mortal: MortalServer, mortal_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with pooled(mortal_dsn, tells=False) as place:
        app = create_app(settings_for(through(mortal_dsn, place), tmp_path_factory.mktemp("home")))
        async with serving(app) as client:
            body = {"email": "user@example.com", "name": "John Doe", "password": "securepassword123"}
            codes = [(await client.post("/api/auth/register", json=body)).status_code for _ in range(HANDFUL)]
            assert set(codes) <= {201, 409, 503}
            assert not prepares(app)
            token = (await login(client))["token"]
            for _ in range(3):
                for path in ("me", "verify", "sessions", "events"):
                    assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).is_success


async def test_without_a_pooler_statements_are_prepared(
    mortal: MortalServer, mortal_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    app = create_app(settings_for(mortal_dsn, tmp_path_factory.mktemp("home")))
    async with serving(app):
        assert prepares(app)

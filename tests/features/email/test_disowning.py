"""Proving an address takes away what somebody else signs in with, who had made an account with it before."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, register
from tests.features import passkeys_by
from tests.features.authenticators import code_of, enrolled
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.http.conftest import Database

from gatepost.app import create_app
from gatepost.library import Gatepost

pytestmark = pytest.mark.usefixtures("resting")

EMAIL = "user@example.com"
OWN = "chosen by the owner of it"


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    modes = {"email_verification": "optional", "email_sign_in": "both"}
    return create_app(make_settings(**MAIL_ON | modes), clock=clock)


Prove = Callable[[httpx.AsyncClient, Gatepost, Database], Awaitable[httpx.Response]]
"""Has whoever reads the mails of the address prove it."""


async def by_the_link_of_verification(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> httpx.Response:
    token = (await read_mail(gate, db, "verify_email")).token
    return await client.post("/api/auth/email/verify", json={"token": token})


async def by_choosing_another_password(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> httpx.Response:
    await client.post("/api/auth/password/forgot", json={"email": EMAIL})
    token = (await read_mail(gate, db, "password_reset")).token
    return await client.post("/api/auth/password/reset", json={"token": token, "new_password": OWN})


async def by_signing_in_by_mail(client: httpx.AsyncClient, gate: Gatepost, db: Database) -> httpx.Response:
    await client.post("/api/auth/login/email", json={"email": EMAIL})
    token = (await read_mail(gate, db, "sign_in")).token
    return await client.post("/api/auth/login/email/finish", json={"token": token})


@pytest.mark.parametrize(
    "prove", [by_the_link_of_verification, by_choosing_another_password, by_signing_in_by_mail]
)
async def test_whoever_proves_the_address_has_the_account_to_themselves(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock, prove: Prove
) -> None:
    taken = await enrolled(client, str((await register(client, EMAIL))["token"]), clock)
    device = passkeys_by.Device("https://auth.example.com")
    await passkeys_by.enrolled(client, taken.token, device)
    assert await held(db) == (1, 1, 10)
    # The link of the first mail is over: the account signs in otherwise since.
    await client.post("/api/auth/email/verification", headers=bearer(device.token))
    response = await prove(client, gate, db)
    assert response.status_code == 200, response.text
    assert await held(db) == (0, 0, 0)
    assert (await client.get("/api/auth/me", headers=bearer(device.token))).status_code == 401
    assert code_of(await passkeys_by.signed_in_by(client, device)) == "unknown_passkey"
    by_password = await client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert code_of(by_password) == "invalid_credentials"


async def test_who_has_proven_it_before_keeps_all_of_it(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock
) -> None:
    taken = await enrolled(client, str((await register(client, EMAIL))["token"]), clock)
    await db.execute("UPDATE users SET email_verified_at = now()")
    device = passkeys_by.Device("https://auth.example.com")
    await passkeys_by.enrolled(client, taken.token, device)
    assert (await by_choosing_another_password(client, gate, db)).status_code == 200
    assert await held(db) == (1, 1, 10)
    assert code_of(await by_signing_in_by_mail(client, gate, db)) == "second_factor_required"


async def held(db: Database) -> tuple[int, ...]:
    """Return how many apps, passkeys and recovery codes there are."""
    row = await db.fetchrow(
        "SELECT (SELECT count(*) FROM auth_totp), (SELECT count(*) FROM auth_passkeys),"
        " (SELECT count(*) FROM auth_recovery_codes)"
    )
    assert row is not None
    return tuple(row)

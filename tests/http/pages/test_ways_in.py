"""Users without a password on the pages: removing it, a first one, and what they are asked for instead."""

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MovableClock, bearer
from tests.features.passkeys_by import Device, enrolled
from tests.http.conftest import Database
from tests.http.pages.conftest import ORIGIN, Visitor, make_user

OWN = "a password of my own"
SESSION = "__Host-gatepost"


async def with_passkey(member: Visitor) -> Device:
    """Give the visitor a passkey by the API, whose token goes on in their browser."""
    (cookie,) = [each for each in member.client.cookies.jar if each.name == SESSION]
    token = str(cookie.value)
    bare = httpx.AsyncClient(transport=member.client._transport, base_url=ORIGIN)
    device = await enrolled(bare, token, Device(ORIGIN))
    cookie.value = device.token
    assert (await bare.get("/api/auth/me", headers=bearer(device.token))).status_code == 200
    return device


async def test_a_password_is_removed_and_set_again(
    member: Visitor, db: Database, clock: MovableClock
) -> None:
    await member.get("/auth/security")
    assert "Remove password" not in member.page.texts["main"]
    assert "Verified" not in member.page.texts["main"]
    await db.execute("UPDATE users SET email_verified_at = now()")
    await member.get("/auth/account/password/remove")
    assert member.place == "/auth/security", "nothing else signs in"
    await with_passkey(member)
    await member.get("/auth/security")
    assert "Remove password" in member.page.texts["main"]
    assert "Verified" in member.page.texts["main"]
    await member.get("/auth/account/password/remove")
    await member.send("/account/password/remove")
    assert member.place == "/auth/security"
    assert await db.fetchval("SELECT hashed_password FROM users") is None
    await member.follow()
    assert "Your password was removed." in member.answer.text
    assert "You don't have one. You sign in another way." in member.answer.text
    for path in ("/auth/account/email", "/auth/account/delete", "/auth/account/password"):
        await member.get(path)
        assert 'autocomplete="current-password"' not in member.answer.text, path
    await member.send("/account/password", {"new": OWN})
    assert member.place == "/auth/security"
    assert await db.fetchval("SELECT hashed_password FROM users") is not None


async def test_who_has_none_confirms_by_what_there_is_or_signs_in_again(
    member: Visitor, db: Database, clock: MovableClock
) -> None:
    await with_passkey(member)
    await db.execute("UPDATE users SET hashed_password = NULL")
    clock.advance(minutes=11)
    await member.get("/auth/confirm?next=/auth/account/delete")
    assert member.answer.status_code == 200
    assert 'autocomplete="current-password"' not in member.answer.text
    assert "data-passkey" in member.answer.text
    await db.execute("DELETE FROM auth_passkeys")
    await member.get("/auth/confirm?next=/auth/account/delete")
    assert "Sign out and sign in again" in member.page.texts["main"]
    await member.get("/auth/account/email")
    await member.send("/account/email", {"email": "new@example.com"})
    assert "Sign out and sign in again" in member.page.texts["main"]


@pytest.mark.parametrize("has_password", [True, False])
async def test_the_console_says_who_has_none(
    app: FastAPI, admin: Visitor, db: Database, has_password: bool
) -> None:
    user = await make_user(app)
    if not has_password:
        await db.execute("UPDATE users SET hashed_password = NULL WHERE id = $1", user.id)
    await admin.get(f"/auth/admin/users/{user.id}")
    assert ("No password" in admin.answer.text) is not has_password

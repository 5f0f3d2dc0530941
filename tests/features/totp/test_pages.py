"""Second factors on the pages: set up, asked for, removed, and by an administrator."""

import base64
import re
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, MovableClock, nth_user
from tests.features.authenticators import App
from tests.http.conftest import Database, events
from tests.http.pages.conftest import Visitor, another, visiting

from gatepost.app import create_app
from gatepost.features.totp.codes import PERIOD

APP, CODES, FACTOR = "/auth/account/authenticator", "/auth/account/recovery-codes", "/sign-in/factor"


def secret_on(visitor: Visitor) -> bytes:
    found = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', visitor.answer.text)
    assert found is not None, visitor.answer.text
    return base64.b32decode(found[1].replace(" ", ""))


def codes_on(visitor: Visitor) -> list[str]:
    return re.findall(r"^(?:.*>)?([A-Z2-7]{4}(?:-[A-Z2-7]{4}){5})$", visitor.answer.text, re.MULTILINE)


async def set_up(visitor: Visitor, clock: MovableClock) -> tuple[App, list[str]]:
    """Set an app up; return it with the recovery codes that were shown."""
    await visitor.get(APP)
    app = App(secret_on(visitor), clock)
    await visitor.send("/account/authenticator", {"code": "000000"})
    assert visitor.answer.status_code == 422
    assert secret_on(visitor) == app.secret  # it stays, and need not be scanned once more
    await visitor.send("/account/authenticator", {"code": app.code()})
    assert visitor.answer.status_code == 200, visitor.answer.text
    clock.advance(seconds=PERIOD)
    return app, codes_on(visitor)


@pytest.fixture
async def member(visitor: Visitor) -> Visitor:
    await visitor.sign_up()
    return visitor


async def test_an_app_is_set_up_and_its_recovery_codes_are_shown_once(
    member: Visitor, clock: MovableClock
) -> None:
    await member.get("/auth/security")
    assert "Authenticator app" in member.answer.text
    assert "Recovery codes" not in member.answer.text
    await member.get(APP)
    assert 'inputmode="numeric"' in member.answer.text
    assert 'autocomplete="one-time-code"' in member.answer.text
    assert "<svg" in member.answer.text.partition('class="qr"')[2][:100]
    _, codes = await set_up(member, clock)
    assert len(codes) == 10
    assert 'download="recovery-codes.txt"' in member.answer.text
    await member.send("/sign-out")  # what that page can do, it can do
    assert member.answer.status_code == 200


async def test_signing_in_asks_for_the_code_and_offers_another_way(
    member: Visitor, clock: MovableClock
) -> None:
    app, codes = await set_up(member, clock)
    await member.sign_out()
    await member.get("/auth/sign-in?next=%2Fauth%2Fdevices")
    await member.sign_in()
    await member.follow()
    assert "Code from your authenticator app" in member.answer.text
    # Whose sign-in it is, and the way to another one.
    assert "user@example.com" in member.page.texts["main"]
    assert 'href="/auth/sign-in?next=%2Fauth%2Fdevices">Not you?' in member.answer.text
    await member.get("/auth/sign-in?next=%2Fauth%2Fdevices")
    assert member.page.form("/sign-in").fields["next"] == "/auth/devices"
    await member.get("/auth/sign-in/factor?next=%2Fauth%2Fdevices")
    await member.send(FACTOR, {"code": "000000"})
    assert (member.answer.status_code, "Incorrect code" in member.answer.text) == (422, True)
    await member.send(FACTOR, {"code": f" {app.code()[:3]} {app.code()[3:]}"})
    assert member.place == "/auth/devices"
    await member.sign_out()
    await member.get("/auth/sign-in")
    await member.sign_in()
    await member.get("/auth/sign-in/factor?method=recovery_code")
    await member.send(FACTOR, {"code": codes[0]})
    assert member.place == "/auth/account"
    await member.get("/auth/security")
    assert "9 left" in member.answer.text


async def test_new_codes_and_few_of_them(member: Visitor, clock: MovableClock, db: Database) -> None:
    await member.get(CODES)
    assert member.place == "/auth/security"
    _, codes = await set_up(member, clock)
    await db.execute(
        "UPDATE auth_recovery_codes SET used_at = now() WHERE digest IN"
        " (SELECT digest FROM auth_recovery_codes LIMIT 7)"
    )
    await member.get("/auth/security")
    assert "Few left" in member.answer.text
    for left in (3, 0):
        await member.get("/auth/account")
        assert f"You have {left} recovery codes left." in member.page.texts["main"]
        await db.execute("UPDATE auth_recovery_codes SET used_at = now()")
    await member.get(CODES)
    await member.send("/account/recovery-codes")
    made = codes_on(member)
    assert len(made) == 10
    assert not set(made) & set(codes)
    await member.get("/auth/account")
    assert "recovery codes left" not in member.page.texts["main"]


async def test_what_changes_factors_is_asked_for_again_where_the_session_is_not_fresh(
    member: Visitor, clock: MovableClock, db: Database
) -> None:
    app, _ = await set_up(member, clock)
    await member.get(APP)
    assert "Set up another app" in member.answer.text
    clock.advance(minutes=11)
    await member.send("/account/authenticator", {"action": "remove"})
    assert member.answer.status_code == 403
    await member.send("/confirm", {"password": "securepassword123"})
    await member.send("/confirm", {"method": "totp", "code": app.code()})
    assert member.place == "/auth/security"
    await member.follow()
    assert "Your authenticator app was removed." in member.answer.text
    assert await db.fetchval("SELECT count(*) FROM auth_totp") == 0


async def test_new_codes_that_were_asked_for_are_shown_after_the_password_and_the_code(
    member: Visitor, clock: MovableClock
) -> None:
    app, codes = await set_up(member, clock)
    await member.get(CODES)
    clock.advance(minutes=11)
    await member.send("/account/recovery-codes")
    assert member.answer.status_code == 403
    await member.send("/confirm", {"password": "securepassword123"})
    assert codes_on(member) == []
    await member.send("/confirm", {"method": "totp", "code": app.code()})
    assert len(codes_on(member)) == 10
    assert not set(codes_on(member)) & set(codes)


async def test_an_administrator_removes_the_factors_of_who_lost_them_with_a_reason(
    app: FastAPI, admin: Visitor, clock: MovableClock, db: Database
) -> None:
    async with another(app, "198.51.100.1") as user:
        await user.sign_up()
        await set_up(user, clock)
        await admin.get(f"/auth/admin/users/{nth_user(2)}")
        assert "Authenticator app" in admin.answer.text
        await admin.get(f"/auth/admin/users/{nth_user(2)}/reset_factors")
        await admin.send("/reset_factors", {"reason": ""})
        assert admin.answer.status_code == 422
        await admin.send("/reset_factors", {"reason": "Seen in the office"})
        assert admin.place == f"/auth/admin/users/{nth_user(2)}"
        await user.get("/auth/account")
        assert user.place.startswith("/auth/sign-in")
    [event] = await events(db, "factor.reset")
    assert event["detail"]["reason"] == "Seen in the office"
    assert event["detail"]["methods"] == ["totp", "recovery_code"]
    assert await db.fetchval("SELECT count(*) FROM auth_recovery_codes") == 0


async def test_an_administrator_is_not_offered_to_reset_their_own_factors(
    admin: Visitor, clock: MovableClock
) -> None:
    await set_up(admin, clock)
    await admin.get("/auth/admin/users/1")
    assert "Authenticator app" in admin.answer.text
    assert "reset_factors" not in admin.answer.text


@pytest.fixture
async def required(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[Visitor]:
    """A browser at a site where everybody has to have a second factor."""
    async with visiting(create_app(make_settings(mfa_required="all"), clock=clock)) as visitor:
        yield visitor


async def test_who_has_to_have_one_sets_it_up_on_the_way_in_and_sees_the_codes_first(
    required: Visitor, clock: MovableClock, db: Database
) -> None:
    await required.get("/auth/sign-up")
    await required.send(
        "/sign-up", {"email": "user@example.com", "name": "John", "password": "securepassword123"}
    )
    await required.follow()
    assert "Set up a second factor" in required.answer.text
    await required.get("/auth/sign-in/factor?method=totp")
    app = App(secret_on(required), clock)
    await required.send(FACTOR, {"code": "000000"})
    assert secret_on(required) == app.secret
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    await required.send(FACTOR, {"code": app.code()})
    assert (required.answer.status_code, len(codes_on(required))) == (200, 10)
    await required.get("/auth/account")
    assert required.answer.status_code == 200
    assert await db.fetchval("SELECT aal FROM user_sessions") == 2
    # The last one stays.
    clock.advance(seconds=PERIOD)
    await required.get(APP)
    await required.send("/account/authenticator", {"action": "remove"})
    assert required.answer.status_code == 409
    assert "Set up another one before you remove this one." in required.answer.text
    assert await db.fetchval("SELECT count(*) FROM auth_totp") == 1


async def test_the_console_asks_for_a_second_factor_of_who_became_an_administrator_in_sql(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    async with visiting(create_app(make_settings(mfa_required="admins"), clock=clock)) as visitor:
        await visitor.sign_up()
        await db.execute("UPDATE users SET is_admin = true")
        await visitor.get("/auth/admin/users")
        assert visitor.answer.status_code == 403
        assert "you don't have one yet" in visitor.page.texts["main"]
        assert 'href="/auth/security"' in visitor.answer.text
        await set_up(visitor, clock)
        await visitor.get("/auth/admin/users")
        assert visitor.answer.status_code == 200

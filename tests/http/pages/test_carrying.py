"""Asking for the password again carries the form along: it is done afterwards, once, and nothing else is."""

import base64
import json
import re

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock
from tests.features.email.mailbox import MAIL_ON
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ADMIN, EMAIL, ORIGIN, SAME, Visitor, another, make_user
from tests.summed import PAGES
from tests.walking import walked

from gatepost.app import create_app
from gatepost.features.addresses import pages as address_pages
from gatepost.features.email.sender import Sender
from gatepost.http.pages.admin import selected_users
from gatepost.http.pages.admin import user as user_page
from gatepost.http.pages.forms import PASSWORDS
from gatepost.http.pages.site import TEMPLATES
from gatepost.models.bounds import CARRIED_MAX

USER = "/auth/admin/users/2"
ADDRESSES, PLACE = "/auth/admin/addresses", "/auth/admin/addresses/198.51.100.1"
SEVERAL = "/auth/admin/selected-users"
DISABLED = "UPDATE users SET is_active = false WHERE id = 2"
BLOCKED = "INSERT INTO auth_blocks (network) VALUES ('198.51.100.0/24')"
BEFORE = {
    "enable": DISABLED,
    "enable there": DISABLED,
    "demote": "UPDATE users SET is_admin = true WHERE id = 2",
    "reset factors": """
        INSERT INTO auth_totp (user_id, secret, key_id, last_step, created_at)
        VALUES (2, decode(repeat('00', 40), 'hex'), 'k', 0, now())
    """,
    "remove the password": "UPDATE users SET email_verified_at = now()",  # by mail one signs in without it
    "lift": BLOCKED,
    "lift there": BLOCKED,
    "lift a limit": """
        INSERT INTO auth_throttles (bucket, key, tat)
        VALUES ('login_address', '198.51.100.1', now() + interval '1 day')
    """,
    "revoke an invitation": """
        INSERT INTO auth_links (purpose, digest, email, created_at, expires_at)
        VALUES ('invitation', 'x', 'a@example.com', now(), now() + interval '1 day')
    """,
    "restore an invitation": """
        INSERT INTO auth_links (purpose, digest, created_at, expires_at, revoked_at)
        VALUES ('invitation', 'x', now(), now() + interval '1 day', now())
    """,
}
"""What is done → what has to be there for it."""

DONE: dict[str, tuple[str, dict[str, str], str | None]] = {
    "disable": (USER, {"action": "disable"}, "user.disabled"),
    "enable": (USER, {"action": "enable"}, "user.enabled"),
    "promote": (USER, {"action": "promote"}, "user.promoted"),
    "demote": (USER, {"action": "demote"}, "user.demoted"),
    "unlock": (USER, {"action": "unlock"}, "user.unlocked"),
    "end sessions": (USER, {"action": "end_sessions"}, "session.revoked_all"),
    "end a session": (USER, {"action": "end_session", "session": "2"}, "session.revoked"),
    "temporary password": (USER, {"action": "temporary_password"}, "user.password_set"),
    "reset factors": (USER, {"action": "reset_factors", "reason": "Seen at the office"}, "factor.reset"),
    "delete": (USER, {"action": "delete", "email": EMAIL}, "user.deleted"),
    "delete, asked about": (f"{USER}/delete", {"action": "delete", "email": EMAIL}, "user.deleted"),
    "create": ("/auth/admin/new-user", {"email": "new@example.com", "name": "New"}, "user.created"),
    "end one": ("/auth/admin/sessions?user=2", {"end": "2"}, "session.revoked"),
    "end a filter": ("/auth/admin/sessions/end?user=2", {"count": "1"}, "sessions.ended"),
    "export events": ("/auth/admin/events/export?action=user.", {"format": "csv"}, "events.exported"),
    "export oneself": ("/auth/account/export", {}, "user.exported"),
    "remove the password": ("/auth/account/password/remove", {}, "password.removed"),
    "revoke an invitation": ("/auth/admin/invitations", {"revoke": "1"}, "invitation.revoked"),
    "restore an invitation": ("/auth/admin/invitations", {"restore": "1"}, "invitation.restored"),
    "check": ("/auth/admin/system/checks", {}, None),
    "invite": ("/auth/admin/invitations", {"email": "ß@example.com", "days": "7"}, "invitation.created"),
    "mail a reset": (f"{USER}/mail/reset", {}, "password.reset_sent"),
    "clean up": ("/auth/admin/system/housekeeping", {}, "cleanup.run"),
    "disable several": (SEVERAL, {"do": "disable", "users": "2", "count": "1"}, "user.disabled"),
    "end sessions of several": (
        SEVERAL,
        {"do": "end_sessions", "users": "2", "count": "1"},
        "session.revoked_all",
    ),
    "lift": (ADDRESSES, {"lift": "1"}, "address.unblocked"),
    "lift a limit": (ADDRESSES, {"limit": "login_address", "key": "198.51.100.1"}, "throttles.cleared"),
    "end sessions there": (PLACE, {"action": "end_sessions", "count": "1"}, "sessions.ended"),
    "lift there": (PLACE, {"action": "lift", "block": "1"}, "address.unblocked"),
    "lift throttles there": (PLACE, {"action": "lift_throttles"}, "throttles.cleared"),
    "disable there": (PLACE, {"action": "disable", "user": "2"}, "user.disabled"),
    "enable there": (PLACE, {"action": "enable", "user": "2"}, "user.enabled"),
    "block": (
        ADDRESSES,
        {"network": "203.0.113.0/24", "for": "hour", "reason": "ß & c=d; +%"},
        "address.blocked",
    ),
    "block there": (PLACE, {"action": "block", "for": "day"}, "address.blocked"),
}
"""What is done → the path of its form, its fields, and what the trail then has; None where it has nothing."""

PLAIN = {
    *("/account", "/account/password", "/account/email", "/confirm", "/devices", "/was-it-you"),
    *("/account/authenticator", "/account/recovery-codes", "/account/passkeys", "/account/passkeys/{id}"),
}
"""Forms of one's own account that ask for the password themselves, or not at all; some are of features."""


@pytest.fixture
def app(
    request: pytest.FixtureRequest,
    make_settings: MakeSettings,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> FastAPI:
    """With a way to send mail, by which nothing is sent, and by which one signs in.

    There is none where an administrator gives a password.
    """
    monkeypatch.setattr(Sender, "start", lambda _: None)
    mail = {} if "temporary_password" in request.node.name else MAIL_ON | {"email_sign_in": "code"}
    return create_app(make_settings(**mail | {"public_url": ORIGIN}), clock=clock)


@pytest.fixture
async def stale(app: FastAPI, admin: Visitor) -> Visitor:
    """An administrator, a user who is signed in, and a form token of the former."""
    async with another(app, "198.51.100.1") as user:
        await user.sign_up()
    await admin.get("/auth/account")
    return admin


def test_every_form_of_who_is_signed_in_is_among_them() -> None:
    asking = {page.path for page in PAGES if page.submit is not None and page.who is not None}
    told = {path.partition("?")[0].removeprefix("/auth") for path, _, _ in DONE.values()}
    told = {path.replace("users/2/delete", "users/{id}/{verb}") for path in told}
    told = {path.replace("users/2", "users/{id}").replace("198.51.100.1", "{address:path}") for path in told}
    # With the password that it asks for it is not carried.
    assert asking == told | PLAIN | {"/account/delete"}


@pytest.mark.parametrize(
    ("path", "field", "names"),
    [
        (USER, "action", {*user_page.ACTIONS}),
        (PLACE, "action", {*address_pages.ACTIONS}),
        (SEVERAL, "do", {*selected_users.DOES}),
    ],
)
def test_everything_that_a_form_does_is_among_them(path: str, field: str, names: set[str]) -> None:
    assert {fields[field] for place, fields, _ in DONE.values() if place == path} == names


@walked("name", [name for name in DONE if name != "temporary password"])
async def test_what_was_asked_for_is_done_after_the_password(
    stale: Visitor, db: Database, clock: MovableClock, name: str
) -> None:
    await _done_after_the_password(stale, db, clock, name)


async def test_a_temporary_password_is_given_after_ones_own(
    stale: Visitor, db: Database, clock: MovableClock
) -> None:
    await _done_after_the_password(stale, db, clock, "temporary password")


async def _done_after_the_password(stale: Visitor, db: Database, clock: MovableClock, name: str) -> None:
    path, fields, action = DONE[name]
    if name in BEFORE:
        await db.execute(BEFORE[name])
    token = stale.page.form("/sign-out").fields["form_token"]
    before = 0 if action is None else len(await events(db, action))
    clock.advance(minutes=11)
    await stale.post(path, fields | {"form_token": token})
    assert stale.answer.status_code == 403
    assert ADMIN in stale.page.texts["main"], "whose password it is"
    assert "right away" in stale.page.texts["main"]
    assert action is None or len(await events(db, action)) == before
    await stale.send("/confirm", {"password": "not the password"})
    assert stale.answer.status_code == 422
    assert action is None or len(await events(db, action)) == before
    await stale.send("/confirm", {"password": PASSWORD})
    assert stale.answer.status_code in {200, 303}, stale.answer.text
    if action is None:
        assert "Check again" in stale.answer.text, "they were made"
    else:
        *_, event = found = await events(db, action)
        assert len(found) == before + 1
        assert event["ip_address"] is not None
    await stale.get("/auth/admin")
    assert stale.answer.status_code == 200, "the session is fresh"


async def test_the_notice_and_the_place_are_those_of_the_action(
    stale: Visitor, db: Database, clock: MovableClock
) -> None:
    await _asked(stale, clock, "/auth/admin/sessions?user=2", {"end": "2"})
    await stale.send("/confirm", {"password": PASSWORD})
    assert stale.place == "/auth/admin/sessions?user=2"
    await stale.follow()
    assert "ended" in stale.page.texts["status"]


async def test_a_mistake_in_what_was_asked_for_is_told_on_its_page(
    stale: Visitor, db: Database, clock: MovableClock
) -> None:
    await _asked(stale, clock, USER, {"action": "delete", "email": "other@example.com"})
    await stale.send("/confirm", {"password": PASSWORD})
    assert stale.answer.status_code == 422
    assert await events(db, "user.deleted") == []
    assert any(form.action.endswith("/users/2") for form in stale.page.forms)


@pytest.mark.parametrize(
    "fields", [{"password": PASSWORD, "sure": "on"}, {"sure": "on", "x": "y" * CARRIED_MAX}]
)
async def test_what_cant_be_carried_is_not_done_and_one_is_told(
    stale: Visitor, db: Database, clock: MovableClock, fields: dict[str, str]
) -> None:
    await _asked(stale, clock, "/auth/account/delete", fields)
    assert stale.page.form("/confirm").fields["carried"] == ""
    assert PASSWORD not in stale.answer.text
    await stale.send("/confirm", {"password": PASSWORD})
    assert stale.place == "/auth/account/delete"
    await stale.follow()
    assert "Nothing was changed yet" in stale.page.texts["status"]
    assert await events(db, "user.erased") == []


@walked("change", ["path", "fields", "time", "token", "cut", "nothing"])
async def test_what_was_forged_is_not_done(
    stale: Visitor, db: Database, clock: MovableClock, change: str
) -> None:
    await _asked(stale, clock, USER, {"action": "unlock"})
    carried = stale.page.form("/confirm").fields["carried"]
    text, _, token = carried.partition(".")
    at, place, fields = json.loads(base64.urlsafe_b64decode(text))
    forged = {
        "path": _sealed(at, "/auth/admin/users/1", fields, token),
        "fields": _sealed(at, place, {"action": "disable", "sure": "on"}, token),
        "time": _sealed(at + 60, place, fields, token),
        "token": f"{text}.{stale.page.form('/confirm').fields['form_token']}",
        "cut": text,
        "nothing": ".",
    }[change]
    await stale.send("/confirm", {"password": PASSWORD, "carried": forged})
    assert stale.place == USER
    assert await events(db, "user.unlocked", "user.disabled") == []


async def test_what_was_carried_too_long_is_not_done(
    stale: Visitor, db: Database, clock: MovableClock
) -> None:
    await _asked(stale, clock, USER, {"action": "disable", "sure": "on"})
    page = stale.page
    clock.advance(minutes=10)
    await stale.post("/auth/confirm", page.form("/confirm").fields | {"password": PASSWORD})
    assert stale.place == USER
    assert await events(db, "user.disabled") == []


async def test_it_is_done_once_and_for_nobody_else(
    app: FastAPI, stale: Visitor, db: Database, clock: MovableClock
) -> None:
    await make_user(app, "other@example.com", is_admin=True)
    await _asked(stale, clock, USER, {"action": "disable", "sure": "on"})
    fields = stale.page.form("/confirm").fields | {"password": PASSWORD}
    async with another(app) as other:
        await other.get("/auth/sign-in")
        await other.sign_in("other@example.com")
        await other.get("/auth/confirm")
        await other.send("/confirm", {"password": PASSWORD, "carried": fields["carried"]})
        assert other.place == "/auth/account"
    assert await events(db, "user.disabled") == []
    await stale.post("/auth/confirm", fields)
    assert len(await events(db, "user.disabled")) == 1
    await db.execute("UPDATE users SET is_active = true")
    await stale.get("/auth/confirm")
    await stale.send("/confirm", {"password": PASSWORD, "carried": fields["carried"]})
    assert len(await events(db, "user.disabled")) == 1


@pytest.mark.parametrize("headers", [SAME | {"Sec-Fetch-Site": "cross-site"}, {}])
async def test_no_other_site_has_a_form_carried(
    stale: Visitor, clock: MovableClock, headers: dict[str, str]
) -> None:
    token = stale.page.form("/sign-out").fields["form_token"]
    clock.advance(minutes=11)
    await stale.post(USER, {"action": "disable", "sure": "on", "form_token": token}, headers)
    assert stale.answer.status_code == 403
    assert "carried" not in stale.answer.text


async def test_a_form_without_its_token_is_not_carried(
    stale: Visitor, db: Database, clock: MovableClock
) -> None:
    await _asked(stale, clock, USER, {"action": "disable", "sure": "on", "form_token": "A" * 64})
    await stale.send("/confirm", {"password": PASSWORD})
    assert stale.place == USER
    assert await events(db, "user.disabled") == []


async def test_who_is_demoted_meanwhile_does_nothing(
    stale: Visitor, db: Database, clock: MovableClock
) -> None:
    await _asked(stale, clock, USER, {"action": "disable", "sure": "on"})
    await db.execute("UPDATE users SET is_admin = false")
    await stale.send("/confirm", {"password": PASSWORD})
    assert stale.answer.status_code == 403
    assert await events(db, "user.disabled") == []


def test_every_field_that_holds_a_password_is_known_as_one() -> None:
    found = set()
    for template in TEMPLATES.rglob("*.html"):
        text = template.read_text("utf-8")
        found |= set(re.findall(r'm\.field\("(\w+)"[^}]*type="password"', text))
        assert 'type="password"' not in re.sub(r"\{[{%#].*?[%#}]\}", "", text, flags=re.DOTALL)
    assert found == PASSWORDS


async def _asked(visitor: Visitor, clock: MovableClock, path: str, fields: dict[str, str]) -> None:
    """Send a form of a session that is no longer fresh."""
    token = visitor.page.form("/sign-out").fields["form_token"]
    clock.advance(minutes=11)
    await visitor.post(path, {"form_token": token} | fields)
    assert visitor.answer.status_code == 403
    assert visitor.page.form("/confirm").fields["next"] == path


def _sealed(at: int, place: str, fields: dict[str, str], token: str) -> str:
    return f"{base64.urlsafe_b64encode(json.dumps([at, place, fields]).encode()).decode()}.{token}"

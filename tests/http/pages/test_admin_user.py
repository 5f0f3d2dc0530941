"""One user in the console: what is shown, and each thing that can be done about the account."""

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ADMIN, EMAIL, Visitor, make_user
from tests.walking import walked

from gatepost.models import AuditAction

USER = "/auth/admin/users/2"
HOSTILE = "<script>alert(1)</script>"


async def act(admin: Visitor, action: str, path: str = USER, **fields: str) -> None:
    """Send one of the forms of a user's page."""
    await admin.get(path)
    token = admin.page.forms[0].fields["form_token"]
    await admin.post(path, {"form_token": token, "action": action, **fields})


def offered(admin: Visitor) -> list[str]:
    """Return what can be done about the account that is shown."""
    found = [form.fields["action"] for form in admin.page.forms if "action" in form.fields]
    return [action for action in found if action != "end_session"]


async def state(db: Database, user_id: int = 2) -> tuple[bool, bool]:
    row = await db.fetchrow("SELECT is_active, is_admin FROM users WHERE id = $1", user_id)
    assert row is not None
    return row["is_active"], row["is_admin"]


@pytest.fixture
async def signed_in(app: FastAPI, admin: Visitor) -> str:
    """A user who is signed in, on a phone; return the session's token."""
    await make_user(app)
    answer = await admin.client.post(
        "/api/auth/login",
        json={"email": EMAIL, "password": PASSWORD},
        headers={
            "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15"
            " (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
            "Cookie": "",
        },
    )
    token: str = answer.json()["data"]["token"]
    return token


# --- What is shown ---


async def test_it_shows_who_it_is_where_they_are_signed_in_and_what_happened(
    signed_in: str, admin: Visitor
) -> None:
    await admin.get(USER)
    said = admin.page.texts["main"]
    assert admin.page.texts["h1"] == "John Doe"
    for text in (EMAIL, "Safari on iOS", "127.0.0.1"):
        assert text in said
    assert signed_in not in admin.answer.text
    links = {link["href"] for link in admin.page.all("a")}
    assert {"/auth/admin/sessions?user=2", "/auth/admin/events?user=2"} <= links
    assert offered(admin) == ["disable", "promote"]


@walked("user_id", ["3", "0", "-1", "x", "1e3", "²", "9" * 19, "9" * 5000])
async def test_who_does_not_exist_is_not_found(admin: Visitor, user_id: str) -> None:
    assert (await admin.get(f"/auth/admin/users/{user_id}")).status_code == 404


async def test_hostile_names_addresses_and_programs_are_shown_as_text(
    app: FastAPI, admin: Visitor, db: Database
) -> None:
    await make_user(app, name=HOSTILE)
    login = {"email": EMAIL, "password": PASSWORD}
    await admin.client.post("/api/auth/login", json=login, headers={"User-Agent": HOSTILE, "Cookie": ""})
    # As an adopted table may have one.
    await db.execute("UPDATE users SET email = $1 WHERE id = 2", f"{HOSTILE}@example.com")
    for path in (USER, "/auth/admin/users", "/auth/admin/users?q=%3Cscript"):
        await admin.get(path)
        assert admin.answer.status_code == 200
        assert HOSTILE not in admin.answer.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;@example.com" in admin.answer.text
        assert all(script.get("src") for script in admin.page.all("script"))


async def test_the_badges_tell_how_the_account_stands(app: FastAPI, admin: Visitor, db: Database) -> None:
    await make_user(app, is_admin=True)
    await admin.get(USER)
    assert "Administrator" in admin.page.texts["main"]
    assert "Verified" not in admin.page.texts["main"]
    await db.execute("UPDATE users SET email_verified_at = now() WHERE id = 2")
    await act(admin, "temporary_password")
    await act(admin, "disable")
    await db.execute("INSERT INTO auth_failures (user_id, place, failures) VALUES (2, 'x', 100)")
    await admin.get(USER)
    for badge in ("Verified", "Disabled", "Locked", "Temporary password"):
        assert badge in admin.page.texts["main"]
    assert offered(admin)[-3:] == ["unlock", "enable", "demote"]


# --- What can be done ---


@walked(
    ("action", "event", "flags", "said"),
    [
        ("disable", AuditAction.USER_DISABLED, (False, False), "The account was disabled"),
        ("promote", AuditAction.USER_PROMOTED, (True, True), "is now an administrator"),
        ("unlock", AuditAction.USER_UNLOCKED, (True, False), "The account was unlocked"),
        ("end_sessions", AuditAction.SESSIONS_REVOKED_ALL, (True, False), "1 session was ended"),
    ],
)
async def test_an_action_is_done_said_and_on_the_trail(
    signed_in: str,
    admin: Visitor,
    db: Database,
    action: str,
    event: AuditAction,
    flags: tuple[bool, bool],
    said: str,
) -> None:
    await act(admin, action)
    assert admin.place == USER
    assert await state(db) == flags
    (found,) = [each for each in await events(db, event) if each["user_id"] == 2]
    assert found["detail"]["admin_id"] == 1
    await admin.follow()
    assert said in admin.page.texts["status"]
    await admin.get(USER)
    assert "status" not in admin.page.texts
    live = await db.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = 2 AND is_active")
    assert live == (0 if action in {"disable", "end_sessions"} else 1)


@pytest.mark.parametrize(
    ("first", "then", "event", "said"),
    [
        ("disable", "enable", AuditAction.USER_ENABLED, "The account was enabled"),
        ("promote", "demote", AuditAction.USER_DEMOTED, "no longer an administrator"),
    ],
)
async def test_it_can_be_taken_back(
    app: FastAPI, admin: Visitor, db: Database, first: str, then: str, event: AuditAction, said: str
) -> None:
    await make_user(app)
    await act(admin, first)
    await admin.follow()
    assert then in offered(admin)
    assert first not in offered(admin)
    await act(admin, then)
    assert await state(db) == (True, False)
    (found,) = await events(db, event)
    assert found["detail"]["admin_id"] == 1
    await admin.follow()
    assert said in admin.page.texts["status"]


@pytest.mark.parametrize(
    ("first", "takes_back"), [("disable", "enable"), ("promote", "demote"), ("unlock", None)]
)
async def test_what_was_just_done_can_be_undone_in_the_notice(
    app: FastAPI, admin: Visitor, db: Database, first: str, takes_back: str | None
) -> None:
    await make_user(app)
    await act(admin, first)
    await admin.follow()
    notice = admin.answer.text.partition('class="notice')[2].partition("</div>")[0]
    assert ("Undo" in notice) is (takes_back is not None)
    assert takes_back is None or f'name="action" value="{takes_back}"' in notice
    await admin.get(USER)
    assert "Undo" not in admin.answer.text


@pytest.mark.parametrize("verb", ["end_sessions", "temporary_password", "delete"])
async def test_what_cannot_be_taken_back_is_asked_on_a_page_that_says_what_ends(
    signed_in: str, admin: Visitor, db: Database, verb: str
) -> None:
    await admin.get(USER)
    assert f"{USER}/{verb}" in {link["href"] for link in admin.page.all("a")}
    await admin.get(f"{USER}/{verb}")
    assert "1 session" in admin.page.texts["main"]
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = 2 AND is_active") == 1
    await act(admin, verb, f"{USER}/{verb}", email="user@example.com")
    assert not await db.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = 2 AND is_active")


async def test_other_things_are_not_asked_for(app: FastAPI, admin: Visitor) -> None:
    await make_user(app)
    for path in (f"{USER}/disable", f"{USER}/x", "/auth/admin/users/99/delete"):
        await admin.get(path)
        assert admin.answer.status_code == 404


async def test_one_session_is_ended(signed_in: str, admin: Visitor, db: Database) -> None:
    await admin.get(USER)
    (button,) = [each for each in admin.page.all("button") if each.get("name") == "session"]
    await act(admin, "end_session", session=str(button["value"]))
    assert admin.place == USER
    (found,) = await events(db, AuditAction.SESSION_REVOKED)
    assert (found["user_id"], found["detail"]["admin_id"]) == (2, 1)
    await admin.follow()
    assert "of user@example.com: session ended" in admin.page.texts["status"]
    assert "Not signed in anywhere" in admin.page.texts["main"]


@walked("session", ["", "x", "-1", "99", "9" * 30])
async def test_a_session_that_is_none_is_not_found(app: FastAPI, admin: Visitor, session: str) -> None:
    await make_user(app)
    await act(admin, "end_session", session=session)
    assert admin.answer.status_code == 404


async def test_the_session_of_somebody_else_is_not_ended_from_here(
    signed_in: str, app: FastAPI, admin: Visitor, db: Database
) -> None:
    await make_user(app, "third@example.com")
    theirs = await db.fetchval("SELECT id FROM user_sessions WHERE user_id = 2")
    await act(admin, "end_session", "/auth/admin/users/3", session=str(theirs))
    assert admin.answer.status_code == 404
    assert await db.fetchval("SELECT is_active FROM user_sessions WHERE id = $1", theirs)


async def test_a_temporary_password_is_shown_once_and_has_to_be_changed(
    signed_in: str, app: FastAPI, admin: Visitor, db: Database
) -> None:
    await act(admin, "temporary_password")
    assert admin.answer.status_code == 200
    password = admin.page.texts["password"]
    assert len(password) >= 15
    assert "It must be changed" in admin.page.texts["main"]
    assert not any(password in header for header in admin.answer.headers.values())
    found = [each for each in await events(db, AuditAction.USER_PASSWORD_SET) if each["user_id"] == 2]
    assert found[0]["detail"] == {"admin_id": 1, "temporary": True, "changed": True}
    answer = await admin.client.post(
        "/api/auth/login", json={"email": EMAIL, "password": password}, headers={"Cookie": ""}
    )
    assert answer.json()["error"]["code"] == "password_change_required"
    for path in (USER, "/auth/admin/users"):
        assert password not in (await admin.get(path)).text


async def test_an_account_is_deleted_when_its_email_was_typed(
    signed_in: str, admin: Visitor, db: Database
) -> None:
    for typed in ("", "somebody@example.com", ADMIN):
        await act(admin, "delete", email=typed)
        assert admin.answer.status_code == 422
        assert "not the account's e-mail address" in admin.page.texts["alert"]
    await act(admin, "delete", email=" User@Example.com ")
    assert admin.place == "/auth/admin/users"
    assert await db.fetchval("SELECT count(*) FROM users WHERE id = 2") == 0
    (found,) = await events(db, AuditAction.USER_DELETED)
    assert found["detail"]["admin_id"] == 1
    await admin.follow()
    assert "The account was deleted" in admin.page.texts["status"]
    assert (await admin.get(USER)).status_code == 404


async def test_an_action_that_there_is_not_is_not_found(app: FastAPI, admin: Visitor) -> None:
    await make_user(app)
    await act(admin, "crown")
    assert admin.answer.status_code == 404


# --- One's own account ---


async def test_what_shuts_oneself_out_is_not_offered(admin: Visitor) -> None:
    await admin.get("/auth/admin/users/1")
    assert offered(admin) == []
    assert "Ask another administrator" in admin.page.texts["main"]


@walked("action", ["disable", "demote", "delete", "temporary_password"])
async def test_what_shuts_oneself_out_is_refused_and_said(admin: Visitor, db: Database, action: str) -> None:
    await act(admin, action, "/auth/admin/users/1", email=ADMIN)
    assert admin.answer.status_code == 409
    assert "Ask another administrator" in admin.page.texts["alert"]
    assert await state(db, 1) == (True, True)

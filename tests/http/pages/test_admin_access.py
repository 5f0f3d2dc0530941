"""Who may see the console and use its forms: administrators with a fresh session, by forms of their own."""

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MovableClock
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ADMIN, SAME, Visitor, an_hour_later, another, make_user
from tests.summed import PAGES
from tests.walking import walked

from gatepost.http.console import ConsoleSessionScheme
from gatepost.http.dependencies import AdminSessionScheme
from gatepost.models import AuditAction

SHOWN = ["/auth/admin", "/auth/admin/users", "/auth/admin/users/2", "/auth/admin/invitations"]
FORMS = [
    *(
        ("/auth/admin/users/2", {"action": action, "sure": "on", "email": "user@example.com", "session": "1"})
        for action in (
            "disable",
            "enable",
            "promote",
            "demote",
            "unlock",
            "end_sessions",
            "end_session",
            "temporary_password",
            "delete",
        )
    ),
    ("/auth/admin/invitations", {"email": "new@example.com", "days": "7"}),
    ("/auth/admin/invitations", {"revoke": "1"}),
]

STATE = """
    SELECT (SELECT json_agg(u ORDER BY u.id)::text FROM users u)
        || (SELECT count(*) FROM user_sessions WHERE is_active) || (SELECT count(*) FROM auth_links)
"""


def test_every_page_of_the_console_asks_for_an_administrator_with_a_fresh_session() -> None:
    console = [page for page in PAGES if page.path.startswith("/admin")]
    assert {page.path for page in console} >= {"/admin", "/admin/users", "/admin/users/{id}"}
    # What a fresh session has opened goes on as long as the session does.
    opened = {page.path for page in console if page.who is AdminSessionScheme}
    assert opened == {"/admin/events/live"}
    assert {page.who for page in console if page.path not in opened} == {ConsoleSessionScheme}


@pytest.mark.parametrize("path", SHOWN)
async def test_who_is_not_signed_in_is_led_to_signing_in_and_back(visitor: Visitor, path: str) -> None:
    await visitor.get(path)
    assert visitor.place == f"/auth/sign-in?next={path.replace('/', '%2F')}"


@pytest.mark.parametrize("path", SHOWN)
async def test_who_is_no_administrator_sees_nothing_and_is_on_the_trail(
    app: FastAPI, member: Visitor, db: Database, path: str
) -> None:
    await make_user(app, "secret@example.com")
    await member.get(path)
    assert (member.answer.status_code, "secret@example.com" in member.answer.text) == (403, False)
    (denied,) = await events(db, AuditAction.ACCESS_DENIED)
    assert (denied["user_id"], denied["detail"]["code"]) == (1, "admin_required")


@walked("path", SHOWN)
async def test_a_session_that_is_not_fresh_gives_the_password_and_comes_back(
    app: FastAPI, admin: Visitor, clock: MovableClock, path: str
) -> None:
    await make_user(app)
    await an_hour_later(admin.client, clock)
    await admin.get(path)
    assert admin.place == f"/auth/confirm?next={path.replace('/', '%2F')}"
    await admin.follow()
    await admin.send("/confirm", {"password": PASSWORD})
    assert admin.place == path
    assert (await admin.follow()).status_code == 200


@walked("path", SHOWN)
async def test_an_administrator_sees_it_with_the_ways_to_the_others_and_back(
    app: FastAPI, admin: Visitor, path: str
) -> None:
    await make_user(app)
    await admin.get(path)
    assert admin.answer.status_code == 200
    links = [link["href"] for link in admin.page.all("a")]
    console = ["/auth/admin", *(f"/auth/admin/{name}" for name in ("users", "invitations", "sessions"))]
    assert {*console, "/auth/admin/events", "/auth/account"} <= set(links)
    assert len(admin.page.all("h1")) == 1
    (current,) = [each for each in admin.page.all("a") if each.get("aria-current") == "page"]
    assert current["href"] == path.removesuffix("/2")


@walked(("path", "fields"), FORMS)
async def test_no_form_of_the_console_does_anything_for_others(
    app: FastAPI, visitor: Visitor, db: Database, path: str, fields: dict[str, str]
) -> None:
    await make_user(app, ADMIN, is_admin=True)
    await make_user(app)
    await visitor.get("/auth/sign-in")
    before = await db.fetchval(STATE)
    await visitor.post(path, fields)
    assert visitor.place.startswith("/auth/sign-in?next=")
    assert await db.fetchval(STATE) == before
    await visitor.follow()
    await visitor.sign_in()
    assert visitor.answer.status_code == 303
    await visitor.get("/auth/account")
    before = await db.fetchval(STATE)
    await visitor.post(path, visitor.page.form("/account").fields | fields)
    assert visitor.answer.status_code == 403
    assert await db.fetchval(STATE) == before


@walked(("path", "fields"), FORMS)
async def test_no_form_does_anything_without_its_token_from_another_site_or_later(
    app: FastAPI, admin: Visitor, db: Database, clock: MovableClock, path: str, fields: dict[str, str]
) -> None:
    await make_user(app)
    await admin.get(path)
    token = admin.page.forms[0].fields["form_token"]
    before = await db.fetchval(STATE)
    await admin.post(path, fields)
    assert admin.answer.status_code == 403
    assert "form has expired" in admin.page.texts["alert"]
    await admin.post(path, fields | {"form_token": token}, SAME | {"Sec-Fetch-Site": "cross-site"})
    assert admin.answer.status_code == 403
    clock.advance(minutes=11)
    await admin.post(path, fields | {"form_token": token})
    assert admin.page.form("/confirm").fields["next"] == path
    assert await db.fetchval(STATE) == before


# --- For how long it is read ---


async def test_reading_goes_on_with_each_look_for_twelve_hours(admin: Visitor, clock: MovableClock) -> None:
    for minutes in range(0, 12 * 60 - 14, 14):
        await admin.get("/auth/admin/users")
        assert admin.answer.status_code == 200, minutes
        clock.advance(minutes=14)
    clock.advance(minutes=14)
    await admin.get("/auth/admin/users")
    assert admin.place.startswith("/auth/confirm?")


async def test_after_an_hour_without_a_look_it_is_over(admin: Visitor, clock: MovableClock) -> None:
    await admin.get("/auth/admin/users")
    await an_hour_later(admin.client, clock)
    await admin.get("/auth/admin/users")
    assert admin.place.startswith("/auth/confirm?")


async def test_a_page_that_reloads_by_itself_is_no_look(admin: Visitor, clock: MovableClock) -> None:
    for _ in range(5):
        await admin.get("/auth/admin/events?refresh=10")
        clock.advance(minutes=14)
    await admin.get("/auth/admin/events?refresh=10")
    assert admin.place.startswith("/auth/confirm?")


@walked("change", ["forged", "later", "none", "another", "twice"])
async def test_a_stolen_session_reads_no_longer_than_an_hour(
    app: FastAPI, admin: Visitor, clock: MovableClock, change: str
) -> None:
    await make_user(app, "other@example.com", is_admin=True)
    for _ in range(3):
        clock.advance(minutes=14)
        await admin.get("/auth/admin/users")
    look = admin.client.cookies["__Host-gatepost-look"]
    async with another(app) as other:
        await other.get("/auth/sign-in")
        await other.sign_in("other@example.com")
        await other.get("/auth/admin")
        others = other.client.cookies["__Host-gatepost-look"]
    at, _, token = look.partition(".")
    sent = {
        "forged": f"{at}.{'A' * 64}",
        "later": f"{int(at) + 60}.{token}",
        "none": "",
        "another": others,
        "twice": f"{look}; __Host-gatepost-look={look}",
    }[change]
    clock.advance(minutes=14)
    await admin.get("/auth/account")
    clock.advance(minutes=14)
    session = f"__Host-gatepost={admin.client.cookies['__Host-gatepost']}"
    admin.client.cookies.clear()
    await admin.get("/auth/admin/users", Cookie=f"{session}; __Host-gatepost-look={sent}")
    assert admin.place.startswith("/auth/confirm?")
    await admin.get("/auth/admin/users", Cookie=f"{session}; __Host-gatepost-look={look}")
    assert admin.answer.status_code == 200

"""The pages of one's own account, as somebody at a browser goes through them."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MovableClock, login
from tests.http.conftest import Database, events
from tests.http.pages.forms import Visitor, at, focused, problems, said, visiting
from tests.walking import walked

NEW = "another secure password"


@pytest.fixture
async def visitor(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[Visitor]:
    """Somebody who is signed in as user@example.com."""
    async with visiting(app) as visitor:
        await visitor.sign_up()
        yield visitor


# --- The profile ---


async def test_the_account_shows_who_one_is_and_leads_to_all_that_can_be_changed(visitor: Visitor) -> None:
    page = await visitor.get("/account")
    assert 'value="John Doe"' in page.text
    assert "user@example.com" in said(page)
    assert "Member since" in said(page)
    for path in ("/security", "/devices", "/activity", "/account/data"):
        assert f'href="/auth{path}"' in page.text
    page = await visitor.get("/security")
    for path in ("/account/password", "/account/email", "/activity"):
        assert f'href="/auth{path}"' in page.text
    assert "You signed up" in said(page)
    page = await visitor.get("/account/data")
    for path in ("/account/export", "/account/delete"):
        assert f'href="/auth{path}"' in page.text


async def test_another_name_is_said_once_and_shown(visitor: Visitor, db: Database) -> None:
    page = await visitor.submit("/account", name="  Jane <b>Doe</b> ")
    assert "Your name was changed." in said(page)
    assert 'value="Jane &lt;b&gt;Doe&lt;/b&gt;"' in page.text
    assert "Your name was changed." not in said(await visitor.get("/account"))
    assert await db.fetchval("SELECT name FROM users") == "Jane <b>Doe</b>"


async def test_a_name_that_none_can_have_comes_back_with_what_is_wrong(
    visitor: Visitor, db: Database
) -> None:
    page = await visitor.submit("/account", name=" ")
    assert page.status_code == 422
    assert "Enter a name" in problems(page)
    assert 'aria-invalid="true"' in page.text
    assert await db.fetchval("SELECT name FROM users") == "John Doe"


# --- The password ---


async def test_a_changed_password_ends_the_others_and_says_how_many(
    visitor: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    for _ in range(2):
        await login(client)
    page = await visitor.submit("/account/password", current=PASSWORD, new=NEW)
    assert at(page) == "/security"
    assert "Your password was changed. 2 other sessions were ended." in said(page)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
    await login(client, password=NEW)


@pytest.mark.parametrize(
    ("others", "told"), [(0, "No other session was open."), (1, "1 other session was ended.")]
)
async def test_one_session_and_none_are_told_as_such(
    visitor: Visitor, client: httpx.AsyncClient, others: int, told: str
) -> None:
    for _ in range(others):
        await login(client)
    page = await visitor.submit("/account/password", current=PASSWORD, new=NEW)
    assert f"Your password was changed. {told}" in said(page)


@walked(
    ("current", "new", "field", "told"),
    [
        ("not the password", NEW, "current", "Incorrect password"),
        (PASSWORD, "short", "new", "Use at least 8 characters"),
        (PASSWORD, "password1", "new", "This password is very common"),
        (PASSWORD, PASSWORD, "new", "Choose a password other than the current one"),
    ],
)
async def test_a_password_that_is_not_changed_says_why_beside_its_field(
    visitor: Visitor, client: httpx.AsyncClient, current: str, new: str, field: str, told: str
) -> None:
    page = await visitor.submit("/account/password", current=current, new=new)
    assert page.status_code == 422
    assert told in problems(page)
    assert focused(page) == field
    assert current not in page.text
    assert new not in page.text.replace("autocomplete", "")
    await login(client)


# --- The e-mail ---


async def test_a_changed_email_ends_the_others_and_says_how_many(
    visitor: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await login(client)
    page = await visitor.submit("/account/email", email="Moved@Example.com", password=PASSWORD)
    assert at(page) == "/security"
    assert "Your e-mail address was changed. 1 other session was ended." in said(page)
    assert "moved@example.com" in said(page)
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


@walked(
    ("email", "password", "status", "field", "told"),
    [
        ("moved@example.com", "not the password", 422, "password", "Incorrect password"),
        ("user@example.com", PASSWORD, 422, "email", "Choose an e-mail address other than the current one"),
        ("nonsense", PASSWORD, 422, "email", "must have an @ sign"),
        ("other@example.com", PASSWORD, 409, "email", "An account with this e-mail address already exists"),
    ],
)
async def test_an_email_that_is_not_changed_says_why_beside_its_field(
    app: FastAPI,
    visitor: Visitor,
    db: Database,
    email: str,
    password: str,
    status: int,
    field: str,
    told: str,
) -> None:
    async with visiting(app) as other:
        await other.sign_up("other@example.com")
    page = await visitor.submit("/account/email", email=email, password=password)
    assert page.status_code == status
    assert told in problems(page)
    assert focused(page) == field
    assert f'value="{email}"' in page.text
    assert await db.fetchval("SELECT email FROM users WHERE id = 1") == "user@example.com"


# --- The data ---


async def test_ones_data_comes_as_the_file_that_the_api_gives(visitor: Visitor, db: Database) -> None:
    answer = await visitor.submit("/account/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="gatepost-export.json"'
    assert answer.headers["content-type"] == "application/json"
    by_page = json.loads(answer.content)
    by_api = (await visitor.client.get("/api/auth/export")).json()
    assert by_api["data"]["events"][0]["action"] == "user.exported"
    by_api["data"]["events"] = by_api["data"]["events"][1:]  # the page's own
    assert by_page == by_api
    assert len(await events(db, "user.exported")) == 2


@pytest.mark.parametrize("path", ["/account/export", "/account/delete"])
async def test_what_needs_a_fresh_session_asks_for_the_password_and_comes_back(
    visitor: Visitor, clock: MovableClock, path: str
) -> None:
    clock.advance(minutes=11)
    asked = await visitor.get(path)
    assert at(asked).startswith("/confirm?next=")
    wrong = await visitor.submit("/confirm", next=f"/auth{path}", password="not the password")
    assert wrong.status_code == 422
    assert "Incorrect password" in problems(wrong)
    back = await visitor.submit("/confirm", next=f"/auth{path}", password=PASSWORD)
    assert (at(back), back.status_code) == (path, 200)


@pytest.mark.parametrize("path", ["/account/export", "/account/delete"])
async def test_a_form_that_was_open_too_long_does_nothing_without_the_password(
    visitor: Visitor, clock: MovableClock, db: Database, path: str
) -> None:
    shown = await visitor.get(path)
    token = shown.text.partition('name="form_token" value="')[2].partition('"')[0]
    clock.advance(minutes=11)
    asked = await visitor.post(path, form_token=token, password=PASSWORD, sure="on")
    assert (asked.status_code, 'action="/auth/confirm"' in asked.text) == (403, True)
    assert await events(db, "user.exported", "user.erased") == []


# --- The end ---


async def test_a_deleted_account_is_gone_and_its_browser_signed_out(
    visitor: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await login(client)
    shown = await visitor.get("/account/delete")
    assert "What is deleted" in said(shown)
    assert "What is kept" in said(shown)
    page = await visitor.submit("/account/delete", password=PASSWORD, sure="on")
    assert page.status_code == 200
    assert "Your account was deleted" in said(page)
    assert "clear-site-data" in page.headers
    assert "Sign out" not in page.text
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert at(await visitor.get("/account")).startswith("/sign-in?")


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"password": PASSWORD}, "sure", "Confirm that you want to permanently delete your account"),
        ({"password": "not the password", "sure": "on"}, "password", "Incorrect password"),
        ({"password": "", "sure": "on"}, "password", ""),
    ],
)
async def test_an_account_is_not_deleted_without_the_password_and_a_yes(
    visitor: Visitor, db: Database, fields: dict[str, str], field: str, told: str
) -> None:
    page = await visitor.submit("/account/delete", **fields)
    assert page.status_code == 422
    assert told in problems(page)
    assert focused(page) == field
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_the_last_administrator_stays(visitor: Visitor, db: Database) -> None:
    await db.execute("UPDATE users SET is_admin = true")
    page = await visitor.submit("/account/delete", password=PASSWORD, sure="on")
    assert page.status_code == 409
    assert "This is the last administrator" in problems(page)
    assert await db.fetchval("SELECT count(*) FROM users") == 1


# --- Who is not, or no longer, signed in ---

PATHS = ["/account", "/account/password", "/account/email", "/account/export", "/account/delete"]


@walked("path", [*PATHS, "/devices", "/activity"])
async def test_who_is_not_signed_in_is_led_to_sign_in_and_back(
    app: FastAPI, client: httpx.AsyncClient, path: str
) -> None:
    async with visiting(app) as visitor:
        await visitor.sign_up()
        await visitor.submit("/sign-out")
        led = await visitor.get(path)
        assert at(led).startswith("/sign-in?next=")
        back = await visitor.submit(
            "/sign-in", next=f"/auth{path}", email="user@example.com", password=PASSWORD
        )
        assert at(back) == path


@pytest.mark.parametrize("path", ["/account", "/account/password", "/account/email", "/devices"])
async def test_a_form_without_its_token_changes_nothing(visitor: Visitor, db: Database, path: str) -> None:
    held = await db.fetch("SELECT * FROM users"), await db.fetch("SELECT * FROM user_sessions")
    fields = {"name": "Eve", "current": PASSWORD, "new": NEW, "email": "eve@example.com"}
    page = await visitor.post(path, password=PASSWORD, end="1", others="1", form_token="forged", **fields)
    assert page.status_code == 403
    assert "This form has expired" in problems(page)
    assert (await db.fetch("SELECT * FROM users"), await db.fetch("SELECT * FROM user_sessions")) == held


async def test_a_name_and_an_email_of_the_greatest_length_are_shown_whole(
    app: FastAPI, visitor: Visitor
) -> None:
    async with visiting(app) as other:
        email = f"{'a' * 60}@{'b' * 60}.example.com"
        await other.sign_up(email, "N" * 100)
        page = await other.get("/account")
    assert "N" * 100 in page.text
    assert email in said(page)


async def test_a_name_against_a_rule_of_the_application_comes_back(visitor: Visitor, db: Database) -> None:
    await db.execute("ALTER TABLE users ADD CHECK (name NOT LIKE 'J%a%e%')")
    page = await visitor.submit("/account", name="Jane")
    assert (page.status_code, "This value is not accepted" in problems(page)) == (422, True)
    await db.execute("ALTER TABLE users ADD CHECK (id > length(name)) NOT VALID")
    page = await visitor.submit("/account", name="Ada Lovelace")
    assert (page.status_code, "This value is not accepted" in problems(page)) == (422, True)
    await db.execute(
        "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
        " CREATE TRIGGER guard BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION guard()"
    )
    page = await visitor.submit("/account", name="A")
    assert page.status_code == 422
    assert "The rules of this application's database don't allow this" in problems(page)
    assert await db.fetchval("SELECT name FROM users") == "John Doe"

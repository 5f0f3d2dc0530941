"""Invitations on the pages: somebody signs up by one, and the console makes, lists and revokes them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, nth_user
from tests.http.conftest import Database, events
from tests.http.pages.conftest import EMAIL, ORIGIN, Visitor, make_user, visiting
from tests.walking import walked

from gatepost.app import create_app
from gatepost.features.invitations.actions import InvitationAction
from gatepost.features.invitations.service import Invitations
from gatepost.library import Gatepost
from gatepost.models import Client

WHO = {"email": EMAIL, "name": "Ann", "password": PASSWORD}
Opened = Callable[[str], Awaitable[tuple[Visitor, Gatepost]]]


@pytest.fixture
async def opened(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[Opened]:
    """Visit a server whose REGISTRATION is as given."""
    async with AsyncExitStack() as stack:

        async def make(registration: str) -> tuple[Visitor, Gatepost]:
            app = create_app(make_settings(public_url=ORIGIN, registration=registration), clock=clock)
            return await stack.enter_async_context(visiting(app)), app.state.gatepost

        yield make


def signs_up(visitor: Visitor) -> bool:
    return any("/sign-up" in (link["href"] or "") for link in visitor.page.all("a"))


# --- Signing up ---


async def test_where_registration_is_closed_the_page_says_so(opened: Opened, db: Database) -> None:
    visitor, _ = await opened("closed")
    await visitor.get("/auth/sign-in")
    assert not signs_up(visitor)
    token = visitor.page.form("/sign-in").fields["form_token"]
    await visitor.get("/auth/sign-up")
    for _ in range(2):
        assert visitor.answer.status_code == 403
        assert "Ask an administrator for an account" in visitor.page.texts["h1"]
        assert not [form for form in visitor.page.forms if form.action.endswith("/sign-up")]
        await visitor.post("/auth/sign-up", WHO | {"form_token": token})
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_where_it_takes_an_invitation_the_page_says_so(opened: Opened) -> None:
    visitor, _ = await opened("invite")
    await visitor.get("/auth/sign-in")
    assert not signs_up(visitor)
    await visitor.get("/auth/sign-up")
    assert visitor.answer.status_code == 403
    assert "requires an invitation" in visitor.page.texts["h1"]


@pytest.mark.parametrize("registration", ["open", "invite"])
async def test_an_invitation_leads_to_an_account_once(
    opened: Opened, db: Database, registration: str
) -> None:
    visitor, gate = await opened(registration)
    issued = await gate.service(Invitations).create(email=EMAIL, client=Client())
    assert issued.url == f"{ORIGIN}/auth/sign-up?invitation={issued.token}"
    await visitor.get(issued.url)
    assert visitor.place == "/auth/sign-up", "its token is in no address"
    await visitor.follow()
    assert visitor.answer.status_code == 200
    form = visitor.page.form("/sign-up")
    assert form.fields["email"] == EMAIL, "it is for nobody else"
    assert "readonly" in next(each for each in visitor.page.all("input") if each.get("id") == "email")
    await visitor.send("/sign-up", {"name": "Ann", "password": "short"})
    assert visitor.answer.status_code == 422
    assert visitor.page.form("/sign-up").fields["invitation"] == issued.token
    await visitor.send("/sign-up", {"password": PASSWORD})
    assert visitor.place == "/auth/account"
    assert await db.fetchval("SELECT email FROM users") == EMAIL
    await visitor.post("/auth/sign-up", form.fields | WHO)
    assert visitor.place == "/auth/account", "sent twice, it leads on"
    await visitor.follow()
    await visitor.sign_out()
    await visitor.get(issued.url)
    await visitor.follow()
    assert visitor.answer.status_code == 403
    assert visitor.page.texts["h1"] == "This invitation no longer works"


async def test_an_invitation_that_is_over_is_a_page_and_one_entry_on_the_trail(
    opened: Opened, clock: MovableClock, db: Database
) -> None:
    visitor, gate = await opened("invite")
    issued = await gate.service(Invitations).create(email=None, lifetime=timedelta(hours=1), client=Client())
    await visitor.get(issued.url)
    await visitor.follow()
    clock.advance(hours=2)
    await visitor.send("/sign-up", WHO)
    assert visitor.answer.status_code == 403
    assert issued.token not in visitor.answer.text
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'invitation.refused'") == 1
    assert await db.fetchval("SELECT count(*) FROM users") == 0


# --- In the console ---

PAGE = "/auth/admin/invitations"


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    """Where nobody signs up who is not invited."""
    return create_app(make_settings(public_url=ORIGIN, registration="invite"), clock=clock)


async def invite(admin: Visitor, email: str = "", days: str = "7") -> None:
    """Fill in the form."""
    await admin.get(PAGE)
    fields = {**admin.page.forms[0].fields, "email": email, "days": days}
    await admin.post(PAGE, fields)


async def revoke(admin: Visitor, invitation: str) -> None:
    await admin.get(PAGE)
    await admin.post(PAGE, {**admin.page.forms[0].fields, "revoke": invitation})


@pytest.mark.parametrize(("email", "whose"), [("", None), (" New@Example.com ", "new@example.com")])
async def test_a_link_is_made_shown_once_and_good_for_an_account(
    admin: Visitor, db: Database, email: str, whose: str | None
) -> None:
    await invite(admin, email, "30")
    assert admin.answer.status_code == 200
    link = admin.page.texts["link"]
    assert link.startswith(f"{ORIGIN}/auth/sign-up?invitation=")
    row = await db.fetchrow("SELECT email, created_by, expires_at - created_at AS lifetime FROM auth_links")
    assert row is not None
    assert tuple(row) == (whose, nth_user(1), timedelta(days=30))
    (event,) = await events(db, InvitationAction.CREATED)
    assert event["detail"]["admin_id"] == nth_user(1)
    token = link.partition("invitation=")[2]
    led_on = await admin.client.get(f"{link}&next=/auth/devices", headers={"Cookie": ""})
    assert led_on.headers["location"] == "/auth/sign-up?next=%2Fauth%2Fdevices", "its token is in no address"
    kept = {"Cookie": led_on.headers["set-cookie"].partition(";")[0]}
    newcomer = await admin.client.get("/auth/sign-up", headers=kept)
    assert "invited you to Gatepost." in newcomer.text
    assert f'name="invitation" value="{token}"' in newcomer.text
    assert token not in (await admin.get(PAGE)).text
    assert (whose or "anyone with the link") in admin.page.texts["tbody"]
    body = {"email": "new@example.com", "name": "New", "password": PASSWORD, "invitation": token}
    answer = await admin.client.post("/api/auth/register", json=body, headers={"Cookie": ""})
    assert answer.status_code == 201, answer.text
    await admin.get(PAGE)
    assert "Used" in admin.page.texts["tbody"]
    assert f"/auth/admin/users/{nth_user(2)}" in [link["href"] for link in admin.page.all("a")]


@walked(
    ("email", "days", "field"),
    [
        ("", "0", "days"),
        ("", "366", "days"),
        ("", "-1", "days"),
        ("", "1.5", "days"),
        ("", "²", "days"),
        ("", "", "days"),
        ("no address", "7", "email"),
        ("user@example.com", "7", "email"),
    ],
)
async def test_a_mistake_is_said_beside_its_field_and_what_was_typed_is_kept(
    app: FastAPI, admin: Visitor, db: Database, email: str, days: str, field: str
) -> None:
    await make_user(app)
    await invite(admin, email, days)
    assert admin.answer.status_code in {409, 422}
    fields = {each["name"]: each for each in admin.page.all("input") if each.get("id") in {"email", "days"}}
    assert (fields["email"]["value"], fields["days"]["value"]) == (email, days)
    assert [name for name, each in fields.items() if each.get("aria-invalid")] == [field]
    assert await db.fetchval("SELECT count(*) FROM auth_links") == 0


async def test_an_open_one_is_taken_back_and_others_can_not_be(admin: Visitor, db: Database) -> None:
    await invite(admin)
    link = admin.page.texts["link"]
    await revoke(admin, "1")
    assert admin.place == PAGE
    await admin.follow()
    assert "The invitation was revoked" in admin.page.texts["status"]
    assert "Revoked" in admin.page.texts["tbody"]
    (event,) = await events(db, InvitationAction.REVOKED)
    assert event["detail"]["admin_id"] == nth_user(1)
    body = {"email": "new@example.com", "name": "New", "password": PASSWORD}
    body["invitation"] = link.partition("invitation=")[2]
    refused = await admin.client.post("/api/auth/register", json=body, headers={"Cookie": ""})
    assert refused.json()["error"]["code"] == "invalid_invitation"
    await admin.get(PAGE)
    await admin.post(PAGE, {**admin.page.forms[0].fields, "restore": "1"})
    await admin.follow()
    assert "The invitation works again" in admin.page.texts["status"]
    (event,) = await events(db, InvitationAction.RESTORED)
    assert event["detail"] == {"admin_id": nth_user(1), "invitation": 1}
    await admin.post(PAGE, {**admin.page.forms[0].fields, "restore": "1"})
    assert admin.answer.status_code == 404
    assert (await admin.client.post("/api/auth/register", json=body, headers={"Cookie": ""})).is_success
    for invitation in ("1", "2", "x", "-1", "9" * 40):
        await revoke(admin, invitation)
        assert admin.answer.status_code == 404


async def test_one_that_is_over_says_so_and_offers_nothing(admin: Visitor, db: Database) -> None:
    await invite(admin, days="1")
    await db.execute("UPDATE auth_links SET expires_at = now() - interval '1 hour'")
    await admin.get(PAGE)
    assert "Expired" in admin.page.texts["tbody"]
    assert not [each for each in admin.page.all("button") if each.get("name") == "revoke"]


async def test_a_hundred_are_on_three_pages(admin: Visitor, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO auth_links (purpose, digest, email, expires_at)
        SELECT 'invitation', to_char(n, 'FM000'), 'p' || n || '@example.com', now() + interval '1 day'
        FROM generate_series(1, 101) n
        """
    )
    await admin.get(PAGE)
    seen = []
    for _ in range(3):
        seen.append(admin.page.texts["tbody"].count("@example.com Open"))
        following = [link for link in admin.page.all("a") if link.get("rel") == "next"]
        if following:
            await admin.get(str(following[0]["href"]))
    assert seen == [50, 50, 1]


async def test_nothing_yet_is_said(admin: Visitor) -> None:
    await admin.get(PAGE)
    assert "No invitations yet" in admin.page.texts["main"]
    assert (await admin.get(f"{PAGE}?before=x")).status_code == 404

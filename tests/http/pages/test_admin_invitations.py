"""Invitations in the console: made and shown once, listed, taken back."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ORIGIN, Visitor, make_user

from gatepost.app import create_app
from gatepost.features.invitations.actions import InvitationAction

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
    assert tuple(row) == (whose, 1, timedelta(days=30))
    (event,) = await events(db, InvitationAction.CREATED)
    assert event["detail"]["admin_id"] == 1
    token = link.partition("invitation=")[2]
    assert token not in (await admin.get(PAGE)).text
    assert (whose or "anyone with the link") in admin.page.texts["tbody"]
    body = {"email": "new@example.com", "name": "New", "password": PASSWORD, "invitation": token}
    answer = await admin.client.post("/api/auth/register", json=body, headers={"Cookie": ""})
    assert answer.status_code == 201, answer.text
    await admin.get(PAGE)
    assert "Used" in admin.page.texts["tbody"]
    assert "/auth/admin/users/2" in [link["href"] for link in admin.page.all("a")]


@pytest.mark.parametrize(
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
    assert event["detail"]["admin_id"] == 1
    body = {"email": "new@example.com", "name": "New", "password": PASSWORD}
    body["invitation"] = link.partition("invitation=")[2]
    refused = await admin.client.post("/api/auth/register", json=body, headers={"Cookie": ""})
    assert refused.json()["error"]["code"] == "invalid_invitation"
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

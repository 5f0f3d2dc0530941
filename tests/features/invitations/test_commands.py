"""`gatepost users invite` and what goes with it."""

from uuid import uuid4

import pytest
from tests import secrecy
from tests.cli.conftest import Command, Database, events
from tests.conftest import PASSWORD

from gatepost.features import FEATURES
from gatepost.gate import Gate
from gatepost.models import Client
from gatepost.settings.feature import settings_of


async def test_an_invitation_is_made_shown_once_and_opens_registering(
    gatepost: Command, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRATION", "invite")
    monkeypatch.setenv("PUBLIC_URL", "https://auth.example.com")
    made = await gatepost("users", "invite", "--email", "Ada@example.com", "--hours", "2")
    assert made.code == 0, made
    first, url, then = made.out.splitlines()
    assert first.startswith("Invitation 1 for ada@example.com, valid once until ")
    assert url.startswith("https://auth.example.com/auth/sign-up?invitation=")
    assert then.endswith("gatepost users revoke-invitation 1")
    token = url.partition("=")[2]
    secrecy.shown_once(token)
    async with Gate(settings_of(FEATURES).load(env_file=None), features=FEATURES) as gate:
        await gate.accounts.register(
            email="ada@example.com", name="Ada", password=PASSWORD, client=Client(), invitation=token
        )
    listed = await gatepost("users", "invitations", "--json")
    assert [(each["id"], each["status"], each["used_by"]) for each in listed.json["invitations"]] == [
        (1, "used", 1)
    ]
    assert await events(db, "invitation.created") == [
        ("invitation.created", None, {"by": "command", "invitation": 1, "email": "ada@example.com"})
    ]
    assert await db.fetchval("SELECT expires_at - created_at = interval '2 hours' FROM auth_links")


async def test_invitations_are_listed_and_taken_back(gatepost: Command, db: Database) -> None:
    assert (await gatepost("users", "invitations")).out == "No invitations.\n"
    for _ in range(3):
        made = await gatepost("users", "invite", "--json")
        secrecy.shown_once(made.json["token"])
        assert made.json["url"].endswith(made.json["token"])
        secrecy.shown_once(made.json["token"])
    revoked = await gatepost("users", "revoke-invitation", "2")
    assert revoked.out.startswith("Invitation 2 was revoked.\n")
    (await gatepost("users", "revoke-invitation", "2", "--json")).failed("not_found")
    page = (await gatepost("users", "invitations", "--limit", "2", "--json")).json
    assert [(each["id"], each["status"]) for each in page["invitations"]] == [(3, "open"), (2, "revoked")]
    rest = await gatepost("users", "invitations", "--before", str(page["next_before"]), "--json")
    assert [each["id"] for each in rest.json["invitations"]] == [1]
    assert await events(db, "invitation.revoked") == [
        ("invitation.revoked", None, {"by": "command", "invitation": 2})
    ]


async def test_an_invitation_that_nobody_can_use_is_warned_of(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRATION", "closed")
    made = await gatepost("users", "invite")
    secrecy.shown_once(made.out.partition("invitation=")[2].partition("\n")[0])
    assert made.err.startswith("Warning: REGISTRATION is closed")


async def test_who_has_an_account_or_no_email_is_not_invited(
    gatepost: Command, ada: int, db: Database
) -> None:
    (await gatepost("users", "invite", "--email", "ada@example.com", "--json")).failed("email_taken")
    (await gatepost("users", "invite", "--email", "nobody", "--json")).failed("validation_failed")
    assert (await gatepost("users", "invite", "--hours", "0")).code == 2
    assert await db.fetchval("SELECT count(*) FROM auth_links") == 0


async def test_in_production_an_invitation_says_that_its_link_lacks_the_address(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"ENVIRONMENT": "production", "SECRET_KEY": uuid4().hex, "BCRYPT_ROUNDS": "10"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    made = await gatepost("users", "invite", "--json")
    for _ in ("token", "url"):
        secrecy.shown_once(made.json["token"])
    assert made.err.startswith("Warning: PUBLIC_URL is not set")

    monkeypatch.setenv("PUBLIC_URL", "https://auth.example.com")
    made = await gatepost("users", "invite", "--json")
    for _ in ("token", "url"):
        secrecy.shown_once(made.json["token"])
    assert made.err == ""
    assert made.json["url"].startswith("https://auth.example.com/auth/sign-up?invitation=")

"""Passkeys on the pages: what they are given, what they take, and what is never an error of the server."""

import html
import json
import re
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, nth_user
from tests.features.passkeys_by import Device
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ORIGIN, Visitor, another, visiting

from gatepost.app import create_app
from gatepost.features.passkeys.authenticators import _names as names
from gatepost.features.passkeys.authenticators import name_of

ADD, SECURITY = "/auth/account/passkeys", "/auth/security"


def options_on(visitor: Visitor) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]+)"', visitor.answer.text)
    assert found is not None, visitor.answer.text
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


async def add(visitor: Visitor, device: Device, name: str = "") -> None:
    await visitor.get(ADD)
    credential = json.dumps(device.create(options_on(visitor)))
    await visitor.send("/account/passkeys", {"credential": credential, "name": name})


async def ask(visitor: Visitor) -> dict[str, Any]:
    """Ask as the script on the page of signing in does."""
    await visitor.get("/auth/sign-in")
    form = visitor.page.form("/sign-in/passkey")
    answer = await visitor.post("/auth/sign-in/passkey/options", form.fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    asked: dict[str, Any] = answer.json()
    await visitor.get("/auth/sign-in")
    return asked


async def enter(visitor: Visitor, device: Device, **typed: str) -> None:
    asked = await ask(visitor)
    credential = json.dumps(device.get(asked["publicKey"]))
    await visitor.send(
        "/sign-in/passkey", {"challenge": asked["challenge"], "credential": credential} | typed
    )


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    """At the address where browsers of these tests are."""
    return create_app(make_settings(public_url=ORIGIN), clock=clock)


@pytest.fixture
async def device(visitor: Visitor) -> Device:
    """What a user has added, who signed up and signed out again."""
    await visitor.sign_up()
    device = Device(ORIGIN)
    await add(visitor, device, "Laptop")
    assert visitor.answer.status_code == 200, visitor.answer.text
    await visitor.sign_out()
    return device


async def test_a_passkey_alone_signs_in_and_goes_on_to_where_one_was(
    visitor: Visitor, device: Device, db: Database
) -> None:
    await visitor.get("/auth/sign-in?next=%2Fauth%2Fdevices")
    asked = (
        await visitor.post("/auth/sign-in/passkey/options", visitor.page.form("/sign-in/passkey").fields)
    ).json()
    await visitor.get("/auth/sign-in?next=%2Fauth%2Fdevices")
    typed = {"challenge": asked["challenge"], "credential": json.dumps(device.get(asked["publicKey"]))}
    await visitor.send("/sign-in/passkey", typed)
    assert visitor.place == "/auth/devices"
    row = await db.fetchrow("SELECT aal, methods, remembered FROM user_sessions WHERE is_active")
    assert row is not None
    assert (row["aal"], row["methods"], row["remembered"]) == (2, ["passkey", "mfa"], False)
    await visitor.get(SECURITY)
    assert "last used" in visitor.answer.text


async def test_a_form_of_somewhere_else_takes_no_passkey(visitor: Visitor, device: Device) -> None:
    asked = await ask(visitor)
    typed = {"challenge": asked["challenge"], "credential": json.dumps(device.get(asked["publicKey"]))}
    await visitor.post("/auth/sign-in/passkey", typed)  # without the token of a form of ours
    assert visitor.answer.status_code == 403
    refused = await visitor.post("/auth/sign-in/passkey/options", {})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "credential",
    ["", "null", "[]", "{}", "{", "[" * 5000, '{"id": "x"}', '{"id": "AAAA", "rawId": 7, "response": []}'],
)
async def test_what_is_no_credential_is_a_mistake_and_no_fault(
    visitor: Visitor, device: Device, credential: str
) -> None:
    asked = await ask(visitor)
    await visitor.send("/sign-in/passkey", {"challenge": asked["challenge"], "credential": credential})
    assert visitor.answer.status_code == 422
    assert re.search("did not sign you in|is not known here", visitor.answer.text)


async def test_one_that_is_unknown_is_told_to_the_browser_and_one_that_is_refused_is_not(
    visitor: Visitor, device: Device, clock: MovableClock, db: Database
) -> None:
    asked = await ask(visitor)
    credential = device.get(asked["publicKey"])
    credential["response"]["signature"] = credential["response"]["authenticatorData"]
    typed = {"challenge": asked["challenge"], "credential": json.dumps(credential)}
    await visitor.send("/sign-in/passkey", typed)
    assert visitor.answer.status_code == 422
    assert "signalUnknownCredential" not in visitor.answer.text
    await db.execute("DELETE FROM auth_passkeys")
    await enter(visitor, device)
    assert visitor.answer.status_code == 422
    [value] = re.findall(r'data-signal="signalUnknownCredential" data-value="([^"]+)"', visitor.answer.text)
    assert json.loads(html.unescape(value)) == {"rpId": "auth.example.com", "credentialId": credential["id"]}


async def test_what_takes_too_long_begins_anew(visitor: Visitor, device: Device, clock: MovableClock) -> None:
    asked = await ask(visitor)
    clock.advance(minutes=6)
    typed = {"challenge": asked["challenge"], "credential": json.dumps(device.get(asked["publicKey"]))}
    await visitor.send("/sign-in/passkey", typed)
    assert visitor.place == "/auth/sign-in"
    await visitor.sign_up("other@example.com")
    await visitor.get(ADD)
    options = options_on(visitor)
    page = visitor.page
    clock.advance(minutes=16)
    await visitor.get("/auth/account")
    form = page.form("/account/passkeys").fields
    await visitor.post(ADD, form | {"credential": json.dumps(device.create(options))})
    assert visitor.answer.status_code == 403, "it is no longer fresh"


async def test_a_passkey_is_called_as_its_owner_or_its_maker_calls_it(visitor: Visitor) -> None:
    await visitor.sign_up()
    for aaguid, name in (("d548826e-79b4-db40-a3d8-11116f7e8349", ""), (None, ""), (None, "Blue key")):
        made = {} if aaguid is None else {"aaguid": UUID(aaguid)}
        await add(visitor, Device(ORIGIN, **made), name)
    await visitor.get(SECURITY)
    assert re.findall(r"<bdi>([^<]+)</bdi></strong>", visitor.answer.text)[1:] == [
        "Bitwarden",
        "Passkey",
        "Blue key",
    ]


def test_names_come_from_the_list() -> None:
    assert name_of(UUID("cb69481e-8ff7-4039-93ec-0a2729a154a8")) == "YubiKey 5 Series"
    assert name_of(UUID("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4")) == "Google Password Manager"
    assert name_of(UUID(int=0)) is None
    assert all(name == name.strip() and 0 < len(name) <= 200 for name in names().values())


async def test_one_of_somebody_else_is_none_of_ones_own(
    app: FastAPI, visitor: Visitor, device: Device, db: Database
) -> None:
    passkey = await db.fetchval("SELECT id FROM auth_passkeys")
    async with another(app, "198.51.100.1") as other:
        await other.sign_up("other@example.com")
        for path in (f"{ADD}/{passkey}", f"{ADD}/x", f"{ADD}/99999999999999999999"):
            assert (await other.get(path)).status_code == 404
        await other.get("/auth/account")
        token = other.page.form("/sign-out").fields["form_token"]
        for fields in ({"action": "remove"}, {"action": "rename", "name": "Mine"}):
            await other.post(f"{ADD}/{passkey}", fields | {"form_token": token})
            assert other.answer.status_code == 404
    assert await db.fetchval("SELECT name FROM auth_passkeys") == "Laptop"


async def test_one_is_renamed_and_removed_and_the_browser_is_told_which_are_left(
    visitor: Visitor, device: Device, db: Database
) -> None:
    await enter(visitor, device)
    second = Device(ORIGIN)
    await add(visitor, second, "Phone")
    ids = [row["id"] for row in await db.fetch("SELECT id FROM auth_passkeys ORDER BY id")]
    await visitor.get(f"{ADD}/{ids[1]}")
    await visitor.post(f"{ADD}/{ids[1]}", visitor.page.forms[-2].fields | {"name": "<b>Tablet"})
    assert visitor.place == "/auth/security"
    await visitor.follow()
    assert "Your passkey was renamed." in visitor.answer.text
    assert "<bdi>&lt;b&gt;Tablet</bdi>" in visitor.answer.text
    assert len(await events(db, "passkey.renamed")) == 1
    await visitor.get(f"{ADD}/{ids[0]}")
    await visitor.post(f"{ADD}/{ids[0]}", visitor.page.forms[-1].fields)
    await visitor.follow()
    assert "Your passkey was removed." in visitor.answer.text
    [value] = re.findall(
        r'data-signal="signalAllAcceptedCredentials" data-value="([^"]+)"', visitor.answer.text
    )
    accepted = json.loads(html.unescape(value))
    assert accepted["rpId"] == "auth.example.com"
    assert len(accepted["allAcceptedCredentialIds"]) == 1


async def test_administrators_see_what_somebody_has(app: FastAPI, admin: Visitor, db: Database) -> None:
    async with another(app, "198.51.100.1") as user:
        await user.sign_up("other@example.com")
        await add(user, Device(ORIGIN), "Laptop")
    await admin.get(f"/auth/admin/users/{nth_user(2)}")
    assert "Passkey <bdi>Laptop</bdi>" in admin.answer.text
    assert "This device only" in admin.answer.text


async def test_a_page_that_is_opened_often_keeps_nobody_from_signing_in(
    make_settings: MakeSettings, clock: MovableClock
) -> None:
    settings = make_settings(
        public_url=ORIGIN,
        throttle_enabled=True,
        throttle_passkey_address="1 then 1/hour",
        throttle_form_address="5 then 5/hour",
    )
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.sign_up()
        await visitor.sign_out()
        statuses = []
        for _ in range(8):
            await visitor.get("/auth/sign-in")
            fields = visitor.page.form("/sign-in/passkey").fields
            statuses.append((await visitor.post("/auth/sign-in/passkey/options", fields)).status_code)
        assert statuses == [200, *[429] * 7]
        await visitor.get("/auth/sign-in")
        await visitor.sign_in()
        assert visitor.place == "/auth/account"


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("http://localhost:8000", None),
        ("http://127.0.0.1:8000", "Passkeys for this site only work at http://localhost:8000."),
        ("http://localhost:9000", "Passkeys for this site only work at http://localhost:8000."),
    ],
)
async def test_in_development_they_are_where_the_server_says_that_it_is(
    make_settings: MakeSettings, origin: str, said: str | None
) -> None:
    async with visiting(create_app(make_settings(environment="development")), origin) as visitor:
        await visitor.get("/auth/sign-in")
        assert ("Use a passkey" in visitor.answer.text) == (said is None)
        await visitor.get("/auth/sign-up")
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        await visitor.send(
            "/sign-up", {"email": "user@example.com", "name": "John", "password": PASSWORD}, headers
        )
        await visitor.get(SECURITY)
        assert said is None or said in visitor.answer.text
        assert ("Add a passkey" in visitor.answer.text) == (said is None)

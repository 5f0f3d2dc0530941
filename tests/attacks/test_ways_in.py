"""Every way into an account asks for the second factor: there is no session before that.

The ways are counted in the OpenAPI document and among the pages, so that a new one can't be forgotten.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, MovableClock, register, serving
from tests.features import passkeys_by
from tests.features.authenticators import BODY, LOGIN, App, answered, challenged, code_of, enrolled
from tests.features.conftest import invited
from tests.features.email.conftest import resting
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.http.conftest import Database
from tests.http.pages.conftest import EMAIL, ORIGIN, Visitor

from gatepost.app import create_app
from gatepost.features import FEATURES
from gatepost.features.setup.service import Setup
from gatepost.http.pages.page import Page
from gatepost.http.pages.routes import PAGES
from gatepost.library import Gatepost
from gatepost.models import Client

__all__ = ["resting"]

pytestmark = pytest.mark.usefixtures("resting")

OWN = "a password of my own"
NEWCOMER = {"email": "newcomer@example.com", "name": "Ada", "password": PASSWORD}
SECOND, FIRST, WRONG = "second_factor_required", "factor_enrolment_required", "invalid_code"
ASKED = {SECOND, FIRST, WRONG}
FACTOR_PAGE = "/auth/sign-in/factor"


@dataclass
class Door:
    """An application in front of an account that has an authenticator app.

    Attributes:
        client: of its API.
        visitor: of its pages.
        gate: the Gatepost behind it.
        db: its database.
        app: the authenticator.
    """

    client: httpx.AsyncClient
    visitor: Visitor
    gate: Gatepost
    db: Database
    app: App

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.client.post(f"/api/auth{path}", json=body)

    async def temporary(self) -> str:
        """Return the temporary password that an administrator has set."""
        user_id = await self.db.fetchval("SELECT id FROM users WHERE email = $1", EMAIL)
        user = await self.gate.administration.get(user_id)
        return (await self.gate.administration.set_temporary_password(user, client=Client())).password

    async def mailed(self) -> Any:
        """Return the mail by which one signs in."""
        await self.post("/login/email", email=EMAIL)
        return await read_mail(self.gate, self.db, "sign_in")

    async def signing_up(self) -> Any:
        """Return the mail by which a newcomer goes on."""
        await self.post("/register", **NEWCOMER)
        return await read_mail(self.gate, self.db, "verify_email")


Way = Callable[[Door], Awaitable[httpx.Response]]


async def by_password(door: Door) -> httpx.Response:
    return await door.client.post(LOGIN, json=BODY)


async def by_temporary_password(door: Door) -> httpx.Response:
    return await door.post("/login", **BODY | {"password": await door.temporary(), "new_password": OWN})


async def by_password_that_was_reset(door: Door) -> httpx.Response:
    await door.post("/password/forgot", email=EMAIL)
    mail = await read_mail(door.gate, door.db, "password_reset")
    done = await door.post("/password/reset", token=mail.token, new_password=OWN)
    assert done.json() == {"data": None, "message": done.json()["message"], "success": True}
    return await door.post("/login", **BODY | {"password": OWN})


async def by_a_wrong_code(door: Door) -> httpx.Response:
    return await answered(door.client, await challenged(door.client), "000000")


async def by_mail_link(door: Door) -> httpx.Response:
    return await door.post("/login/email/finish", token=(await door.mailed()).token)


async def by_mail_code(door: Door) -> httpx.Response:
    return await door.post("/login/email/finish", email=EMAIL, code=(await door.mailed()).code)


async def by_registering(door: Door) -> httpx.Response:
    return await door.post("/register", **NEWCOMER)


async def by_invitation(door: Door) -> httpx.Response:
    return await door.post("/register", **NEWCOMER, invitation=await invited(door.gate))


async def by_proven_address(door: Door) -> httpx.Response:
    return await door.post("/email/verify", token=(await door.signing_up()).token, password=OWN)


async def by_setup_link(door: Door) -> httpx.Response:
    return await door.post("/setup", **NEWCOMER, token=await door.gate.service(Setup).issue())


async def as_one_whom_a_command_made(door: Door) -> httpx.Response:
    email, name = NEWCOMER["email"], NEWCOMER["name"]
    await door.gate.administration.create(
        email=email, name=name, password=PASSWORD, is_admin=False, client=Client()
    )
    return await door.post("/login", **NEWCOMER)


async def as_one_who_was_imported(door: Door) -> httpx.Response:
    await door.db.execute(
        "INSERT INTO users (email, name, hashed_password) VALUES ($1, 'Ada', $2)",
        NEWCOMER["email"],
        "pbkdf2_sha256$1000$salt$6Rv9vH4G8JeeOZIOGT5GbcSFvm9E5TZTWUD5bUAFBZA=",
    )
    return await door.post("/login", **NEWCOMER | {"password": "imported"})


WAYS: Mapping[str, tuple[Way, ...]] = {
    "login": (
        by_password,
        by_temporary_password,
        by_password_that_was_reset,
        as_one_whom_a_command_made,
        as_one_who_was_imported,
    ),
    "answer_factor": (by_a_wrong_code,),
    "register": (by_registering, by_invitation),
    "verify_email": (by_proven_address,),
    "finish_login_by_email": (by_mail_link, by_mail_code),
    "setup": (by_setup_link,),
}
"""Operation that starts sessions → the ways to have one start by it."""


async def on_sign_in(door: Door) -> httpx.Response:
    await door.visitor.get("/auth/sign-in")
    return await door.visitor.sign_in()


async def on_the_page_of_the_factor(door: Door) -> httpx.Response:
    await on_sign_in(door)
    await door.visitor.follow()
    return await door.visitor.send("/sign-in/factor", {"code": "000000"})


async def on_the_page_after_a_temporary_password(door: Door) -> httpx.Response:
    password = await door.temporary()
    await door.visitor.get("/auth/sign-in")
    await door.visitor.sign_in(password=password)
    await door.visitor.follow()
    return await door.visitor.send("/sign-in/new-password", {"new_password": OWN})


async def on_sign_up(door: Door) -> httpx.Response:
    await door.visitor.get(f"/auth/sign-up?invitation={await invited(door.gate)}")
    await door.visitor.follow()
    return await door.visitor.send("/sign-up", NEWCOMER)


async def on_the_page_of_a_proven_address(door: Door) -> httpx.Response:
    await door.visitor.get(f"/auth/finish-sign-up?token={(await door.signing_up()).token}")
    await door.visitor.follow()
    return await door.visitor.send("/finish-sign-up", {"password": OWN})


async def on_the_page_of_a_mailed_link(door: Door) -> httpx.Response:
    await door.visitor.get(f"/auth/sign-in/email/finish?token={(await door.mailed()).token}")
    await door.visitor.follow()
    return await door.visitor.send("/sign-in/email/finish")


async def on_setup(door: Door) -> httpx.Response:
    await door.visitor.get(f"/auth/setup?token={await door.gate.service(Setup).issue()}")
    return await door.visitor.send("/setup", NEWCOMER)


PAGE_WAYS: Mapping[str, Way] = {
    "/sign-in": on_sign_in,
    "/sign-in/factor": on_the_page_of_the_factor,
    "/sign-in/new-password": on_the_page_after_a_temporary_password,
    "/sign-up": on_sign_up,
    "/finish-sign-up": on_the_page_of_a_proven_address,
    "/sign-in/email/finish": on_the_page_of_a_mailed_link,
    "/setup": on_setup,
}
"""Page that starts sessions → the way to have one start there."""

NO_WAYS = {
    "/confirm-email",
    "/forgot-password",
    "/language",
    "/reset-password",
    "/sign-in/email",
    "/sign-out",
    "/undo-email",
    "/verify-email",
}
"""Pages with a form for everybody that start no session, whatever is sent to them."""


@asynccontextmanager
async def door_of(
    make_settings: MakeSettings, clock: MovableClock, db: Database, way: Way
) -> AsyncIterator[Door]:
    """Have somebody set an app up, and then ask everybody for one."""
    proves = way in {by_proven_address, on_the_page_of_a_proven_address}
    asking: dict[str, Any] = MAIL_ON | {
        "email_sign_in": "both",
        "mfa_required": "all",
        "public_url": ORIGIN,
        "email_verification": "required" if proves else "off",
    }
    async with serving(create_app(make_settings(), clock=clock)) as client:
        app = await enrolled(client, str((await register(client, EMAIL))["token"]), clock)
    await db.execute("UPDATE users SET email_verified_at = now()")
    served = create_app(make_settings(**asking), clock=clock)
    async with serving(served) as client:
        client.base_url = httpx.URL(ORIGIN)
        yield Door(client, Visitor(client), served.state.gatepost, db, app)


async def newest(db: Database) -> int:
    return int(await db.fetchval("SELECT max(id) FROM user_sessions"))


@pytest.mark.parametrize("way", [way for ways in WAYS.values() for way in ways])
async def test_no_operation_starts_a_session_before_the_factor(
    make_settings: MakeSettings, clock: MovableClock, db: Database, way: Way
) -> None:
    async with door_of(make_settings, clock, db, way) as door:
        before = await newest(db)
        response = await way(door)
        assert (response.status_code, code_of(response) in ASKED) == (401, True), response.text
        assert await newest(db) == before
        assert '"token"' not in response.text
        if code_of(response) == SECOND:
            done = await answered(door.client, response.json()["error"]["challenge"], door.app.code())
            assert done.json()["data"]["session_info"]["aal"] == 2
            assert await newest(db) == before + 1


@pytest.mark.parametrize("way", PAGE_WAYS.values())
async def test_no_page_starts_a_session_before_the_factor(
    make_settings: MakeSettings, clock: MovableClock, db: Database, way: Way
) -> None:
    async with door_of(make_settings, clock, db, way) as door:
        before = await newest(db)
        response = await way(door)
        if way is on_the_page_of_the_factor:
            assert response.status_code == 422, response.text
        else:
            assert door.visitor.place.partition("?")[0] == FACTOR_PAGE
            assert "gatepost-challenge" in response.headers["set-cookie"]
        assert await newest(db) == before
        await door.visitor.get("/auth/account")
        assert door.visitor.place.startswith("/auth/sign-in")


# --- What is two factors by itself ---

BY_ITSELF = {"login_by_passkey"}
PAGES_BY_ITSELF = {f"/{page}/passkey{more}" for page in ("sign-in", "sign-up") for more in ("", "/options")}
"""Operations and pages that start a session at once, by two factors in one."""


async def on_the_page(client: httpx.AsyncClient, device: passkeys_by.Device) -> httpx.Response:
    client.base_url = httpx.URL(passkeys_by.ORIGIN)
    headers = {"Origin": passkeys_by.ORIGIN, "Sec-Fetch-Site": "same-origin"}
    visitor = Visitor(client)
    await visitor.get("/auth/sign-in")
    form = visitor.page.form("/sign-in/passkey")
    asked = (await visitor.post(f"{form.action}/options", form.fields, headers)).json()
    credential = json.dumps(device.get(asked["publicKey"]))
    fields = form.fields | {"challenge": asked["challenge"], "credential": credential}
    return await visitor.post(form.action, fields, headers)


@pytest.mark.parametrize("verifies", [True, False])
async def test_a_passkey_signs_in_alone_only_where_it_is_two_factors(
    make_settings: MakeSettings, clock: MovableClock, db: Database, verifies: bool
) -> None:
    async with serving(create_app(make_settings(), clock=clock)) as client:
        device = await passkeys_by.enrolled(client, str((await register(client, EMAIL))["token"]))
    async with serving(create_app(make_settings(mfa_required="all"), clock=clock)) as client:
        before, device.verifies = await newest(db), verifies
        response = await passkeys_by.signed_in_by(client, device)
        if verifies:
            assert response.json()["data"]["session_info"]["aal"] == 2
        else:
            assert code_of(response) == "invalid_credentials"
        assert await newest(db) == before + verifies
        response = await on_the_page(client, device)
        assert response.status_code == (303 if verifies else 422), response.text
        assert await newest(db) == before + 2 * verifies
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE id > $1 AND aal < 2", before) == 0


# --- That these are all ---


def starting(document: Mapping[str, Any]) -> Iterator[str]:
    """Return the operations that hand out a session to who has none."""
    for item in document["paths"].values():
        for operation in item.values():
            answers = [operation["responses"].get(status) for status in ("200", "201")]
            if "security" not in operation and '"token": ' in json.dumps(answers):
                yield operation["operationId"]


async def test_every_operation_that_starts_a_session_is_tried(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/auth/openapi.json")).json()
    assert set(starting(document)) == WAYS.keys() | BY_ITSELF


def pages() -> Iterator[Page]:
    """Return the pages of the kernel and of features."""
    yield from PAGES
    for feature in FEATURES:
        if feature.pages is not None:
            yield from feature.pages().pages


def test_every_page_with_a_form_for_everybody_is_tried() -> None:
    forms = {page.path for page in pages() if page.submit is not None and page.who is None}
    assert forms == PAGE_WAYS.keys() | NO_WAYS | PAGES_BY_ITSELF
    assert not PAGE_WAYS.keys() & NO_WAYS

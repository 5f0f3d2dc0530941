"""Texts whose price the sender sets: every field there is, bounded before it is read, and charged first.

A password of 4,096 combining marks took 70 ms of everybody's time to be composed, before it was refused.
Here nothing is timed: no text reaches `unicodedata.normalize` that is not bounded, wherever it was sent.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, bearer, register, serving
from tests.counting import bounded_normalisation
from tests.http.conftest import Database, assert_error
from tests.http.pages.conftest import ADMIN, EMAIL, ORIGIN, Visitor, make_user, visiting
from tests.summed import PAGES
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app

HOSTILE = {
    "marks that change places": "a" + "\u0345" * 2048 + "\u0334" * 2047,
    "marks of class 0": "\u0f73" * 300,
    "an address of marks": "a@" + "\u0345" * 159 + "\u0334" * 159,
    "marks after each character": ("a" + "\u0345\u0334" * 16) * 8,
    "a long text": "\U0001f600" * 5_000,
    "a long address": "a@" + "\xfc." * 2_000 + "de",
}
LANDED = {400, 401, 403, 404, 409, 422, 429}


@pytest.fixture
def app(make_settings: MakeSettings) -> FastAPI:
    return create_app(make_settings(public_url=ORIGIN))


@pytest.fixture
async def admin(app: FastAPI, db: Database) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A client and the fresh token of an administrator."""
    async with serving(app) as client:
        token = (await register(client, EMAIL))["token"]
        await db.execute("UPDATE users SET is_admin = true")
        yield client, token


def text_fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the properties of a body that are text."""
    shape = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, field in shape["properties"].items():
        if "string" in {field.get("type"), *(each.get("type") for each in field.get("anyOf", ()))}:
            yield name


async def test_no_field_of_the_api_makes_anybody_normalise_what_has_no_bound(
    admin: tuple[httpx.AsyncClient, str], db: Database
) -> None:
    client, token = admin
    document = (await client.get("/api/auth/openapi.json")).json()
    before = await db.fetchval("SELECT users::text FROM users")
    tried = set()
    with bounded_normalisation():
        for path, item in document["paths"].items():
            for method, operation in item.items():
                for name, request in requests_of(document, operation):
                    for text in HOSTILE.values():
                        answer = await client.request(
                            method, path.replace("{id}", "1"), headers=bearer(token), **request(text)
                        )
                        # A bad invitation stands in nobody's way where anybody may register.
                        landed = {201, 409} if name == "invitation" else LANDED
                        assert answer.status_code in landed, (path, name, answer.text)
                    tried.add(f"{operation['operationId']}.{name}")
    assert tried >= {
        "login.email",
        "login.password",
        "login.new_password",
        "register.name",
        "setup.password",
        "confirm.password",
        "change_password.current",
        "change_password.new",
        "change_email.email",
        "delete_me.password",
        "update_me.name",
        "create_invitation.email",
        "find_users.q",
        "find_users.cursor",
    }
    assert await db.fetchval("SELECT users::text FROM users WHERE id = 1") == before
    assert await db.fetchval("SELECT max(email) FROM users WHERE id > 1") == "another@example.org"


def requests_of(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each text that an operation takes, and what makes a request of it."""
    for parameter in operation.get("parameters", ()):
        shape = parameter["schema"]
        kinds = {shape.get("type"), *(each.get("type") for each in shape.get("anyOf", ()))}
        if parameter["in"] == "query" and "string" in kinds:
            yield parameter["name"], lambda text, name=parameter["name"]: {"params": {name: text}}
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        valid = {
            name: "another@example.org" if "email" in name else "Kim" if name == "name" else PASSWORD
            for name in text_fields(document, schema)
        }
        for name in valid:
            yield name, lambda text, name=name, valid=valid: {"json": valid | {name: text}}


async def test_no_field_of_a_page_makes_anybody_normalise_what_has_no_bound(
    app: FastAPI, db: Database
) -> None:
    async with visiting(app) as visitor:
        await make_user(app, ADMIN, "Ada Admin", is_admin=True)
        tried = await tried_fields(visitor, ["/auth/sign-in", "/auth/sign-up"])
        await visitor.get("/auth/sign-in")
        await visitor.send("/auth/sign-in", {"email": ADMIN, "password": PASSWORD})
        paths = [f"/auth{page.path.replace('{id}', '1')}" for page in PAGES if "live" not in page.path]
        tried |= await tried_fields(visitor, [path for path in paths if "sign-" not in path])
    assert tried >= {"email", "name", "password", "current", "new", "q", "user", "address", "form_token"}
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def tried_fields(visitor: Visitor, paths: list[str]) -> set[str]:
    """Send hostile texts in every field of the forms on these pages, once each; return the names."""
    tried: set[tuple[str, str]] = set()
    for path in paths:
        await visitor.get(path)
        for form in visitor.page.forms if visitor.answer.status_code == 200 else ():
            for name in form.fields:
                if (form.action, name) in tried:  # of a form that stands on several pages
                    continue
                tried.add((form.action, name))
                for text in HOSTILE.values():
                    with bounded_normalisation():
                        if form.method == "get":
                            answer = await visitor.client.get(form.action, params=form.fields | {name: text})
                        else:
                            answer = await visitor.post(form.action, form.fields | {name: text})
                    assert answer.status_code < 500, (path, name)
    return {name for _, name in tried}


# --- The address is charged first ---

BAD = {"email": "no address", "name": "\0", "password": HOSTILE["marks that change places"]}


@walked(
    ("path", "body"),
    [
        ("login", BAD),
        ("login", BAD | {"email": HOSTILE["a long address"]}),
        ("login", BAD | {"email": EMAIL}),
        ("login", BAD | {"email": EMAIL, "password": PASSWORD, "new_password": "short"}),
        ("register", BAD),
        ("register", BAD | {"email": "new@example.com", "name": "New"}),
        ("setup", BAD | {"token": "x"}),
    ],
)
async def test_what_is_refused_unread_was_charged_to_its_address(
    make_settings: MakeSettings, db: Database, path: str, body: dict[str, str]
) -> None:
    limits = {f"throttle_{name}": "2 then 1/day" for name in ("form_address", "login_address")}
    settings = make_settings(throttle_enabled=True, **limits)
    async with serving(create_app(settings)) as client:
        for _ in range(2):
            refused = await client.post(f"/api/auth/{path}", json=body)
            assert refused.status_code in {403, 422}, refused.text
        with bounded_normalisation() as normalised:
            assert_error(await client.post(f"/api/auth/{path}", json=body), errors.TooManyAttempts)
        assert body["password"] not in normalised
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'throttled'") == 1
    assert await db.fetchval("SELECT count(*) FROM users") == 0


@walked(
    ("method", "path", "body"),
    [
        ("POST", "confirm", {"password": BAD["password"]}),
        ("POST", "password", {"current": BAD["password"], "new": "another secure password"}),
        ("POST", "password", {"current": PASSWORD, "new": BAD["password"]}),
        ("POST", "email", {"email": "no address", "password": PASSWORD}),
        ("POST", "email", {"email": "other@example.com", "password": BAD["password"]}),
        ("DELETE", "me", {"password": BAD["password"]}),
    ],
)
async def test_what_is_refused_unread_was_charged_to_its_user(
    make_settings: MakeSettings, db: Database, method: str, path: str, body: dict[str, str]
) -> None:
    settings = make_settings(throttle_enabled=True, throttle_confirm_user="2 then 1/day")
    async with serving(create_app(settings)) as client:
        token = (await register(client))["token"]

        async def ask() -> httpx.Response:
            return await client.request(method, f"/api/auth/{path}", json=body, headers=bearer(token))

        for _ in range(2):
            assert (await ask()).status_code == 422
        with bounded_normalisation() as normalised:
            assert_error(await ask(), errors.TooManyAttempts)
        assert not set(body.values()) & set(normalised)
    assert await db.fetchval("SELECT count(*) FROM users") == 1

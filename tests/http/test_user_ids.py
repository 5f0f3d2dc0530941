"""Ids that are no numbers, all the way: the tables of other libraries, signed in to and administered."""

import csv
import html
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, SCHEMAS, bearer, execute, login, register, serving, settings_for
from tests.db.test_user_ids import FASTAPI_USERS, PRISMA, SUPABASE

from gatepost.app import create_app
from gatepost.db.migrate import migrate
from gatepost.models import UserIdType
from gatepost.security.passwords import Password, PasswordHasher

HASHED = PasswordHasher(4).hash(Password.read(PASSWORD))
ADA = {
    "fastapi-users": "0b5e9d1c-3c1f-4f0e-9d0a-1f6f0a3c5d7e",
    "Supabase": "d0a1c1fd-3b4f-4a0e-8f50-5a0f0a3c5d7e",
    "Prisma": "cm4x0ldk30000v8l5h2q9a1b2",
    "of signs": "auth0|5F7c:Ä ?#&%25",
}
"""The user that each table has."""

TABLES = {
    "fastapi-users": FASTAPI_USERS,
    "Supabase": SUPABASE,
    "Prisma": PRISMA,
    "of signs": PRISMA.replace(ADA["Prisma"], ADA["of signs"]),
}


@pytest.fixture(params=list(TABLES))
def ada(request: pytest.FixtureRequest) -> str:
    """The id of a user that an application has made."""
    return ADA[request.param]


@pytest.fixture
async def adopted(empty_dsn: str, tmp_path: Path, ada: str) -> FastAPI:
    (name,) = [name for name, user_id in ADA.items() if user_id == ada]
    await execute(empty_dsn, TABLES[name])
    await migrate(empty_dsn, features=SCHEMAS)
    await execute(empty_dsn, f"UPDATE users SET hashed_password = '{HASHED}', is_admin = true")  # noqa: S608 - ours
    # The application needs it no longer; what is looked through for hashes is every other column.
    await execute(
        empty_dsn,
        "ALTER TABLE users DROP COLUMN IF EXISTS password CASCADE,"
        " DROP COLUMN IF EXISTS encrypted_password CASCADE",
    )
    return create_app(settings_for(empty_dsn, tmp_path / "home"))


@pytest.fixture
async def client(adopted: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(adopted) as client:
        yield client


def at(user_id: str, action: str = "") -> str:
    """Return where the API has a user."""
    return f"/api/auth/admin/users/{quote(user_id, safe='')}{action}"


async def ask(client: httpx.AsyncClient, method: str, url: str, token: str, **kwargs: Any) -> Any:
    response = await client.request(method, url, headers=bearer(token), **kwargs)
    assert response.is_success, response.text
    return response.json()["data"]


async def test_a_user_of_the_application_signs_in_and_has_the_id_it_had(
    client: httpx.AsyncClient, ada: str
) -> None:
    signed_in = await login(client, "ada@example.com")
    assert signed_in["user"]["id"] == ada
    refreshed = await ask(client, "POST", "/api/auth/refresh", signed_in["token"])
    assert refreshed["user"]["id"] == ada
    verified = await client.get("/api/auth/verify", headers=bearer(refreshed["token"]))
    assert unquote(verified.headers["x-gatepost-user"]) == ada
    me = await ask(client, "GET", "/api/auth/me", refreshed["token"])
    assert me["user"]["id"] == ada
    changed = {"current": PASSWORD, "new": "another secure password"}
    anew = await ask(client, "POST", "/api/auth/password", refreshed["token"], json=changed)
    assert anew["user"]["id"] == ada
    assert await ask(client, "POST", "/api/auth/logout-all", anew["token"]) == {"sessions_revoked": 1}


async def test_a_new_user_is_administered_by_the_id_they_got(client: httpx.AsyncClient, ada: str) -> None:
    eve = await register(client, "eve@example.com", "Eve")
    eve_id = eve["user"]["id"]
    assert isinstance(eve_id, str)
    token = (await login(client, "ada@example.com"))["token"]
    first = await ask(client, "GET", "/api/auth/admin/users", token, params={"limit": 1})
    rest = await ask(
        client, "GET", "/api/auth/admin/users", token, params={"limit": 1, "cursor": first["next_cursor"]}
    )
    assert [user["id"] for user in first["users"] + rest["users"]] == [ada, eve_id]
    assert (await ask(client, "GET", at(eve_id), token))["user"]["active_sessions"] == 1
    for action in (
        "/promote",
        "/demote",
        "/disable",
        "/enable",
        "/unlock",
        "/logout-all",
        "/temporary-password",
    ):
        assert (await ask(client, "POST", at(eve_id, action), token))["user"]["id"] == eve_id
    await login(client, "ada@example.com")
    sessions = await ask(client, "GET", "/api/auth/admin/sessions", token, params={"user": ada})
    assert {session["user_id"] for session in sessions["sessions"]} == {ada}
    ended = await ask(
        client, "POST", "/api/auth/admin/sessions/end", token, json={"user": ada, "expected": 1}
    )
    assert ended == {"sessions_revoked": 1}
    found = await ask(client, "GET", "/api/auth/admin/events", token, params={"user": eve_id})
    assert {event["user_id"] for event in found["events"]} == {eve_id}
    disabled = next(event for event in found["events"] if event["action"] == "user.disabled")
    assert disabled["detail"]["admin_id"] == ada
    invitation = await ask(client, "POST", "/api/auth/admin/invitations", token, json={})
    assert invitation["invitation"]["created_by"] == ada
    exported = await client.get(
        "/api/auth/admin/events/export", headers=bearer(token), params={"user": eve_id, "format": "csv"}
    )
    assert {row["user_id"] for row in csv.DictReader(io.StringIO(exported.text))} == {eve_id}
    await ask(client, "DELETE", at(eve_id), token)
    assert (await client.get(at(eve_id), headers=bearer(token))).status_code == 404


async def test_who_leaves_is_out_of_the_trail_and_nobody_else_is(
    client: httpx.AsyncClient, empty_dsn: str, ada: str
) -> None:
    """Also where another user's id differs in case alone."""
    twin = ada.swapcase()
    eve = await register(client, "eve@example.com", "Eve")
    token = (await login(client, "ada@example.com"))["token"]
    await ask(client, "POST", at(eve["user"]["id"], "/disable"), token)
    conn = await asyncpg.connect(empty_dsn)
    await conn.execute(
        "INSERT INTO auth_events (action, ip_address, detail)"
        " VALUES ('user.enabled', '192.0.2.7', jsonb_build_object('admin_id', $1::text))",
        twin,
    )
    await conn.execute("UPDATE users SET is_admin = true, is_active = true WHERE email = 'eve@example.com'")
    await ask(client, "DELETE", "/api/auth/me", token, json={"password": PASSWORD})
    by_ada = await conn.fetch("SELECT ip_address FROM auth_events WHERE detail ->> 'admin_id' = $1", ada)
    assert {row["ip_address"] for row in by_ada} == {None}
    if UserIdType.UUID.parse(ada) is None:
        kept = await conn.fetchval(
            "SELECT ip_address FROM auth_events WHERE detail ->> 'admin_id' = $1", twin
        )
        assert kept == "192.0.2.7"
    await conn.close()


async def test_what_can_be_no_id_is_refused_as_ever(client: httpx.AsyncClient, ada: str) -> None:
    token = (await login(client, "ada@example.com"))["token"]
    wrong = "1" if UserIdType.UUID.parse(ada) else "x" * 256
    assert (await client.get(at(wrong), headers=bearer(token))).status_code == 422
    for url in ("/api/auth/admin/sessions", "/api/auth/admin/events"):
        response = await client.get(url, headers=bearer(token), params={"user": wrong})
        assert response.status_code == 422, url
    response = await client.post(
        "/api/auth/admin/sessions/end", headers=bearer(token), json={"user": 1, "expected": 0}
    )
    assert response.json()["error"]["fields"].keys() == {"user"}
    response = await client.get(
        "/api/auth/admin/users", headers=bearer(token), params={"cursor": "WzAsIiIsMV0"}
    )
    assert response.status_code == 422
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (await client.get(at(unknown), headers=bearer(token))).status_code == 404


async def test_openapi_has_ids_of_the_type_in_force(client: httpx.AsyncClient, ada: str) -> None:
    document = (await client.get("/api/auth/openapi.json")).json()
    shape = document["components"]["schemas"]["UserId"]
    assert shape["type"] == "string"
    assert shape.get("format") == ("uuid" if UserIdType.UUID.parse(ada) else None)
    reference = {"$ref": "#/components/schemas/UserId"}
    assert document["components"]["schemas"]["UserData"]["properties"]["id"] == reference
    operation = document["paths"]["/api/auth/me"]["get"]
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert UserIdType.UUID.parse(example["data"]["user"]["id"])
    assert "gatepost-user-id" not in json.dumps(document)


async def test_the_console_links_to_users_by_such_ids(client: httpx.AsyncClient, ada: str) -> None:
    cookie = await client.post(
        "/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD, "cookie": True}
    )
    assert cookie.is_success
    user_page = f'/auth/admin/users/{quote(ada, safe="")}"'
    for page in ("/auth/admin/users", "/auth/admin/sessions", "/auth/admin/events"):
        shown = await client.get(page)
        assert shown.status_code == 200, page
        assert user_page in html.unescape(shown.text), page
    user = await client.get(f"/auth/admin/users/{quote(ada, safe='')}")
    assert user.status_code == 200
    assert "ada@example.com" in user.text
    filtered = await client.get("/auth/admin/sessions", params={"user": ada})
    assert user_page in html.unescape(filtered.text)

"""Bodies: no JSON, of another type, too large, or with fields that do not fit."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, nth_user
from tests.http.conftest import Database, RawRequest, Standing, assert_error

from gatepost import errors

REGISTER = "/api/auth/register"
BODY = {"email": "new@example.com", "name": "John Doe", "password": PASSWORD}
JSON = {"Content-Type": "application/json"}
LIMIT = 64 * 1024


# --- No JSON ---


@pytest.mark.parametrize(
    "body",
    [
        b'{"email": "user@example.com"',
        b"",
        b"   ",
        b"{'email': 1}",
        b'{"email": "\xff\xfe"}',
        b"[" * 60_000,
        b'{"email": ' + b"1" * 20_000 + b"}",
        b"email=user@example.com",
        b"\xef\xbb\xbf",
    ],
    ids=["truncated", "empty", "spaces", "quotes", "utf-8", "nested", "digits", "form", "bom"],
)
@pytest.mark.parametrize("path", ["register", "login"])
async def test_a_body_that_is_no_json_is_400(standing: Standing, path: str, body: bytes) -> None:
    response = await standing.client.post(f"/api/auth/{path}", content=body, headers=JSON)
    assert_error(response, errors.MalformedJson)
    assert await standing.holds_one_user_and_session()


async def test_a_missing_body_is_400(standing: Standing) -> None:
    assert_error(await standing.client.post(REGISTER), errors.MalformedJson)


@pytest.mark.parametrize("body", ["null", "[]", '"text"', "1", "true"])
async def test_json_that_is_no_object_is_422(standing: Standing, body: str) -> None:
    response = await standing.client.post(REGISTER, content=body, headers=JSON)
    fields = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=fields)
    assert list(fields) == ["body"]


# --- Of another type ---


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/vnd.api+json",
        "text/json",
        "application/json, text/plain",
        "",
    ],
)
async def test_another_media_type_is_415(standing: Standing, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await standing.client.post(REGISTER, content=json.dumps(BODY), headers=headers)
    assert_error(response, errors.UnsupportedMediaType)
    assert await standing.holds_one_user_and_session()


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"'],
)
async def test_a_charset_and_capitals_are_tolerated(standing: Standing, content_type: str) -> None:
    body = json.dumps(BODY | {"email": "no address"})
    response = await standing.client.post(REGISTER, content=body, headers={"Content-Type": content_type})
    assert response.status_code == 422


async def test_a_form_posted_to_an_operation_without_a_body_is_415(standing: Standing) -> None:
    response = await standing.client.post(
        "/api/auth/logout", headers=bearer(standing.token), data={"everywhere": "true"}
    )
    assert_error(response, errors.UnsupportedMediaType)
    assert await standing.holds_one_user_and_session()


async def test_an_operation_without_a_body_takes_json_and_passes_it_over(
    standing: Standing,
) -> None:
    response = await standing.client.post("/api/auth/cleanup", headers=bearer(standing.token), json={"a": 1})
    assert_error(response, errors.AdminRequired)


# --- Too large ---


def exactly(size: int) -> bytes:
    """Return a document of this many bytes that is wrong in one field."""
    body = json.dumps(BODY | {"email": "no address", "filling": ""})
    return body.replace('"filling": ""', f'"filling": "{"x" * (size - len(body))}"').encode()


async def test_a_body_of_64_kib_is_read(standing: Standing) -> None:
    response = await standing.client.post(REGISTER, content=exactly(LIMIT), headers=JSON)
    assert list(response.json()["error"]["fields"]) == ["email"]


async def test_a_body_of_one_byte_more_is_413(standing: Standing) -> None:
    response = await standing.client.post(REGISTER, content=exactly(LIMIT + 1), headers=JSON)
    assert_error(response, errors.BodyTooLarge)


async def test_the_size_is_told_before_the_media_type(standing: Standing) -> None:
    response = await standing.client.post(REGISTER, content=b"x" * (LIMIT + 1))
    assert_error(response, errors.BodyTooLarge)


async def test_a_declared_length_over_the_limit_is_413_before_anything_is_read(standing: Standing) -> None:
    request = RawRequest(REGISTER, (b"content-type", b"application/json"), (b"content-length", b"65537"))
    await standing.app(request.scope, request.receive, request.send)
    assert (request.status, request.read) == (413, 0)


async def test_a_body_of_unknown_length_is_413_as_soon_as_it_is_too_long(standing: Standing) -> None:
    request = RawRequest(REGISTER, (b"content-type", b"application/json"), (b"transfer-encoding", b"chunked"))
    await standing.app(request.scope, request.receive, request.send)
    assert (request.status, request.read) == (413, LIMIT + 1024)


@pytest.mark.parametrize("length", [b"-1", b"abc", b"10", b"0", b"\xb2"])
async def test_a_false_content_length_lets_no_more_through(standing: Standing, length: bytes) -> None:
    request = RawRequest(REGISTER, (b"content-type", b"application/json"), (b"content-length", length))
    await standing.app(request.scope, request.receive, request.send)
    assert (request.status, request.read) == (413, LIMIT + 1024)


async def test_one_who_hangs_up_while_sending_is_not_answered(standing: Standing) -> None:
    request = RawRequest(REGISTER)

    async def receive() -> dict[str, Any]:
        return await request.receive() if request.read < 4096 else {"type": "http.disconnect"}

    await standing.app(request.scope, receive, request.send)
    assert request.sent == []


async def test_a_chunked_body_within_the_limit_is_read_whole(client: httpx.AsyncClient, db: Database) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in json.dumps(BODY).encode():
            yield bytes([byte])

    assert (await client.post(REGISTER, content=chunks(), headers=JSON)).status_code == 201
    assert await db.fetchval("SELECT email FROM users") == BODY["email"]


# --- Fields ---


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "name", "password"}),
        ({"email": "user@example.com", "name": "John Doe"}, {"password"}),
        (BODY | {"email": "no address"}, {"email"}),
        (BODY | {"email": None}, {"email"}),
        (BODY | {"email": ["user@example.com"]}, {"email"}),
        (BODY | {"email": "x" * 321 + "@example.com"}, {"email"}),
        (BODY | {"name": ""}, {"name"}),
        (BODY | {"name": " \u200b "}, {"name"}),
        (BODY | {"name": 1}, {"name"}),
        (BODY | {"name": "x" * 201}, {"name"}),
        (BODY | {"name": "a\x00b"}, {"name"}),
        (BODY | {"password": True}, {"password"}),
        (BODY | {"password": "short"}, {"password"}),
        ({"email": "x", "name": "", "password": ""}, {"email", "name", "password"}),
        (BODY | {"email": "half\ud800@example.com"}, {"email"}),
        (BODY | {"name": "half \ud800"}, {"name"}),
        (BODY | {"password": "half of a pair \ud800"}, {"password"}),
    ],
)
async def test_each_field_that_does_not_fit_is_named_with_what_does(
    standing: Standing, body: dict[str, Any], fields: set[str]
) -> None:
    response = await standing.client.post(REGISTER, content=json.dumps(body), headers=JSON)
    told = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=told)
    assert set(told) == fields
    assert all(isinstance(sentence, str) and sentence for sentence in told.values())
    assert await standing.holds_one_user_and_session()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "password"}),
        ({"email": "no address", "password": PASSWORD}, {"email"}),
        ({"email": "user@example.com", "password": 12345678}, {"password"}),
        ({"email": "user@example.com", "password": "x" * 1025}, {"password"}),
        ({"email": "user@example.com", "password": "\ud800"}, {"password"}),
    ],
)
async def test_a_login_that_nobody_can_have_is_422(
    standing: Standing, body: dict[str, Any], fields: set[str]
) -> None:
    response = await standing.client.post("/api/auth/login", content=json.dumps(body), headers=JSON)
    told = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=told)
    assert set(told) == fields


@pytest.mark.parametrize("password", ["s3cr3t!", "s3cr3t!" * 1000, ["s3cr3t!"]])
async def test_an_error_does_not_repeat_the_password(standing: Standing, password: object) -> None:
    response = await standing.client.post(REGISTER, json=BODY | {"password": password})
    assert response.status_code == 422
    assert "s3cr3t" not in response.text


async def test_unknown_fields_are_passed_over(client: httpx.AsyncClient, db: Database) -> None:
    response = await client.post(REGISTER, json=BODY | {"is_admin": True, "id": 7})
    assert response.status_code == 201
    assert [tuple(row) for row in await db.fetch("SELECT id, is_admin FROM users")] == [(nth_user(1), False)]

"""The `Authorization` header (RFC 6750 §2.1, RFC 9110 §11): a session, or a 401 with a reason."""

import uuid

import pytest
from tests.conftest import bearer
from tests.http.conftest import RawRequest, Standing, assert_error, assert_success, events

from gatepost import errors
from gatepost.errors import GatepostError

TOKEN = "TOKEN"
"""Stands for the token of a live session."""


@pytest.mark.parametrize(
    "header",
    ["Bearer TOKEN", "bearer TOKEN", "BEARER TOKEN", "bEaReR TOKEN", "Bearer   TOKEN", "Bearer TOKEN  "],
)
async def test_the_scheme_is_read_without_regard_to_case_and_spaces(standing: Standing, header: str) -> None:
    value = header.replace(TOKEN, standing.token)
    response = await standing.client.get("/api/auth/me", headers={"Authorization": value})
    data = assert_success(response, "User information retrieved successfully")
    assert data["user"]["email"] == "user@example.com"


REFUSED = [
    (b"", errors.NotAuthenticated),
    (b" ", errors.NotAuthenticated),
    (b"TOKEN", errors.NotAuthenticated),
    (b"Basic dXNlckBleGFtcGxlLmNvbTpzZWN1cmVwYXNzd29yZDEyMw==", errors.NotAuthenticated),
    (b"Token TOKEN", errors.NotAuthenticated),
    (b"BearerTOKEN", errors.NotAuthenticated),
    (b"Bearer\tTOKEN", errors.NotAuthenticated),
    (b"Bearer:TOKEN", errors.NotAuthenticated),
    (b"\xc3\xa9 TOKEN", errors.NotAuthenticated),
    (b"Bearer", errors.InvalidSession),
    (b"Bearer ", errors.InvalidSession),
    (b"Bearer TOKEN TOKEN", errors.InvalidSession),
    (b"Bearer TOKEN, Bearer TOKEN", errors.InvalidSession),
    (b"Bearer TOKEN,TOKEN", errors.InvalidSession),
    (b'Bearer "TOKEN"', errors.InvalidSession),
    (b"Bearer TOKEN\tx", errors.InvalidSession),
    (b"Bearer token=TOKEN", errors.InvalidSession),
    (b"Bearer t\xc3\xb6ken", errors.InvalidSession),
    (b"Bearer \xff\xfe", errors.InvalidSession),
    (b"Bearer TOKEN\x00", errors.InvalidSession),
    (b"Bearer null", errors.InvalidSession),
    (b"Bearer ' OR 1=1 --", errors.InvalidSession),
    (b"Bearer " + b"a" * 10_000, errors.InvalidSession),
    (b"Bearer " + b"=" * 10_000, errors.InvalidSession),
    (b"Bearer TOKEN=", errors.InvalidSession),
    (b"Bearer " + str(uuid.UUID(int=0)).encode(), errors.InvalidSession),
    (b"Bearer " + b"A" * 43, errors.InvalidSession),
]


@pytest.mark.parametrize(("header", "kind"), REFUSED, ids=[repr(h[:30]) for h, _ in REFUSED])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "me"), ("GET", "verify"), ("GET", "sessions"), ("POST", "refresh")]
)
async def test_a_header_without_a_session_is_401_and_changes_nothing(
    standing: Standing, method: str, path: str, header: bytes, kind: type[GatepostError]
) -> None:
    value = header.replace(TOKEN.encode(), standing.token.encode())
    response = await standing.client.request(method, f"/api/auth/{path}", headers=[(b"Authorization", value)])
    assert_error(response, kind)
    assert await standing.holds_one_user_and_session()


async def test_no_header_is_401(standing: Standing) -> None:
    assert_error(await standing.client.get("/api/auth/me"), errors.NotAuthenticated)


@pytest.mark.parametrize("other", ["Bearer {}", "Basic dTpw", ""])
async def test_two_headers_are_401_whatever_the_second_says(standing: Standing, other: str) -> None:
    first = ("Authorization", f"Bearer {standing.token}")
    for headers in (
        [first, ("Authorization", other.format(standing.token))],
        [("Authorization", other), first],
    ):
        assert_error(await standing.client.get("/api/auth/me", headers=headers), errors.InvalidSession)


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "session_token"])
async def test_a_token_in_the_query_is_not_looked_at(standing: Standing, name: str) -> None:
    for value in (standing.token, f"Bearer {standing.token}"):
        response = await standing.client.get("/api/auth/me", params={name: value})
        assert_error(response, errors.NotAuthenticated)


async def test_a_token_in_a_cookie_is_not_looked_at(standing: Standing) -> None:
    response = await standing.client.get("/api/auth/me", headers={"Cookie": f"session={standing.token}"})
    assert_error(response, errors.NotAuthenticated)


async def test_a_token_in_the_body_is_not_looked_at(standing: Standing) -> None:
    response = await standing.client.post("/api/auth/logout", json={"access_token": standing.token})
    assert_error(response, errors.NotAuthenticated)
    assert await standing.holds_one_user_and_session()


@pytest.mark.parametrize("name", [b"authorization_", b"x-authorization", b"proxy-authorization"])
async def test_twins_of_the_header_are_not_looked_at(standing: Standing, name: bytes) -> None:
    value = f"Bearer {standing.token}".encode()
    response = await standing.client.get("/api/auth/me", headers=[(name, value)])
    assert_error(response, errors.NotAuthenticated)


@pytest.mark.parametrize("change", ["upper", "braces", "hex", "hint", "stored", "longer"])
async def test_another_spelling_of_a_token_is_nobodys(standing: Standing, change: str) -> None:
    stored = await standing.db.fetchval("SELECT session_token FROM user_sessions")
    spelled = {
        "upper": standing.token.upper(),
        "braces": "{" + standing.token + "}",
        "hex": standing.token.replace("-", ""),
        "hint": standing.token[:8],
        "stored": stored,
        "longer": standing.token + "0",
    }[change]
    response = await standing.client.get("/api/auth/me", headers={"Authorization": f"Bearer {spelled}"})
    assert_error(response, errors.InvalidSession)


# --- The challenge ---


async def test_the_challenge_gives_no_reason_where_no_token_was_sent(standing: Standing) -> None:
    response = await standing.client.get("/api/auth/me")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_the_challenge_says_why_a_token_is_refused(standing: Standing) -> None:
    response = await standing.client.get("/api/auth/me", headers=bearer(str(uuid.uuid4())))
    assert response.headers["www-authenticate"] == (
        'Bearer error="invalid_token", error_description="invalid_session"'
    )


async def test_the_challenge_of_a_failed_login_gives_no_reason(standing: Standing) -> None:
    body = {"email": "nobody@example.com", "password": "securepassword123"}
    response = await standing.client.post("/api/auth/login", json=body)
    assert_error(response, errors.InvalidCredentials)
    assert response.headers["www-authenticate"] == "Bearer"


# --- The trail ---


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("POST", "refresh", "refresh"),
        ("POST", "logout", "revoke"),
        ("POST", "logout-all", "revoke_all"),
        ("POST", "logout-others", "revoke_others"),
        ("DELETE", "sessions/1", "revoke"),
    ],
)
async def test_a_change_that_was_refused_is_on_the_trail(
    standing: Standing, method: str, path: str, verb: str
) -> None:
    before = len(await events(standing.db, "session.refused"))
    await standing.client.request(
        method, f"/api/auth/{path}", headers=bearer(str(uuid.uuid4())) | {"User-Agent": "curl/8"}
    )
    *_, event = added = (await events(standing.db, "session.refused"))[before:]
    assert len(added) == 1
    assert event == {
        "action": "session.refused",
        "user_id": None,
        "session_id": None,
        "ip_address": "127.0.0.1",
        "user_agent": "curl/8",
        "detail": {"code": "invalid_session", "verb": verb},
    }


async def test_a_look_that_was_refused_is_not_on_the_trail(standing: Standing) -> None:
    before = len(await events(standing.db))
    for path in ("me", "sessions", "events"):
        await standing.client.get(f"/api/auth/{path}", headers=bearer(str(uuid.uuid4())))
    assert len(await events(standing.db)) == before


async def test_a_header_that_a_server_hands_over_untrimmed_is_no_fault(standing: Standing) -> None:
    for value in (b" Bearer x", b"Bearer x\r\n", b"\x00", b"Bearer \x7f"):
        request = RawRequest("/api/auth/me", (b"authorization", value), method="GET")
        await standing.app(request.scope, request.receive, request.send)
        assert request.status == 401

"""Attacks on cookie sessions: other sites, siblings, twins and forms. Nothing may have changed afterwards."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, serving
from tests.http.conftest import Database, assert_error, events
from tests.walking import walked

from gatepost import errors
from gatepost.app import create_app
from gatepost.library import Gatepost
from gatepost.models import AuditAction

ORIGIN = "https://auth.example.com"
FRIEND = "https://app.example.com"
NAME = "__Host-gatepost"
WHO = {"email": "user@example.com", "password": PASSWORD}


@dataclass
class Victim:
    """A browser that is signed in by cookie, and what the database holds of it."""

    browser: httpx.AsyncClient
    db: Database

    async def is_unharmed(self) -> bool:
        """Say whether the one session lives and the password is still the same."""
        live = await self.db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active")
        ended = await self.db.fetchval("SELECT count(*) FROM user_sessions WHERE NOT is_active")
        users = await self.db.fetchval("SELECT count(*) FROM users")
        me = await self.browser.get("/api/auth/me")
        return (live, ended, users, me.status_code) == (1, 0, 1, 200)


@pytest.fixture
async def victim(make_settings: MakeSettings, db: Database) -> AsyncIterator[Victim]:
    settings = make_settings(public_url=ORIGIN, allowed_origins=[FRIEND])
    async with serving(create_app(settings)) as client:
        client.base_url = httpx.URL(ORIGIN)
        response = await client.post("/api/auth/register", json=WHO | {"name": "John", "cookie": True})
        assert response.status_code == 201, response.text
        yield Victim(client, db)


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.com"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://auth.example.com"},
    {"Origin": "https://auth.example.com:8443"},
    {"Origin": "https://auth.example.com.evil.example"},
    {"Origin": "https://app.example.com@evil.example"},
    {"Origin": "https://APP.example.com"},
    {"Origin": ""},
    {"Referer": f"{ORIGIN}/"},
    {"Host": "auth.example.com"},
    {},
]
ACTIONS = [
    ("POST", "logout", None),
    ("POST", "logout-all", None),
    ("POST", "logout-others", None),
    ("POST", "refresh", None),
    ("POST", "cleanup", None),
    ("POST", "password", {"current": PASSWORD, "new": "a password of the attacker"}),
    ("POST", "confirm", {"password": PASSWORD}),
    ("DELETE", "sessions/1", None),
]


@walked(("method", "path", "body"), ACTIONS, ids=lambda value: str(value)[:12])
async def test_a_request_of_another_site_is_refused_and_changes_nothing(
    victim: Victim, method: str, path: str, body: dict[str, str] | None
) -> None:
    for headers in FOREIGN:
        response = await victim.browser.request(method, f"/api/auth/{path}", headers=headers, json=body)
        assert_error(response, errors.CrossOriginRefused)
        assert "set-cookie" not in response.headers
    assert await victim.is_unharmed()
    refused = await events(victim.db, AuditAction.CROSS_ORIGIN_REFUSED)
    assert len(refused) == len(FOREIGN)


async def test_two_origins_or_two_sites_are_refused(victim: Victim) -> None:
    for twins in (
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        [("Origin", ORIGIN), ("Origin", "https://evil.example")],
    ):
        response = await victim.browser.request("POST", "/api/auth/logout", headers=twins)
        assert_error(response, errors.CrossOriginRefused)
    assert await victim.is_unharmed()


@walked(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": ORIGIN},
        {"Sec-Fetch-Site": "same-site", "Origin": FRIEND},
        {"Origin": FRIEND},
    ],
)
async def test_ones_own_pages_and_friends_may(victim: Victim, headers: dict[str, str]) -> None:
    assert (await victim.browser.post("/api/auth/logout", headers=headers)).status_code == 200


@walked("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@walked("content", [b"", json.dumps({"password": PASSWORD}).encode()])
@walked("path", ["logout", "confirm", "refresh"])
async def test_what_a_form_can_send_is_no_request_of_the_api(
    victim: Victim, kind: str, content: bytes, path: str
) -> None:
    headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
    response = await victim.browser.post(f"/api/auth/{path}", content=content, headers=headers)
    assert_error(response, errors.UnsupportedMediaType)
    assert await victim.is_unharmed()


async def test_a_body_without_a_type_is_no_json_either(victim: Victim) -> None:
    response = await victim.browser.post(
        "/api/auth/confirm",
        content=json.dumps({"password": PASSWORD}),
        headers={"Sec-Fetch-Site": "same-origin", "Content-Type": ""},
    )
    assert_error(response, errors.UnsupportedMediaType)
    assert await victim.is_unharmed()


@walked("headers", [h for h in FOREIGN if {"Sec-Fetch-Site", "Origin"} & set(h)])
async def test_no_other_site_signs_a_browser_in(victim: Victim, headers: dict[str, str]) -> None:
    response = await victim.browser.post("/api/auth/login", json=WHO | {"cookie": True}, headers=headers)
    assert_error(response, errors.CrossOriginRefused)
    assert await victim.is_unharmed()


async def test_a_bearer_token_beside_a_cookie_stands_alone(victim: Victim) -> None:
    for token in ("", "x", "0b6f0d2e-5d3c-4a7e-9b1a-2c3d4e5f6a7b"):
        response = await victim.browser.get("/api/auth/me", headers=bearer(token))
        assert_error(response, errors.InvalidSession)
    assert await victim.is_unharmed()


async def test_a_planted_twin_of_the_cookie_is_refused(victim: Victim) -> None:
    """A sibling host can set a second cookie of a name; which one counts, nobody could tell."""
    token = victim.browser.cookies[NAME]
    for header in (
        f"{NAME}={token}; {NAME}=other",
        f"{NAME}=other; {NAME}={token}",
        f"{NAME}={token}; {NAME}={token}",
    ):
        victim.browser.cookies.clear()
        response = await victim.browser.get("/api/auth/me", headers={"Cookie": header})
        assert_error(response, errors.InvalidSession)
        assert response.headers["set-cookie"].startswith(f"{NAME}=; Path=/;")
        assert response.headers["set-cookie"].endswith("; Max-Age=0")


@walked(
    "name",
    ["gatepost", "__Secure-gatepost", "__host-gatepost", " __Host-gatepostx", "__Host-gatepost-device"],
)
async def test_a_cookie_of_a_like_name_is_none(victim: Victim, name: str) -> None:
    token = victim.browser.cookies[NAME]
    victim.browser.cookies.clear()
    response = await victim.browser.get("/api/auth/me", headers={"Cookie": f"{name}={token}"})
    assert_error(response, errors.NotAuthenticated)


async def test_odd_cookie_headers_get_an_answer(victim: Victim) -> None:
    victim.browser.cookies.clear()
    for header in (
        b"=",
        b";;;",
        b"a" * 8000,
        b'__Host-gatepost="',
        b"__Host-gatepost",
        b"\xff\xfe=\xff",
        b"; " * 4000,
    ):
        response = await victim.browser.get("/api/auth/me", headers={b"Cookie": header})
        assert response.status_code == 401


# --- CORS ---


@walked(
    "origin",
    ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com", "*"],
)
async def test_the_pages_of_others_may_not_read_answers(victim: Victim, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        response = await victim.browser.request(
            method,
            "/api/auth/me",
            headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
        )
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]


async def test_the_pages_of_a_friend_may_read_answers(victim: Victim) -> None:
    response = await victim.browser.get("/api/auth/me", headers={"Origin": FRIEND})
    assert response.headers["access-control-allow-origin"] == FRIEND
    assert response.headers["access-control-allow-credentials"] == "true"
    preflight = {
        "Origin": FRIEND,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    allowed = await victim.browser.options("/api/auth/refresh", headers=preflight)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, FRIEND)


async def test_a_friends_page_may_send_what_tracing_adds_and_no_more(
    victim: Victim, make_settings: MakeSettings
) -> None:
    preflight = {"Origin": FRIEND, "Access-Control-Request-Method": "GET"}

    async def status(client: httpx.AsyncClient, *names: str, **more: str) -> int:
        headers = preflight | {"Access-Control-Request-Headers": ",".join(names)} | more
        response = await client.options("/api/auth/me", headers=headers)
        assert "*" not in response.headers.get("access-control-allow-headers", "")
        return response.status_code

    for names in (["sentry-trace", "baggage"], ["traceparent", "tracestate"], ["X-Requested-With"]):
        assert await status(victim.browser, *names, "authorization", "content-type") == 200
        assert await status(victim.browser, *names, Origin="https://evil.example") == 403
    for name in ("x-own", "cookie", "x-forwarded-for"):
        assert await status(victim.browser, name) == 403
    settings = make_settings(public_url=ORIGIN, allowed_origins=[FRIEND], allowed_headers="X-Own")
    async with serving(create_app(settings)) as client:
        assert [await status(client, name) for name in ("x-own", "baggage", "x-other")] == [200, 200, 403]


# --- WebSockets ---


async def test_a_websocket_of_another_site_is_refused(make_settings: MakeSettings) -> None:
    """The handshake brings the cookie and no preflight goes before it (cross-site WebSocket hijacking)."""
    edge = Gatepost(make_settings(public_url=ORIGIN)).edge

    def handshake(**headers: str) -> dict[str, object]:
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return {"type": "websocket", "path": "/", "headers": [(b"cookie", b"__Host-gatepost=x"), *sent]}

    for headers in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}, {}):
        with pytest.raises(errors.CrossOriginRefused):
            edge.presented(handshake(**headers))
    assert edge.presented(handshake(origin=ORIGIN)) == ("x", True)


ASKED = [
    # scheme, Host, Origin, whether it is one's own
    ("ws", "localhost:8001", "http://localhost:8001", True),
    ("ws", "127.0.0.1:8001", "http://127.0.0.1:8001", True),
    ("wss", "localhost:8001", "https://localhost:8001", True),
    ("http", "[::1]:8001", "http://[::1]:8001", True),
    ("http", "app.localhost", "http://app.localhost", True),
    ("ws", "localhost:8001", "http://localhost:3000", False),
    ("ws", "localhost:8001", "http://localhost", False),
    ("ws", "localhost:8001", "http://127.0.0.1:8001", False),
    ("ws", "localhost:8001", "https://localhost:8001", False),
    ("ws", "localhost:8001", "localhost:8001", False),
    ("ws", "localhost:8001", "null", False),
    ("ws", "evil.example:8001", "http://evil.example:8001", False),  # rebound to this machine
    ("ws", "192.0.2.1:8001", "http://192.0.2.1:8001", False),
    ("ws", "localhost.evil.example", "http://localhost.evil.example", False),
    ("ws", "[::1", "http://[::1", False),
    ("ws", "", "http://", False),
]


@walked(("scheme", "host", "origin", "is_own"), ASKED)
async def test_without_a_public_url_ones_own_pages_are_those_of_this_machine(
    make_settings: MakeSettings, scheme: str, host: str, origin: str, is_own: bool
) -> None:
    """Chromium says no Sec-Fetch-Site with a WebSocket, so that its origin has to be known."""

    def passes(headers: list[tuple[bytes, bytes]], **settings: str) -> bool:
        kind = {"type": "http", "method": "POST"} if scheme == "http" else {"type": "websocket"}
        asked = kind | {"scheme": scheme, "path": "/", "headers": headers, "server": ("127.0.0.1", 8001)}
        edge = Gatepost(make_settings(**settings)).edge
        try:
            edge.guard.check(asked)
        except errors.CrossOriginRefused:
            return False
        return True

    sent = [(b"host", host.encode()), (b"origin", origin.encode())]
    assert passes(sent) == is_own
    assert not passes([*sent, (b"host", b"localhost:1")])
    assert not passes([*sent, (b"sec-fetch-site", b"cross-site")])
    assert not passes(sent, public_url="http://localhost:9999")
    assert passes(sent, host="0.0.0.0") == is_own  # noqa: S104 - not bound
    assert not passes(sent, host="192.168.1.20")


# --- Embedded by other sites ---

EMBEDS = [
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {
        "Sec-Fetch-Site": "same-site",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
        "Origin": "https://evil.example.com",
    },
    {"Sec-Fetch-Site": "same-site"},
]
SHOWN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Origin": FRIEND},
    {},
]
CHECKED = {"/api/auth/me", "/api/auth/verify", "/api/auth/verify/envoy"}
"""What is asked for on behalf of whatever page; it costs and writes nothing."""


async def test_nothing_that_costs_or_is_recorded_is_a_part_of_another_sites_page(victim: Victim) -> None:
    await victim.db.execute("UPDATE users SET is_admin = true")
    document = (await victim.browser.get("/api/auth/openapi.json")).json()
    reads = [
        path.replace("{id}", "1").replace("{address}", "192.0.2.1")
        for path, item in document["paths"].items()
        if "get" in item
    ]
    assert len(reads) > 10
    before = await victim.db.fetchval("SELECT count(*) FROM auth_events")
    used = await victim.db.fetchval("SELECT last_used_at FROM user_sessions")
    for path in set(reads) - CHECKED:
        for headers in EMBEDS:
            for method in ("GET", "HEAD"):
                response = await victim.browser.request(method, path, headers=headers)
                assert response.status_code == 403, (method, path, headers)
            assert_error(await victim.browser.get(path, headers=headers), errors.CrossOriginRefused)
    assert await victim.db.fetchval("SELECT count(*) FROM auth_events") == before
    assert await victim.db.fetchval("SELECT last_used_at FROM user_sessions") == used
    for path in set(reads) - {"/api/auth/admin/events/live"}:
        for headers in SHOWN:
            assert (await victim.browser.get(path, headers=headers)).status_code in {200, 204}, (
                path,
                headers,
            )
    for path in CHECKED:
        for headers in EMBEDS:
            assert (await victim.browser.get(path, headers=headers)).is_success


async def test_a_bearer_token_is_sent_by_no_page_unasked(victim: Victim) -> None:
    token = victim.browser.cookies[NAME]
    for headers in EMBEDS:
        response = await victim.browser.get("/api/auth/sessions", headers=headers | bearer(token))
        assert response.status_code == 200

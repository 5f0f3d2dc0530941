"""Cookie sessions: set, used and taken away."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, serving
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.walking import walked

from gatepost import CurrentSession, FreshSession, Gatepost, Session, errors
from gatepost.app import create_app
from gatepost.models import AuditAction

ORIGIN = "https://auth.example.com"
NAME, DEVICE = "__Host-gatepost", "__Host-gatepost-device"
SAME = {"Sec-Fetch-Site": "same-origin"}
WHO = {"email": "user@example.com", "password": PASSWORD}


def set_cookies(response: httpx.Response) -> dict[str, Any]:
    """Return the cookies that an answer sets: name → its morsel."""
    jar: dict[str, Any] = {}
    for header in response.headers.get_list("set-cookie"):
        jar.update(SimpleCookie(header).items())
    return jar


@pytest.fixture
async def browser(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a cookie jar at an https origin, where one user has registered without a cookie."""
    app = create_app(make_settings(public_url=ORIGIN), clock=clock)
    async with serving(app) as client:
        client.base_url = httpx.URL(ORIGIN)
        await client.post("/api/auth/register", json=WHO | {"name": "John Doe"})
        yield client


async def sign_in(browser: httpx.AsyncClient, **more: Any) -> httpx.Response:
    response = await browser.post("/api/auth/login", json=WHO | {"cookie": True} | more)
    assert response.status_code == 200, response.text
    return response


async def test_a_cookie_sign_in_keeps_the_token_out_of_the_body(browser: httpx.AsyncClient) -> None:
    response = await sign_in(browser)
    data = response.json()["data"]
    assert set(data) == {"user", "session_info"}
    morsel = set_cookies(response)[NAME]
    assert morsel.value not in response.text
    assert (morsel["path"], morsel["samesite"], morsel["httponly"], morsel["secure"]) == (
        "/",
        "Lax",
        True,
        True,
    )
    assert (morsel["domain"], morsel["max-age"], morsel["expires"]) == ("", "", "")
    assert all(len(header) < 4096 for header in response.headers.get_list("set-cookie"))
    me = await browser.get("/api/auth/me")
    assert me.json()["data"]["user"] == data["user"]


async def test_registering_may_ask_for_a_cookie_as_well(browser: httpx.AsyncClient) -> None:
    body = {"email": "two@example.com", "name": "Two", "password": PASSWORD, "cookie": True}
    response = await browser.post("/api/auth/register", json=body)
    assert response.status_code == 201
    assert "token" not in response.json()["data"]
    assert (await browser.get("/api/auth/me")).json()["data"]["user"]["email"] == "two@example.com"


async def test_every_endpoint_takes_the_cookie(browser: httpx.AsyncClient) -> None:
    await sign_in(browser)
    for path in ("me", "sessions", "events"):
        assert (await browser.get(f"/api/auth/{path}")).status_code == 200
    verify = await browser.get("/api/auth/verify")
    assert (verify.status_code, verify.headers["x-gatepost-email"]) == (204, "user@example.com")
    (current,) = [
        session
        for session in (await browser.get("/api/auth/sessions")).json()["data"]["sessions"]
        if session["is_current"]
    ]
    ended = await browser.delete(f"/api/auth/sessions/{current['id']}", headers=SAME)
    assert ended.status_code == 200
    assert_error(await browser.get("/api/auth/me"), errors.SessionRevoked)


async def test_keep_me_signed_in_outlives_the_browser_and_is_inherited(browser: httpx.AsyncClient) -> None:
    response = await sign_in(browser, remember=True)
    assert int(set_cookies(response)[NAME]["max-age"]) > 0
    refreshed = await browser.post("/api/auth/refresh", headers=SAME)
    assert refreshed.status_code == 200, refreshed.text
    assert int(set_cookies(refreshed)[NAME]["max-age"]) > 0


async def test_there_is_nothing_to_remember_without_a_cookie(browser: httpx.AsyncClient) -> None:
    response = await browser.post("/api/auth/login", json=WHO | {"remember": True})
    assert_error(
        response, errors.ValidationFailed, fields={"remember": 'Only valid together with "cookie": true'}
    )


async def test_refresh_replaces_the_cookie(browser: httpx.AsyncClient) -> None:
    first = set_cookies(await sign_in(browser))[NAME].value
    response = await browser.post("/api/auth/refresh", headers=SAME)
    data = response.json()["data"]
    assert set(data) == {"user", "session_info"}
    second = set_cookies(response)[NAME].value
    assert second != first
    assert (await browser.get("/api/auth/me")).status_code == 200
    assert_error(await browser.get("/api/auth/me", headers=bearer(first)), errors.SessionReplaced)


@pytest.mark.parametrize("path", ["logout", "logout-all"])
async def test_a_logout_takes_the_cookie_away(browser: httpx.AsyncClient, path: str) -> None:
    token = set_cookies(await sign_in(browser))[NAME].value
    response = await browser.post(f"/api/auth/{path}", headers=SAME)
    assert response.status_code == 200, response.text
    gone = set_cookies(response)[NAME]
    assert (gone.value, gone["max-age"]) == ("", "0")
    # Neither the device cookie nor what the application and sibling hosts keep.
    assert response.headers["clear-site-data"] == '"cache"'
    assert set(set_cookies(response)) == {NAME}
    assert_error(await browser.get("/api/auth/me", headers=bearer(token)), errors.SessionRevoked)
    assert NAME not in browser.cookies
    assert DEVICE in browser.cookies


@pytest.mark.parametrize("path", ["logout", "logout-all"])
async def test_a_logout_that_comes_too_late_takes_the_dead_cookie_away(
    browser: httpx.AsyncClient, path: str
) -> None:
    token = set_cookies(await sign_in(browser))[NAME].value
    assert (await browser.post("/api/auth/logout", headers=bearer(token))).status_code == 200
    for value in (token, "0b6f0d2e-5d3c-4a7e-9b1a-2c3d4e5f6a7b", "nonsense"):
        browser.cookies.set(NAME, value, domain="auth.example.com", path="/")
        response = await browser.post(f"/api/auth/{path}", headers=SAME)
        assert_error(response, errors.SessionRevoked if value == token else errors.InvalidSession)
        gone = set_cookies(response)[NAME]
        assert (gone.value, gone["max-age"]) == ("", "0")
    by_bearer = await browser.post(f"/api/auth/{path}", headers=bearer(token))
    assert (by_bearer.status_code, set_cookies(by_bearer)) == (401, {})


async def test_deleting_the_account_takes_the_session_cookie_away_alone(browser: httpx.AsyncClient) -> None:
    await sign_in(browser)
    response = await browser.request("DELETE", "/api/auth/me", headers=SAME, json={"password": PASSWORD})
    assert response.status_code == 200, response.text
    assert (set(set_cookies(response)), response.headers["clear-site-data"]) == ({NAME}, '"cache"')


@walked("path", ["logout", "logout-all"])
@walked("why", ["ended", "expired", "disabled", "unknown", "malformed"])
async def test_a_logout_with_a_dead_session_is_refused_and_takes_the_cookie_away(
    browser: httpx.AsyncClient, db: Database, path: str, why: str
) -> None:
    await sign_in(browser)
    if why in {"unknown", "malformed"}:
        value = "0b6f0d2e-5d3c-4a7e-9b1a-2c3d4e5f6a7b" if why == "unknown" else "x"
        browser.cookies.set(NAME, value, domain="auth.example.com", path="/")
    else:
        await db.execute(
            {
                "ended": "UPDATE user_sessions SET is_active = false",
                "expired": "UPDATE user_sessions SET expires_at = now()",
                "disabled": "UPDATE users SET is_active = false",
            }[why]
        )
    response = await browser.post(f"/api/auth/{path}", headers=SAME)
    code = {"ended": "session_revoked", "expired": "session_expired", "disabled": "session_revoked"}
    assert response.status_code == 401
    assert response.json()["error"]["code"] == code.get(why, "invalid_session")
    assert response.headers["cache-control"] == "no-store"
    assert NAME not in browser.cookies
    assert DEVICE in browser.cookies


async def test_a_refused_logout_by_bearer_token_takes_no_cookie_away(browser: httpx.AsyncClient) -> None:
    token = set_cookies(await sign_in(browser))[NAME].value
    await sign_in(browser)
    response = await browser.post("/api/auth/logout", headers=SAME | bearer(token))
    assert (response.status_code, "set-cookie" in response.headers) == (401, False)


async def test_the_page_that_signs_out_takes_a_dead_cookie_away(
    browser: httpx.AsyncClient, db: Database
) -> None:
    await sign_in(browser)
    await db.execute("UPDATE user_sessions SET is_active = false")
    response = await browser.get("/auth/sign-out")
    assert (response.status_code, response.headers["location"]) == (303, "/auth/sign-in")
    assert NAME not in browser.cookies
    assert "set-cookie" not in (await browser.get("/auth/sign-out")).headers


async def test_a_sign_in_ends_the_session_that_the_browser_came_with(
    browser: httpx.AsyncClient, db: Database
) -> None:
    first = set_cookies(await sign_in(browser))[NAME].value
    second = set_cookies(await sign_in(browser))[NAME].value
    assert first != second
    assert_error(await browser.get("/api/auth/me", headers=bearer(first)), errors.SessionRevoked)
    reasons = await db.fetch("SELECT end_reason FROM user_sessions WHERE NOT is_active")
    assert [row["end_reason"] for row in reasons] == ["signed_in_again"]


async def test_a_sign_in_with_a_dead_cookie_is_one_like_any_other(browser: httpx.AsyncClient) -> None:
    for value in ("no token", "0b6f0d2e-5d3c-4a7e-9b1a-2c3d4e5f6a7b"):
        browser.cookies.clear()
        browser.cookies.set(NAME, value, domain="auth.example.com")
        assert set_cookies(await sign_in(browser))[NAME].value != value


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("confirm", {"password": PASSWORD}),
        ("password", {"current": PASSWORD, "new": "another secure password"}),
    ],
)
async def test_the_password_given_again_or_changed_goes_on_in_the_cookie(
    browser: httpx.AsyncClient, path: str, body: dict[str, str]
) -> None:
    former = set_cookies(await sign_in(browser, remember=True))[NAME].value
    refused = await browser.post(
        f"/api/auth/{path}",
        json=body,
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    )
    assert_error(refused, errors.CrossOriginRefused)
    response = await browser.post(f"/api/auth/{path}", json=body, headers=SAME)
    assert (response.status_code, set(response.json()["data"])) == (200, {"user", "session_info"})
    morsel = set_cookies(response)[NAME]
    assert morsel.value not in {former, ""}
    assert morsel["max-age"], "what was remembered is remembered on"
    assert (await browser.get("/api/auth/me")).status_code == 200


# --- In an application of one's own ---


@pytest.fixture
async def notes(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[httpx.AsyncClient]:
    """An application with routes of its own, signed in by cookie."""
    auth = Gatepost(make_settings(public_url=ORIGIN), clock=clock)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.get("/notes")
    async def read(session: CurrentSession) -> str:
        return session.user.email

    @app.post("/notes")
    async def write(session: CurrentSession) -> str:
        return session.user.email

    @app.post("/keys")
    async def keys(session: FreshSession) -> str:
        return session.user.email

    @app.post("/own-keys")
    async def own_keys(session: Annotated[Session, Depends(auth.fresh_session)]) -> str:
        return session.user.email

    async with serving(app) as client:
        client.base_url = httpx.URL(ORIGIN)
        await client.post("/api/auth/register", json=WHO | {"name": "John Doe", "cookie": True})
        yield client


async def test_the_routes_of_an_application_take_the_cookie(notes: httpx.AsyncClient) -> None:
    assert (await notes.get("/notes")).json() == "user@example.com"


async def test_the_routes_of_an_application_refuse_other_sites(
    notes: httpx.AsyncClient, db: Database
) -> None:
    assert (await notes.post("/notes", headers=SAME)).status_code == 200
    refused = await notes.post(
        "/notes", headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cross_origin_refused")
    (event,) = await events(db, AuditAction.CROSS_ORIGIN_REFUSED)
    assert event["detail"] == {"method": "POST", "path": "/notes", "origin": "https://evil.example"}


@pytest.mark.parametrize("path", ["/keys", "/own-keys"])
async def test_a_fresh_session_is_one_whose_password_was_given_a_moment_ago(
    notes: httpx.AsyncClient, clock: MovableClock, path: str
) -> None:
    assert (await notes.post(path, headers=SAME)).status_code == 200
    clock.advance(minutes=10)
    refused = await notes.post(path, headers=SAME)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "fresh_session_required")
    assert (await notes.post("/api/auth/refresh", headers=SAME)).status_code == 200
    assert (await notes.post(path, headers=SAME)).status_code == 403
    confirmed = await notes.post("/api/auth/confirm", headers=SAME, json={"password": PASSWORD})
    assert confirmed.status_code == 200, confirmed.text
    assert "token" not in confirmed.json()["data"]
    assert (await notes.post(path, headers=SAME)).status_code == 200


async def test_changing_the_password_hands_over_the_new_cookie(notes: httpx.AsyncClient) -> None:
    body = {"current": PASSWORD, "new": "another good passphrase"}
    response = await notes.post("/api/auth/password", headers=SAME, json=body)
    assert response.status_code == 200, response.text
    assert "token" not in response.json()["data"]
    assert NAME in set_cookies(response)
    assert (await notes.get("/notes")).status_code == 200


# --- Names ---


@pytest.mark.parametrize(
    ("given", "session", "device"),
    [
        ({"public_url": ORIGIN}, "__Host-gatepost", "__Host-gatepost-device"),
        (
            {"public_url": ORIGIN, "cookie_domain": ".Example.com"},
            "__Secure-gatepost",
            "__Host-gatepost-device",
        ),
        ({"public_url": "http://localhost:5173"}, "gatepost-5173", "gatepost-5173-device"),
        ({"public_url": "http://localhost"}, "gatepost", "gatepost-device"),
        (
            {"public_url": "http://app.localhost:5173", "cookie_domain": "app.localhost"},
            "gatepost-5173",
            None,
        ),
        ({"host": "::1", "port": 8001}, "gatepost-8001", "gatepost-8001-device"),
        ({"tls_cert": "cert.pem", "tls_key": "key.pem"}, "__Host-gatepost", "__Host-gatepost-device"),
        ({"host": "192.168.1.20"}, "__Host-gatepost", "__Host-gatepost-device"),
        ({"environment": "production", "bcrypt_rounds": 10}, "__Host-gatepost", "__Host-gatepost-device"),
    ],
)
def test_what_the_cookies_are_called(
    make_settings: MakeSettings, given: dict[str, Any], session: str, device: str | None
) -> None:
    cookies = Gatepost(make_settings(**given)).edge.cookies
    assert cookies.clear_session()[1].decode().partition("=")[0] == session
    header = cookies.set_device("x")[1].decode()
    assert header.partition("=")[0] == device or device is None
    assert ("Secure" in header) == session.startswith("__")
    domain = re.search(r"Domain=([^;]+)", cookies.clear_session()[1].decode())
    assert (domain[1] if domain else "") == given.get("cookie_domain", "").removeprefix(".").lower()


PLACES = [
    (("http", ("127.0.0.1", 8001)), "gatepost-8001"),
    (("http", ("127.0.0.1", "8002")), "gatepost-8002"),  # as granian says it
    (("ws", ("::1", 8003)), "gatepost-8003"),
    (("https", ("127.0.0.1", 8001)), "__Host-gatepost"),
    (("wss", ("127.0.0.1", 8001)), "__Host-gatepost"),
    (("http", ("/run/gatepost.sock", None)), "gatepost"),
    (("http", ("/run/gatepost.sock", "0")), "gatepost"),
    (("http", None), "gatepost"),
]


def test_in_development_the_cookies_are_those_of_the_servers_port(
    make_settings: MakeSettings,
) -> None:
    auth = Gatepost(make_settings())
    staff = Gatepost(make_settings(), prefix="/api/staff")
    for (scheme, server), name in PLACES:
        scope: dict[str, Any] = {"type": "http", "scheme": scheme, "server": server, "headers": []}
        for gatepost, suffix in ((auth, ""), (staff, "_api_staff")):
            header = gatepost.edge.at(scope).cookies.clear_session()[1].decode()
            assert header.partition("=")[0] == name + suffix
            assert ("Secure" in header) == (scheme in {"https", "wss"})
    fixed = Gatepost(make_settings(public_url="http://localhost:5173")).edge
    assert fixed.at({"type": "http", "scheme": "https", "server": ("a", 1), "headers": []}) is fixed


async def test_two_on_two_ports_of_one_machine_keep_each_other_signed_in(make_settings: MakeSettings) -> None:
    """A browser sends the cookies of a host to each of its ports (RFC 6265 §8.5)."""
    kept: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        clients = []
        for port in (8001, 8002):
            key = f"the key of the server at {port}, long enough to be one"
            client = await stack.enter_async_context(serving(create_app(make_settings(secret_key=key))))
            client.base_url = httpx.URL(f"http://127.0.0.1:{port}")
            clients.append(client)
            body = WHO | {"email": f"{port}@example.com", "name": "N", "cookie": True}
            response = await client.post("/api/auth/register", json=body)
            kept |= {name: morsel.value for name, morsel in set_cookies(response).items()}
        for client in clients:
            client.cookies.clear()
            sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
            me = (await client.get("/api/auth/me", headers=sent)).json()
            assert me["data"]["user"]["email"] == f"{client.base_url.port}@example.com"


PREFIXES = ["/a-b", "/a_b", "/a.b", "/a~b", "/a/b", "/ab", "/a-2Db", "/a/_b", "/a_/b", "/a-", "/a_", "/A/b"]


def test_no_two_prefixes_share_a_name(make_settings: MakeSettings) -> None:
    settings = make_settings()
    auths = [Gatepost(settings, prefix=prefix) for prefix in PREFIXES]
    cookies = {each.edge.cookies.clear_session()[1] for each in auths}
    schemes = {each.current_session.scheme_name for each in auths}
    assert len(cookies) == len(schemes) == len(PREFIXES)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in schemes)  # OpenAPI, components


async def test_the_device_cookie_opens_nothing(browser: httpx.AsyncClient) -> None:
    device = set_cookies(await sign_in(browser))[DEVICE]
    assert (device["max-age"], device["httponly"], device["path"]) == (str(180 * 86_400), True, "/")
    browser.cookies.clear()
    browser.cookies.set(NAME, device.value, domain="auth.example.com")
    assert_error(await browser.get("/api/auth/me"), errors.InvalidSession)


async def test_an_answer_with_a_cookie_is_never_cached(browser: httpx.AsyncClient) -> None:
    response = await sign_in(browser)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "Authorization, Cookie"
    assert_success(await browser.get("/api/auth/me"), "User information retrieved successfully")

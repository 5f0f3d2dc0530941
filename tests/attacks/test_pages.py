"""Attacks on the pages and the console: injected text, other sites, other people's ids, planted cookies."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings
from tests.counting import steps
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ADMIN, EMAIL, ORIGIN, SAME, Visitor, another, make_user, visiting
from tests.summed import PAGES
from tests.walking import walked

from gatepost.app import create_app
from gatepost.features.setup.service import Setup
from gatepost.http.pages import assets
from gatepost.http.pages.admin import events as trail
from gatepost.http.pages.admin import sessions
from gatepost.http.pages.language import negotiated
from gatepost.http.pages.user_agents import device_of
from gatepost.models import Client

EVIL = "\"'><x-evil onload=alert(1)>{{ 7 * 7 }}{% x %}%(count)s%s"
FILLED = {"{id}": "2", "{address:path}": "203.0.113.7", "{verb}": "delete"}


def filled(path: str) -> str:
    """Return the path of a page with an id and an address that there are."""
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return path


# Without those that there are in development alone.
OURS = [page for page in PAGES if not page.in_development]
SHOWN = sorted(filled(page.path) for page in OURS if not page.path.endswith("/live"))
CONSOLE = [path for path in SHOWN if path.startswith("/admin")]
FORMS = sorted(filled(page.path) for page in OURS if page.submit is not None)

STATE = """
    SELECT (SELECT json_agg(u ORDER BY u.id)::text FROM users u)
        || (SELECT json_agg(s.is_active ORDER BY s.id)::text FROM user_sessions s)
        || (SELECT count(*) FROM auth_links)
"""


@pytest.fixture
def app(make_settings: MakeSettings) -> FastAPI:
    mail = {"mail_url": "smtp://127.0.0.1:9?tls=off", "email_sign_in": "both"}
    return create_app(make_settings(public_url=ORIGIN, app_name=EVIL, registration="invite", **mail))


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[Visitor]:
    async with visiting(app) as visitor:
        yield visitor


@pytest.fixture
async def admin(app: FastAPI, visitor: Visitor) -> Visitor:
    """An administrator's browser; their user is the first."""
    await make_user(app, ADMIN, "Ada Admin", is_admin=True)
    return await signed_in(visitor, ADMIN)


@pytest.fixture
async def member(app: FastAPI, admin: Visitor) -> AsyncIterator[Visitor]:
    """Somebody else's browser; their user is the second, and no administrator."""
    await make_user(app)
    async with another(app) as visitor:
        yield await signed_in(visitor, EMAIL)


async def signed_in(visitor: Visitor, email: str) -> Visitor:
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(email)
    assert visitor.place == "/auth/account"
    return visitor


# --- Injected text ---


def assert_inert(visitor: Visitor) -> None:
    """Hold that what was injected is text: no element and no attribute is of it, and no link leads to it."""
    page = visitor.page
    assert not [tag for tag, attributes in page.elements if tag == "x-evil" or "onload" in attributes]
    assert "<x-evil" not in visitor.answer.text
    for place in ("a", "form", "script", "link", "img"):
        for each in page.all(place):
            target = next((each[name] for name in ("href", "action", "src") if each.get(name)), "/")
            assert re.match(r"/(?![/\\])|#|data:,|otpauth://totp/", target or "/"), target


async def test_whatever_others_wrote_is_text_on_every_page(
    app: FastAPI, admin: Visitor, db: Database
) -> None:
    await make_user(app, "o'neil+&@example.com", EVIL)
    details = [{key: EVIL} for key in ("email", "reason", "user", "path", "origin", "filter", EVIL)]
    for action in ("login.failed", "session.revoked_all", "throttled", EVIL):
        for detail in details:
            await db.execute(
                "INSERT INTO auth_events (action, user_id, user_agent, ip_address, detail)"
                " VALUES ($1, 2, $2, NULL, $3)",
                action,
                f"Mozilla/5.0 {EVIL}",
                json.dumps(detail),
            )
    await db.execute("UPDATE users SET name = $1", EVIL)
    await db.execute("UPDATE user_sessions SET user_agent = $1", EVIL)
    queries = (
        "q",
        "role",
        "cursor",
        "before",
        "after",
        "user",
        "address",
        "since",
        "period",
        "action",
        "next",
    )
    asked = dict.fromkeys((*queries, "invitation", "token", "refresh"), EVIL)
    for path in SHOWN:
        for query in ({}, asked):
            await admin.client.get(f"/auth{path}", params=query)
            admin.answer = await admin.client.get(f"/auth{path}", params=query)
            assert admin.answer.status_code < 500, (path, query)
            if admin.answer.status_code != 303:
                assert_inert(admin)
                assert "{{ 7 * 7 }}" in admin.page.texts["title"], path
            elif query:
                assert admin.place.startswith("/auth/"), path


async def test_what_was_typed_comes_back_as_text(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    await visitor.send("/sign-in", {"email": EVIL, "password": PASSWORD, "next": f"/{EVIL}"})
    assert visitor.answer.status_code == 422
    assert_inert(visitor)
    (field,) = [each for each in visitor.page.all("input") if each.get("name") == "email"]
    assert field["value"] == EVIL


def test_scripts_write_no_html_and_keep_nothing_in_the_browser() -> None:
    scripts = [file.read_text("utf-8") for file in assets.ASSETS.glob("*.js")]
    assert scripts
    unwanted = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|import\(|postMessage"
    )
    stored = r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\b|serviceWorker"
    for script in scripts:
        assert re.findall(f"{unwanted}|{stored}", script) == []
        assert '"use strict"' in script


@pytest.mark.parametrize(
    "path",
    [
        "../templates/base.html",
        "..%2ftemplates%2fbase.html",
        "%2e%2e/%2e%2e/routes.py",
        "....//base.html",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "gatepost.css",
        "gatepost.css%00.js",
        "0000000000000000/gatepost.css",
        "",
        "..\\templates\\base.html",
    ],
)
async def test_assets_are_those_that_there_are(visitor: Visitor, path: str) -> None:
    answer = await visitor.get(f"/auth/assets/{path}")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers["cache-control"]


# --- Other sites ---

EMBEDDED = [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "object"},
    {"Sec-Fetch-Site": "cross-site"},
]
LED_TO = [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {},
]


@walked("headers", EMBEDDED)
async def test_no_other_site_loads_a_page_as_a_part_of_its_own(
    admin: Visitor, db: Database, headers: dict[str, str]
) -> None:
    """Pictures on a busy site would use up what all of its visitors may register."""
    recorded = await db.fetchval("SELECT count(*) FROM auth_events")
    for path in (*SHOWN, "/admin/events/live", "/sign-up?invitation=x", "/setup?token=x"):
        answer = await admin.get(f"/auth{path}", **headers)
        assert answer.status_code == 403, path
        assert ADMIN not in answer.text
    assert await db.fetchval("SELECT count(*) FROM auth_events") == recorded
    assert await db.fetchval("SELECT count(*) FROM auth_throttles WHERE key LIKE 'register%'") == 0


@pytest.mark.parametrize("headers", LED_TO)
async def test_links_lead_to_pages_from_anywhere(admin: Visitor, headers: dict[str, str]) -> None:
    assert (await admin.get("/auth/account", **headers)).status_code == 200


@walked("path", FORMS)
async def test_no_form_of_another_site_does_anything_though_it_has_the_token(
    app: FastAPI, admin: Visitor, db: Database, path: str
) -> None:
    await make_user(app)
    await admin.get("/auth/account")
    token = admin.page.form("/account").fields
    everything = token | {"email": EMAIL, "name": "Mallory", "password": PASSWORD, "sure": "on", "end": "1"}
    everything |= {
        "action": "delete",
        "days": "7",
        "count": "0",
        "current": PASSWORD,
        "new": "another password",
    }
    before = await db.fetchval(STATE)
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {},
    ):
        await admin.post(f"/auth{path}", everything, headers)
        assert admin.answer.status_code == 403
    for fields in (everything | {"form_token": ""}, everything | {"form_token": "é" * 64}):
        await admin.post(f"/auth{path}", fields)
        # A form that starts a session leads on, what is off is not there, and no link was followed.
        assert admin.answer.status_code in {403, 303, 404, 400}
    assert await db.fetchval(STATE) == before


async def test_a_session_that_was_planted_is_not_taken_over_by_a_sign_in(
    app: FastAPI, admin: Visitor, db: Database
) -> None:
    """Fixation: the attacker's own session in the victim's browser."""
    await make_user(app)
    planted = admin.client.cookies["__Host-gatepost"]
    async with another(app) as victim:
        victim.client.cookies.set("__Host-gatepost", planted, domain="auth.example.com", path="/")
        await victim.get("/auth/account")
        token = victim.page.form("/account").fields
        await victim.post("/auth/sign-in", token | {"email": EMAIL, "password": PASSWORD})
        assert victim.place == "/auth/account"
        assert victim.client.cookies["__Host-gatepost"] != planted
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active AND user_id = 1") == 0


async def test_after_a_sign_out_nothing_is_left_to_go_back_to(admin: Visitor) -> None:
    for path in SHOWN:
        answer = await admin.get(f"/auth{path}")
        assert answer.headers["cache-control"] == "no-store", path
    await admin.sign_out()
    assert admin.answer.headers["clear-site-data"] == '"cache"'
    for path in (*CONSOLE, "/account", "/devices", "/activity", "/account/export"):
        await admin.get(f"/auth{path}")
        assert admin.place.startswith("/auth/sign-in"), path


async def test_every_page_that_asks_for_a_session_has_a_way_out(app: FastAPI, admin: Visitor) -> None:
    await make_user(app)
    closed = [page.path for page in OURS if page.who is not None and not page.path.endswith("/live")]
    for path in closed:
        await admin.get(f"/auth{filled(path)}")
        # There are no codes, and no other way in than the password: these lead to where one gets them.
        if filled(path) in {"/account/recovery-codes", "/account/password/remove"}:
            assert admin.answer.status_code == 303
            continue
        # Nobody has a passkey here: the page that says so has a way out too.
        assert admin.answer.status_code == (404 if path == "/account/passkeys/{id}" else 200), path
        ways = [form for form in admin.page.forms if form.action == "/auth/sign-out"]
        assert all("form_token" in form.fields for form in ways), path
        assert ways, path


# --- Other people's things ---


async def test_nothing_of_the_console_is_for_others(member: Visitor, visitor: Visitor, db: Database) -> None:
    """Every route, files and streams included, as a user and as a stranger."""
    document = (await visitor.client.get("/api/auth/openapi.json")).json()
    operations = [
        (method, path.replace("{id}", "1"))
        for path, item in document["paths"].items()
        for method in item
        if "/admin/" in path
    ]
    assert len(operations) > 15
    pages = [
        (method, f"/auth{page.path.replace('{id}', '1')}")
        for page in PAGES
        if page.path.startswith("/admin")
        for method in (("get", "head", "post") if page.submit else ("get", "head"))
    ]
    await visitor.sign_out()
    await member.get("/auth/account")
    token = member.page.form("/account").fields
    before = await db.fetchval(STATE)
    for method, path in operations:
        body = {"email": "x@example.com", "expected": 0} if method == "post" else None
        for client, status in ((member.client, 403), (visitor.client, 401)):
            answer = await client.request(method, path, headers=SAME, json=body)
            assert (answer.status_code, ADMIN in answer.text) == (status, False), (method, path)
    for method, path in pages:
        data = token if method == "post" else None
        for client, status in ((member.client, 403), (visitor.client, 303)):
            answer = await client.request(method, path, headers=SAME, data=data)
            assert (answer.status_code, ADMIN in answer.text) == (status, False), (method, path)
    assert await db.fetchval(STATE) == before


async def test_nobody_makes_themselves_more_than_they_are_by_fields_that_no_form_has(
    member: Visitor, db: Database
) -> None:
    more = {"is_admin": "true", "id": "1", "user_id": "1", "is_active": "false", "email": "root@example.com"}
    more |= {"hashed_password": "x", "created_at": "2000-01-01", "role": "admin", "action": "promote"}
    await member.get("/auth/account")
    fields = member.page.form("/account").fields
    await member.post("/auth/account?is_admin=true&id=1", fields | more | {"name": "Mallory"})
    assert member.place == "/auth/account"
    rows = await db.fetch("SELECT id, email, name, is_admin, is_active FROM users ORDER BY id")
    assert [tuple(row) for row in rows] == [
        (1, ADMIN, "Ada Admin", True, True),
        (2, EMAIL, "Mallory", False, True),
    ]


async def test_the_end_of_an_administrators_rights_ends_the_stream_before_the_next_event(
    app: FastAPI, admin: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for the look that comes every ten seconds."""
    gate = app.state.gatepost
    token = admin.client.cookies["__Host-gatepost"]
    sent: list[bytes] = []
    begun, done = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if b"retry" in sent[-1]:
            begun.set()

    path = "/auth/admin/events/live"
    headers = [(b"cookie", b"__Host-gatepost=" + token.encode()), (b"sec-fetch-site", b"same-origin")]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": headers, "server": ("x", 443), "client": ("127.0.0.1", 1), "root_path": ""}
    async with asyncio.timeout(60):
        watching = asyncio.create_task(app(scope | {"scheme": "https", "http_version": "1.1"}, receive, send))
        await begun.wait()
        user = await gate.administration.get(1)
        await gate.administration.set_admin(user, is_admin=False, client=Client())
        await db.execute(
            "INSERT INTO auth_events (action, detail) VALUES ('a', $1)", '{"secret": "of others"}'
        )
        await watching
    done.set()
    stream = b"".join(sent)
    assert b"of others" not in stream
    assert stream.endswith(b"event: over\ndata: over\n\n")


async def test_a_user_is_not_told_where_an_administrator_sat(
    app: FastAPI, admin: Visitor, member: Visitor
) -> None:
    user = await app.state.gatepost.administration.get(2)
    client = Client.of("203.0.113.77", "The admin's own browser")
    logins = app.state.gatepost.logins
    sat_there = await logins.by_password(email=ADMIN, password=PASSWORD, client=client)
    await app.state.gatepost.administration.unlock(user, client=client, by=sat_there.session)
    for path in ("/api/auth/events", "/api/auth/export", "/auth/activity"):
        answer = await member.get(path)
        assert answer.status_code == 200
        assert "203.0.113.77" not in answer.text
        assert "own browser" not in answer.text
    assert "203.0.113.77" in (await admin.get("/auth/admin/events")).text


# --- Planted places, hosts and costs ---


async def test_no_host_gets_into_an_invitation(app: FastAPI, admin: Visitor) -> None:
    for name, value in (
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "javascript"),
        ("Forwarded", "host=evil.example"),
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Original-URL", "//evil.example/"),
    ):
        await admin.get("/auth/admin/invitations")
        fields = next(form for form in admin.page.forms if "days" in form.fields).fields
        cookies = "; ".join(f"{each.name}={each.value}" for each in admin.client.cookies.jar)
        headers = SAME | {name: value, "Cookie": cookies}
        answer = await admin.client.post("/auth/admin/invitations", data=fields, headers=headers)
        assert answer.status_code == 200, answer.text
        assert f"{ORIGIN}/auth/sign-up?invitation=" in answer.text
        assert "evil.example" not in answer.text
        led = await admin.client.get("/auth", headers={name: value})
        assert "evil.example" not in led.headers.get("location", "")


async def test_a_secret_in_an_address_goes_to_no_other_site(app: FastAPI, visitor: Visitor) -> None:
    token = await app.state.gatepost.service(Setup).issue()
    answer = await visitor.get(f"/auth/setup?token={token}")
    assert answer.status_code == 200
    assert answer.headers["referrer-policy"] == "strict-origin"
    assert answer.headers["cache-control"] == "no-store"
    for each in (*visitor.page.all("a"), *visitor.page.all("link"), *visitor.page.all("script")):
        assert token not in str(each)


async def test_a_password_that_is_shown_once_is_kept_nowhere(
    make_settings: MakeSettings, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(make_settings(public_url=ORIGIN))  # where mail is, a link is sent instead
    async with visiting(app) as visitor:
        await make_user(app, ADMIN, "Ada Admin", is_admin=True)
        await make_user(app)
        admin = await signed_in(visitor, ADMIN)
        await admin.get("/auth/admin/users/2")
        fields = admin.page.form("/sign-out").fields
        with caplog.at_level("DEBUG"):
            await admin.post("/auth/admin/users/2", fields | {"action": "temporary_password", "sure": "on"})
        password = admin.page.texts["password"]
        assert len(password) > 10
        assert admin.answer.headers["cache-control"] == "no-store"
        recorded = [dict(row) for row in await events(db, "user.password_set")]
        assert password not in caplog.text
        assert password not in json.dumps(recorded, default=str)
        assert password not in (await admin.get("/auth/admin/users/2")).text


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (" + "a" * 500,
        "Mozilla/5.0 (Linux; Android 1.1; " + "a " * 200 + "Build/",
        "; " * 250,
        " " * 512,
        "(" * 512,
        "1." * 256,
        "en" + "-x" * 30_000,
        "en;q=" + "9" * 30_000,
        ",".join(["de;q=nan", "es;q=inf", "fr;q=-1"] * 5_000),
        ";" * 60_000,
    ],
)
def test_headers_cost_little(text: str) -> None:
    device_of("warm")
    negotiated(text)
    assert steps(lambda: device_of(text[:512])) < 1_000
    assert steps(lambda: negotiated(text)) < 1_000


TAKEN = {
    "/activity": ("before", "after"),
    "/admin/users": ("cursor", "q", "status", "role", "sort", "lacks"),
    "/admin/sessions": (*sessions.FILTERS, "before"),
    "/admin/sessions/end": (*sessions.FILTERS, "before"),
    "/admin/events": (*trail.FILTERS, "before", "after"),
}
"""Page → what it takes in its address."""


async def test_no_filter_is_a_fault(admin: Visitor) -> None:
    hostile = [
        "\0",
        "9" * 5_000,
        "-1",
        "1e9",
        "٣",
        "\ud7ff",
        "%",
        "0001-01-01T00:00+23:59",
        "[" * 3_000,
        "::/0",
        "9999-12-31T23:59:59-23:59",
        "1/0",
        "\r\nSet-Cookie: a=b",
        "a" * 20_000,
    ]
    wrong = []
    taken = [(path, name) for path, names in TAKEN.items() for name in names]
    for (page, name), value in product(taken, hostile):
        answer = await admin.client.get(f"/auth{page}", params={name: value})
        if answer.status_code not in {200, 303, 404, 422} or "a" in answer.cookies:
            wrong.append((page, name, value[:20], answer.status_code))
    assert wrong == []

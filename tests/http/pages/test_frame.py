"""What holds for every page: headers, size, language, and errors that are pages too."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, MovableClock, execute
from tests.http.conftest import REQUEST_ID, Database, logged
from tests.http.pages.conftest import EMAIL, ORIGIN, SAME, Visitor, visiting
from tests.summed import PAGES
from tests.walking import walked

from gatepost.app import create_app
from gatepost.features.email import pages as email
from gatepost.http.pages.language import negotiated
from gatepost.texts import LANGUAGES

KB = 1000

# --- Headers ---


def assert_page(answer: httpx.Response) -> None:
    """Hold what every page carries."""
    names = [name for name, _ in answer.headers.multi_items() if name != "set-cookie"]
    assert len(names) == len(set(names)), names
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] in {"same-origin", "strict-origin"}
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "Cookie" in answer.headers["vary"]
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def assert_plain(visitor: Visitor) -> None:
    """Hold that a page needs no exception from its policy, and that assistive technology finds its way."""
    page, text = visitor.page, visitor.answer.text
    assert text.startswith("<!doctype html>")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    for tag, place in (
        ("link", "href"),
        ("script", "src"),
        ("img", "src"),
        ("form", "action"),
        ("a", "href"),
    ):
        for each in page.all(tag):
            target = each[place] or ""
            assert target.startswith(("/auth/", "#", "data:,", "otpauth:")), target
    (root,) = page.all("html")
    assert root["lang"] == visitor.answer.headers["content-language"]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    ids = [each["id"] for _, each in page.elements if "id" in each]
    assert len(ids) == len(set(ids)), ids
    labels = {each["for"] for each in page.all("label") if "for" in each}
    shown = [each for each in page.all("input") if each.get("type") not in {"hidden", "checkbox"}]
    assert {each["id"] for each in shown if each.get("aria-hidden") != "true"} <= labels
    for _, each in page.elements:
        for reference in (each.get("aria-describedby") or "").split():
            assert reference in ids
    for form in page.forms:
        assert ("form_token" in form.fields) == (form.method == "post")


OPEN = ["/sign-in", "/sign-up"]
APART = {
    *("/setup", "/admin/events/live", "/admin/events/export", "/sign-up/passkey"),
    *(page.path for page in email.PAGES.pages),
}
"""Wants the secret of a link; a stream without an end; a file; what is there where mail is."""
CLOSED = sorted({page.path for page in PAGES if "{" not in page.path} - {*OPEN, *APART})


@pytest.mark.parametrize("path", OPEN)
async def test_a_page_for_everybody_is_as_pages_are(visitor: Visitor, path: str) -> None:
    await visitor.get(f"/auth{path}")
    assert visitor.answer.status_code == 200
    assert_page(visitor.answer)
    assert_plain(visitor)
    assert len(visitor.answer.content) <= 30 * KB


@pytest.fixture
async def admin(member: Visitor, db: Database) -> Visitor:
    await db.execute("UPDATE users SET is_admin = true")
    return member


async def test_every_page_is_as_pages_are(admin: Visitor) -> None:
    for path in CLOSED:
        await admin.get(f"/auth{path}")
        if admin.answer.status_code == 303:
            continue  # a page that leads on
        assert admin.answer.status_code == 200, path
        assert_page(admin.answer)
        assert_plain(admin)
        assert len(admin.answer.content) <= 30 * KB, path


async def test_asking_for_the_head_of_a_page_is_fine(visitor: Visitor) -> None:
    assert (await visitor.client.head("/auth/sign-in")).status_code == 200


# --- Errors ---


@walked(
    "path",
    [
        "/auth/nothing",
        "/auth/account/",
        "/auth//account",
        "/auth/%00",
        "/auth/assets/nothing.css",
        "/auth/assets/../base.html",
        "/auth/assets/%2e%2e/%2e%2e/page.py",
    ],
)
async def test_what_is_not_there_is_answered_with_a_page(visitor: Visitor, path: str) -> None:
    await visitor.get(path)
    assert visitor.answer.status_code == 404
    assert visitor.page.texts["h1"] == "Not found"
    assert "There is no page at this address" in visitor.answer.text
    assert visitor.page.texts["code"] == "not_found"
    assert_page(visitor.answer)
    assert_plain(visitor)


async def test_every_refusal_is_a_page(visitor: Visitor) -> None:
    for method, headers, content, status in (
        ("PUT", SAME, b"", 405),
        ("POST", {}, b"", 403),
        ("POST", SAME | {"Content-Type": "text/plain"}, b"x", 415),
        ("POST", SAME | {"Content-Type": "application/x-www-form-urlencoded"}, b"x" * 70_000, 413),
        ("POST", SAME | {"Content-Type": "application/x-www-form-urlencoded"}, b"x", 422),
    ):
        visitor.answer = await visitor.client.request(
            method, "/auth/sign-in", headers=headers, content=content
        )
        assert visitor.answer.status_code == status
        assert visitor.page.texts["title"] == f"Error: {visitor.page.texts['h1']} · Gatepost"
        assert_page(visitor.answer)
        assert_plain(visitor)


async def test_a_fault_is_answered_with_a_page_and_logged(
    app: FastAPI, member: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app.state.gatepost.profiles, "rename", None)
    await member.get("/auth/account")
    await member.send("/account")
    assert member.answer.status_code == 500
    assert member.page.texts["h1"] == "Something went wrong"
    assert_page(member.answer)
    assert_plain(member)
    (line,) = logged(caplog, "unhandled fault")
    assert line["path"] == "/auth/account"


@pytest.fixture
async def away(server_dsn: str, dsn: str, member: Visitor) -> AsyncIterator[Visitor]:
    """Somebody signed in, with a page at hand, while the database takes nobody in."""
    name = urlsplit(dsn).path[1:]
    await member.get("/auth/account")
    await execute(
        server_dsn,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608 - of a fixture
    )
    yield member
    await execute(server_dsn, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_without_a_database_pages_say_so_and_when_to_come_again(away: Visitor) -> None:
    form = away.page.form("/account")
    await away.get("/auth/devices")
    for _ in range(2):
        assert away.answer.status_code == 503
        assert away.answer.headers["retry-after"] == "1"
        assert away.page.texts["h1"] == "Temporarily unavailable"
        assert_page(away.answer)
        assert_plain(away)
        await away.post("/auth/account", form.fields)


async def test_without_a_database_whoever_is_not_signed_in_sees_the_form(away: Visitor) -> None:
    away.client.cookies.clear()
    await away.get("/auth/sign-in")
    assert away.answer.status_code == 200
    await away.sign_in()
    assert away.answer.status_code == 503


# --- Languages ---


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de-AT"),
        ("DE-de", "de-DE"),
        ("fr;q=0.1, ja;q=0.9", "ja"),
        ("fr; q=0.1, ja ;Q=0.9", "ja"),
        ("nl-BE, es;q=0.5", "es"),
        ("nl, it", "en"),
        ("hi-IN", "hi-IN"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans-CN"),
        ("zh-SG", "zh-Hans-SG"),
        ("zh-Hans-TW", "en"),
        ("zh-TW", "en"),
        ("zh-Hant", "en"),
        ("zh-HK,fr;q=0.2", "fr"),
        ("*", "en"),
        ("*, de;q=0.5", "en"),
        ("nl, *;q=0.5, de;q=0.1", "en"),
        ("en-GB,en-US;q=0.9,en;q=0.8", "en-GB"),
        ("es-MX", "es-MX"),
        ("es-419", "es-419"),
        ("fr-XX", "fr"),
        ("de-1996-CH", "de-CH"),
        ("en-u-ca-buddhist", "en"),
        ("de;q=0", "en"),
        ("de;q=0, fr", "fr"),
        ("de;q=nonsense, fr", "fr"),
        ("de;q=nan, fr;q=0.1", "fr"),
        (";;;,,,=", "en"),
        ("-", "en"),
        ("../../../etc/passwd, de", "de"),
        ("zh_Hans", "en"),
        ("d" * 10_000, "en"),
        ("x," * 5000 + "de", "en"),
        ("\x00\xff", "en"),
    ],
)
def test_the_language_is_the_one_that_is_asked_for_most(accepted: str, tag: str) -> None:
    assert negotiated(accepted).tag == tag


@pytest.mark.parametrize(
    ("accepted", "chosen", "tag"),
    [
        ("de", "fr", "fr"),
        ("de-CH, fr;q=0.5", "de", "de-CH"),
        ("de, fr-CA;q=0.5", "fr", "fr-CA"),
        ("de-CH", "de-AT", "de-AT"),
        ("de-CH", "nl", "de-CH"),
        ("de-CH", "de\r\nX: y", "de-CH"),
    ],
)
def test_a_choice_comes_first_and_the_region_is_the_browsers(accepted: str, chosen: str, tag: str) -> None:
    assert negotiated(accepted, chosen).tag == tag


def test_dates_and_numbers_are_written_as_in_the_region() -> None:
    at = datetime(2026, 11, 30, 21, 5, tzinfo=UTC)
    british, swiss = negotiated("en-GB"), negotiated("de-CH")
    assert negotiated("en-US").time(at) == "Nov 30, 2026, 9:05\u202fPM UTC"
    assert british.time(at) == "30 Nov 2026, 21:05 UTC"
    assert swiss.number(1234567) == "1\u2019234\u2019567"
    assert negotiated("fr-CA").time(at) != negotiated("fr").time(at)


async def test_a_page_says_in_which_language_it_is(visitor: Visitor) -> None:
    for name in LANGUAGES:
        tag = name.replace("_", "-")
        await visitor.get("/auth/sign-in", **{"Accept-Language": tag})
        assert visitor.answer.headers["content-language"] == tag
        assert_plain(visitor)


async def choose(visitor: Visitor, tag: str) -> None:
    """Choose a language where the page offers it."""
    await visitor.send("/language", {"language": tag})


async def test_a_language_is_chosen_where_one_is_and_kept_by_the_browser(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in?next=/auth/devices")
    await choose(visitor, "de")
    assert visitor.place == "/auth/sign-in?next=/auth/devices"
    (cookie,) = visitor.answer.headers.get_list("set-cookie")
    assert cookie == "__Host-gatepost-language=de; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=31536000"
    await visitor.follow()
    assert visitor.answer.headers["content-language"] == "de"
    assert_plain(visitor)
    await visitor.get("/auth/sign-up", **{"Accept-Language": "fr"})
    assert visitor.answer.headers["content-language"] == "de"


async def test_a_user_s_language_is_kept_with_the_account(visitor: Visitor, db: Database) -> None:
    await visitor.sign_up()
    await visitor.get("/auth/activity")
    await choose(visitor, "zh-Hans")
    assert visitor.place == "/auth/activity"
    assert await db.fetchval("SELECT language FROM users") == "zh-Hans"
    await visitor.sign_out()
    assert visitor.answer.headers["content-language"] == "zh-Hans"
    # On another browser, in which something else was chosen.
    visitor.client.cookies.clear()
    await visitor.get("/auth/sign-in")
    await choose(visitor, "fr")
    await visitor.follow()
    assert visitor.answer.headers["content-language"] == "fr"
    await visitor.sign_in()
    await visitor.follow()
    assert visitor.answer.headers["content-language"] == "zh-Hans"


async def test_an_account_begins_with_the_language_that_was_chosen_before(
    visitor: Visitor, db: Database
) -> None:
    await visitor.sign_up("first@example.com")
    await visitor.sign_out()
    await visitor.get("/auth/sign-up")
    await choose(visitor, "pt-BR")
    await visitor.sign_up()
    chosen = await db.fetch("SELECT language FROM users ORDER BY id")
    assert [row["language"] for row in chosen] == [None, "pt-BR"]
    # Signing in is no choice: others may have chosen in this browser.
    await visitor.sign_out()
    await visitor.get("/auth/sign-in")
    await visitor.sign_in("first@example.com")
    assert await db.fetchval("SELECT language FROM users WHERE email LIKE 'first%'") is None


@walked("tag", ["", "nl", "zh-Hant", "de\r\nx"])
async def test_no_other_language_is_kept(visitor: Visitor, db: Database, tag: str) -> None:
    await visitor.sign_up()
    await visitor.get("/auth/account")
    await choose(visitor, tag)
    assert visitor.answer.status_code == 422
    assert "set-cookie" not in visitor.answer.headers
    assert await db.fetchval("SELECT language FROM users") is None
    # The page that says so has them all.
    await choose(visitor, "ja")
    assert visitor.place == "/auth/account"


@pytest.mark.parametrize(
    "place", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"]
)
async def test_choosing_leads_nowhere_else(visitor: Visitor, place: str) -> None:
    await visitor.get("/auth/sign-in")
    await visitor.send("/language", {"language": "de", "next": place})
    assert visitor.place == "/auth/account"


async def test_nobody_else_chooses_for_one(visitor: Visitor, db: Database) -> None:
    await visitor.sign_up()
    await visitor.get("/auth/account")
    form = visitor.page.form("/language")
    for fields, headers in (
        ({"language": "de"}, SAME),
        (
            form.fields | {"language": "de"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        ),
    ):
        await visitor.post("/auth/language", fields, headers)
        assert visitor.answer.status_code in {403, 422}
    assert await db.fetchval("SELECT language FROM users") is None


# --- What is not there ---


@pytest.fixture
async def without_pages(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[Visitor]:
    settings = make_settings(public_url=ORIGIN, pages=False)
    async with visiting(create_app(settings, clock=clock)) as visitor:
        yield visitor


@pytest.mark.parametrize("path", ["/auth", "/auth/", "/auth/sign-in", "/auth/assets/x"])
async def test_pages_can_be_turned_off(without_pages: Visitor, path: str) -> None:
    assert (await without_pages.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/", "/auth", "/auth/"])
async def test_the_root_leads_to_the_account_or_to_sign_in(visitor: Visitor, path: str) -> None:
    await visitor.get(path)
    assert visitor.place == "/auth/account"
    await visitor.follow()
    assert visitor.place == "/auth/sign-in?next=%2Fauth%2Faccount"


# --- Where one ends up ---


async def test_an_error_in_the_console_keeps_its_places_and_names_the_request(
    admin: Visitor,
) -> None:
    await admin.get("/auth/admin/users/999")
    links = [link["href"] for link in admin.page.all("a")]
    assert admin.answer.status_code == 404
    assert {"/auth/admin/users", "/auth/admin/events"} <= {*links}
    assert admin.answer.headers["x-request-id"] in admin.answer.text


@pytest.mark.parametrize("path", ["/nothing", "/account/nothing", "/admin/nothing", "/admin"])
async def test_an_error_keeps_who_is_signed_in_among_their_pages(visitor: Visitor, path: str) -> None:
    await visitor.sign_up()
    await visitor.get(f"/auth{path}")
    assert visitor.answer.status_code in {403, 404}
    links = [link["href"] for link in visitor.page.all("a")]
    assert {"/auth/account", "/auth/security", "/auth/devices"} <= {*links}
    assert "/auth/sign-in" not in links
    assert EMAIL in visitor.answer.text, "who one is"


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/admin/nothing", "/auth/admin"),
        ("/admin/events/nothing", "/auth/admin/events"),
        ("/admin/users/x", "/auth/admin/users"),
    ],
)
async def test_an_error_in_the_console_leads_to_its_area(admin: Visitor, path: str, area: str) -> None:
    await admin.get(f"/auth{path}")
    assert admin.answer.status_code == 404
    exits = [link["href"] for link in admin.page.all("a") if link.get("class") == "button"]
    assert exits[0] == area
    assert exits[-1] == "/auth/admin"


async def test_a_page_takes_no_other_method_and_says_so_among_ones_pages(visitor: Visitor) -> None:
    await visitor.sign_up()
    await visitor.get("/auth/activity")
    await visitor.post("/auth/activity", visitor.page.form("/sign-out").fields)
    assert visitor.answer.status_code == 405
    assert "/auth/devices" in [link["href"] for link in visitor.page.all("a")]


async def test_an_error_leads_who_is_not_signed_in_to_sign_in(visitor: Visitor) -> None:
    await visitor.get("/auth/nowhere")
    assert visitor.answer.status_code == 404
    links = [link["href"] for link in visitor.page.all("a")]
    assert "/auth/sign-in" in links
    assert "/auth/account" not in links


@pytest.mark.parametrize(
    ("path", "place"),
    [("/.well-known/change-password", "/auth/account/password"), ("/favicon.ico", "/auth/icon")],
)
async def test_where_password_managers_and_browsers_look_leads_on(
    visitor: Visitor, path: str, place: str
) -> None:
    answer = await visitor.client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, place)


async def test_the_icon_has_a_place_of_its_own(visitor: Visitor) -> None:
    answer = await visitor.client.get("/auth/icon")
    assert answer.status_code == 303
    assert (await visitor.client.get(answer.headers["location"])).headers["content-type"] == "image/svg+xml"


async def test_a_form_without_a_cookie_says_that_cookies_are_needed(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    fields = {**visitor.page.form("/sign-in").fields, "email": "a@example.com", "password": "x"}
    visitor.client.cookies.clear()
    answer = await visitor.client.post("/auth/sign-in", data=fields, headers=SAME)
    assert answer.status_code == 403
    assert "Allow cookies for this site" in answer.text

"""Sign-in, sign-out and the ways back: no oracle, `next`, sessions that end, the password again."""

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import PASSWORD, MakeSettings, MovableClock
from tests.http.conftest import Database
from tests.http.pages.conftest import EMAIL, ORIGIN, SAME, Visitor, an_hour_later, another, visiting
from tests.walking import walked

from gatepost.app import create_app
from gatepost.http.pages.redirects import Redirects

FRIEND = "https://app.example.com"


def without_token(text: str) -> str:
    return re.sub(r'(name="form_token" value=)"[^"]*"', r"\1", text)


def back_from(visitor: Visitor) -> str:
    """Return where the sign-in that an answer leads to leads back to."""
    place = urlsplit(visitor.place)
    assert place.path == "/auth/sign-in"
    (back,) = parse_qs(place.query)["next"]
    return back


# --- Signing in ---


async def test_the_account_comes_after_a_sign_in_and_after_a_sign_up(member: Visitor) -> None:
    await member.follow()
    assert member.answer.status_code == 200
    assert member.page.form("/account").fields["name"] == "John Doe"
    await member.sign_out()
    assert "clear-site-data" in member.answer.headers
    await member.get("/auth/sign-in")
    await member.sign_in()
    assert member.place == "/auth/account"


async def test_a_session_that_is_not_to_be_kept_ends_with_the_browser(member: Visitor) -> None:
    for typed, kept in (({}, False), ({"remember": "on"}, True)):
        await member.sign_out()
        await member.get("/auth/sign-in")
        await member.sign_in(**typed)
        (cookie,) = [
            each
            for each in member.answer.headers.get_list("set-cookie")
            if each.startswith("__Host-gatepost=")
        ]
        assert ("Max-Age" in cookie) == kept
        assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/"))


async def test_why_a_sign_in_failed_cant_be_told_from_its_page(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    settings = make_settings(public_url=ORIGIN, throttle_enabled=True, login_failures_max=5)
    app = create_app(settings, clock=clock)
    async with visiting(app) as member:
        people = [f"{name}@example.com" for name in ("known", "other", "locked")]
        for email in people:
            await member.sign_up(email)
            await member.sign_out()
        await db.execute("UPDATE users SET is_active = false WHERE email = 'other@example.com'")
        answers = []
        async with another(app, host="203.0.113.9") as stranger:
            for email, password in (
                ("nobody@example.com", PASSWORD),
                ("known@example.com", "wrong-password"),
                ("other@example.com", PASSWORD),
                *[("locked@example.com", "wrong-password")] * 5,
                ("locked@example.com", PASSWORD),
            ):
                clock.advance(minutes=30)
                await stranger.get("/auth/sign-in")
                await stranger.sign_in(email, password)
                assert stranger.answer.status_code == 422
                text = without_token(stranger.answer.text).replace(email, "someone")
                headers = {k: v for k, v in stranger.answer.headers.items() if k != "x-request-id"}
                answers.append((text, headers | {"content-length": ""}))
        assert all(answer == answers[0] for answer in answers)
        reasons = await db.fetch(
            "SELECT detail->>'reason' AS reason FROM auth_events WHERE action = 'login.failed'"
        )
        assert {row["reason"] for row in reasons} == {
            "unknown_user", "wrong_password", "user_disabled", "locked"
        }  # fmt: skip


async def test_a_sign_in_with_an_e_mail_that_is_none_says_so(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    await visitor.sign_in("nobody")
    assert visitor.answer.status_code == 422
    assert visitor.page.texts["email-problem"]


async def test_password_managers_understand_the_fields(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    fields = {each.get("id"): each for each in visitor.page.all("input") if each.get("id")}
    assert fields["email"]["autocomplete"] == "username webauthn"
    assert (fields["email"]["type"], fields["password"]["type"]) == ("email", "password")
    assert fields["password"]["autocomplete"] == "current-password"
    assert "maxlength" not in fields["password"], "a paste would be cut"
    await visitor.get("/auth/sign-up")
    fields = {each.get("id"): each for each in visitor.page.all("input") if each.get("id")}
    assert fields["password"]["autocomplete"] == "new-password"
    assert "maxlength" not in fields["password"]


async def test_who_is_signed_in_goes_on(member: Visitor) -> None:
    for page in ("/auth/sign-in", "/auth/sign-up"):
        await member.get(page)
        assert member.place == "/auth/account"
        await member.get(f"{page}?next=/auth/devices")
        assert member.place == "/auth/devices"


async def test_a_sign_in_over_another_session_ends_that(member: Visitor, db: Database) -> None:
    jar = dict(member.client.cookies)
    await member.sign_out()
    await member.get("/auth/sign-in")
    await member.sign_in()
    assert jar["__Host-gatepost"] != member.client.cookies["__Host-gatepost"]
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


# --- next ---

REFUSED = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "/\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ok\n",
    "https://evil.example",
    "https://evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    f"{FRIEND}@evil.example",
    f"{FRIEND}.evil.example/",
    f"{FRIEND}:8443/",
    f"{FRIEND}\\@evil.example",
    f"{ORIGIN}@evil.example",
    f"{ORIGIN}:pw@evil.example/",
    "http://auth.example.com/",
    "HTTPS://EVIL.EXAMPLE",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "account",
    "?x",
    "#x",
    "",
    "/é",
    "/\x00",
    "/" + "a" * 2000,
]


@walked("place", REFUSED)
async def test_next_leads_nowhere_else(make_settings: MakeSettings, clock: MovableClock, place: str) -> None:
    settings = make_settings(public_url=ORIGIN, allowed_redirects=[FRIEND])
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get(f"/auth/sign-in?next={quote(place)}")
        assert "next" not in visitor.page.form("/sign-in").fields
        await visitor.get("/auth/sign-up")
        who = {"email": EMAIL, "name": "Ann", "password": PASSWORD}
        await visitor.send("/sign-up", who | {"next": place})
        assert visitor.place == "/auth/account"


@walked(
    "place",
    [
        "/",
        "/auth/devices",
        "/notes?id=1&x=%2F#a",
        "/%09/x",
        "/a//b",
        f"{FRIEND}",
        f"{FRIEND}/a?b=c",
        f"{ORIGIN}/x",
    ],
)
async def test_next_leads_to_own_paths_and_to_allowed_origins(
    make_settings: MakeSettings, clock: MovableClock, place: str
) -> None:
    settings = make_settings(public_url=ORIGIN, allowed_redirects=[FRIEND])
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get(f"/auth/sign-up?next={quote(place, safe='')}")
        (link,) = [each["href"] for each in visitor.page.all("a") if "/sign-in?" in (each["href"] or "")]
        assert parse_qs(urlsplit(link or "").query) == {"next": [place]}, "the other form leads there too"
        await visitor.send("/sign-up", {"email": EMAIL, "name": "Ann", "password": PASSWORD})
        assert visitor.place == place
        await visitor.get("/auth/account")
        assert FRIEND in visitor.answer.headers["content-security-policy"]


_TRICKS = st.text(
    st.sampled_from("/\\:@?#.%09a\t\n\r \x00\u3002\uff0f[]ehtps-") | st.characters(max_codepoint=0x300),
    max_size=24,
)


def leads_to(place: str, base: str) -> str:
    """Return the origin that a browser goes to by the URL standard, or the scheme of what has none."""
    text = place.strip("".join(map(chr, range(0x21))))
    text = re.sub("[\t\n\r]", "", text)
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", text)
    own = urlsplit(base)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        return scheme[1].lower()
    rest = text
    if scheme:
        rest = text[scheme.end() :]
        if scheme[1].lower() == own.scheme and not re.match(r"[/\\]", rest):
            return base  # relative, with a scheme that says nothing
        rest = "//" + rest.lstrip("/\\")
    if not re.match(r"[/\\]{2}", rest):
        return base
    authority = re.split(r"[/\\?#]", rest.lstrip("/\\"), maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    return f"{(scheme[1] if scheme else own.scheme).lower()}://{host.lower()}"


@given(
    place=_TRICKS | st.builds(str.__add__, st.sampled_from(["/", FRIEND, ORIGIN, "https:", "/\t/"]), _TRICKS)
)
def test_whatever_next_is_a_browser_stays_where_it_may(place: str) -> None:
    safe = Redirects(ORIGIN, [FRIEND]).safe(place)
    assert safe in {None, place}
    if safe is not None:
        assert leads_to(safe, ORIGIN) in {ORIGIN, FRIEND}
        assert "\n" not in safe
        assert "\r" not in safe


HARMLESS = {"https:evil.example", "https:/evil.example", f"{FRIEND}\\@evil.example"}
"""Refused, because software differs about them; browsers stay where they may."""


@pytest.mark.parametrize("place", sorted({each for each in REFUSED if "evil" in each} - HARMLESS))
def test_the_reference_knows_a_trick(place: str) -> None:
    assert leads_to(place, ORIGIN) not in {ORIGIN, FRIEND}


# --- Sessions that end ---


async def test_who_has_no_session_is_led_to_sign_in_and_back(member: Visitor) -> None:
    await member.sign_out()
    await member.get("/auth/devices?page=2")
    assert back_from(member) == "/auth/devices?page=2"
    await member.follow()
    assert "status" not in member.page.texts or "expired" not in member.page.texts["status"]
    await member.sign_in()
    assert member.place == "/auth/devices?page=2"


async def test_an_expired_session_is_told_of_and_leads_back(member: Visitor, clock: MovableClock) -> None:
    clock.advance(days=400)
    await member.get("/auth/devices")
    assert back_from(member) == "/auth/devices"
    await member.follow()
    assert notices(member) == [("notice notice-neutral", "Your session has expired. Sign in to continue.")]
    await member.sign_in()
    assert member.place == "/auth/devices"
    await member.follow()
    assert notices(member) == [], "said once"


async def test_a_session_that_was_ended_elsewhere_is_told_of(member: Visitor, db: Database) -> None:
    await db.execute("UPDATE user_sessions SET is_active = false, end_reason = 'revoked', ended_at = now()")
    await member.get("/auth/account")
    await member.follow()
    assert notices(member) == [("notice notice-neutral", "Your session was ended. Sign in to continue.")]


async def test_a_replaced_session_is_told_of(app: FastAPI, member: Visitor, clock: MovableClock) -> None:
    old = member.client.cookies["__Host-gatepost"]
    await member.client.post("/api/auth/refresh", headers=SAME)
    clock.advance(minutes=5)
    async with another(app) as visitor:
        visitor.client.cookies.set("__Host-gatepost", old, domain="auth.example.com")
        await visitor.get("/auth/account")
        await visitor.follow()
        assert [text for _, text in notices(visitor)] == ["Your session was ended. Sign in to continue."]


async def test_a_form_sent_with_an_expired_session_leads_back_to_its_page_and_does_nothing(
    member: Visitor, clock: MovableClock, db: Database
) -> None:
    await member.get("/auth/account")
    clock.advance(days=400)
    await member.send("/account", {"name": "Jane Doe"})
    assert back_from(member) == "/auth/account"
    assert await db.fetchval("SELECT name FROM users") == "John Doe"


async def test_a_token_that_could_be_none_leads_to_sign_in_without_a_word(visitor: Visitor) -> None:
    visitor.client.cookies.set("__Host-gatepost", "nonsense", domain="auth.example.com")
    await visitor.get("/auth/account")
    await visitor.follow()
    assert (visitor.answer.status_code, notices(visitor)) == (200, [])


async def test_signing_out_of_a_session_that_has_ended_is_no_mistake(
    member: Visitor, clock: MovableClock
) -> None:
    await member.get("/auth/account")
    clock.advance(days=400)
    await member.send("/sign-out")
    assert member.place == "/auth/sign-in"
    await member.get("/auth/sign-out")
    assert member.place == "/auth/sign-in"


async def test_a_link_to_sign_out_asks_first(member: Visitor, db: Database) -> None:
    await member.get("/auth/sign-out")
    assert member.page.texts["h1"] == "Sign out?"
    assert await db.fetchval("SELECT is_active FROM user_sessions")


# --- The password again ---


async def test_what_asks_for_a_fresh_session_asks_for_the_password_and_goes_on(
    member: Visitor, clock: MovableClock, db: Database
) -> None:
    await db.execute("UPDATE users SET is_admin = true")
    await an_hour_later(member.client, clock)
    await member.get("/auth/admin/users")
    assert urlsplit(member.place).path == "/auth/confirm"
    await member.follow()
    await member.send("/confirm", {"password": "wrong-password"})
    assert member.answer.status_code == 422
    assert "Incorrect" in member.page.texts["password-problem"]
    await member.send("/confirm", {"password": PASSWORD})
    assert member.place == "/auth/admin/users"
    await member.follow()
    assert member.answer.status_code == 200


async def test_who_confirms_for_nothing_lands_on_the_account(member: Visitor) -> None:
    await member.get("/auth/confirm?next=//evil.example")
    await member.send("/confirm", {"password": PASSWORD})
    assert member.place == "/auth/account"


async def test_the_console_is_for_administrators(member: Visitor, db: Database) -> None:
    await member.get("/auth/admin/users")
    assert member.answer.status_code == 403
    assert member.page.texts["h1"] == "This page is for administrators only"
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'access.denied'") == 1


# --- Notices ---


def notices(visitor: Visitor) -> list[tuple[str | None, str]]:
    """Return class and text of what the page says once."""
    page = visitor.page
    found = [each for _, each in page.elements if (each.get("class") or "").startswith("notice")]
    return [(each["class"], page.texts["status"]) for each in found]


@walked("name", ["nothing", "name_changed<b>", "", "name_changed.x.y", "a" * 4000, "é"])
async def test_what_is_no_notice_is_not_said(member: Visitor, name: str) -> None:
    jar = "; ".join(f"{key}={value}" for key, value in member.client.cookies.items())
    answer = await member.client.get(
        "/auth/account", headers=[(b"cookie", f"{jar}; __Host-gatepost-notice={name}".encode("latin-1"))]
    )
    member.answer = answer
    assert answer.status_code == 200
    assert [text for _, text in notices(member)] in ([], ["Your name was changed."])
    assert "<b>" not in answer.text


@walked(
    ("notice", "text"),
    [
        ("sessions_ended.1", "1 session was ended."),
        ("sessions_ended.1234", "1,234 sessions were ended."),
        ("sessions_ended", "0 sessions were ended."),
        ("sessions_ended.-1", "0 sessions were ended."),
        ("sessions_ended.99999999999999999999", "0 sessions were ended."),
        ("sessions_ended.\xb2", "0 sessions were ended."),
    ],
)
async def test_a_notice_counts(member: Visitor, notice: str, text: str) -> None:
    jar = "; ".join(f"{key}={value}" for key, value in member.client.cookies.items())
    cookies = f"{jar}; __Host-gatepost-notice={notice}".encode("latin-1")
    member.answer = await member.client.get("/auth/account", headers=[(b"cookie", cookies)])
    assert notices(member) == [("notice notice-good", text)]


async def test_what_was_done_is_said_once(member: Visitor) -> None:
    await member.get("/auth/account")
    await member.send("/account", {"name": "Jane Doe"})
    await member.follow()
    assert notices(member) == [("notice notice-good", "Your name was changed.")]
    await member.get("/auth/account")
    assert notices(member) == []

"""Forms of pages: only ours, only from the browser that was given them, and read exactly."""

import json

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock
from tests.http.conftest import Database, events
from tests.http.pages.conftest import EMAIL, ORIGIN, SAME, Visitor, another, visiting
from tests.walking import walked

from gatepost.app import create_app
from gatepost.http.pages.forms import TOKEN
from gatepost.models import AuditAction

OTHER_SITES = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://app.example.com"},
    {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {},
]
WHO = {"email": EMAIL, "password": PASSWORD}


# --- Requests of other sites ---


@walked("headers", OTHER_SITES)
async def test_a_sign_in_that_another_site_sends_is_refused_though_it_has_a_token(
    visitor: Visitor, db: Database, headers: dict[str, str]
) -> None:
    await visitor.get("/auth/sign-in")
    await visitor.send("/sign-in", WHO, headers)
    assert visitor.answer.status_code == 403
    assert "came from another site" in visitor.page.texts["h1"]
    (event,) = await events(db, AuditAction.CROSS_ORIGIN_REFUSED)
    assert event["detail"]["path"] == "/auth/sign-in"


@walked("headers", OTHER_SITES)
async def test_no_other_site_changes_anything_by_a_form_of_somebody_signed_in(
    member: Visitor, db: Database, headers: dict[str, str]
) -> None:
    await member.get("/auth/account")
    await member.send("/account", {"name": "Mallory"}, headers)
    assert member.answer.status_code == 403
    assert await db.fetchval("SELECT name FROM users") == "John Doe"


@walked("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": ORIGIN}, SAME, SAME | {"Origin": "null"}])
async def test_a_form_of_this_site_is_taken_from_browsers_old_and_new(
    member: Visitor, db: Database, headers: dict[str, str]
) -> None:
    await member.get("/auth/account")
    await member.send("/account", {"name": "Jane Doe"}, headers)
    assert member.place == "/auth/account"
    assert await db.fetchval("SELECT name FROM users") == "Jane Doe"


# --- Tokens ---


@walked("token", [None, "", "A" * 64, "é", "A" * 20_000])
async def test_without_its_token_a_form_comes_back_and_does_nothing(
    member: Visitor, db: Database, token: str | None
) -> None:
    fields = {"name": "Mallory"} | ({} if token is None else {TOKEN: token})
    await member.post("/auth/account", fields)
    assert member.answer.status_code == 403
    assert "has expired" in member.page.texts["alert"]
    assert member.page.form("/account").fields["name"] == "Mallory", "what was typed is kept"
    assert await db.fetchval("SELECT name FROM users") == "John Doe"
    await member.send("/account")
    assert await db.fetchval("SELECT name FROM users") == "Mallory", "sent again, it is taken"


async def test_the_token_of_another_browser_is_none(app: FastAPI, visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    token = visitor.page.form("/sign-in").fields[TOKEN]
    async with another(app) as thief:
        await thief.get("/auth/sign-in")
        await thief.sign_in(**{TOKEN: token})
        assert thief.answer.status_code == 403


async def test_a_token_of_before_the_sign_in_is_none_after_it(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-up")
    before = visitor.page.form("/sign-up").fields[TOKEN]
    await visitor.sign_up()
    await visitor.get("/auth/account")
    await visitor.send("/account", {"name": "Jane Doe", TOKEN: before})
    assert visitor.answer.status_code == 403


async def test_a_token_of_another_sign_in_of_the_same_person_is_none(member: Visitor) -> None:
    await member.get("/auth/account")
    former = member.page.form("/account").fields[TOKEN]
    await member.sign_out()
    await member.get("/auth/sign-in")
    await member.sign_in()
    await member.get("/auth/account")
    await member.send("/account", {"name": "Jane Doe", TOKEN: former})
    assert member.answer.status_code == 403


async def test_nobody_binds_a_form_to_a_sign_in_by_a_cookie_of_their_own(
    app: FastAPI, member: Visitor, db: Database
) -> None:
    row = await db.fetchrow("SELECT user_id, authenticated_at FROM user_sessions")
    assert row is not None
    async with another(app) as thief:
        guess = f"{row['user_id']} {row['authenticated_at'].isoformat()}"
        for cookie in (guess, f"user {guess}"):
            answer = await thief.client.get(
                "/auth/sign-in", headers={"Cookie": f"__Host-gatepost-form={cookie}"}
            )
            thief.answer = answer
            token = thief.page.form("/sign-in").fields[TOKEN]
            await member.post("/auth/account", {"name": "Mallory", TOKEN: token})
            assert member.answer.status_code == 403


async def test_a_form_outlives_the_renewal_of_its_session(
    member: Visitor, clock: MovableClock, db: Database
) -> None:
    await member.get("/auth/account")
    page = member.page
    clock.advance(minutes=20)
    await member.get("/auth/devices")
    assert await db.fetchval("SELECT expires_at - created_at > '45 min' FROM user_sessions"), "it was renewed"
    await member.post("/auth/account", page.form("/account").fields | {"name": "Jane Doe"})
    assert member.place == "/auth/account"
    assert await db.fetchval("SELECT name FROM users") == "Jane Doe"


async def test_the_same_browser_keeps_its_cookie_so_that_several_windows_work(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    first = visitor.page
    assert "__Host-gatepost-form=" in visitor.answer.headers["set-cookie"]
    await visitor.get("/auth/sign-up")
    assert "set-cookie" not in visitor.answer.headers
    await visitor.post("/auth/sign-in", first.form("/sign-in").fields | WHO)
    assert visitor.answer.status_code == 422, "the form was ours; there is no such user"


# --- What is kept ---


async def test_what_was_typed_is_kept_but_never_a_password(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-up")
    await visitor.send("/sign-up", {"name": '"><b>Ann', "email": "no e-mail", "password": "hunter2hunter2"})
    assert visitor.answer.status_code == 422
    fields = visitor.page.form("/sign-up").fields
    assert (fields["name"], fields["email"], fields["password"]) == ('"><b>Ann', "no e-mail", "")
    assert "hunter2hunter2" not in visitor.answer.text
    assert "<b>" not in visitor.answer.text


async def test_a_box_that_was_ticked_stays_ticked(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(remember="on")
    assert visitor.page.form("/sign-in").fields["remember"] == "on"
    await visitor.get("/auth/sign-in")
    assert "remember" not in visitor.page.form("/sign-in").fields


async def test_a_mistake_is_told_in_the_summary_and_beside_its_field(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-up")
    await visitor.send("/sign-up", {"name": "Ann", "email": "no e-mail", "password": "short"})
    page = visitor.page
    links = [link["href"] for link in page.all("a") if (link["href"] or "").startswith("#")]
    assert {"#email", "#password"} <= set(links)
    for name in ("email", "password"):
        (field,) = [each for each in page.all("input") if each.get("id") == name]
        assert field["aria-invalid"] == "true"
        assert f"{name}-problem" in (field["aria-describedby"] or "").split()
        assert page.texts[f"{name}-problem"] in page.texts["alert"]
    assert page.texts["title"].startswith("Error: ")
    (summary,) = [element for _, element in page.elements if element.get("role") == "alert"]
    assert summary["tabindex"] == "-1"
    assert "autofocus" in summary


# --- How forms are read ---

UNREADABLE = {
    "a field twice": b"email=a&email=b",
    "the token twice": b"form_token=a&form_token=b",
    "no UTF-8": b"email=%ff%fe",
    "an overlong slash": b"email=%c0%af",
    "bare bytes": "email=é".encode(),
    "half a surrogate pair": b"email=%ed%a0%80",
    "a hundred and one fields": b"&".join(b"f%d=" % number for number in range(101)),
    "no pairs": b"email",
    "semicolons": b";;;;&=",
}


@walked("body", UNREADABLE.values(), ids=UNREADABLE)
@walked("path", ["/auth/sign-in", "/auth/account"])
async def test_a_form_that_cant_be_read_is_refused(
    member: Visitor, db: Database, body: bytes, path: str
) -> None:
    headers = SAME | {"Content-Type": "application/x-www-form-urlencoded"}
    member.answer = await member.client.post(path, content=body, headers=headers)
    assert member.answer.status_code == 422
    assert member.page.texts["h1"] == "The form can't be read"
    assert not await events(db, AuditAction.LOGIN_FAILED)


async def test_a_hundred_fields_are_read(visitor: Visitor) -> None:
    await visitor.get("/auth/sign-in")
    fields = visitor.page.form("/sign-in").fields | WHO
    extra = {f"f{number}": "" for number in range(100 - len(fields))}
    await visitor.post("/auth/sign-in", fields | extra)
    assert visitor.answer.status_code == 422
    assert "Incorrect" in visitor.page.texts["alert"]


async def test_an_empty_form_is_a_form_without_a_token(visitor: Visitor) -> None:
    visitor.answer = await visitor.client.post("/auth/sign-in", headers=SAME)
    assert visitor.answer.status_code == 403
    assert visitor.page.form("/sign-in").fields["email"] == ""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"email": EMAIL}}, 415),
        ({"files": {"email": b"user"}}, 415),
        ({"content": b"email=user", "headers": SAME | {"Content-Type": "text/plain"}}, 415),
        ({"data": {"email": "a" * 65_536}}, 413),
    ],
)
async def test_what_is_no_form_or_too_much_is_answered_with_a_page(
    visitor: Visitor, sent: dict[str, object], status: int
) -> None:
    visitor.answer = await visitor.client.post("/auth/sign-in", **({"headers": SAME} | sent))  # type: ignore[arg-type]  # of httpx
    assert visitor.answer.status_code == status
    assert visitor.page.texts["h1"]


async def test_a_form_may_say_its_charset(visitor: Visitor) -> None:
    content_type = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    answer = await visitor.client.post("/auth/sign-in", content=b"email=a", headers=SAME | content_type)
    assert answer.status_code == 403


# --- Sent twice ---


async def test_a_sign_in_sent_again_leads_on_and_starts_no_second_session(
    member: Visitor, db: Database
) -> None:
    await member.sign_out()
    await member.get("/auth/sign-in")
    fields = member.page.form("/sign-in").fields | WHO
    for _ in range(2):
        await member.post("/auth/sign-in", fields)
        assert member.place == "/auth/account"
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1


async def test_a_sign_up_sent_again_leads_on(visitor: Visitor, db: Database) -> None:
    await visitor.get("/auth/sign-up")
    fields = visitor.page.form("/sign-up").fields | WHO | {"name": "Ann"}
    for _ in range(2):
        await visitor.post("/auth/sign-up", fields)
        assert visitor.place == "/auth/account"
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_a_sign_out_sent_again_leads_to_sign_in(member: Visitor) -> None:
    await member.get("/auth/account")
    fields = member.page.form("/sign-out").fields
    await member.post("/auth/sign-out", fields)
    assert member.page.texts["h1"] == "You are signed out"
    await member.post("/auth/sign-out", fields)
    assert member.place == "/auth/sign-in"


# --- Throttled ---


async def test_too_many_attempts_are_told_with_the_time_to_wait(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    settings = make_settings(public_url=ORIGIN, throttle_enabled=True, throttle_login_address="2 then 4/hour")
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        for _ in range(2):
            await visitor.sign_in()
            assert visitor.answer.status_code == 422
        await visitor.sign_in()
    assert visitor.answer.status_code == 429
    assert 0 < int(visitor.answer.headers["retry-after"]) <= 900
    assert "Try again in" in visitor.page.texts["alert"]
    assert visitor.page.form("/sign-in").fields["email"] == EMAIL
    assert json.loads(await db.fetchval("SELECT detail FROM auth_events WHERE action = 'throttled'"))


async def test_no_page_answers_what_another_method_asks(visitor: Visitor) -> None:
    answer: httpx.Response
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await visitor.client.request(method, "/auth/sign-in", headers=SAME)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
        visitor.answer = answer
        assert visitor.page.texts["h1"]

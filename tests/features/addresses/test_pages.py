"""The page of an address, and that of all blocks, without scripts."""

import re

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, MovableClock, nth_user
from tests.features.addresses.conftest import GUESSER, VICTIM, break_in, guess, is_live, sign_in
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ORIGIN, Visitor, make_user, visiting
from tests.walking import walked

from gatepost.app import create_app
from gatepost.features.addresses import pages, service

PAGE = f"/auth/admin/addresses/{GUESSER}"
ALL = "/auth/admin/addresses"


async def act(admin: Visitor, action: str, button: str = "", path: str = PAGE) -> httpx.Response:
    """Press the button of one of the forms of the page, and go where that leads."""
    page = await admin.get(path)
    token = admin.page.forms[0].fields["form_token"]
    first = {each.get("name"): each.get("value") for each in reversed(admin.page.all("button"))}
    named = {button: str(first[button])} if button and button != "for" else {}
    fields = {"form_token": token, "action": action, **named}
    assert page.status_code == 200
    await admin.post(path, fields | ({"for": "day"} if button == "for" else {}))
    return await admin.follow()


def said(admin: Visitor) -> str:
    return admin.page.texts["main"]


async def test_it_says_in_words_that_a_guess_was_right(app: FastAPI, admin: Visitor) -> None:
    await break_in(app)
    await admin.get(PAGE)
    assert admin.page.texts["h1"] == GUESSER
    assert "1 guess was right" in said(admin)
    assert f"{VICTIM} signed in from {GUESSER}" in said(admin)
    assert "after 6 failed sign-ins on 3 accounts. The session is still open." in said(admin)
    links = {link["href"] for link in admin.page.all("a")}
    assert {
        f"/auth/admin/users/{nth_user(2)}",
        "/auth/admin/addresses/203.0.113.0/24",
        f"/auth/admin/sessions?address={GUESSER}",
        f"/auth/admin/events?address={GUESSER}",
    } <= links
    assert len(admin.answer.content) < 60_000


@pytest.mark.parametrize(
    ("failures", "text"),
    [(0, "No sign-in failed."), (1, "1 sign-in failed."), (5, "5 failed sign-ins on 1 account.")],
)
async def test_it_says_what_to_make_of_less(app: FastAPI, admin: Visitor, failures: int, text: str) -> None:
    await guess(app, *["nobody@example.com"] * failures)
    await admin.get(PAGE)
    assert text in said(admin)
    assert "guess was right" not in said(admin).replace("No guess was right", "")


async def test_it_says_that_there_is_more_than_it_looked_at(
    app: FastAPI, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pages, service):
        monkeypatch.setattr(module, "EVENTS_MAX", 3)
    await guess(app, *["nobody@example.com"] * 4)
    await admin.get(PAGE)
    counted = "3 sign-ins failed. Only the latest 3 sign-ins and 3 other events are counted; there were more."
    assert counted in said(admin)
    assert "Failed sign-ins 3+ Accounts tried 1+" in said(admin)
    assert "Sign-ins 0 Active sessions 0" in said(admin)


async def test_a_right_guess_is_found_behind_all_the_failures_that_came_after_it(
    app: FastAPI, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pages, service):
        monkeypatch.setattr(module, "EVENTS_MAX", 3)
        monkeypatch.setattr(module, "BEFORE_MAX", 5)
    await break_in(app)
    await guess(app, *["nobody@example.com"] * 4)
    for place in (GUESSER, "203.0.113.0/24", "203.0.113.0/25"):
        await admin.get(f"/auth/admin/addresses/{place}")
        assert "1 guess was right" in said(admin)
        assert re.search(
            rf"{VICTIM} signed in from \S+ \([^)]+\) after more than 5 failed sign-ins", said(admin)
        )
        assert "The session is still open." in said(admin)
    await admin.get("/auth/admin")
    assert "after more than 5 failed sign-ins" in said(admin)


async def test_every_address_in_the_console_leads_to_it(app: FastAPI, admin: Visitor) -> None:
    await break_in(app)
    for path in ("", "/events", "/sessions", f"/users/{nth_user(2)}"):
        await admin.get(f"/auth/admin{path}")
        assert PAGE in {link["href"] for link in admin.page.all("a")}, path


async def test_of_many_sessions_the_newest_are_listed_and_all_are_counted_where_they_can_end(
    app: FastAPI, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_user(app, VICTIM)
    for _ in range(3):
        await sign_in(app)
    for module in (pages, service):
        monkeypatch.setattr(module, "LISTED_MAX", 2)
    for path in ("/auth/admin/addresses/203.0.113.0/24", PAGE):
        await admin.get(path)
        assert "Active sessions 2+" in said(admin)
        assert "End more than 2 sessions…" in said(admin)
        leading = [each for each in admin.page.all("a") if str(each["href"]).endswith(f"/{nth_user(2)}")]
        assert len(leading) >= 3
    [end] = [each for each in admin.page.all("a") if "/sessions/end" in str(each["href"])]
    await admin.get(str(end["href"]))
    assert "3 sessions" in said(admin)


async def test_its_sessions_end_as_many_as_the_button_says(app: FastAPI, admin: Visitor) -> None:
    token = await break_in(app)
    await act(admin, "end_sessions", "count")
    assert not await is_live(app, token)
    assert "1 session was ended." in said(admin)
    assert "The session has ended." in said(admin)
    assert "End its" not in said(admin)


async def test_nothing_ends_where_there_are_more_by_now(app: FastAPI, admin: Visitor) -> None:
    token = await break_in(app)
    await admin.get(PAGE)
    form_token = admin.page.forms[0].fields["form_token"]
    await sign_in(app)
    fields = {"form_token": form_token, "action": "end_sessions", "count": "1"}
    assert (await admin.post(PAGE, fields)).status_code == 409
    assert "End its 2 sessions" in said(admin)
    assert await is_live(app, token)


async def test_it_is_blocked_and_the_block_is_lifted(app: FastAPI, admin: Visitor, db: Database) -> None:
    await make_user(app, VICTIM)
    await act(admin, "block", "for")
    assert f"{GUESSER} is blocked until" in said(admin)
    assert (await sign_in(app)).status_code == 429
    assert await db.fetchval("SELECT until - created_at = interval '1 day' FROM auth_blocks")
    await act(admin, "lift", "block")
    assert "The block was lifted." in said(admin)
    assert (await sign_in(app)).status_code == 200


async def test_an_account_is_disabled_and_enabled_there(app: FastAPI, admin: Visitor) -> None:
    token = await break_in(app)
    await act(admin, "disable", "user")
    assert "The account was disabled and its sessions were ended." in said(admin)
    assert not await is_live(app, token)
    assert (await sign_in(app)).status_code == 401
    assert "Disabled" in said(admin)


async def test_from_the_overview_to_ended_blocked_and_disabled_are_four_interactions(
    app: FastAPI, admin: Visitor
) -> None:
    token = await break_in(app)
    await admin.get("/auth/admin")
    assert PAGE in {each["href"] for each in admin.page.all("a")}
    steps = [await admin.get(PAGE)]
    steps.append(await act(admin, "end_sessions", "count"))
    steps.append(await act(admin, "block", "for"))
    steps.append(await act(admin, "disable", "user"))
    assert [each.status_code for each in steps] == [200] * 4
    assert not await is_live(app, token)
    assert (await sign_in(app)).status_code == 429
    assert (await sign_in(app, address="198.51.100.7")).status_code == 401


async def test_a_throttle_is_shown_and_lifted(
    app: FastAPI, admin: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.execute(
        "INSERT INTO auth_throttles (bucket, key, tat) VALUES ('login_address', $1, now() + interval '1 h')",
        GUESSER,
    )
    await admin.get(PAGE)
    assert "Throttled" not in said(admin)  # nothing is limited here
    await act(admin, "lift_throttles")
    assert "The throttle was lifted." in said(admin)
    assert await db.fetchval("SELECT count(*) FROM auth_throttles") == 0


async def test_ones_own_address_offers_no_block(admin: Visitor) -> None:
    await admin.get(f"{ALL}/127.0.0.1")
    assert "you are using it yourself" in said(admin)
    form_token = admin.page.forms[0].fields["form_token"]
    refused = await admin.post(
        f"{ALL}/127.0.0.1", {"form_token": form_token, "action": "block", "for": "open"}
    )
    assert refused.status_code == 409


@walked(
    "fields",
    [{"action": "x"}, {"action": "lift", "block": "1"}, {"action": "disable", "user": "99"}, {}],
)
async def test_what_is_not_there_is_not_found(admin: Visitor, fields: dict[str, str]) -> None:
    await admin.get(PAGE)
    form_token = admin.page.forms[0].fields["form_token"]
    assert (await admin.post(PAGE, {"form_token": form_token, **fields})).status_code == 404


@pytest.mark.parametrize("place", ["here", "10.0.0.0/8", "203.0.113.66/x"])
async def test_what_is_no_address_has_no_page(admin: Visitor, place: str) -> None:
    assert (await admin.get(f"{ALL}/{place}")).status_code in {400, 422}


# --- The overview ---


def alerts(admin: Visitor) -> list[str]:
    """Return the headings of what the overview warns of."""
    page = admin.page
    marked = (each.get("aria-labelledby") or "" for each in page.all("section"))
    return [page.texts[name] for name in marked if name.startswith("alert-")]


async def test_the_overview_warns_of_a_right_guess_before_all_else(app: FastAPI, admin: Visitor) -> None:
    await break_in(app)
    await admin.get("/auth/admin")
    assert alerts(admin) == ["1 guess was right"]
    assert f"{VICTIM} signed in from {GUESSER}" in said(admin)
    assert said(admin).index("1 guess was right") < said(admin).index("Active users")


async def test_the_overview_warns_of_an_attack_while_it_lasts(
    app: FastAPI, admin: Visitor, clock: MovableClock
) -> None:
    await guess(app, *["nobody@example.com"] * 4)
    await admin.get("/auth/admin")
    assert alerts(admin) == []
    await guess(app, "nobody@example.com")
    clock.advance(seconds=30)  # the figures are kept for some seconds
    await admin.get("/auth/admin")
    assert alerts(admin) == ["An attack is under way"]
    clock.advance(hours=2)
    await admin.get("/auth/sign-in")
    await admin.sign_in("admin@example.com")
    await admin.get("/auth/admin")
    assert alerts(admin) == []


# --- All of them ---


async def test_an_address_is_looked_for_and_what_is_none_is_told(admin: Visitor) -> None:
    await admin.get(f"{ALL}?address=203.0.113.66")
    assert admin.place == PAGE
    assert (await admin.get(f"{ALL}?address=here")).status_code == 422
    assert (await admin.get(f"{ALL}?address=10.0.0.0/8")).status_code == 400


async def test_a_network_is_blocked_with_a_reason_and_lifted(admin: Visitor, db: Database) -> None:
    await admin.get(ALL)
    form_token = admin.page.forms[0].fields["form_token"]
    await admin.post(
        ALL, {"form_token": form_token, "network": "203.0.113.0/24", "reason": "guesses", "for": "hour"}
    )
    await admin.follow()
    for text in ("203.0.113.0/24", "guesses", "Active"):
        assert text in said(admin)
    await admin.post(ALL, {"form_token": form_token, "lift": "1"})
    await admin.follow()
    assert "Lifted" in said(admin)
    assert await db.fetchval("SELECT lifted_by IS NOT NULL FROM auth_blocks")


@walked(
    ("typed", "status"),
    [
        ({"network": "here", "for": "hour"}, 422),
        ({"network": "10.0.0.0/8", "for": "hour"}, 400),
        ({"network": "127.0.0.1", "for": "hour"}, 409),
        ({"network": "203.0.113.66", "for": "ever"}, 422),
    ],
)
async def test_what_can_not_be_blocked_is_told_at_its_field(
    admin: Visitor, typed: dict[str, str], status: int
) -> None:
    await admin.get(ALL)
    form_token = admin.page.forms[0].fields["form_token"]
    assert (await admin.post(ALL, {"form_token": form_token, "reason": "", **typed})).status_code == status
    assert typed["network"] in admin.answer.text


FULL = """
    INSERT INTO auth_throttles (bucket, key, tat) VALUES
        ('login_address', '203.0.113.66', now() + interval '1 day'),
        ('event', 'login_address:203.0.113.66', now() + interval '1 day'),
        ('login_account', repeat('a', 32), now() + interval '1 day'),
        ('confirm_user', '1:7', now() + interval '1 day'),
        ('register_total', '', now() + interval '1 day'),
        ('login_address', '203.0.113.77', now() + interval '1 second')
"""


async def test_limits_that_are_reached_are_shown_and_lifted_one_by_one(
    make_settings: MakeSettings, clock: MovableClock, db: Database
) -> None:
    app = create_app(make_settings(public_url=ORIGIN, throttle_enabled=True), clock=clock)
    async with visiting(app) as admin:
        await make_user(app, "admin@example.com", "Ada Admin", is_admin=True)
        await admin.get("/auth/sign-in")
        await admin.sign_in("admin@example.com")
        await _limits_are_lifted(admin, db)


async def _limits_are_lifted(admin: Visitor, db: Database) -> None:
    await admin.get(ALL)
    assert "No limit is reached at the moment." in said(admin)
    await db.execute(FULL)
    await admin.get(ALL)
    keys = [form.fields["key"] for form in admin.page.forms if "key" in form.fields]
    assert sorted(keys) == ["", "1:7", "203.0.113.66", "a" * 32], "not of one that has room left"
    links = {link["href"] for link in admin.page.all("a")}
    assert {f"{ALL}/203.0.113.66", "/auth/admin/users/1"} <= links
    assert "THROTTLE_LOGIN_ADDRESS" in said(admin)
    (form,) = [each for each in admin.page.forms if each.fields.get("key") == "203.0.113.66"]
    await admin.post(ALL, form.fields | {"limit": "login_address"})
    await admin.follow()
    assert "The throttle was lifted." in said(admin)
    left = await db.fetch("SELECT bucket, key FROM auth_throttles WHERE key LIKE '%203.0.113.66'")
    assert left == [], "nor is it kept back that it was reached"
    (noted,) = await events(db, "throttles.cleared")
    assert (noted["detail"]["bucket"], noted["detail"]["key"]) == ("login_address", "203.0.113.66")
    await admin.post(ALL, form.fields | {"limit": "login_address"})
    assert admin.answer.status_code == 404, "it is lifted already"

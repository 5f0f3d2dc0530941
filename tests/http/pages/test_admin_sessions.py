"""The console's page of everybody's sessions: who may see it, its filter, and what it ends."""

import html
import re
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MovableClock, bearer, login, register
from tests.http.conftest import Database, events
from tests.http.pages.conftest import an_hour_later
from tests.http.pages.forms import ORIGIN, Visitor, at, problems, said, visiting
from tests.walking import walked

from gatepost.http.pages.admin import sessions
from gatepost.services.oversight import COUNTED_MAX
from gatepost.texts import Text

PATHS = ("/admin/sessions", "/admin/sessions/end")


@pytest.fixture
async def admin(app: FastAPI, client: httpx.AsyncClient, db: Database) -> AsyncIterator[Visitor]:
    """An administrator with a session of a moment ago, the one with the id 1."""
    async with visiting(app) as visitor:
        await visitor.sign_up("admin@example.com", "Jane Doe")
        await db.execute("UPDATE users SET is_admin = true")
        yield visitor


def rows(page: httpx.Response) -> list[str]:
    """Return the text of each row."""
    body = page.text.replace("<wbr>", "").partition("<tbody>")[2].partition("</tbody>")[0]
    found = re.split(r"<tr [^>]*>", body)[1:]
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in found]


def ids(page: httpx.Response) -> list[int]:
    """Return the ids of the sessions that can be ended."""
    return [int(found) for found in re.findall(r'name="end" value="(\d+)"', page.text)]


async def alive(db: Database) -> list[int]:
    return [row["id"] for row in await db.fetch("SELECT id FROM user_sessions WHERE is_active ORDER BY id")]


# --- Who may ---


@pytest.mark.parametrize("path", PATHS)
async def test_others_may_neither_see_nor_end(
    app: FastAPI, admin: Visitor, db: Database, clock: MovableClock, path: str
) -> None:
    async with visiting(app) as nobody:
        assert at(await nobody.get(path)) == "/sign-in?" + urlencode({"next": f"/auth{path}"})
        await nobody.sign_up()
        assert (await nobody.get(path)).status_code == 403
        assert (await nobody.post(path, end="1", count="1")).status_code == 403
    await an_hour_later(admin.client, clock)
    assert at(await admin.get(path)).startswith("/confirm?next=")
    asked = await admin.post(path, end="2", count="1")
    assert (asked.status_code, 'action="/auth/confirm"' in asked.text) == (403, True)
    assert await db.fetchval("SELECT bool_and(is_active) FROM user_sessions WHERE end_reason IS NULL")
    assert await events(db, "session.revoked", "sessions.ended") == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_form_that_is_not_ours_ends_nothing(
    admin: Visitor, client: httpx.AsyncClient, db: Database, path: str
) -> None:
    await register(client)
    assert (await admin.post(path, end="2", count="1")).status_code == 403  # without a token
    shown = await admin.get(path)
    token = re.search(r'name="form_token" value="([^"]+)"', shown.text)
    assert token is not None
    fields = {"form_token": token[1], "end": "2", "count": "1"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await admin.client.post(f"/auth{path}", data=fields, headers=headers)
        assert answer.status_code == 403
    assert await alive(db) == [1, 2]
    assert ORIGIN not in shown.text


# --- The list ---


async def test_each_session_is_a_row_with_whose_it_is(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    await register(client, **{"User-Agent": agent})
    await db.execute("UPDATE user_sessions SET id = 4321 WHERE id = 2")
    page = await admin.get("/admin/sessions")
    theirs, own = rows(page)
    assert theirs.startswith("user@example.com Firefox on Linux 127.0.0.1 ")
    assert theirs.endswith("End session 4321 of user@example.com")
    assert own.endswith("This device")
    assert '<a href="/auth/admin/users/2">user<wbr>@example.com</a>' in page.text
    assert '<a class="mono" href="/auth/admin/addresses/127.0.0.1">127.0.0.1</a>' in page.text
    assert ids(page) == [4321]


async def test_what_strangers_sent_is_text(admin: Visitor, client: httpx.AsyncClient, db: Database) -> None:
    await register(client, **{"User-Agent": "<script>alert(1)</script>/1"})
    await db.execute("""UPDATE user_sessions SET ip_address = '"><b>' WHERE id = 2""")
    page = await admin.get("/admin/sessions")
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text
    assert '<script>alert(1)< "><b>' in rows(page)[0]


async def test_filters_are_combined_and_stay_in_the_form(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    for _ in range(3):
        await login(client)
    await db.execute("UPDATE user_sessions SET ip_address = '203.0.113.' || id")
    await db.execute("UPDATE user_sessions SET created_at = now() - interval '2 hours' WHERE id IN (4, 5)")
    await db.execute("UPDATE user_sessions SET last_used_at = now() - interval '20 minutes' WHERE id = 5")
    for query, expected in (
        ("user=user%40example.com", [5, 4, 3, 2]),
        ("user=USER%40EXAMPLE.COM&address=203.0.113.3", [3]),
        ("user=2", [5, 4, 3, 2]),
        ("user=99", []),
        ("address=203.0.113.4%2F31", [5, 4]),
        ("older_than=60", [5, 4]),
        ("unused_for=15", [5]),
        ("older_than=60&unused_for=15&user=2&address=203.0.113.0%2F24", [5]),
        ("user=&address=&older_than=&unused_for=", [5, 4, 3, 2]),
    ):
        page = await admin.get(f"/admin/sessions?{query}")
        assert ids(page) == expected, query
    page = await admin.get("/admin/sessions?older_than=60&address=203.0.113.0%2F24&user=%22%3E2")
    assert page.status_code == 422
    page = await admin.get("/admin/sessions?older_than=60&address=203.0.113.0%2F24")
    assert 'value="203.0.113.0/24"' in page.text
    assert '<option value="60" selected>' in page.text
    assert "End all 2 matching sessions" in said(page)


@walked(
    ("query", "told"),
    [
        ("address=1.2.3", "Enter an address such as 203.0.113.7, or a network such as 2001:db8::/32"),
        ("user=nobody%40example.com", "User not found"),
        ("user=%00", "User not found"),
        ("older_than=61", "Choose an option from the list"),
        ("unused_for=-1", "Choose an option from the list"),
    ],
)
async def test_what_is_no_filter_is_told_and_shows_and_ends_nothing(
    admin: Visitor, client: httpx.AsyncClient, db: Database, query: str, told: str
) -> None:
    await register(client)
    page = await admin.get(f"/admin/sessions?{query}")
    assert page.status_code == 422
    assert told in problems(page)
    assert ids(page) == []
    assert "/admin/sessions/end" not in page.text
    assert (await admin.get(f"/admin/sessions/end?{query}")).status_code == 422
    shown = await admin.get("/admin/sessions/end")
    token = re.search(r'name="form_token" value="([^"]+)"', shown.text)
    assert token is not None
    ended = await admin.post(f"/admin/sessions/end?{query}", form_token=token[1], count="1")
    assert ended.status_code == 422
    assert await alive(db) == [1, 2]


async def test_pages_follow_one_another_and_keep_the_filter(
    admin: Visitor, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ROWS", 2)
    await register(client)
    for _ in range(4):
        await login(client)
    page, seen = await admin.get("/admin/sessions?user=2"), []
    while True:
        seen.append(ids(page))
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        if older is None:
            break
        await login(client)
        page = await admin.get(html.unescape(older[1]).removeprefix("/auth"))
    assert seen == [[6, 5], [4, 3], [2]]
    assert at(page) == "/admin/sessions?user=2&before=3"
    assert 'href="/auth/admin/sessions?user=2">Newest' in page.text


async def test_nothing_is_told_as_such(admin: Visitor) -> None:
    page = await admin.get("/admin/sessions?address=9.9.9.9")
    assert "No sessions match this filter." in said(page)
    assert "End all" not in said(page)
    assert "Only your own session matches this filter." in said(await admin.get("/admin/sessions/end"))


async def test_a_full_page_is_small(admin: Visitor, client: httpx.AsyncClient, db: Database) -> None:
    await register(client, f"{'a' * 20}@{'b' * 20}.example.com")
    await db.execute(
        """
        INSERT INTO user_sessions (user_id, session_token, expires_at, ip_address, user_agent)
        SELECT 2, 'x' || i, now() + interval '1 hour', '2001:db8:1111:2222:3333:4444:5555:6666',
            'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0'
        FROM generate_series(1, 50) i
        """
    )
    page = await admin.get("/admin/sessions?user=2")
    assert len(ids(page)) == sessions.ROWS
    assert len(page.content) <= 60_000, "the budget of the console"


# --- One ---


async def test_one_is_ended_with_what_it_was_refreshed_to_and_the_filter_stays(
    app: FastAPI, admin: Visitor, db: Database
) -> None:
    async with visiting(app) as user:
        await user.sign_up()
        page = await admin.submit("/admin/sessions?user=2&before=9", end="2")
        assert at(page) == "/admin/sessions?user=2&before=9"
        assert "of user@example.com: session ended" in said(page)
        assert at(await user.get("/account")).startswith("/sign-in")
    (event,) = await events(db, "session.revoked")
    assert (event["user_id"], event["session_id"]) == (2, 2)
    assert event["detail"] == {"admin_id": 1, "reason": "revoked", "sessions": 1}


@walked("end", ["99", "0", "", "-1", "x", "9" * 30])
async def test_a_session_that_there_is_not_is_not_found(
    admin: Visitor, client: httpx.AsyncClient, db: Database, end: str
) -> None:
    await register(client)
    assert (await admin.submit("/admin/sessions", end=end)).status_code == 404
    assert await alive(db) == [1, 2]


async def test_a_session_that_has_ended_is_not_found_here_and_in_the_api(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/logout", headers=bearer(token))
    assert (await admin.submit("/admin/sessions", end="2")).status_code == 404
    assert (await admin.submit("/admin/users/2", action="end_session", session="2")).status_code == 404
    assert [event["detail"] for event in await events(db, "session.revoked")] == [
        {"reason": "logout", "sessions": 1}
    ]


# --- All of a filter ---


async def test_all_of_a_filter_end_after_they_were_counted(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    for _ in range(3):
        await login(client)
    await db.execute("UPDATE user_sessions SET ip_address = '203.0.113.' || id")
    path = "/admin/sessions/end?address=203.0.113.0%2F30"
    asked = await admin.get(path)
    # Of 1, 2 and 3 the first is one's own.
    assert "Address 203.0.113.0/30 2 sessions will end." in said(asked)
    assert "Your own session is not ended." in said(asked)
    page = await admin.submit(path, count="2")
    assert at(page) == "/admin/sessions?address=203.0.113.0%2F30"
    assert "2 sessions were ended." in said(page)
    assert await alive(db) == [1, 4, 5]
    (event,) = await events(db, "sessions.ended")
    assert event["detail"] == {
        "admin_id": 1,
        "filter": {"address": "203.0.113.0/30"},
        "sessions": 2,
        "users": 1,
    }


async def test_without_a_filter_everybody_else_is_signed_out(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    shown = await admin.get("/admin/sessions")
    assert "End the 1 other session" in said(shown)
    asked = await admin.get("/admin/sessions/end")
    assert "No filter is set: this ends everyone's sessions." in said(asked)
    page = await admin.submit("/admin/sessions/end", count="1")
    assert "1 session was ended." in said(page)
    assert await alive(db) == [1]


async def test_another_number_ends_none_and_is_counted_anew(
    admin: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    shown = await admin.get("/admin/sessions/end?user=2")
    token = re.search(r'name="form_token" value="([^"]+)"', shown.text)
    assert token is not None
    await login(client)
    page = await admin.post("/admin/sessions/end?user=2", form_token=token[1], count="1")
    assert page.status_code == 409
    assert str(Text("error.count_changed.sessions", count=2, expected=1)) in problems(page)
    assert 'name="count" value="2"' in page.text
    assert await alive(db) == [1, 2, 3]
    assert await events(db, "sessions.ended") == []


@walked("count", ["", "x", "-1", "1.0", "9" * 30])
async def test_what_is_no_number_ends_none(
    admin: Visitor, client: httpx.AsyncClient, db: Database, count: str
) -> None:
    await register(client)
    page = await admin.submit("/admin/sessions/end", count=count)
    assert page.status_code == 422
    assert await alive(db) == [1, 2]


async def test_of_more_than_anybody_waits_for_none_ends_at_once(admin: Visitor, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at)
        SELECT 'crowd' || n, 1, now() + interval '1 hour' FROM generate_series(1, $1) n
        """,
        COUNTED_MAX + 2,
    )
    before = await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active")
    listed = await admin.get("/admin/sessions")
    assert 'href="/auth/admin/sessions/end">End more than 1,000 sessions…</a>' in listed.text
    page = await admin.get("/admin/sessions/end")
    assert "More than 10,000 sessions match. Narrow the filter" in page.text
    assert "/admin/sessions/end?" not in page.text
    for count in (COUNTED_MAX, COUNTED_MAX + 2):
        answer = await admin.submit("/admin/sessions/end", at="/account", count=str(count))
        assert answer.status_code in {409, 422}
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == before
    told = await admin.client.get("/api/auth/admin/sessions")
    assert told.json()["data"]["total_active_sessions"] == COUNTED_MAX + 1
    told = await admin.client.post(
        "/api/auth/admin/sessions/end", json={"expected": 3}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert (told.status_code, told.json()["error"]["code"]) == (409, "count_changed")
    assert (
        told.json()["message"]
        == "There are now more than 10000 sessions, not 3. None were ended: check the number and try again."
    )

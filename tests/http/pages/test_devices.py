"""The page of one's sessions: what the cards say, and their ends."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import MovableClock, login, register
from tests.http.conftest import Database, events
from tests.http.pages.forms import Visitor, at, said, visiting
from tests.walking import walked

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
LINUX = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


@pytest.fixture
async def visitor(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[Visitor]:
    """Somebody who is signed in as user@example.com, in Chrome on Linux."""
    async with visiting(app, LINUX) as visitor:
        await visitor.sign_up()
        yield visitor


def cards(page: httpx.Response) -> list[str]:
    """Return the text of each card."""
    return [said_in(card) for card in page.text.split('<li class="card')[1:]]


def said_in(card: str) -> str:
    return said(httpx.Response(200, text=f"<main><p {card.partition('</li>')[0]}</main>"))


async def test_each_session_is_a_card_in_words_and_this_one_comes_first(
    app: FastAPI, visitor: Visitor
) -> None:
    async with visiting(app, IPHONE) as phone:
        await phone.sign_in()
    mine, other = cards(await visitor.get("/devices"))
    assert mine.startswith("Chrome on Linux This device Address 127.0.0.1 Signed in")
    assert other.startswith("Safari on iOS New Was this you? Address 127.0.0.1 Signed in")
    assert "This device" not in other


async def test_what_is_unknown_is_called_so_and_long_agents_are_shown_whole(
    visitor: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await login(client, **{"User-Agent": ""})
    await login(client, **{"User-Agent": "<i>" + "x" * 500})
    await db.execute("UPDATE user_sessions SET ip_address = NULL WHERE id = 2")
    await db.execute(
        "UPDATE user_sessions SET ip_address = '2001:db8:1111:2222:3333:4444:5555:6666' WHERE id = 3"
    )
    page = await visitor.get("/devices")
    _, long, unknown = cards(page)
    assert unknown.startswith("Unknown device New Was this you? Address unknown")
    assert "2001:db8:1111:2222:3333:4444:5555:6666" in long
    assert "<i>" + "x" * 500 in long
    assert "<i>x" not in page.text


async def test_signed_in_is_the_time_of_the_password_not_that_of_the_last_refresh(
    visitor: Visitor, clock: MovableClock, db: Database
) -> None:
    signed_in = await db.fetchval("SELECT authenticated_at FROM user_sessions")
    clock.advance(minutes=20)
    await visitor.client.post("/api/auth/refresh", headers={"Sec-Fetch-Site": "same-origin"})
    (mine,) = cards(page := await visitor.get("/devices"))
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2
    assert "This device" in mine
    assert f'<time datetime="{signed_in.isoformat(timespec="seconds")}"' in page.text


async def test_who_is_signed_in_nowhere_else_reads_so_and_has_nothing_to_end(visitor: Visitor) -> None:
    page = await visitor.get("/devices")
    assert "You are not signed in anywhere else." in said(page)
    assert "Sign out all other devices" not in said(page)


async def test_one_is_ended_and_its_next_click_lands_on_sign_in(app: FastAPI, visitor: Visitor) -> None:
    async with visiting(app, IPHONE) as phone:
        await phone.sign_in()
        page = await visitor.submit("/devices", end="2")
        assert "Safari on iOS of user@example.com: session ended" in said(page)
        assert len(cards(page)) == 1
        led = await phone.get("/devices")
        assert at(led).startswith("/sign-in?next=")
        assert "Your session was ended. Sign in to continue." in said(led)


@walked("session_id", ["3", "1", "4", "99", "x", "1" * 40])
async def test_a_notice_tells_of_no_session_that_is_anothers_or_goes_on(
    app: FastAPI, visitor: Visitor, session_id: str
) -> None:
    async with visiting(app, IPHONE) as other:
        await other.sign_up("other@example.com")
        await other.submit("/sign-out", at="/account")
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
        page = await visitor.client.get(
            "/auth/devices",
            headers={"Cookie": f"{cookies}; __Host-gatepost-notice=session_ended.{session_id}"},
        )
    assert "The session was ended." in said(page)
    assert "other@example.com" not in page.text


async def test_who_ends_a_device_stays_on_the_page_where_it_was(
    visitor: Visitor, client: httpx.AsyncClient
) -> None:
    for _ in range(30):
        await login(client)
    first = await visitor.get("/devices")
    older = re.findall(r'href="/auth(/devices\?after=[^"]+)"', first.text)[0]
    page = await visitor.get(older)
    ids = re.findall(r'id="s-(\d+)"', page.text)
    buttons = re.findall(r'formaction="([^"]+)" name="end" value="(\d+)"', page.text)
    assert [number for _, number in buttons] == ids[1:], "the first is this device"
    beside = [*ids[2:], ids[-2]]
    assert [place for place, _ in buttons] == [f"/auth{older}#s-{number}" for number in beside]
    after = await visitor.submit(older, end=ids[2])
    assert at(after) == older
    assert re.findall(r'id="s-(\d+)"', after.text) == ids[:2] + ids[3:]


async def test_all_others_are_ended_and_counted(
    visitor: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    for _ in range(3):
        await login(client)
    page = await visitor.submit("/devices", others="1")
    assert "3 sessions were ended." in said(page)
    assert len(cards(page)) == 1
    live = await db.fetch("SELECT id FROM user_sessions WHERE is_active")
    assert [row["id"] for row in live] == [1]


@pytest.mark.parametrize("renewed", [False, True])
async def test_ones_own_session_ends_by_signing_out(
    visitor: Visitor, clock: MovableClock, db: Database, *, renewed: bool
) -> None:
    if renewed:
        clock.advance(minutes=20)  # the answer with the form hands over another session than it shows
    own = (await visitor.get("/devices")).text.split('<li class="card')[1]
    assert 'action="/auth/sign-out"' in own
    page = await visitor.submit("/sign-out", at="/devices")
    assert "You are signed out" in said(page)
    assert "clear-site-data" in page.headers
    assert not any(
        "gatepost" in name and value
        for name, value in visitor.client.cookies.items()
        if "device" not in name and "form" not in name
    )
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0


async def test_ones_own_id_is_a_sign_out_too(visitor: Visitor, db: Database) -> None:
    page = await visitor.submit("/devices", end="1")
    assert "You are signed out" in said(page)
    assert await db.fetchval("SELECT end_reason FROM user_sessions") == "logout"


@walked("end", ["2", "99", "0", "", "-1", "1.5", "x", "9" * 30])
async def test_a_session_that_is_not_ones_own_is_not_found(
    visitor: Visitor, client: httpx.AsyncClient, db: Database, end: str
) -> None:
    await register(client, "other@example.com")
    page = await visitor.submit("/devices", end=end)
    assert page.status_code == 404
    assert await db.fetchval("SELECT bool_and(is_active) FROM user_sessions")
    assert await events(db, "session.revoked") == []

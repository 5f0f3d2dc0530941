"""One's own audit trail as a page."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, login, register
from tests.http.conftest import Database
from tests.http.pages.forms import Visitor, said, visiting
from tests.walking import walked

from gatepost.http.pages.activity import PAGE


@pytest.fixture
async def visitor(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[Visitor]:
    """Somebody who is signed in as user@example.com."""
    async with visiting(
        app, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    ) as visitor:
        await visitor.sign_up()
        yield visitor


def told(page: httpx.Response) -> list[str]:
    """Return the sentences, in their order."""
    return re.findall(r'<p class="event-what">(.*?)</p>', page.text)


def way(page: httpx.Response, label: str) -> str | None:
    """Return where a link of the pager leads, below `/auth`."""
    found = re.search(rf'href="/auth([^"]+)">{label}<', page.text)
    return None if found is None else found[1].replace("&amp;", "&")


async def test_what_happened_is_told_newest_first_with_device_and_address(
    visitor: Visitor, client: httpx.AsyncClient
) -> None:
    wrong = {"email": "user@example.com", "password": "not the password"}
    await client.post("/api/auth/login", json=wrong, headers={"User-Agent": "curl/8.5.0"})
    await visitor.submit("/account/password", current=PASSWORD, new="another secure password")
    page = await visitor.get("/activity")
    assert told(page) == [
        "You changed your password",
        "You signed in",
        "Your sessions were ended because you changed your password",
        "Someone failed to sign in to your account",
        "You signed in",
        "You signed up",
    ]
    assert "1 session was ended." in said(page)
    assert re.search(r"failed [^.]* curl 127\.0\.0\.1", said(page))
    assert "Firefox on Linux 127.0.0.1" in said(page)
    assert 'class="icon icon-bad"' in page.text


async def test_what_an_administrator_did_shows_nothing_of_where_they_did_it(
    visitor: Visitor, db: Database
) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (action, user_id, ip_address, user_agent, detail)
        VALUES ('user.unlocked', 1, '192.0.2.7', 'curl/8', '{"admin_id": 2}')
        """
    )
    page = await visitor.get("/activity")
    assert told(page)[0] == "An administrator unlocked your account"
    assert "192.0.2.7" not in page.text
    assert "curl" not in page.text


async def test_nobody_elses_events_are_shown(visitor: Visitor, client: httpx.AsyncClient) -> None:
    await register(client, "other@example.com")
    await login(client, "other@example.com")
    assert len(told(await visitor.get("/activity"))) == 2


async def test_the_trail_is_paged_to_its_end_and_back_without_a_gap(visitor: Visitor, db: Database) -> None:
    await db.execute(
        "INSERT INTO auth_events (action, user_id) SELECT 'event.' || i, 1 FROM generate_series(1, $1) i",
        2 * PAGE + 8,
    )
    first = await visitor.get("/activity")
    pages = [first]
    while (older := way(pages[-1], "Older")) is not None:
        pages.append(await visitor.get(older))
    assert [len(told(page)) for page in pages] == [PAGE, PAGE, 10]
    whole = [sentence for page in pages for sentence in told(page)]
    assert whole[0] == f"event.{2 * PAGE + 8}"
    assert whole[-1] == "You signed up"
    assert len(set(whole)) == len(whole)
    newer = way(pages[2], "Newer")
    assert newer is not None
    second = await visitor.get(newer)
    assert told(second) == told(pages[1])
    newer = way(second, "Newer")
    assert newer is not None
    again = await visitor.get(newer)
    assert told(again) == told(first)
    assert way(again, "Newer") is None
    assert way(first, "Newer") is None


@walked("query", ["before=1", "before=x", "after=999999", "before=-1", f"after={'9' * 30}"])
async def test_a_cursor_that_leads_nowhere_is_a_page_all_the_same(visitor: Visitor, query: str) -> None:
    page = await visitor.get(f"/activity?{query}")
    assert page.status_code == 200
    if query == "before=1":
        assert "Nothing to show." in said(page)
        assert way(page, "Newest") == "/activity"
    else:
        assert "You signed up" in told(page)


async def test_the_security_page_has_the_latest_that_is_notable_and_gathers_it_alike(
    visitor: Visitor, db: Database
) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (action, user_id, ip_address, detail)
        SELECT unnest(ARRAY['login.failed', 'session.refreshed', 'cleanup.run']), 1, '192.0.2.7', '{}'
        FROM generate_series(1, 40)
        """
    )
    page = await visitor.get("/security")
    assert told(page) == [
        'Someone failed to sign in to your account <span class="badge">40 times</span>',
        "You signed in",
        "You signed up",
    ]

"""Was this you? From what looked suspicious to the three steps that shut a stranger out."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MovableClock, login
from tests.http.conftest import Database, events
from tests.http.pages.forms import Visitor, said, visiting
from tests.walking import walked

LINUX = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
NEWER = LINUX.replace("140", "141")
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
async def visitor(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[Visitor]:
    async with visiting(app, LINUX) as visitor:
        await visitor.sign_up()
        yield visitor


async def test_a_failed_sign_in_leads_to_the_steps_and_says_what_it_was(
    visitor: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/api/auth/login", json={"email": "user@example.com", "password": "not the password"})
    (failed,) = await db.fetch("SELECT id FROM auth_events WHERE action = 'login.failed'")
    path = f"/was-it-you?event={failed['id']}"
    for leading in ("/activity", "/security"):
        assert f'href="/auth{path}"' in (await visitor.get(leading)).text
    page = await visitor.get(path)
    assert page.status_code == 200
    assert "It was me" in said(page)


async def test_a_passkey_that_may_have_been_copied_leads_there_too(visitor: Visitor, db: Database) -> None:
    event = await db.fetchval(
        "INSERT INTO auth_events (action, user_id) SELECT 'factor.copied', id FROM users RETURNING id"
    )
    page = await visitor.get("/security")
    assert f'href="/auth/was-it-you?event={event}"' in page.text
    assert "One of your passkeys may have been copied" in said(page)


@walked("event", ["999", "x", "-1", ""])
async def test_what_is_none_of_ones_own_is_not_found(
    app: FastAPI, visitor: Visitor, db: Database, event: str
) -> None:
    await db.execute("INSERT INTO auth_events (action, user_id) VALUES ('login.failed', NULL)")
    other = await db.fetchval("SELECT max(id) FROM auth_events")
    for named in (event, str(other)):
        assert (await visitor.get(f"/was-it-you?event={named}")).status_code == 404


async def test_the_steps_end_other_sessions_and_change_the_password(
    visitor: Visitor, client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/api/auth/login", json={"email": "user@example.com", "password": "not the password"})
    await login(client)
    failed = await db.fetchval("SELECT id FROM auth_events WHERE action = 'login.failed'")
    path = f"/was-it-you?event={failed}"
    page = await visitor.get(path)
    assert "signed in on 1 other device" in page.text
    page = await visitor.submit(path, others="1")
    assert "1 session was ended" in page.text
    assert len(await events(db, "session.revoked_all")) == 1
    page = await visitor.submit(path, current="not the password", new="another long password")
    assert page.status_code == 422
    page = await visitor.submit(path, current=PASSWORD, new="another long password")
    assert "Your password has been changed since" in page.text
    assert len(await events(db, "password.changed")) == 1


async def test_a_device_is_new_where_place_or_kind_is_for_a_week(
    app: FastAPI, visitor: Visitor, client: httpx.AsyncClient, clock: MovableClock, db: Database
) -> None:
    await login(client, **{"User-Agent": NEWER})
    page = await visitor.get("/devices")
    assert "Was this you?" not in page.text, "another version of the same browser, from the same place"
    await login(client, **{"User-Agent": MAC})
    page = await visitor.get("/devices")
    assert page.text.count("Was this you?") == 1
    await db.execute("UPDATE user_sessions SET place = '192.0.2.1' WHERE id = 2")
    page = await visitor.get("/devices")
    assert page.text.count("Was this you?") == 2
    await db.execute("UPDATE user_sessions SET created_at = created_at - interval '8 days'")
    page = await visitor.get("/devices")
    assert "Was this you?" not in page.text

"""Impersonation: a session that somebody else has of an account, and what it can't do."""

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.conftest import PASSWORD, Role, bearer, execute, load, login, register
from tests.http.conftest import Database
from tests.walking import walked

from gatepost import Session
from gatepost.errors import AdminRequired, ImpersonationRefused, SessionRevoked
from gatepost.models import Client
from gatepost.testing import Site, running

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
(EXAMPLE,) = re.findall(r'^```python title="support.py"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users_environment: None) -> Any:
    (tmp_path / "support.py").write_text(EXAMPLE)
    return load(tmp_path / "support.py", monkeypatch)


@pytest.fixture
async def site(page: Any, dsn: str) -> Any:
    async with running(page.app, page.auth, dsn) as site:
        yield site


async def open_account(site: Site) -> tuple[httpx.AsyncClient, str, int]:
    """Return an administrator, the token of their session of Ada's account, and Ada's id."""
    ada = (await register(site.anonymous, "ada@example.com", name="Ada"))["user"]["id"]
    admin = await site.sign_in("admin@example.com", is_admin=True)
    answer = await admin.post(f"/support/{ada}")
    assert answer.status_code == 200, answer.text
    return admin, answer.json()["token"], ada


async def status(site: Site, token: str) -> int:
    return (await site.anonymous.get("/api/auth/me", headers=bearer(token))).status_code


async def session_of(page: Any, token: str) -> Session:
    session: Session = await page.auth.session_tokens.resolve(token)
    return session


async def test_it_says_by_whom_and_is_never_fresh(site: Site, page: Any, db: Database) -> None:
    _, token, ada = await open_account(site)
    me = (await site.anonymous.get("/api/auth/me", headers=bearer(token))).json()["data"]
    admin = await db.fetchval("SELECT id FROM users WHERE is_admin")
    assert (me["user"]["id"], me["session_info"]["impersonator_id"]) == (ada, admin)
    assert (me["session_info"]["is_fresh"], me["session_info"]["methods"]) == (False, ["impersonation"])
    assert (await site.anonymous.post("/orders", headers=bearer(token))).status_code == 403
    own = (await login(site.anonymous, "ada@example.com"))["token"]
    assert (await site.anonymous.post("/orders", headers=bearer(own))).status_code == 200
    info = (await site.anonymous.get("/api/auth/me", headers=bearer(own))).json()["data"]["session_info"]
    assert "impersonator_id" not in info
    event = await db.fetchrow("SELECT user_id, detail FROM auth_events WHERE action = 'session.impersonated'")
    assert event is not None
    assert (event["user_id"], json.loads(event["detail"])) == (ada, {"admin_id": admin})


async def test_a_refresh_keeps_it_what_it_is(site: Site, page: Any) -> None:
    admin, token, _ = await open_account(site)
    refreshed = await site.anonymous.post("/api/auth/refresh", headers=bearer(token))
    assert refreshed.json()["data"]["session_info"]["impersonator_id"] is not None
    again = refreshed.json()["data"]["token"]
    theirs = await session_of(page, admin.headers["Authorization"].removeprefix("Bearer "))
    assert (await session_of(page, again)).expires_at <= theirs.expires_at + timedelta(0)
    assert (await admin.post("/api/auth/logout")).status_code == 200
    assert await status(site, again) == 401


BY_SQL = {
    "sessions ended": "UPDATE user_sessions SET is_active = false WHERE methods = '{pwd}' AND user_id <> 1",
    "sessions deleted": "DELETE FROM user_sessions USING users u WHERE u.id = user_id AND u.is_admin",
    "user disabled": "UPDATE users SET is_active = false WHERE is_admin",
    "user demoted": "UPDATE users SET is_admin = false WHERE is_admin",
    "user deleted": "DELETE FROM users WHERE is_admin",
    "target promoted": "UPDATE users SET is_admin = true WHERE email = 'ada@example.com'",
}


@walked("ended", ["logout", "refresh and logout", "disabled", "erased", *BY_SQL])
async def test_it_ends_with_the_session_that_began_it_and_with_the_right_to_it(
    site: Site, page: Any, db: Database, ended: str
) -> None:
    admin, token, _ = await open_account(site)
    own = (await login(site.anonymous, "ada@example.com"))["token"]
    if ended == "refresh and logout":
        refreshed = (await admin.post("/api/auth/refresh")).json()["data"]["token"]
        assert await status(site, token) == 200
        admin.headers["Authorization"] = f"Bearer {refreshed}"
    if ended == "disabled":
        await page.auth.users.disable((await page.auth.users.find("admin@example.com")).id)
    elif ended == "erased":
        await page.auth.users.delete((await page.auth.users.find("admin@example.com")).id)
    elif ended in BY_SQL:
        await db.execute(BY_SQL[ended])
    else:
        assert (await admin.post("/api/auth/logout")).status_code == 200
    assert await status(site, token) == 401
    assert await status(site, own) == 200
    reason = "SELECT end_reason FROM user_sessions WHERE impersonator_id IS NOT NULL ORDER BY id DESC LIMIT 1"
    assert await db.fetchval(reason) == "impersonator"
    assert (
        await db.fetchval("SELECT count(*) FROM auth_events WHERE detail ->> 'reason' = 'impersonator'") == 1
    )


async def test_whoever_may_write_to_users_alone_ends_it_too(
    site: Site, page: Any, owner_dsn: str, app_role: Role
) -> None:
    _, token, _ = await open_account(site)
    await execute(owner_dsn, f"GRANT SELECT, UPDATE ON users TO {app_role.name}")
    await execute(app_role.on(owner_dsn), BY_SQL["user disabled"])
    assert await status(site, token) == 401


async def test_other_changes_of_users_end_none(site: Site, page: Any, db: Database) -> None:
    _, token, _ = await open_account(site)
    bob = (await register(site.anonymous, "bob@example.com"))["user"]["id"]
    await db.execute("UPDATE users SET is_admin = true WHERE id = $1", bob)
    await db.execute("UPDATE users SET is_admin = false, is_active = false WHERE id = $1", bob)
    await db.execute("UPDATE users SET name = name || '!'")
    assert await status(site, token) == 200


async def test_the_lists_of_sessions_say_who_has_it(site: Site, page: Any, db: Database) -> None:
    admin, token, ada = await open_account(site)
    own = bearer((await login(site.anonymous, "ada@example.com"))["token"])
    by = await db.fetchval("SELECT id FROM users WHERE is_admin")
    for client, path, headers in (
        (site.anonymous, "sessions", own),
        (site.anonymous, "sessions", bearer(token)),
        (site.anonymous, "export", own),
        (admin, f"admin/sessions?user={ada}", {}),
    ):
        listed = (await client.get(f"/api/auth/{path}", headers=headers)).json()["data"]["sessions"]
        assert sorted(each.get("impersonator_id", 0) for each in listed) == [0, 0, by], path
    (theirs,) = [row for row in await page.auth.sessions.list(ada) if row.impersonator_id is not None]
    assert theirs.impersonator_id == by


async def test_where_support_is_becomes_no_place_of_the_user(site: Site, page: Any, db: Database) -> None:
    await open_account(site)
    places = await db.fetch("SELECT DISTINCT place FROM user_sessions WHERE impersonator_id IS NOT NULL")
    assert [each["place"] for each in places] == [None]


async def test_the_console_shows_which_session_it_is(site: Site, page: Any) -> None:
    admin, _, ada = await open_account(site)
    await login(site.anonymous, "ada@example.com")
    for path in (f"admin/users/{ada}", f"admin/sessions?user={ada}", "admin/addresses/127.0.0.1"):
        assert (await admin.get(f"/auth/{path}")).text.count("Opened by support") == 1, path


@pytest.mark.parametrize("everywhere", [False, True])
async def test_who_ends_it_is_not_the_user_who_signs_out(site: Site, page: Any, everywhere: bool) -> None:
    signed_out: list[Any] = []

    async def note(conn: Any, user: Any, session_id: int | None) -> None:
        signed_out.append(user.email)

    page.auth.on_sign_out(note)
    _, token, _ = await open_account(site)
    path = "/api/auth/logout-all" if everywhere else "/api/auth/logout"
    assert (await site.anonymous.post(path, headers=bearer(token))).status_code == 200
    assert signed_out == (["ada@example.com"] if everywhere else [])


async def test_no_form_of_one_is_another_ones(site: Site, page: Any) -> None:
    _, token, ada = await open_account(site)
    other = await site.sign_in("other@example.com", is_admin=True)
    another = (await other.post(f"/support/{ada}")).json()["token"]
    pages = [await site.anonymous.get("/auth/account", headers=bearer(each)) for each in (token, another)]
    tokens = [re.findall(r'name="form_token" value="([^"]+)"', each.text)[0] for each in pages]
    same = {"Sec-Fetch-Site": "same-origin", **bearer(another)}
    for form_token, status_code in zip(tokens, (403, 303), strict=True):
        form = {"form_token": form_token, "name": "Ada"}
        answer = await site.anonymous.post("/auth/account", data=form, headers=same)
        assert answer.status_code == status_code


async def test_its_user_sees_it_and_ends_it(site: Site, page: Any) -> None:
    _, token, _ = await open_account(site)
    own = bearer((await login(site.anonymous, "ada@example.com"))["token"])
    devices = await site.anonymous.get("/auth/devices", headers=own)
    assert devices.text.count("Opened by support") == 1
    assert (
        "Support signed in to your account" in (await site.anonymous.get("/auth/activity", headers=own)).text
    )
    await site.anonymous.post("/api/auth/logout-others", headers=own)
    assert await status(site, token) == 401


@walked(
    ("method", "path", "body", "code"),
    [
        ("POST", "confirm", {"password": PASSWORD}, "invalid_credentials"),
        ("POST", "email", {"email": "x@example.com", "password": PASSWORD}, "invalid_credentials"),
        ("POST", "password", {"current": PASSWORD, "new": "another secure one"}, "invalid_credentials"),
        ("DELETE", "me", {"password": PASSWORD}, "invalid_credentials"),
        ("GET", "export", None, "fresh_session_required"),
        ("POST", "factors/totp", None, "fresh_session_required"),
        ("POST", "factors/totp/confirm", {"code": "123456"}, "fresh_session_required"),
        ("DELETE", "factors/totp", None, "fresh_session_required"),
        ("POST", "factors/recovery-codes", None, "fresh_session_required"),
    ],
)
async def test_it_proves_nothing_in_the_place_of_its_user(
    site: Site, page: Any, method: str, path: str, body: Any, code: str
) -> None:
    _, token, _ = await open_account(site)
    answer = await site.anonymous.request(method, f"/api/auth/{path}", json=body, headers=bearer(token))
    assert answer.json()["error"]["code"] == code
    await login(site.anonymous, "ada@example.com")


async def test_it_begins_with_the_right_to_it_as_it_is_by_then(site: Site, page: Any, db: Database) -> None:
    ada = (await register(site.anonymous, "ada@example.com"))["user"]["id"]
    admin = await site.sign_in("admin@example.com", is_admin=True)
    by = await session_of(page, admin.headers["Authorization"].removeprefix("Bearer "))
    await db.execute("UPDATE users SET is_admin = false")
    with pytest.raises(AdminRequired):
        await page.auth.sessions.start(ada, by=by)
    denied = await db.fetchval("SELECT detail ->> 'code' FROM auth_events WHERE action = 'access.denied'")
    assert denied == "admin_required"
    by = await session_of(page, admin.headers["Authorization"].removeprefix("Bearer "))
    assert (await page.auth.sessions.start(ada, by=by)).session.impersonator_id == by.user.id


async def test_it_begins_while_whoever_begins_it_signs_out_and_nothing_is_left(
    site: Site, page: Any, db: Database
) -> None:
    ada = (await register(site.anonymous, "ada@example.com"))["user"]["id"]
    for _ in range(5):
        admin = await site.sign_in(f"{uuid4().hex}@example.com", is_admin=True)
        by = await session_of(page, admin.headers["Authorization"].removeprefix("Bearer "))
        await page.auth.sessions.start(ada, by=by)
        begun = (page.auth.sessions.start(ada, by=by) for _ in range(2))
        out, *_ = await asyncio.gather(admin.post("/api/auth/logout"), *begun, return_exceptions=True)
        assert not isinstance(out, BaseException)
        assert out.status_code == 200
    live = "SELECT count(*) FROM user_sessions WHERE is_active AND impersonator_id IS NOT NULL"
    assert await db.fetchval(live) == 0


async def test_whom_and_by_whom_it_can_not_be(site: Site, page: Any, db: Database) -> None:
    admin, token, ada = await open_account(site)
    other = await site.sign_in("other@example.com", is_admin=True)
    other_id = await db.fetchval("SELECT max(id) FROM users")
    refused = await admin.post(f"/support/{other_id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "impersonation_refused")
    denied = await db.fetchrow("SELECT user_id, detail FROM auth_events WHERE action = 'access.denied'")
    assert denied is not None
    detail = {"code": "impersonation_refused", "verb": "impersonate", "wanted_user": other_id}
    assert (denied["user_id"], json.loads(denied["detail"])) == (other_id - 1, detail)
    start = page.auth.sessions.start
    bob = (await register(site.anonymous, "bob@example.com"))["user"]["id"]
    with pytest.raises(ImpersonationRefused):
        await start(bob, by=await session_of(page, token))
    own = await session_of(page, (await login(site.anonymous, "ada@example.com"))["token"])
    with pytest.raises(ImpersonationRefused):
        await start(ada, by=own)
    theirs = await session_of(page, other.headers["Authorization"].removeprefix("Bearer "))
    await other.post("/api/auth/logout")
    with pytest.raises(SessionRevoked):
        await start(bob, by=theirs, client=Client(ip_address="203.0.113.7"))
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE impersonator_id IS NOT NULL") == 1

"""A token that was replaced: what its own browser may still do with it, and a thief may not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, bearer, serving
from tests.http.conftest import Database, StoppedClock, events
from tests.walking import walked

from gatepost.app import create_app
from gatepost.models import Client

ORIGIN = "https://auth.example.com"
NAME = "__Host-gatepost"
NEW = "another secure password"
HOME, AGENT = "192.0.2.1", "Browser/1"
THIEVES = {
    "elsewhere": ("198.51.100.9", AGENT),
    "another program": (HOME, "curl/8"),
    "of the same program elsewhere": ("2001:db8::1", AGENT),
}
GRACE = 10


@dataclass
class Caller:
    """Somebody with a token, who sends it as a cookie, or as a bearer token."""

    app: FastAPI
    token: str = ""
    address: str = HOME
    agent: str = AGENT
    handed: str = field(default="", init=False)

    async def ask(
        self, method: str, path: str, body: Any = None, *, as_bearer: bool = False
    ) -> httpx.Response:
        """Ask, and keep what the answer hands over in `handed`."""
        transport = httpx.ASGITransport(app=self.app, client=(self.address, 50_000))
        headers = {"User-Agent": self.agent, "Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
        if self.token:
            headers |= bearer(self.token) if as_bearer else {"Cookie": f"{NAME}={self.token}"}
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            answer = await client.request(method, path, json=body, headers=headers)
        self.handed = answer.cookies.get(NAME) or ""
        if not self.handed and answer.headers.get("content-type") == "application/json":
            self.handed = (answer.json()["data"] or {}).get("token", "")
        return answer

    async def code(self, method: str = "GET", path: str = "/api/auth/me", **how: Any) -> str | None:
        answer = await self.ask(method, path, **how)
        return None if answer.is_success else str(answer.json()["error"]["code"])

    async def is_fresh(self, **how: Any) -> bool:
        """Say whether the token opens what a fresh session alone may have."""
        return (await self.ask("GET", "/api/auth/export", **how)).status_code == 200


@pytest.fixture
def stopped() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def app(make_settings: MakeSettings, stopped: StoppedClock) -> AsyncIterator[FastAPI]:
    app = create_app(make_settings(public_url=ORIGIN), clock=stopped)
    async with serving(app):
        yield app


@pytest.fixture
async def owner(app: FastAPI, stopped: StoppedClock) -> Caller:
    """Signed in twenty minutes ago."""
    owner = Caller(app)
    body = {"email": "user@example.com", "name": "John Doe", "password": PASSWORD, "cookie": True}
    assert (await owner.ask("POST", "/api/auth/register", body)).status_code == 201
    owner.token = owner.handed
    stopped.advance(minutes=20)
    assert await owner.code() is None, "renewed"
    return owner


async def refresh(caller: Caller, **how: Any) -> httpx.Response:
    return await caller.ask("POST", "/api/auth/refresh", **how)


async def confirm(caller: Caller, **how: Any) -> httpx.Response:
    return await caller.ask("POST", "/api/auth/confirm", {"password": PASSWORD}, **how)


async def change_password(caller: Caller, **how: Any) -> httpx.Response:
    return await caller.ask("POST", "/api/auth/password", {"current": PASSWORD, "new": NEW}, **how)


async def change_email(caller: Caller, **how: Any) -> httpx.Response:
    body = {"email": "other@example.com", "password": PASSWORD}
    return await caller.ask("POST", "/api/auth/email", body, **how)


Replace = Callable[..., Awaitable[httpx.Response]]
REPLACED: dict[Replace, str] = {
    refresh: "session_replaced",
    confirm: "session_replaced",
    change_password: "session_revoked",
    change_email: "session_revoked",
}
"""What replaces a token → how it is refused afterwards."""

each_way = pytest.mark.parametrize("replace", list(REPLACED), ids=lambda each: each.__name__)


async def replaced(owner: Caller, replace: Replace) -> Caller:
    """Have the owner's token replaced, and the new one come; return the owner with that one."""
    answer = await replace(owner)
    assert answer.status_code == 200, answer.text
    assert owner.handed not in {"", owner.token}
    new = Caller(owner.app, owner.handed)
    assert await new.code() is None
    return new


def thief_of(owner: Caller, kind: str) -> Caller:
    address, agent = THIEVES[kind]
    return Caller(owner.app, owner.token, address, agent)


# --- What was on its way ---


@each_way
async def test_other_tabs_are_answered_for_as_long_as_the_grace_and_no_longer(
    owner: Caller, stopped: StoppedClock, replace: Replace, db: Database
) -> None:
    new = await replaced(owner, replace)
    for wait in (0, 0.1, GRACE - 0.2):
        stopped.advance(seconds=wait)
        for path in ("/api/auth/me", "/api/auth/sessions", "/api/auth/verify", "/auth/account"):
            answer = await owner.ask("GET", path)
            assert answer.status_code in {200, 204}, (path, answer.headers.get("location"))
            assert owner.handed == ""
    assert await events(db, "session.refused") == []
    stopped.advance(seconds=0.1)
    assert await owner.code() == REPLACED[replace]
    assert (await owner.ask("GET", "/auth/account")).headers["location"].startswith("/auth/sign-in")
    assert await new.code() is None


@each_way
async def test_what_leaves_together_with_it_is_answered(owner: Caller, replace: Replace) -> None:
    tabs = [Caller(owner.app, owner.token) for _ in range(12)]
    paths = ("/api/auth/me", "/auth/account", "/api/auth/sessions")
    answers = await asyncio.gather(
        replace(owner), *(tab.ask("GET", paths[n % 3]) for n, tab in enumerate(tabs))
    )
    assert {answer.status_code for answer in answers} == {200}


@each_way
async def test_it_is_no_more_than_it_was(owner: Caller, replace: Replace) -> None:
    before = (await owner.ask("GET", "/api/auth/me")).json()["data"]["session_info"]
    await replaced(owner, replace)
    assert (await owner.ask("GET", "/api/auth/me")).json()["data"]["session_info"] == before
    assert not await owner.is_fresh()


@each_way
@walked("thief", THIEVES)
async def test_of_anybody_else_it_is_refused_at_once(
    owner: Caller, replace: Replace, thief: str, db: Database
) -> None:
    await replaced(owner, replace)
    assert await thief_of(owner, thief).code() == REPLACED[replace]
    assert await owner.code(as_bearer=True) == REPLACED[replace]
    assert await owner.code("POST", "/api/auth/logout-others", as_bearer=True) == REPLACED[replace]


@each_way
async def test_without_a_grace_there_is_no_overlap(
    make_settings: MakeSettings, stopped: StoppedClock, replace: Replace
) -> None:
    app = create_app(make_settings(public_url=ORIGIN, refresh_grace_seconds=0), clock=stopped)
    async with serving(app):
        owner = Caller(app)
        body = {"email": "user@example.com", "name": "John Doe", "password": PASSWORD, "cookie": True}
        await owner.ask("POST", "/api/auth/register", body)
        owner.token = owner.handed
        await replaced(owner, replace)
        assert await owner.code() == REPLACED[replace]


@each_way
@walked("end", ["logout", "logout-all", "by id", "disabled", "disabled in SQL", "ended in SQL"])
async def test_an_end_of_the_sign_in_ends_the_overlap(
    owner: Caller, replace: Replace, end: str, db: Database
) -> None:
    new = await replaced(owner, replace)
    if end == "by id":
        live = await db.fetchval("SELECT id FROM user_sessions WHERE is_active")
        assert await new.code("DELETE", f"/api/auth/sessions/{live}") is None
    elif end == "disabled":
        administration = owner.app.state.gatepost.administration
        user = await administration.find(
            (await new.ask("GET", "/api/auth/me")).json()["data"]["user"]["email"]
        )
        await administration.set_active(user, is_active=False, client=Client())
    elif end == "disabled in SQL":
        await db.execute("UPDATE users SET is_active = false")
    elif end == "ended in SQL":
        await db.execute("UPDATE user_sessions SET is_active = false")
    else:
        assert await new.code("POST", f"/api/auth/{end}") is None
    assert await owner.code() == REPLACED[replace]
    assert (await refresh(owner)).status_code == 401


@each_way
async def test_a_refresh_that_was_on_its_way_is_answered_and_hands_over_nothing_fresh(
    owner: Caller, replace: Replace
) -> None:
    new = await replaced(owner, replace)
    answer = await refresh(owner)
    assert answer.status_code == 200
    assert owner.handed == (new.token if replace is refresh else "")
    assert set(answer.json()["data"]) == {"user", "session_info"}
    if replace is not refresh:
        assert await new.code() is None


@each_way
async def test_a_logout_that_was_on_its_way_ends_the_sign_in(
    owner: Caller, replace: Replace, db: Database
) -> None:
    new = await replaced(owner, replace)
    assert await owner.code("POST", "/api/auth/logout") is None
    assert await new.code() == "session_revoked"
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0


@pytest.mark.parametrize("replace", [refresh, confirm], ids=lambda each: each.__name__)
async def test_verbs_that_were_on_their_way_are_done(owner: Caller, replace: Replace, db: Database) -> None:
    await replaced(owner, replace)
    assert (await owner.ask("PATCH", "/api/auth/me", {"name": "Jane"})).status_code == 200
    assert await db.fetchval("SELECT name FROM users") == "Jane"
    answer = await confirm(owner)
    assert answer.status_code == 200
    assert await Caller(owner.app, owner.handed).is_fresh(), "the password was given"


# --- Answers that were lost ---


async def test_a_lost_refresh_is_repeated_for_as_long_as_the_new_token_was_not_used(
    owner: Caller, stopped: StoppedClock, db: Database
) -> None:
    assert (await refresh(owner)).status_code == 200
    lost = owner.handed
    for wait in (1, GRACE, 60):
        stopped.advance(seconds=wait)
        assert (await refresh(owner)).status_code == 200
        assert owner.handed == lost
    assert await events(db, "session.replayed", "session.refused") == []
    assert await Caller(owner.app, lost).code() is None
    assert (await refresh(owner)).status_code == 401
    assert len(await events(db, "session.replayed")) == 1


async def test_one_that_comes_back_from_elsewhere_is_a_theft_also_where_it_was_lost(
    owner: Caller, stopped: StoppedClock, db: Database
) -> None:
    assert (await refresh(owner)).status_code == 200
    stopped.advance(seconds=GRACE)
    assert (await refresh(thief_of(owner, "elsewhere"))).status_code == 401
    assert len(await events(db, "session.replayed")) == 1


@pytest.mark.parametrize("as_bearer", [False, True])
async def test_a_lost_confirmation_signs_nobody_out(
    owner: Caller, stopped: StoppedClock, db: Database, as_bearer: bool
) -> None:
    assert (await confirm(owner, as_bearer=as_bearer)).status_code == 200
    lost = owner.handed
    stopped.advance(minutes=1)
    assert await owner.code(as_bearer=as_bearer) is None
    assert not await owner.is_fresh(as_bearer=as_bearer)
    assert (await confirm(owner, as_bearer=as_bearer)).status_code == 200
    second = Caller(owner.app, owner.handed)
    assert await second.is_fresh()
    assert await Caller(owner.app, lost).code(as_bearer=True) == "session_replaced"
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
    assert await events(db, "session.replayed", "session.refused") == []


async def test_after_a_lost_change_of_the_password_one_signs_in_with_the_new_one(
    owner: Caller, stopped: StoppedClock
) -> None:
    assert (await change_password(owner)).status_code == 200
    stopped.advance(seconds=GRACE)
    assert await owner.code() == "session_revoked"
    body = {"email": "user@example.com", "password": NEW}
    assert (await Caller(owner.app).ask("POST", "/api/auth/login", body)).status_code == 200


# --- A thief ---


@each_way
@walked("thief", THIEVES)
async def test_a_stolen_token_can_not_follow_its_owner(
    owner: Caller, replace: Replace, thief: str, stopped: StoppedClock, db: Database
) -> None:
    """The thief repeats, within the grace, what replaced the token."""
    stolen = thief_of(owner, thief)
    assert await stolen.code(as_bearer=True) is None
    await replaced(owner, replace)
    for as_bearer in (True, False):
        for repeat in REPLACED:
            answer = await repeat(stolen, as_bearer=as_bearer)
            assert answer.status_code == 401, repeat
            assert stolen.handed == ""
    refused = await events(db, "session.refused")
    assert {event["user_agent"] for event in refused} == {stolen.agent}
    assert {event["user_id"] for event in refused} == {1}
    if replace is refresh:
        assert refused[0]["detail"] == {
            "code": "session_replaced",
            "verb": "refresh",
            "reason": "another_client",
        }


@pytest.mark.parametrize("thief", THIEVES)
async def test_a_stolen_token_does_not_become_fresh_when_its_owner_confirms(
    owner: Caller, thief: str, db: Database
) -> None:
    await db.execute("UPDATE users SET is_admin = true")
    stolen = thief_of(owner, thief)
    assert (await confirm(owner)).status_code == 200
    fresh = Caller(owner.app, owner.handed)
    # Before the owner's client has used what it was given, too.
    assert (await refresh(stolen, as_bearer=True)).status_code == 200
    follower = Caller(owner.app, stolen.handed, stolen.address, stolen.agent)
    for token in (stolen, follower):
        assert not await token.is_fresh(as_bearer=True)
    assert await fresh.is_fresh()
    for token in (stolen, follower):
        assert await token.code(as_bearer=True) == "session_replaced"
        assert (await refresh(token, as_bearer=True)).status_code == 401
        assert await token.code() == "session_replaced"
    assert await fresh.code() is None
    answer = await fresh.ask("GET", "/api/auth/admin/users")
    assert answer.status_code == 200

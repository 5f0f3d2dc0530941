"""Administrators whose rights or session end while a request waits: it does nothing, and is on the trail."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from tests.conftest import bearer, nth_user, register
from tests.http.conftest import Database, assert_error, events
from tests.walking import walked

from gatepost import errors
from gatepost.library import Gatepost
from gatepost.models import Client
from gatepost.security.passwords import Password
from gatepost.services.lines import Line

ADMIN = "/api/auth/admin"

REQUESTS: dict[str, tuple[str, str, Any]] = {
    "disable": ("POST", f"{ADMIN}/users/{nth_user(2)}/disable", None),
    "enable": ("POST", f"{ADMIN}/users/{nth_user(2)}/enable", None),
    "promote": ("POST", f"{ADMIN}/users/{nth_user(2)}/promote", None),
    "demote": ("POST", f"{ADMIN}/users/{nth_user(2)}/demote", None),
    "unlock": ("POST", f"{ADMIN}/users/{nth_user(2)}/unlock", None),
    "end-sessions": ("POST", f"{ADMIN}/users/{nth_user(2)}/logout-all", None),
    "temporary-password": ("POST", f"{ADMIN}/users/{nth_user(2)}/temporary-password", None),
    "delete": ("DELETE", f"{ADMIN}/users/{nth_user(2)}", None),
    "invite": ("POST", f"{ADMIN}/invitations", {}),
    "revoke-invitation": ("DELETE", f"{ADMIN}/invitations/1", None),
    "end-session": ("DELETE", f"{ADMIN}/sessions/2", None),
    "end-matching": ("POST", f"{ADMIN}/sessions/end", {"user": nth_user(2), "expected": 1}),
    "export-events": ("GET", f"{ADMIN}/events/export", None),
    "cleanup": ("POST", "/api/auth/cleanup", None),
}
"""What administrators do, by the verb that the trail has for it: to user 2, who holds session 2."""

ENDS: dict[str, tuple[str, type[errors.GatepostError]]] = {
    "demoted": ("UPDATE users SET is_admin = false WHERE id = $1", errors.AdminRequired),
    "disabled": ("UPDATE users SET is_active = false WHERE id = $1", errors.SessionRevoked),
    "signed out": ("UPDATE user_sessions SET is_active = false WHERE user_id = $1", errors.SessionRevoked),
    "expired": ("UPDATE user_sessions SET expires_at = 'epoch' WHERE user_id = $1", errors.SessionRevoked),
}
"""How an administrator's rights end, and what a request that waits is then answered."""


@pytest.fixture
async def admin(client: httpx.AsyncClient, gate: Gatepost, db: Database) -> str:
    """The token of an administrator, whose id is 1, beside somebody else with a session and an invitation."""
    token: str = (await register(client, "admin@example.com", "Root"))["token"]
    await register(client)
    await db.execute("UPDATE users SET is_admin = true WHERE id = $1", nth_user(1))
    await db.execute("INSERT INTO auth_failures (user_id, place, failures) VALUES ($1, '', 100)", nth_user(2))
    await db.execute(
        """
        INSERT INTO auth_links (purpose, digest, expires_at) VALUES ('invitation', 'd', '2999-01-01');
        """
    )
    return token


async def held(db: Database) -> list[Any]:
    """Return what an administrator might have changed."""
    return [
        await db.fetch("SELECT * FROM users ORDER BY id"),
        await db.fetch("SELECT * FROM user_sessions ORDER BY id"),
        await db.fetch("SELECT * FROM auth_links ORDER BY id"),
        await db.fetch("SELECT * FROM auth_failures"),
    ]


async def until_it_waits(db: Database, holder: Database, request: "asyncio.Task[Any]") -> None:
    """Return once a request waits for a lock of `holder`."""
    waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)))"
    async with asyncio.timeout(30):
        while not await db.fetchval(waiting, holder.get_server_pid()):
            assert not request.done(), f"It was answered at once: {request.result().text}"


@walked(
    ("verb", "end"),
    [*((verb, "demoted") for verb in REQUESTS), *(("temporary-password", end) for end in ENDS)],
)
async def test_what_waited_until_the_rights_had_ended_does_nothing(
    client: httpx.AsyncClient, admin: str, db: Database, owner_dsn: str, verb: str, end: str
) -> None:
    method, path, body = REQUESTS[verb]
    statement, kind = ENDS[end]
    holder = await asyncpg.connect(owner_dsn)
    try:
        ending = holder.transaction()
        await ending.start()
        await holder.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", nth_user(1))
        await holder.execute(statement, nth_user(1))
        # What it asks for before it acts is answered by what is committed: the administrator still is one.
        request = asyncio.create_task(client.request(method, path, json=body, headers=bearer(admin)))
        await until_it_waits(db, holder, request)
        await ending.commit()
        before = await held(db)
        assert_error(await request, kind)
        assert await held(db) == before
    finally:
        await holder.close()
    *_, refused = await events(db)
    assert refused["action"] == ("access.denied" if kind is errors.AdminRequired else "session.refused")
    assert (refused["user_id"], refused["session_id"]) == (nth_user(1), 1)
    assert (refused["detail"]["code"], refused["detail"]["verb"]) == (kind.code, verb)


async def test_a_password_is_not_handed_out_after_a_wait_for_the_hash(
    client: httpx.AsyncClient, admin: str, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing = gate.administration._hashing
    hash_now, begun, go_on = hashing.hash, asyncio.Event(), asyncio.Event()

    async def hash_later(password: Password, line: Line) -> str:
        begun.set()
        await go_on.wait()
        return await hash_now(password, line)

    monkeypatch.setattr(hashing, "hash", hash_later)
    method, path, _ = REQUESTS["temporary-password"]
    request = asyncio.create_task(client.request(method, path, headers=bearer(admin)))
    await begun.wait()
    await db.execute("UPDATE users SET is_admin = false")
    before = await held(db)
    go_on.set()
    assert_error(await request, errors.AdminRequired)
    assert await held(db) == before


async def test_a_sign_in_that_was_refreshed_meanwhile_is_still_one(
    client: httpx.AsyncClient, admin: str, gate: Gatepost, db: Database
) -> None:
    session = await gate.session_tokens.resolve(admin)
    await client.post("/api/auth/refresh", headers=bearer(admin))
    user = await gate.administration.get(nth_user(2))
    await gate.administration.unlock(user, client=Client(), by=session)
    assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0
    await db.execute("UPDATE user_sessions SET is_active = false WHERE user_id = $1", nth_user(1))
    with pytest.raises(errors.SessionRevoked):
        await gate.administration.unlock(user, client=Client(), by=session)

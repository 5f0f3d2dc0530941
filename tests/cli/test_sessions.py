"""`gatepost sessions`: what is said, and what the database then holds."""

from datetime import timedelta

import httpx
import pytest
from tests.cli.conftest import Command, Database, events
from tests.conftest import bearer, login, register

BY = {"by": "command"}


async def test_list_shows_live_sessions_and_no_token(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    nobody = await gatepost("sessions", "list")
    assert (nobody.code, nobody.out) == (0, "No live sessions.\n")
    agent = {"User-Agent": "curl/8"}
    first = await register(client, "ada@example.com", **agent)
    second = await register(client, "bob@example.com", **agent)
    third = await login(client, "ada@example.com", **agent)
    await client.post("/api/auth/logout", headers=bearer(third["token"]))
    everybody = await gatepost("sessions", "list", "--json")
    assert [session["user_id"] for session in everybody.json["sessions"]] == [2, 1]
    own = await gatepost("sessions", "list", "ada@example.com", "--json")
    (session,) = own.json["sessions"]
    row = await db.fetchrow("SELECT * FROM user_sessions WHERE id = $1", session["id"])
    assert row is not None
    assert session == {
        "id": row["id"],
        "session_token": f"{first['token'][:8]}...",
        "user_id": 1,
        "created_at": first["session_info"]["created_at"],
        "last_used_at": first["session_info"]["created_at"],
        "expires_at": first["session_info"]["expires_at"],
        "ip_address": "127.0.0.1",
        "user_agent": "curl/8",
    }
    text = await gatepost("sessions", "list")
    assert text.out.splitlines()[-1] == "Next: gatepost sessions revoke ID ends one"
    assert f"{second['token'][:8]}..." in text.out
    assert second["token"] not in text.out + everybody.out


async def test_list_leaves_out_what_has_expired(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    await register(client)
    await db.execute("UPDATE user_sessions SET expires_at = now()")
    assert (await gatepost("sessions", "list", "--json")).json == {"sessions": [], "next_before": None}


async def test_list_pages_through_everybodys(gatepost: Command, client: httpx.AsyncClient) -> None:
    await register(client)
    for _ in range(2):
        await login(client)
    page = await gatepost("sessions", "list", "--limit", "2", "--json")
    assert [session["id"] for session in page.json["sessions"]] == [3, 2]
    assert page.json["next_before"] == 2
    rest = await gatepost("sessions", "list", "--limit", "2", "--before", "2", "--json")
    assert [session["id"] for session in rest.json["sessions"]] == [1]
    assert rest.json["next_before"] is None
    own = await gatepost("sessions", "list", "1", "--limit", "2", "--json")
    assert ([each["id"] for each in own.json["sessions"]], own.json["next_before"]) == ([3, 2], 2)
    text = await gatepost("sessions", "list", "--limit", "2")
    assert text.out.splitlines()[-1] == "Next: gatepost sessions list --before 2"


async def test_revoke_ends_the_sign_in_that_the_session_belongs_to(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    token = (await register(client))["token"]
    refreshed = await client.post("/api/auth/refresh", headers=bearer(token))
    other = (await login(client))["token"]
    ended = await gatepost("sessions", "revoke", "1")
    assert ended.code == 0
    assert ended.out.startswith("Ended session 1. Its token no longer works.\nNext: ")
    refused = await client.get("/api/auth/me", headers=bearer(refreshed.json()["data"]["token"]))
    assert refused.json()["error"]["code"] == "session_revoked"
    assert (await client.get("/api/auth/me", headers=bearer(other))).status_code == 200
    rows = await db.fetch("SELECT end_reason FROM user_sessions ORDER BY id")
    assert [row["end_reason"] for row in rows] == ["refreshed", "revoked", None]
    assert await events(db, "session.revoked") == [
        ("session.revoked", 1, BY | {"reason": "revoked", "sessions": 1})
    ]


async def test_revoking_what_is_over_or_was_never_there_fails(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/logout", headers=bearer(token))
    over = await gatepost("sessions", "revoke", "1")
    assert (over.code, over.err) == (1, "Error: Session not found\n")
    unknown = await gatepost("sessions", "revoke", "77", "--json")
    assert unknown.failed("not_found") == "Session not found"
    failure = BY | {"command": "sessions revoke", "code": "not_found"}
    assert await events(db, "command.failed") == [
        ("command.failed", None, failure | {"wanted_session": 1}),
        ("command.failed", None, failure | {"wanted_session": 77}),
    ]


@pytest.mark.parametrize("wrong", ["0", "-1", "x", str(2**31)])
async def test_a_session_that_can_be_none_is_a_mistake_of_use(gatepost: Command, wrong: str) -> None:
    refused = await gatepost("sessions", "revoke", "--", wrong)
    assert refused.code == 2
    assert refused.err.startswith("Error: Invalid value for 'ID'")


async def test_revoke_all_ends_every_session_of_the_user(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    tokens = [(await register(client))["token"], (await login(client))["token"]]
    bystander = (await register(client, "bob@example.com"))["token"]
    ended = await gatepost("sessions", "revoke-all", "user@example.com")
    assert ended.out.startswith("Ended 2 sessions of user@example.com (id 1).\nNext: ")
    for token in tokens:
        refused = await client.get("/api/auth/me", headers=bearer(token))
        assert refused.json()["error"]["code"] == "session_revoked"
    assert (await client.get("/api/auth/me", headers=bearer(bystander))).status_code == 200
    again = await gatepost("sessions", "revoke-all", "1", "--json")
    assert again.json == {"user_id": 1, "sessions_revoked": 0}
    assert await events(db, "session.revoked_all") == [
        ("session.revoked_all", 1, BY | {"reason": "revoked", "sessions": 2}),
        ("session.revoked_all", 1, BY | {"reason": "revoked", "sessions": 0}),
    ]


async def test_cleanup_ends_what_has_expired_and_purges_what_is_old(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    await register(client)
    for _ in range(3):
        await login(client)
    await db.execute("UPDATE user_sessions SET expires_at = now() WHERE id IN (1, 2)")
    await db.execute(
        "UPDATE user_sessions SET is_active = false, end_reason = 'logout', ended_at = now() - $1::interval"
        " WHERE id = 3",
        timedelta(days=91),
    )
    cleaned = await gatepost("sessions", "cleanup")
    assert (cleaned.code, cleaned.err) == (0, "")
    assert cleaned.out.startswith("Ended 2 expired sessions, purged 1 old ones.\nNext: ")
    rows = await db.fetch("SELECT id, end_reason FROM user_sessions ORDER BY id")
    assert [tuple(row) for row in rows] == [(1, "expired"), (2, "expired"), (4, None)]
    again = await gatepost("sessions", "cleanup", "--json")
    assert again.json == {"sessions_expired": 0, "sessions_purged": 0}
    assert await events(db, "cleanup.run") == [
        ("cleanup.run", None, BY | {"sessions_expired": 2, "sessions_purged": 1}),
        ("cleanup.run", None, BY | {"sessions_expired": 0, "sessions_purged": 0}),
    ]


async def test_list_takes_filters(gatepost: Command, db: Database, client: httpx.AsyncClient) -> None:
    await register(client, "ada@example.com")
    await register(client, "bob@example.com")
    await db.execute("UPDATE user_sessions SET ip_address = '203.0.113.' || id")
    await db.execute("UPDATE user_sessions SET created_at = now() - interval '1 hour' WHERE id = 2")
    options: tuple[tuple[str, ...], ...] = (
        ("--address", "203.0.113.2/31"),
        ("--older-than", "30"),
        ("bob@example.com", "--address", "203.0.113.0/24"),
    )
    for each in options:
        listed = await gatepost("sessions", "list", *each, "--json")
        assert [session["id"] for session in listed.json["sessions"]] == [2], each
    assert (await gatepost("sessions", "list", "--unused-for", "5", "--json")).json["sessions"] == []


async def test_revoke_matching_counts_confirms_and_ends_all(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    await register(client, "ada@example.com")
    await register(client, "bob@example.com")
    await db.execute("UPDATE user_sessions SET ip_address = '203.0.113.7'")
    wanted = ("sessions", "revoke-matching", "--address", "203.0.113.0/24")
    assert (await gatepost(*wanted)).code == 2  # nobody is there to confirm it
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 2
    ended = await gatepost(*wanted, "--yes")
    assert ended.out.startswith("Ended 2 sessions.\nNext: ")
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0
    (whole,) = await events(db, "sessions.ended")
    assert whole[2] == BY | {"filter": {"address": "203.0.113.0/24"}, "sessions": 2, "users": 2}
    assert (await gatepost(*wanted, "--json")).json == {"sessions_revoked": 0}


@pytest.mark.parametrize("options", [[], ["--everybody", "--user", "1"]])
async def test_revoke_matching_asks_for_a_filter_or_for_everybody(
    gatepost: Command, options: list[str]
) -> None:
    assert (await gatepost("sessions", "revoke-matching", *options, "--yes")).code == 2


async def test_live_is_the_same_to_everybody_who_counts(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    """Of a user who was disabled by SQL, whose rows go on as they are, no session is live."""
    admin = bearer((await register(client, "admin@example.com"))["token"])
    await register(client)
    await db.execute("UPDATE users SET is_admin = true WHERE id = 1")
    for disabled, live in ((False, 1), (True, 0)):
        await db.execute("UPDATE users SET is_active = $1 WHERE id = 2", not disabled)
        listed = await gatepost("sessions", "list", "2", "--json")
        assert len(listed.json["sessions"]) == live
        assert len((await gatepost("sessions", "list", "--json")).json["sessions"]) == 1 + live
        assert (await gatepost("users", "show", "2", "--json")).json["user"]["active_sessions"] == live
        overview = (await gatepost("overview", "--json")).json
        assert overview["active_sessions"]["value"] == 1 + live
        shown = (await client.get("/api/auth/admin/users/2", headers=admin)).json()["data"]["user"]
        assert shown["active_sessions"] == live
        console = (await client.get("/api/auth/admin/sessions?user=2", headers=admin)).json()["data"]
        assert (len(console["sessions"]), console["total_active_sessions"]) == (live, live)

"""`gatepost demo`: a scratch database that agrees with itself, and nobody's data in its way."""

import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.cli.conftest import Command, Database, Ended
from tests.conftest import bearer, login, settings_for
from tests.maker import on_database

from gatepost.app import create_app
from gatepost.models import AuditAction

SMALL = ("--users", "30", "--events", "2000", "--seed", "7", "--json")


@pytest.fixture
def scratch(command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands on an empty database."""
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    return command


@pytest.fixture
async def filled(scratch: Command, empty_dsn: str) -> AsyncIterator[tuple[Ended, Database]]:
    """A demo: what the command said, and a connection to it."""
    ended = await scratch("demo", *SMALL)
    conn = await asyncpg.connect(empty_dsn)
    yield ended, conn
    await conn.close()


DISAGREEMENTS = {
    "live sessions of disabled users": """
        SELECT s.id FROM user_sessions s JOIN users u ON u.id = s.user_id
        WHERE s.is_active AND NOT u.is_active
    """,
    "sessions that ended without a time or reason, or live with one": """
        SELECT s.id FROM user_sessions s
        WHERE s.is_active = (s.ended_at IS NOT NULL) OR s.is_active = (s.end_reason IS NOT NULL)
    """,
    "sign-ins without their event": """
        SELECT s.id FROM user_sessions s WHERE s.family_id IS NULL AND NOT EXISTS (
            SELECT FROM auth_events e WHERE e.session_id = s.id AND e.action = 'session.started'
                AND e.user_id = s.user_id AND e.at = s.created_at AND e.ip_address = s.ip_address)
    """,
    "events of sessions that are not": """
        SELECT e.id FROM auth_events e WHERE e.session_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM user_sessions s WHERE s.id = e.session_id AND s.user_id = e.user_id
                AND s.created_at <= e.at)
    """,
    "refreshes without their event or successor": """
        SELECT s.id FROM user_sessions s WHERE s.end_reason = 'refreshed' AND NOT EXISTS (
            SELECT FROM auth_events e JOIN user_sessions n ON n.id = s.replaced_by
            WHERE e.session_id = s.id AND e.action IN ('session.refreshed', 'session.confirmed')
                AND e.at = s.ended_at AND (e.detail ->> 'successor')::integer = n.id
                AND n.created_at = e.at AND n.family_id = coalesce(s.family_id, s.id))
    """,
    "sessions ended on purpose without their event": """
        SELECT s.id FROM user_sessions s
        WHERE s.end_reason IN ('logout', 'revoked', 'limit', 'signed_in_again') AND NOT EXISTS (
            SELECT FROM auth_events e WHERE e.session_id = s.id AND e.action = 'session.revoked'
                AND e.at = s.ended_at AND e.detail ->> 'reason' = s.end_reason)
    """,
    "ends of all sessions that count others than ended": """
        SELECT e.id FROM auth_events e WHERE e.action = 'session.revoked_all'
            AND (e.detail ->> 'sessions')::integer <> (
                SELECT count(*) FROM user_sessions s WHERE s.user_id = e.user_id AND s.ended_at = e.at
                    AND s.end_reason = e.detail ->> 'reason')
    """,
    "sessions that outlived an end of all": """
        SELECT s.id FROM user_sessions s JOIN auth_events e
            ON e.user_id = s.user_id AND e.action = 'session.revoked_all'
        WHERE s.created_at < e.at AND (s.ended_at IS NULL OR s.ended_at > e.at)
    """,
    "events in another order than their times": """
        SELECT e.id FROM (SELECT id, at, lag(at) OVER (ORDER BY id) AS before FROM auth_events) e
        WHERE e.at < e.before
    """,
    "events out of the thirty days": """
        SELECT id FROM auth_events WHERE at NOT BETWEEN now() - interval '30 days 10 minutes' AND now()
    """,
}


async def test_the_demo_agrees_with_itself(filled: tuple[Ended, Database]) -> None:
    ended, conn = filled

    assert ended.code == 0, ended
    for what, sql in DISAGREEMENTS.items():
        assert await conn.fetch(sql) == [], what
    actions = {row["action"] for row in await conn.fetch("SELECT DISTINCT action FROM auth_events")}
    assert actions <= set(AuditAction)
    assert actions >= {"login.failed", "throttled", "user.disabled", "session.replayed"}
    failures = await conn.fetchval(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM auth_failures GROUP BY user_id) f"
    )
    assert failures > 10  # places from which one account was tried


async def test_it_says_what_there_is(filled: tuple[Ended, Database]) -> None:
    ended, conn = filled

    counted = await conn.fetchrow(
        "SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM user_sessions) AS sessions,"
        " (SELECT count(*) FROM user_sessions WHERE is_active) AS live_sessions,"
        " (SELECT count(*) FROM auth_events WHERE action <> 'schema.migrated') AS events"
    )
    assert dict(counted or {}).items() <= ended.json.items()
    assert (ended.json["users"], ended.json["events"], ended.json["made_anew"]) == (30, 2000, False)
    assert ended.json["serve"].endswith(" serve")


async def test_one_signs_in_with_what_it_says(
    filled: tuple[Ended, Database], empty_dsn: str, tmp_path: Path
) -> None:
    said = filled[0].json
    app = create_app(settings_for(empty_dsn, tmp_path))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        for who, is_admin in (("admin", True), ("user", False)):
            signed_in = await login(client, said[who], said["password"])
            headers = bearer(signed_in["token"])
            answer = await client.post("/api/auth/cleanup", headers=headers)
            assert answer.status_code == (200 if is_admin else 403)
            listed = await client.get("/api/auth/sessions", headers=headers)
            assert len(listed.json()["data"]["sessions"]) >= 3  # its own among them


async def test_a_second_run_makes_it_anew(scratch: Command, filled: tuple[Ended, Database]) -> None:
    first, conn = filled
    await conn.execute("INSERT INTO users (email, name) VALUES ('new@example.com', 'New')")

    second = await scratch("demo", *SMALL)

    assert second.json == {**first.json, "made_anew": True, "sessions": second.json["sessions"]} | {
        "live_sessions": second.json["live_sessions"]
    }
    assert await conn.fetchval("SELECT count(*) FROM users") == 30


async def test_a_port_in_use_is_told_before_anything_is_filled(scratch: Command, empty_dsn: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = await scratch("demo", "--serve", "--port", port, *SMALL)
    assert refused.failed("cannot_listen").startswith(f"Port {port} of 127.0.0.1 is in use")
    conn = await asyncpg.connect(empty_dsn)
    assert await conn.fetchval("SELECT to_regclass('users')") is None
    await conn.close()


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE TABLE notes (id int)",
        "CREATE SCHEMA app CREATE TABLE users (id int)",
        "CREATE TABLE users (id serial PRIMARY KEY, email varchar UNIQUE)",
    ],
)
async def test_a_database_that_holds_something_is_left_alone(
    scratch: Command, empty_dsn: str, foreign: str
) -> None:
    conn = await asyncpg.connect(empty_dsn)
    try:
        await conn.execute(foreign)
        refused = await scratch("demo", *SMALL)
        assert "are not a demo's" in refused.failed("demo_refused")
        made = await conn.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        assert made == 1
    finally:
        await conn.close()


async def test_users_of_a_gatepost_in_use_are_left_alone(gatepost: Command, ada: int, db: Database) -> None:
    (await gatepost("demo", *SMALL)).failed("demo_refused")

    assert await db.fetchval("SELECT email FROM users WHERE id = $1", ada) == "ada@example.com"


async def test_a_demo_that_somebody_uses_for_more_is_left_alone(
    scratch: Command, filled: tuple[Ended, Database]
) -> None:
    await filled[1].execute("CREATE TABLE notes (user_id integer REFERENCES users (id))")

    refused = await scratch("demo", *SMALL)

    assert "(notes)" in refused.failed("demo_refused")
    assert await filled[1].fetchval("SELECT count(*) FROM users") == 30


async def test_what_was_interrupted_is_made_anew(scratch: Command, empty_dsn: str) -> None:
    conn = await asyncpg.connect(empty_dsn)
    await conn.execute("CREATE TABLE gatepost_demo ()")
    await conn.close()

    assert (await scratch("demo", *SMALL)).json["made_anew"] is True


async def test_production_has_no_demo(scratch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("BCRYPT_ROUNDS", "12")

    assert "production" in (await scratch("demo", *SMALL)).failed("demo_refused")


async def test_users_take_events(scratch: Command) -> None:
    refused = await scratch("demo", "--users", "200", "--events", "1000")

    assert (refused.code, "200 users need at least 2000 events" in refused.err) == (2, True)


async def test_a_database_that_does_not_exist_is_created(
    command: Command, server_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"gatepost_demo_{os.getpid()}"
    monkeypatch.setenv("DATABASE_URL", on_database(server_dsn, name))
    conn = await asyncpg.connect(server_dsn)
    try:
        assert (await command("demo", *SMALL)).json["users"] == 30
    finally:
        await conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await conn.close()


async def test_without_a_database_it_has_a_home_of_its_own_and_serves_it(
    outside: dict[str, str], tmp_path: Path
) -> None:
    import asyncio
    import sys

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gatepost", "demo", *SMALL, "--serve", "--port", "0"),
        env=outside,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            said: dict[str, Any] = json.loads(await process.stdout.readline())
            serving: dict[str, Any] = json.loads(await process.stdout.readline())
        home = f"{outside['GATEPOST_HOME']}-demo"
        assert said["database"] == serving["database"] == f"embedded in {home}"
        assert said["serve"].startswith(f"GATEPOST_HOME={home} ")
        assert serving["has_admin"] is True
        assert "home" not in os.listdir(tmp_path)  # noqa: PTH208 - as async functions may
        async with httpx.AsyncClient(base_url=serving["url"], trust_env=False, timeout=60) as client:
            await login(client, said["admin"], said["password"])
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()

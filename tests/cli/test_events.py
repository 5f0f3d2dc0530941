"""`gatepost events`: the trail as it stands, and as it grows."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.cli.conftest import PATIENCE, Command, Database, Environment, events
from tests.conftest import SCHEMAS, execute, login, register

from gatepost.db.migrate import VERSIONS
from gatepost.services import trail


async def test_list_shows_the_newest_first(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    await register(client, **{"User-Agent": "curl/8"})
    listed = await gatepost("events", "list", "--json")
    assert [event["action"] for event in listed.json["events"]] == [
        "session.started",
        "user.registered",
        *["schema.migrated"] * (len(VERSIONS) + sum(len(schema.versions) for schema in SCHEMAS)),
    ]
    newest = listed.json["events"][0]
    assert newest == {
        "id": await db.fetchval("SELECT max(id) FROM auth_events"),
        "at": newest["at"],
        "action": "session.started",
        "user_id": 1,
        "session_id": 1,
        "ip_address": "127.0.0.1",
        "user_agent": "curl/8",
        "detail": {},
    }
    text = await gatepost("events", "list")
    assert text.out.splitlines()[0].split() == ["Id", "At", "Action", "User", "Session", "Address", "Detail"]
    assert f"version={VERSIONS[0]}" in text.out.splitlines()[-1]


async def test_list_takes_a_user_an_action_and_a_page(gatepost: Command, client: httpx.AsyncClient) -> None:
    await register(client, "ada@example.com")
    await register(client, "bob@example.com")
    for _ in range(3):
        await login(client, "ada@example.com")
    own = await gatepost("events", "list", "--user", "ada@example.com", "--json")
    assert {event["user_id"] for event in own.json["events"]} == {1}
    assert len(own.json["events"]) == 5
    started = ("events", "list", "--user", "1", "--action", "session.started", "--limit", "3", "--json")
    page = await gatepost(*started)
    assert [event["action"] for event in page.json["events"]] == ["session.started"] * 3
    rest = await gatepost(*started, "--before", str(page.json["next_before"]))
    assert [event["session_id"] for event in rest.json["events"]] == [1]
    assert rest.json["next_before"] is None
    everybodys = await gatepost("events", "list", "--action", "user.registered", "--json")
    assert [event["user_id"] for event in everybodys.json["events"]] == [2, 1]
    none = await gatepost("events", "list", "--action", "no.such")
    assert none.out == "No events.\n"
    text = await gatepost("events", "list", "--limit", "1")
    assert text.out.splitlines()[-1].startswith("Next: gatepost events list --before ")


async def test_list_goes_on_until_it_has_as_many_as_were_asked_for(
    gatepost: Command, db: Database, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "WINDOW", 10)
    monkeypatch.setattr(trail, "PAGE_SECONDS", 0.0)
    await db.execute("INSERT INTO auth_events (action) SELECT 'a' FROM generate_series(1, 100)")
    found = await gatepost("events", "list", "--action", "user.", "--json")
    assert [event["user_id"] for event in found.json["events"]] == [ada]
    assert found.json["next_before"] is None


async def test_list_takes_an_address_and_times(gatepost: Command, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO auth_events (at, action, ip_address) VALUES
            ('2024-01-01T00:00:00Z', 'a', '203.0.113.7'), ('2024-01-02T00:00:00Z', 'b', '203.0.113.8')
        """
    )
    options: tuple[tuple[str, ...], ...] = (
        ("--address", "203.0.113.0/24", "--until", "2024-01-02"),
        ("--since", "2024-01-01T00:00:00Z", "--until", "2024-01-01T00:00:01"),
        ("--address", "203.0.113.7"),
    )
    for each in options:
        listed = await gatepost("events", "list", *each, "--json")
        assert [event["action"] for event in listed.json["events"]] == ["a"], each
    refused = await gatepost("events", "list", "--address", "%", "--json")
    assert refused.failed("validation_failed").startswith("address: Enter an address")


async def test_export_writes_a_file_for_its_owner_and_is_on_the_trail(
    gatepost: Command, db: Database, tmp_path: Path
) -> None:
    await db.execute("INSERT INTO auth_events (action, user_agent) VALUES ('a', '=1')")
    exported = await gatepost("events", "export", "--action", "a", "--output", "events.csv")
    assert (exported.code, exported.out, exported.err) == (0, "", "Wrote 1 event.\n")
    file = tmp_path / "events.csv"
    lines = file.read_bytes().split(b"\r\n")
    assert lines[0] == b"\xef\xbb\xbfid,at,action,user_id,email,session_id,ip_address,user_agent,detail"
    assert lines[1].endswith(b",a,,,,,'=1,{}")
    assert file.stat().st_mode & 0o777 == 0o600
    noted = await events(db, "events.exported")
    assert noted == [("events.exported", None, {"by": "command", "filter": {"action": "a"}, "format": "csv"})]


async def test_export_writes_json_lines_to_standard_output(gatepost: Command, ada: int) -> None:
    exported = await gatepost("events", "export", "--format", "ndjson", "--user", "ada@example.com")
    (line,) = exported.out.splitlines()
    assert {key: json.loads(line)[key] for key in ("action", "user_id", "email")} == {
        "action": "user.created",
        "user_id": ada,
        "email": "ada@example.com",
    }


async def test_export_says_what_can_not_be(gatepost: Command) -> None:
    refused = await gatepost("events", "export", "--output", "no/such/folder")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Error: no/such/folder can't be written: ")
    for options in (["--format", "xml"], ["--json"]):
        assert (await gatepost("events", "export", *options)).code == 2
    written = await gatepost("events", "export", "--action", "no.such", "--output", "a.csv", "--json")
    assert written.json == {"events_written": 0, "file": "a.csv"}


async def test_list_refuses_an_unknown_email(gatepost: Command) -> None:
    refused = await gatepost("events", "list", "--user", "nobody@example.com", "--json")
    assert refused.failed("not_found").startswith("User not found: ")


@asynccontextmanager
async def following(
    environment: Environment, cwd: Path, *options: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gatepost",
        "events",
        "follow",
        *options,
        env=environment,
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            assert await process.stderr.readline() == b"Following the audit trail. Press Ctrl-C to stop.\n"
            yield process, process.stdout
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.communicate()


async def test_follow_prints_what_happens_until_it_is_interrupted(
    outside: Environment, dsn: str, tmp_path: Path, client: httpx.AsyncClient
) -> None:
    await register(client, "before@example.com")
    async with following(outside | {"DATABASE_URL": dsn}, tmp_path, "--json") as (process, printed):
        await register(client, "ada@example.com")
        events = [json.loads(await printed.readline()) for _ in range(2)]
        assert [(event["action"], event["user_id"]) for event in events] == [
            ("user.registered", 2),
            ("session.started", 2),
        ]
        await login(client, "ada@example.com")
        assert json.loads(await printed.readline())["session_id"] == 3
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")


async def test_follow_shows_what_was_committed_late(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    insert = 'INSERT INTO auth_events (action, detail) VALUES ($1, \'{"why": "a test"}\')'
    async with following(outside | {"DATABASE_URL": dsn}, tmp_path) as (_, printed):
        slow = await asyncpg.connect(dsn)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(insert, "lower.id")
        await db.execute(insert, "higher.id")
        assert (await printed.readline()).decode().split()[2:] == ["higher.id", "why=a", "test"]
        await transaction.commit()
        await slow.close()
        assert (await printed.readline()).decode().split()[2] == "lower.id"


async def test_follow_outlives_the_loss_of_its_connection(
    outside: Environment, dsn: str, server_dsn: str, db: Database, tmp_path: Path
) -> None:
    name = await db.fetchval("SELECT current_database()")
    async with following(outside | {"DATABASE_URL": dsn}, tmp_path) as (process, printed):
        assert process.stderr is not None
        await execute(server_dsn, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'gatepost'"
        )
        while b"the live feed tries again" not in (line := await process.stderr.readline()):
            assert line, process
        await execute(server_dsn, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await db.execute("INSERT INTO auth_events (action) VALUES ('still.here')")
        assert (await printed.readline()).decode().split()[2] == "still.here"

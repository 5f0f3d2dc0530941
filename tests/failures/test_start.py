"""The database is away when Gatepost starts: tried again with a line each time, and in the end given up."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from tests.conftest import PASSWORD, bearer, execute, register, serving, settings_for
from tests.failures.conftest import PATIENCE, MortalServer, eventually
from tests.http.conftest import assert_error, logged
from tests.walking import walked

from gatepost.app import create_app
from gatepost.errors import DatabaseUnreachable, Unavailable
from gatepost.gate import Gate

WAITING = "waiting for the database"


def gate_on(dsn: str, home: Path, *, patience: float, timeout: float = 1.5) -> Gate:
    settings = settings_for(dsn, home, database_start_seconds=patience, database_timeout_seconds=timeout)
    return Gate(settings)


async def test_a_database_that_stays_away_is_tried_again_and_then_given_up(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(mortal.stop)
    gate = gate_on(mortal_dsn, tmp_path, patience=1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(DatabaseUnreachable, match=r"^Cannot connect to the database: .*No such file"):
        await gate.open()
    assert 1 <= loop.time() - began < PATIENCE
    lines = logged(caplog, WAITING)
    assert [line["next_try_in_seconds"] for line in lines[:2]] == [0.2, 0.4]
    assert all("No such file" in line["why"] and line["level"] == "warning" for line in lines)
    assert not gate.is_open


async def test_without_patience_it_is_tried_once(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(mortal.stop)
    with pytest.raises(DatabaseUnreachable):
        await gate_on(mortal_dsn, tmp_path, patience=0).open()
    assert not logged(caplog, WAITING)


async def test_a_server_that_does_not_answer_is_given_up_as_well(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path
) -> None:
    await mortal.pause()
    told: list[str] = []
    gate = gate_on(mortal_dsn, tmp_path, patience=1, timeout=0.3)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(DatabaseUnreachable, match="does not answer"):
            await gate.open(on_wait=lambda _, why: told.append(why))
    assert len(set(told)) == 1
    assert told[0].endswith(" does not answer")


async def test_a_database_that_comes_meanwhile_is_served_from(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(mortal.stop)
    gate = gate_on(mortal_dsn, tmp_path, patience=PATIENCE)

    async def waits() -> bool:
        return bool(logged(caplog, WAITING))

    opening = asyncio.create_task(gate.open())
    await eventually(waits)
    await asyncio.to_thread(mortal.start)
    await opening
    await gate.close()


async def test_an_application_answers_503_until_its_database_is_there(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(mortal.stop)
    async with serving(create_app(settings_for(mortal_dsn, tmp_path))) as client:
        for path in ("me", "verify", "sessions"):
            refused = await client.get(f"/api/auth/{path}", headers=bearer(str(uuid4())))
            assert_error(refused, Unavailable)
        credentials = {"email": "user@example.com", "password": PASSWORD}
        assert_error(await client.post("/api/auth/login", json=credentials), Unavailable)
        await asyncio.to_thread(mortal.start)
        token = (await register(client))["token"]
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def test_an_application_that_finds_tables_of_another_version_says_so_and_asks_them_nothing(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(mortal.stop)
    async with serving(create_app(settings_for(mortal_dsn, tmp_path))) as client:
        await asyncio.to_thread(mortal.start)
        await execute(mortal_dsn, "INSERT INTO gatepost_version VALUES ('9999')")
        assert_error(await client.get("/api/auth/me", headers=bearer(str(uuid4()))), Unavailable)
        assert_error(
            await client.post("/api/auth/login", json={"email": "user@example.com", "password": PASSWORD}),
            Unavailable,
        )
        assert "created by a newer Gatepost" in logged(caplog, "could not start")[0]["why"]
        await execute(mortal_dsn, "DELETE FROM gatepost_version WHERE version_num = '9999'")
        assert (await register(client))["token"]


@walked(
    ("mistake", "told"),
    [
        ("postgresql://nobody@/{database}?{place}", 'role "nobody" does not exist'),
        ("postgresql://gatepost@/nowhere?{place}", 'database "nowhere" does not exist'),
        ("postgresql://gatepost@/{database}?{place}&options=-c%20no_such_setting%3D1", "no_such_setting"),
        ("postgresql://gatepost@/{database}?{place}&search_path=a,,b", "search_path"),
        ("postgresql://gatepost@nosuch.invalid/{database}", "nosuch.invalid:5432: no such host is known"),
    ],
    ids=["role", "database", "setting", "value", "host"],
)
async def test_a_mistake_is_told_at_once_and_not_waited_for(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path, mistake: str, told: str
) -> None:
    url = urlsplit(mortal_dsn)
    dsn = mistake.format(database=url.path[1:], place=url.query)

    def on_wait(seconds: float, why: str) -> None:
        raise AssertionError(f"waits {seconds} s: {why}")

    with pytest.raises(DatabaseUnreachable, match=told):
        await gate_on(dsn, tmp_path, patience=PATIENCE).open(on_wait=on_wait)
    with pytest.raises(DatabaseUnreachable, match=told):
        async with serving(create_app(settings_for(dsn, tmp_path))):
            pass

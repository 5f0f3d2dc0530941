"""The database is away when Gatepost starts: tried again with a line each time, and in the end given up."""

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI
from tests.conftest import register, serving, settings_for
from tests.failures.conftest import PATIENCE, MortalServer, eventually
from tests.http.conftest import logged

from gatepost.errors import DatabaseUnreachable
from gatepost.gate import Gate
from gatepost.http.gatepost import Gatepost

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
        with pytest.raises(DatabaseUnreachable, match="it does not answer"):
            await gate.open(on_wait=lambda _, why: told.append(why))
    assert set(told) == {"it does not answer"}


async def test_a_database_that_comes_meanwhile_is_served_from(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(mortal.stop)
    auth = Gatepost(settings_for(mortal_dsn, tmp_path, database_start_seconds=PATIENCE))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    async def waits() -> bool:
        return bool(logged(caplog, WAITING))

    starting = asyncio.create_task(serve_one(app))
    await eventually(waits)
    await asyncio.to_thread(mortal.start)
    assert await starting


async def serve_one(app: FastAPI) -> str:
    async with serving(app) as client:
        return str((await register(client))["token"])

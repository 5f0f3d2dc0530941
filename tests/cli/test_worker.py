"""How a worker starts, and how it does not."""

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import settings_for
from tests.maker import on_database

from gatepost.app import create_app
from gatepost.cli.worker import Announcement, Application, Worker


@pytest.fixture
async def announcement(anyio_backend: str) -> AsyncIterator[Announcement]:
    """What is announced, with a port that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        turn = multiprocessing.get_context().Semaphore(1)
        yield Announcement(text="ready", address="127.0.0.1", port=port, turn=turn)


async def live(application: Application, announcement: Announcement) -> list[dict[str, Any]]:
    """Run the lifespan of a worker until the application has answered the start; return the answers."""
    told: list[Any] = []
    begun, over = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not begun.is_set():
            begun.set()
            return {"type": "lifespan.startup"}
        await over.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Any) -> None:
        told.append(message)
        over.set()

    await Worker(application, announcement)({"type": "lifespan", "state": {}}, receive, send)
    return told


@pytest.fixture
def signals_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the signals of the test's process as they are."""
    monkeypatch.setattr("gatepost.cli.worker._leave_interrupts_to_parent", lambda: None)


async def test_a_start_that_fails_is_one_line_of_the_log(
    announcement: Announcement,
    signals_as_they_are: None,
    server_dsn: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app: Any = create_app(settings_for(on_database(server_dsn, "nowhere"), tmp_path))
    assert await live(app, announcement) == [{"type": "lifespan.startup.failed", "message": ""}]
    (event,) = [r.msg for r in caplog.records if isinstance(r.msg, dict) and r.levelname == "ERROR"]
    assert event["event"] == "could not start"
    assert event["why"].startswith("Cannot connect to the database: ")
    assert announcement.turn.acquire(block=False)  # nobody has said that it is ready


async def test_readiness_is_announced_once(
    announcement: Announcement, capsys: pytest.CaptureFixture[str]
) -> None:
    async with asyncio.timeout(60):
        await announcement.make()
        await announcement.make()
    assert capsys.readouterr().out == "ready\n"

"""Databases that fastapi-users and Django made, each in an environment of its own beside those of `bench`."""

import asyncio
import fcntl
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from bench import install
from tests.cli.conftest import command, logging_as_it_was, settings_of

__all__ = ["command", "logging_as_it_was", "settings_of"]

HERE = Path(__file__).parent
KEPT = ("PATH", "TZ", "LD_PRELOAD", "CLOCK_AHEAD_SECONDS")
"""What a library is run with of our own environment: the clock of `make test-dates` as well."""
DOCS = HERE.parents[2] / "docs"


def files_of(page: str) -> dict[str, str]:
    """Return the Python of a page, by its titles."""
    text = (DOCS / page).read_text("utf-8")
    return dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL))


def commands_of(page: str) -> list[list[str]]:
    """Return the commands of a page: `gatepost`'s, without that word."""
    text = (DOCS / page).read_text("utf-8")
    return [line.split()[1:] for line in re.findall(r"^gatepost .*$", text, re.MULTILINE)]


def output_of(page: str) -> list[str]:
    """Return what a page says that a command prints."""
    return (DOCS / page).read_text("utf-8").partition("```text\n")[2].partition("\n```")[0].splitlines()


def sql_of(page: str) -> str:
    """Return the SQL of a page."""
    return (DOCS / page).read_text("utf-8").partition("```postgresql\n")[2].partition("```")[0]


async def environment_of(peer: str) -> Path:
    """Return the Python of an environment that has the library; one process at a time makes it.

    Raises:
        NotMeasured: it could not be installed; says why.
    """
    install.ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (install.ENVIRONMENTS / f"{peer}.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        return await install.python(peer)


async def run_with(peer: str, script: Path, *, cwd: Path, **environment: str) -> Any:
    """Run a script with a library and return what it writes into made.json."""
    process = await asyncio.create_subprocess_exec(
        await environment_of(peer),
        script,
        cwd=cwd,
        env={name: os.environ[name] for name in KEPT if name in os.environ}
        | {"PYTHONPATH": str(cwd), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, out.decode()
    return json.loads((cwd / "made.json").read_text())


@pytest.fixture
async def db(empty_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    conn = await asyncpg.connect(empty_dsn, server_settings={"timezone": "UTC"})
    yield conn
    await conn.close()

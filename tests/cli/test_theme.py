"""`gatepost theme`: what looks are set, and a preview that opens no database of the owner's."""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Command, Environment


async def test_it_says_which_settings_are_set_and_which_templates_are_replaced(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = await command("theme")
    assert plain.out.startswith("Your pages look as Gatepost's do.\nNext: gatepost theme --serve")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "base.html").write_text('{% extends "gatepost/base.html" %}')
    monkeypatch.setenv("TEMPLATES_DIR", "templates")
    monkeypatch.setenv("ACCENT_COLOR", "#ffd400")

    shown = await command("theme", "--json")

    assert shown.json == {
        "settings": {"ACCENT_COLOR": "#ffd400", "TEMPLATES_DIR": "templates"},
        "templates": ["base.html"],
    }


@pytest.mark.parametrize("options", [[], ["--serve"]])
async def test_looks_that_cannot_be_used_are_told_at_once(
    command: Command, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("THEME_CSS", "missing.css")

    refused = await command("theme", "--json", *options)

    assert refused.failed("settings_invalid").startswith("THEME_CSS: missing.css can't be read")


@pytest.fixture
def scratch() -> Iterator[str]:
    """A directory for what is temporary; its path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gp-") as directory:
        yield directory


async def test_it_serves_invented_people_and_leaves_nothing_behind(
    outside: Environment, tmp_path: Path, scratch: str
) -> None:
    (tmp_path / ".env").write_text("APP_NAME=Acme\n")
    nowhere = "postgresql://127.0.0.1:1/nothing-listens-here"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gatepost", "theme", "--serve", "--port", "0", "--json"),
        env=outside | {"DATABASE_URL": nowhere, "TMPDIR": scratch},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            said = json.loads(await process.stdout.readline())
            async with httpx.AsyncClient(base_url=said["url"], trust_env=False, timeout=60) as client:
                assert "Sign in to Acme" in (await client.get("/auth/sign-in")).text
                assert "Ingrid Sørensen" in (await client.get("/auth/admin")).text
                docs = (await client.get("/api/auth/docs")).text
                (sheet,) = re.findall(r'"(docs/[^"]+/swagger-ui.css)"', docs)
                assert len((await client.get(f"/api/auth/{sheet}")).content) > 100_000
                (tmp_path / ".env").write_text("APP_NAME=Zenith\n")
                assert "Sign in to Zenith" in (await client.get("/auth/sign-in")).text
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
    assert (said["watched"], process.returncode) == ([".env"], 0)
    assert said["url"].startswith("http://localhost:")
    assert os.listdir(scratch) == []  # noqa: PTH208 - as async functions may
    assert not (tmp_path / "home").exists()

"""A database of invented people, and previews on it."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from tests.conftest import SCHEMAS, USER_IDS, settings_for

from gatepost.demo.filling import fill, make_anew
from gatepost.demo.history import invent
from gatepost.features import FEATURES
from gatepost.models import UserId
from gatepost.preview.application import Preview
from gatepost.preview.stage import Stage
from gatepost.services.lifetimes import Lifetimes
from gatepost.settings import Settings
from gatepost.settings.feature import settings_of

MakePreview: TypeAlias = Callable[..., Preview]


async def populate(dsn: str) -> UserId:
    """Fill an empty database with a demo; return the user whose password is guessed most."""
    await make_anew(dsn, USER_IDS, features=SCHEMAS)
    invented = invent(
        seed=22,
        now=datetime.now(UTC),
        users=60,
        events=4_000,
        lifetimes=Lifetimes.of(settings_for(dsn, Path())),
        ids=USER_IDS,
    )
    await fill(dsn, invented, hashed_password="none", progress=lambda _: None)
    return max(invented.failures, key=lambda each: each.failures).user_id


@pytest.fixture
async def make_preview(empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePreview:
    """Make previews of settings that are read in the directory of this test, where `.env` may be written."""
    monkeypatch.chdir(tmp_path)
    for name in settings_of(FEATURES).model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    attacked = await populate(empty_dsn)

    def make(**given: Any) -> Preview:
        async def stage(settings: Settings) -> Stage:
            fixed = settings_for(empty_dsn, tmp_path / "home", **given)
            ours = {name: getattr(fixed, name) for name in fixed.model_fields_set}
            return await Stage.open(settings.model_copy(update=ours), FEATURES, attacked=attacked)

        return Preview(read=lambda: settings_of(FEATURES).load(".env"), stage=stage)

    return make


@asynccontextmanager
async def previewing(preview: Preview) -> AsyncIterator[httpx.AsyncClient]:
    """Speak to a preview, and end it."""
    transport = httpx.ASGITransport(app=preview, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as client:
            yield client
    finally:
        await preview.close()


async def listed(client: httpx.AsyncClient) -> list[str]:
    """Return the addresses of all pages in all of their states."""
    found = re.findall(r'<h3><a href="([^"]+)"', (await client.get("/")).text)
    assert found
    return [each.replace("&amp;", "&") for each in found]

"""The page on what Gatepost does not do: its code, run as it stands."""

import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import Request
from tests.conftest import PASSWORD, bearer, execute
from tests.conftest import load as load_module

from gatepost.testing import Site, running

PAGE = (Path(__file__).parents[2] / "docs" / "not-included.md").read_text()
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
# No test waits for an event to be old enough.
CODE = CODE.replace("interval '10 seconds'", "interval '0 seconds'")
TABLES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def page(
    tmp_path: Path, users_environment: None, monkeypatch: pytest.MonkeyPatch, owner_dsn: str
) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    await execute(owner_dsn, *TABLES)
    monkeypatch.setenv("DATABASE_URL", owner_dsn)
    path = tmp_path / "page.py"
    path.write_text(CODE)
    return load_module(path, monkeypatch)


def site_of(page: Any) -> Any:
    return running(page.app, page.auth, os.environ["DATABASE_URL"])


async def sign_in(site: Site, email: str, password: str) -> int:
    body = {"email": email, "password": password}
    return (await site.anonymous.post("/api/auth/login", json=body)).status_code


async def test_a_forgotten_password(page: Any) -> None:
    sent: list[tuple[str, str]] = []

    async def send_mail(address: str, text: str) -> None:
        sent.append((address, text))

    page.send_mail = send_mail
    async with site_of(page) as site:
        alice = await site.sign_in("alice@example.com")
        for email in ("alice@example.com", "nobody@example.com"):
            asked = await site.anonymous.post("/forgot", json={"email": email})
            assert (asked.status_code, asked.content) == (202, b"null")
        [(address, text)] = sent
        assert address == "alice@example.com"
        token = text.partition("token=")[2]
        weak = await site.anonymous.post("/reset", json={"token": token, "password": "password"})
        assert weak.status_code == 422
        body = {"token": token, "password": f"{PASSWORD}, another"}
        statuses = [(await site.anonymous.post("/reset", json=body)).status_code for _ in range(2)]
        assert statuses == [200, 400]
        assert (await alice.get("/api/auth/me")).status_code == 401
        assert await sign_in(site, "alice@example.com", f"{PASSWORD}, another") == 200


async def test_a_person_whom_a_provider_has_identified(page: Any, db: Any) -> None:
    async def callback(request: Request) -> str:
        token: str = await page.sign_in_as(request, "https://id.example.com", "7", "bob@example.com", "Bob")
        return token

    page.app.add_api_route("/callback", callback, methods=["POST"])
    async with site_of(page) as site:
        for _ in range(2):
            token = (await site.anonymous.post("/callback")).json()
            me = await site.anonymous.get("/api/auth/me", headers=bearer(token))
            assert me.json()["data"]["user"]["email"] == "bob@example.com"
    assert await db.fetchval("SELECT count(*) FROM identities") == 1


async def test_keys(page: Any) -> None:
    async with site_of(page) as site:
        alice = await site.sign_in("alice@example.com")
        key = {"X-API-Key": (await alice.post("/keys")).json()["key"]}
        assert (await site.anonymous.get("/report", headers=key)).json() == {"for": "alice@example.com"}
        assert (await alice.get("/report")).json() == {"for": "alice@example.com"}
        assert (await site.anonymous.get("/report")).status_code == 401
        assert (await site.anonymous.get("/report", headers={"X-API-Key": "app_x"})).status_code == 401
        alice_id = (await alice.get("/api/auth/me")).json()["data"]["user"]["id"]
        await page.auth.users.disable(alice_id)
        assert (await site.anonymous.get("/report", headers=key)).status_code == 401


async def test_metadata(page: Any) -> None:
    async with site_of(page) as site:
        alice: httpx.AsyncClient = await site.sign_in("alice@example.com", name="Alice")
        assert (await alice.get("/profile")).json() == {"name": "Alice", "company": None}
        for company in ("Acme", "Globex"):
            assert (await alice.put("/profile", json={"company": company})).status_code == 200
        assert (await alice.get("/profile")).json()["company"] == "Globex"


async def test_webhooks(page: Any, owner_dsn: str) -> None:
    sent: list[str] = []

    async def send_mail(_: str, text: str) -> None:
        sent.append(text)

    page.send_mail = send_mail
    async with site_of(page) as site, asyncpg.create_pool(owner_dsn) as pool:
        await site.sign_in("alice@example.com")
        last = await page.deliver(pool, 0)
        assert sent[-2:] == ["user.registered 1", "session.started 1"]
        told = len(sent)
        assert await page.deliver(pool, last) == last
    assert len(sent) == told

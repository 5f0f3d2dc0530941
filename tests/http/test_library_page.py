"""The page on the library: its examples, run as they stand."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, execute, scratch_database, serving
from tests.conftest import load as load_module

from gatepost.testing import running

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text()
BLOCKS = re.findall(r'^```python(?: title="([^"]+)")?\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
FILES = {title: code for title, code in BLOCKS if title}
CONTINUED = [code for title, code in BLOCKS if not title]
"""Pieces without a file's name: they go on where notes.py ends."""


Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path, users_environment: None, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import code as a user's module, with the settings of the environment."""
    monkeypatch.chdir(tmp_path)

    def load(code: str) -> ModuleType:
        path = tmp_path / "page.py"
        path.write_text(code)
        return load_module(path, monkeypatch)

    return load


async def register_at(client: httpx.AsyncClient, prefix: str, email: str) -> httpx.Response:
    body = {"email": email, "name": "John Doe", "password": PASSWORD}
    return await client.post(f"{prefix}/register", json=body)


def test_every_block_is_python_and_every_file_has_a_test() -> None:
    for title, code in BLOCKS:
        compile(code, title or "page", "exec")
    tested = {"notes.py", "journal.py", "shop.py", "versions.py", "starlette_app.py", "own_errors.py"}
    tested |= {
        "conftest.py",
        "test_notes.py",
        "board.py",
        "crm.py",
        "company.py",
        "usernames.py",
        "support.py",
        "checkout.py",
    }
    # Django is not installed here; the middleware's tests have an application that refuses as it does.
    assert set(FILES) == tested | {"asgi.py (Django)"}


def test_the_page_and_the_readme_show_the_example_as_it_stands() -> None:
    example = (ROOT / "examples" / "notes.py").read_text()
    assert FILES["notes.py"] == example
    assert f"```python\n{example}```\n" in (ROOT / "README.md").read_text()


async def test_the_pieces_go_on_where_the_first_example_ends(load: Any, dsn: str) -> None:
    page = load("\n".join([FILES["notes.py"], *CONTINUED]))
    async with running(page.app, page.auth, dsn) as site:
        alice = await site.sign_in("alice@example.com")
        admin = await site.sign_in("admin@example.com", is_admin=True)
        with pytest.raises(RuntimeError, match="Use your address at"):
            await site.sign_in("alice@elsewhere.org")
        assert (await site.anonymous.get("/")).json() == "Hello, stranger"
        assert (await alice.get("/")).json() == "Hello, Test User"
        assert (await site.anonymous.get("/drafts/")).status_code == 401
        assert (await alice.get("/drafts/")).json() == []
        assert (await alice.delete("/notes")).status_code == 403
        assert (await admin.delete("/notes")).status_code == 200
        assert page.app.url_path_for("live") == "/live"


async def test_board(load: Any) -> None:
    page = load(FILES["board.py"])
    async with serving(page.app) as client:
        assert (await client.get("/board")).headers["Location"] == "/auth/sign-in?next=%2Fboard"
        data = (await register_at(client, "/api/auth", "alice@example.com")).json()["data"]
        shown = await client.get("/board", headers=bearer(data["token"]))
    assert 'action="/auth/sign-out"' in shown.text
    assert re.search(r'name="form_token" value="[\w=-]{64}"', shown.text)


async def test_crm(load: Load, db: Any) -> None:
    page = load(FILES["crm.py"])
    async with running(page.app, page.auth, os.environ["DATABASE_URL"]) as site:
        admin = await site.sign_in("admin@example.com", is_admin=True)
        for _ in range(2):
            imported = await admin.post("/import", params={"email": "ada@example.com", "name": "Ada"})
            assert imported.json() == {"email": "ada@example.com"}
        ada = {"email": "grace@example.com", "name": "Grace"}
        token = (await site.anonymous.post("/checkout", params=ada)).json()["token"]
        me = await site.anonymous.get("/api/auth/me", headers=bearer(token))
        assert me.json()["data"]["user"]["email"] == "grace@example.com"
        assert (await site.anonymous.post("/checkout", params=ada)).status_code == 409
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'app.imported'") == 2


async def test_journal(load: Any, dsn: str, owner_dsn: str, db: Any) -> None:
    await execute(
        owner_dsn,
        "CREATE TABLE journals (user_id integer, title text)",
        "GRANT INSERT ON journals TO PUBLIC",
    )
    page = load(FILES["journal.py"])
    async with serving(page.app) as client:
        data = (await register_at(client, "/auth", "alice@example.com")).json()["data"]
    assert (
        await db.fetchval("SELECT title FROM journals WHERE user_id = $1", data["user"]["id"]) == "John Doe"
    )
    assert await db.fetchval("SELECT expires_at - created_at = interval '1 hour' FROM user_sessions")


async def test_shop(load: Any, server_dsn: str, template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scratch_database(server_dsn, template) as dsn:
        monkeypatch.setenv("STAFF_DATABASE_URL", dsn)
        page = load(FILES["shop.py"])
        async with serving(page.app) as client:
            registered = await register_at(client, "/api/staff", "clerk@example.com")
            clerk = bearer(registered.json()["data"]["token"])
            assert (await client.get("/stock", headers=clerk)).json() == "clerk@example.com"
            assert (await client.get("/orders", headers=clerk)).status_code == 401


async def test_versions(load: Any, dsn: str) -> None:
    page = load(FILES["versions.py"])
    async with running(page.app, page.auth, dsn) as site:
        alice = await site.sign_in("alice@example.com")
        assert (await alice.get("/v1/notes")).json() == "alice@example.com"
        assert (await site.anonymous.get("/v1/notes")).status_code == 401
        assert (await alice.get("/v1/api/auth/me")).status_code == 404


async def test_starlette_app(load: Any, dsn: str) -> None:
    page = load(FILES["starlette_app.py"])
    async with running(page.app, page.auth, dsn) as site:
        alice = await site.sign_in("alice@example.com")
        assert (await alice.get("/")).text == "alice@example.com"
        assert (await site.anonymous.get("/")).text == "stranger"


async def test_own_errors(load: Any, dsn: str) -> None:
    page = load(FILES["own_errors.py"])
    async with running(page.app, page.auth, dsn) as site:
        refused = await site.anonymous.get("/notes")
        alice = await site.sign_in("alice@example.com")
        assert (await alice.get("/notes")).json() == "alice@example.com"
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (list(refused.json()), refused.json()["code"]) == (["detail", "code"], "not_authenticated")


def test_the_tests_of_a_users_application_pass(tmp_path: Path, environment: dict[str, str]) -> None:
    for name in ("notes.py", "conftest.py", "test_notes.py"):
        (tmp_path / name).write_text(FILES[name])
    quiet = {k: v for k, v in environment.items() if not k.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", tmp_path],
        cwd=tmp_path,
        env=quiet | {"PYTHONPATH": os.fspath(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert not (tmp_path / ".gatepost").exists()  # the application's own database was left alone

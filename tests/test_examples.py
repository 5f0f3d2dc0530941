"""The examples that need no browser: started by the commands of their READMEs, then asked."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
from tests.conftest import SECRET_KEY, bearer, load, login, register, serving

EXAMPLES = Path(__file__).parents[1] / "examples"


def commands(example: str) -> list[str]:
    """Return the commands that start an example, without what installs it."""
    [block, *_] = re.findall(r"```bash\n(.*?)```", (EXAMPLES / example / "README.md").read_text(), re.DOTALL)
    return [line for line in block.splitlines() if not line.startswith("pip install")]


@pytest.fixture
def environment_of_examples(
    empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> dict[str, str]:
    """Their settings, for a database that has nothing yet."""
    own = {
        "DATABASE_URL": empty_dsn,
        "SECRET_KEY": SECRET_KEY,
        "ENVIRONMENT": "test",
        "BCRYPT_ROUNDS": "4",
        "GATEPOST_HOME": str(tmp_path / "home"),
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    programs = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return environment | own | {"PATH": programs}


async def start(example: str, environment: Mapping[str, str], tmp_path: Path) -> tuple[Path, str]:
    """Run the commands of a README in a copy, all but the last, which serves; return where it is."""
    place = tmp_path / example
    shutil.copytree(EXAMPLES / example, place, ignore=shutil.ignore_patterns("__pycache__"))
    *before, serve = commands(example)
    assert serve == "uvicorn app:app"
    script = "\n".join(line for line in before if not line.startswith("export DATABASE_URL="))
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-ec",
        script,
        cwd=place,
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return place, out.decode()


def loaded(place: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the application, and what lies beside it, as uvicorn would."""
    monkeypatch.syspath_prepend(str(place))
    for name in ("models", "database"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return load(place / "app.py", monkeypatch)


async def test_projects_of_sqlalchemy_and_alembic(
    environment_of_examples: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, said = await start("projects", environment_of_examples, tmp_path)
    assert "No new upgrade operations detected." in said
    module = loaded(place, monkeypatch)
    async with serving(module.app) as client:
        ada = bearer((await register(client, "ada@example.com", "Ada"))["token"])
        await client.post("/projects", json={"title": "Engine"}, headers=ada)
        mine = await client.get("/projects", headers=ada)
        assert mine.json() == ["Ada's first project", "Engine"]
        assert (await client.get("/projects")).status_code == 401
        assert (await client.get("/projects/all", headers=ada)).status_code == 403
        await module.auth.users.create(
            email="admin@example.com", name="Eve", password="securepassword123", is_admin=True
        )
        admin = bearer((await login(client, "admin@example.com"))["token"])
        everyones = (await client.get("/projects/all", headers=admin)).json()
        assert everyones == {
            "Ada's first project": "ada@example.com",
            "Engine": "ada@example.com",
            "Eve's first project": "admin@example.com",
        }


async def test_tasks_of_sqlmodel(
    environment_of_examples: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tables_of_sqlmodel: None,
) -> None:
    place, _ = await start("sqlmodel", environment_of_examples, tmp_path)
    module = loaded(place, monkeypatch)
    async with serving(module.app) as client:
        ada = bearer((await register(client, "ada@example.com", "Ada"))["token"])
        made = await client.post("/tasks", json={"title": "Weave"}, headers=ada)
        assert (made.status_code, made.json()) == (201, {"id": 1, "owner_id": 1, "title": "Weave"})
        other = bearer((await register(client, "grace@example.com", "Grace"))["token"])
        assert (await client.get("/tasks", headers=other)).json() == []
        assert [task["title"] for task in (await client.get("/tasks", headers=ada)).json()] == ["Weave"]


def test_the_single_page_application_is_started_as_its_readme_says() -> None:
    readme = (EXAMPLES / "spa" / "README.md").read_text()
    # tests/browser/test_examples.py does each of these.
    assert re.findall(r"```bash\n(.*?)```", readme, re.DOTALL) == [
        "ALLOWED_ORIGINS=http://localhost:5173 uvicorn server:app\n",
        "make -C ../.. client\nnpm ci --ignore-scripts\nnpm run dev\n",
    ]

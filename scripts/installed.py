"""Measure the library alone, as an application installs it: `python -m scripts.installed`.

A wheel of this checkout goes into a fresh environment. Printed is what that holds, what `import gatepost`
takes, and the README's example from its first import to its first answer, on an embedded PostgreSQL that is
migrated already. Times are of the processor, the best of five: what else the machine does counts less.
"""
# ruff: noqa: S603 - the programs are named here

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gatepost.db import migrate
from gatepost.db.embedded import EmbeddedServer
from gatepost.feature import schemas_of
from gatepost.features import FEATURES

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5

PACKAGES = "from importlib.metadata import distributions; print(len({d.name for d in distributions()}))"

CLOCKED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"

IMPORTED = "import gatepost"

ALL_IMPORTED = "from gatepost import *"

ANSWERED = """
import asyncio, time
began = time.process_time()
from notes import app

async def main():
    async with app.router.lifespan_context(app):
        sent = []
        async def receive(): return {"type": "http.request", "body": b"", "more_body": False}
        async def send(message): sent.append(message)
        await app({"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": "/notes", "raw_path": b"/notes", "query_string": b"", "root_path": "",
            "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000)}, receive, send)
        assert sent[0]["status"] == 401, sent
        print(time.process_time() - began)

asyncio.run(main())
"""


def main() -> None:
    """Measure, and print a line a figure."""
    uv = str(ROOT / ".venv" / "bin" / "uv")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        run(uv, "build", "--quiet", "--wheel", "--out-dir", place, ROOT)
        [wheel] = place.glob("*.whl")
        python = place / "venv" / "bin" / "python"
        run(uv, "venv", "--quiet", "--python", sys.executable, place / "venv")
        run(uv, "pip", "install", "--quiet", "--python", python, wheel)
        packages = place / "venv" / "lib"
        say("packages", run(python, "-c", PACKAGES))
        say("installed", f"{megabytes(packages)} MB")
        run(python, "-m", "compileall", "-q", packages)
        say("with bytecode", f"{megabytes(packages)} MB")
        for statement in (IMPORTED, ALL_IMPORTED):
            say(statement, best(python, CLOCKED.format(statement)))
        (place / "notes.py").write_text((ROOT / "examples" / "notes.py").read_text())
        with EmbeddedServer.start(place / "pg", durable=False) as server:
            asyncio.run(migrate.migrate(server.dsn(), features=schemas_of(FEATURES)))
            own = {
                "DATABASE_URL": server.dsn(),
                "SECRET_KEY": "of-no-use-beyond-this-measurement",
                "LOG_LEVEL": "error",
            }
            say("the README's example, to its first answer", best(python, ANSWERED, cwd=place, **own))


def best(python: Path, code: str, *, cwd: Path = ROOT.parent, **environment: str) -> str:
    """Return the least time that code prints, in milliseconds."""
    times = [float(run(python, "-c", code, cwd=cwd, **environment).splitlines()[-1]) for _ in range(RUNS)]
    return f"{min(times) * 1000:.0f} ms"


def megabytes(folder: Path) -> int:
    """Return how much the files of a folder are."""
    return (
        sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        // 10**6
    )


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip()


def say(what: str, figure: str) -> None:
    """Print a figure."""
    sys.stdout.write(f"{what:42} {figure}\n")


if __name__ == "__main__":
    main()

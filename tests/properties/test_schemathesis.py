"""The OpenAPI document against the server, by schemathesis: no answer is unexpected, whatever is sent.

`make fuzz` sends more, in sequences too, and other things each time.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import uvicorn
from tests.conftest import PASSWORD, AsApp, execute, settings_for
from tests.maker import on_database

from gatepost.app import create_app

BOUNDED = ("--phases=examples,coverage,fuzzing", "--max-examples=2", "--generation-deterministic")
FUZZ = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Examples in all that `make fuzz` asked for."""
PROFILE = ("--phases=examples,coverage,fuzzing,stateful", f"--max-examples={FUZZ // 50}") if FUZZ else BOUNDED
"""An operation each has its examples, and there are more than fifty."""


@contextmanager
def listening(dsn: str, home: Path) -> Iterator[str]:
    """Serve the application on a port of its own, in a thread with its own event loop."""
    app = create_app(settings_for(dsn, home))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, loop="asyncio"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        (port,) = [s.getsockname()[1] for served in server.servers for s in served.sockets]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def url(server_dsn: str, template: str, as_app: AsApp, tmp_path: Path) -> Iterator[str]:
    name = f"gatepost_{uuid4().hex[:12]}"
    asyncio.run(execute(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    with listening(as_app(on_database(server_dsn, name)), tmp_path / "home") as url:
        body = {"email": "reader@example.com", "name": "John Doe", "password": PASSWORD}
        assert httpx.post(f"{url}/api/auth/register", json=body).status_code == 201
        yield url
    asyncio.run(execute(server_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def test_every_answer_is_as_documented(url: str, environment: dict[str, str], tmp_path: Path) -> None:
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    ended = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            *("run", f"{url}/api/auth/openapi.json", "--checks=all"),
            # Addresses and names have rules that JSON Schema can't tell: a 422 for those is no fault.
            "--exclude-checks=positive_data_acceptance",
            *PROFILE,
            *("--suppress-health-check=all", "--no-color", "--output-truncate=false"),
        ],
        cwd=tmp_path,
        env=environment | hooks | {"GATEPOST_TEST_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    documented = httpx.get(f"{url}/api/auth/openapi.json").json()["paths"].values()
    operations = len([method for path in documented for method in path if method != "parameters"])
    assert f"{operations} selected / {operations} total" in ended.stdout

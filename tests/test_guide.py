"""The guide's own commands, as they stand there, in a copy of the tree with an environment of its own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gatepost.db.migrate import HEAD

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300
"""Seconds, for a machine that is busy and a registry that is slow."""


class Shell:
    """Somebody who types the guide's commands in `backend/`, with the environment activated.

    Args:
        tree: the copy.
        environment: of the commands.
    """

    def __init__(self, tree: Path, environment: dict[str, str]) -> None:
        self.backend = tree / "backend"
        self.environment = environment | {
            "PATH": f"{self.backend / '.venv' / 'bin'}:{environment['PATH']}",
            # Not ours but the registry's: nothing may wait for an answer to a question.
            "PIP_NO_INPUT": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # Most of what is installed is never imported here.
            "PIP_NO_COMPILE": "1",
        }

    def type(self, command: str, *, code: int = 0, **more: str) -> str:
        """Run a command to its end, hold its exit code, and return what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.backend,
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    @contextmanager
    def keep_running(self, command: str, **more: str) -> Iterator[Path]:
        """Run a command until the end of the block, then interrupt it; its output goes to a file."""
        log = self.backend / "output.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.backend,
                env=self.environment | more,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield log
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(PATIENCE)


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]) -> Shell:
    tree = tmp_path / "gatepost"
    for name in ("src", "backend", "sboms"):
        ignored = shutil.ignore_patterns("__pycache__", ".env", ".gatepost", ".venv")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    subprocess.run([sys.executable, "-m", "venv", tree / "backend" / ".venv"], check=True)
    return Shell(tree, environment)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def until(log: Path, text: str, *, times: int = 1) -> None:
    """Return once a line has been logged so often."""
    deadline = time.monotonic() + PATIENCE
    while log.read_text("utf-8").count(text) < times:
        assert time.monotonic() < deadline, log.read_text("utf-8")
        time.sleep(0.05)  # between two looks at what another process does


def test_the_guides_commands(shell: Shell) -> None:
    shell.type("pip install -r requirements.txt")
    made = shell.type("python create_tables.py")
    assert made.startswith(f"Created the schema, version {HEAD} (embedded in .gatepost).\n")
    assert shell.type("python create_tables.py").startswith("Nothing to do")
    assert shell.type("cp env.example .env") == ""
    port = free_port()
    url = f"http://localhost:{port}"
    with shell.keep_running("uvicorn main:app --reload", UVICORN_PORT=port) as log:
        until(log, "Application startup complete.")
        first = shell.type("python test_auth.py", GATEPOST_URL=url)
        assert first.startswith(f"Testing {url}\nok  registered ")
        assert first.endswith("Everything works.\n")
        second = shell.type(f"python test_auth.py {url}")
        assert second.count("\nok  ") == first.count("\nok  ") == 11
        # A change to the code is a new process, on the same data.
        main = shell.backend / "main.py"
        main.write_text(main.read_text("utf-8") + "\n", "utf-8")
        until(log, "Application startup complete.", times=2)
        shell.type("gatepost throttles clear --all --yes")
        shell.type("python test_auth.py", GATEPOST_URL=url)
        printed = log.read_text("utf-8")
    assert "Traceback" not in printed
    # A line a request, ours, and no second one by the server.
    assert len(re.findall(r"method=POST .*path=/api/auth/register .*status=201", printed)) == 3
    assert '"POST /api/auth/register' not in printed
    alone = shell.type("python test_auth.py", GATEPOST_URL=url)
    assert alone.startswith(f"Nothing answers at {url}: starting a server for the test\nok  registered ")
    assert alone.endswith("Everything works.\n")
    counted = shell.type(
        """gatepost psql -XAtc "SELECT count(*), count(*) FILTER (WHERE email LIKE 'test-%') FROM users" """
    )
    assert counted == "4|4\n"
    assert shell.type("gatepost psql -XAtc 'SELECT count(*) FROM user_sessions WHERE is_active'") == "0\n"
    assert not (shell.backend / ".gatepost" / "pgdata" / "postmaster.pid").exists()


def test_settings_that_cannot_be_worked_with_are_told_line_by_line(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "main:app", "--port", free_port()],
        cwd=ROOT / "backend",
        env=environment | {"ENVIRONMENT": "prod", "WORKERS": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["ENVIRONMENT", "WORKERS"]


class Impostor(BaseHTTPRequestHandler):
    """A server that says yes to everything."""

    def do_GET(self) -> None:
        body = self.server.body  # type: ignore[attr-defined]  # put there by the test
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"welcome", "POST /register answered 201 and no JSON: is it Gatepost?"),
        (b"{}", "POST /register: success is not as the status"),
    ],
)
def test_a_test_that_fails_says_so(environment: dict[str, str], body: bytes, told: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Impostor) as server:
        server.body = body  # type: ignore[attr-defined]  # read by the handler
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        done = run_test(environment, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert (done.returncode, done.stderr) == (1, f"FAILED  {told}\n")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://192.0.2.1.invalid:1", "nothing answers at http://192.0.2.1.invalid:1"),
        ("file:///etc/passwd", "file:///etc/passwd is no address of a server"),
    ],
)
def test_no_server_is_started_for_another_machine(environment: dict[str, str], url: str, told: str) -> None:
    done = run_test(environment, url)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"FAILED  {told}\n")


def run_test(environment: dict[str, str], url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "test_auth.py", url],
        cwd=ROOT / "backend",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

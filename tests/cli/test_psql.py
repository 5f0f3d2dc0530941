"""`gatepost psql`: psql on the configured database, its arguments untouched."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.cli.conftest import PATIENCE, Command, Database, Environment, run_process
from tests.conftest import SECRET_KEY

from gatepost.errors import EmbeddedServerError


async def test_arguments_are_passed_on_untouched(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    await db.execute("INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
    environment = outside | {"DATABASE_URL": dsn}
    shown = await run_process(environment, "psql", "-XAt", "-c", "SELECT email FROM users", cwd=tmp_path)
    assert (shown.code, shown.out, shown.err) == (0, "ada@example.com\n", "")
    joined = ("psql", "-XAtc", "SELECT :'name'", "--json", "-v", "name=--help")
    refused = await run_process(environment, *joined, cwd=tmp_path)
    assert refused.code == 1
    assert "unrecognized option" in refused.err
    typed = await run_process(
        environment, "psql", "-XAt", "-v", "name=--json", cwd=tmp_path, stdin=b"SELECT :'name'"
    )
    assert (typed.code, typed.out) == (0, "--json\n")


async def test_a_role_called_gatepost_finds_the_tables(
    outside: Environment, dsn: str, owner_dsn: str, db: Database, tmp_path: Path
) -> None:
    """As after a restore elsewhere, where what was set for the role is not there."""
    database = await db.fetchval("SELECT current_database()")
    await db.execute(f"ALTER ROLE gatepost IN DATABASE {database} RESET search_path")
    shown = await run_process(
        outside | {"DATABASE_URL": owner_dsn}, "psql", "-XAt", "-c", "SELECT current_schema()", cwd=tmp_path
    )
    assert (shown.code, shown.out, shown.err) == (0, "public\n", "")


async def test_psqls_exit_code_is_the_commands(outside: Environment, dsn: str, tmp_path: Path) -> None:
    options = ("psql", "-X", "-v", "ON_ERROR_STOP=1")
    failed = await run_process(
        outside | {"DATABASE_URL": dsn}, *options, cwd=tmp_path, stdin=b"SELECT nonsense;"
    )
    assert failed.code == 3
    assert 'column "nonsense" does not exist' in failed.err


async def test_settings_of_the_url_hold_and_the_password_is_no_argument(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    joiner = "&" if "?" in dsn else "?"
    url = f"{dsn}{joiner}application_name=it%20is%20me&password=not-shown"
    show = "SELECT current_setting('application_name'), pg_backend_pid(), pg_sleep(600)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gatepost", "psql", "-X", "-v", "marker=here"),
        env=outside | {"DATABASE_URL": url},
        cwd=tmp_path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(f"{show};\n".encode())
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'it is me' AND query LIKE $1 || '%'"
    )
    async with asyncio.timeout(PATIENCE):
        while not await db.fetchval(running, show):  # noqa: ASYNC110 - it is PostgreSQL that is watched
            await asyncio.sleep(0)
    arguments = await asyncio.to_thread(arguments_of_everybody)
    assert b"marker=here" in arguments
    assert b"not-shown" not in arguments
    # Ctrl-C reaches both: psql gives its script up, which is its exit code 3, and we wait for that.
    os.killpg(process.pid, signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        _, err = await process.communicate()
    assert process.returncode == 3
    assert b"canceling statement due to user request" in err
    assert b"Traceback" not in err


def arguments_of_everybody() -> bytes:
    """Return what everybody on the machine reads of every process."""
    found = b""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # one that has ended meanwhile
            found += file.read_bytes()
    return found


async def test_without_psql_a_line_says_what_to_install(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")
    monkeypatch.setenv("PATH", str(tmp_path))

    def none() -> Path:
        raise EmbeddedServerError("there are none")

    for find_binaries in (none, lambda: tmp_path):
        monkeypatch.setattr("gatepost.db.embedded.find_binaries", find_binaries)
        refused = await command("psql", "-c", "SELECT 1")
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith("Error: psql was not found: install PostgreSQL's client programs")


async def test_help_is_ours(command: Command) -> None:
    shown = await command("psql", "--help")
    assert shown.code == 0
    assert "Run psql on the configured database" in shown.out


ELSEWHERE = {
    "PGSERVICE": "elsewhere",
    "PGSERVICEFILE": "{here}/services",
    "PGHOSTADDR": "192.0.2.1",
    "PGCONNECT_TIMEOUT": "1",
    "PGDATABASE": "template1",
    "PGUSER": "nobody",
    "PGPORT": "1",
    "PGPASSWORD": "wrong",
    "PGOPTIONS": "-c search_path=pg_catalog",
    "PGSSLMODE": "verify-full",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGTARGETSESSIONATTRS": "standby",
    "PGLOADBALANCEHOSTS": "random",
    "PGPASSFILE": "{here}/none",
}
"""Each alone would lead to another server, or to none."""


async def test_what_libpq_reads_of_the_environment_leads_nowhere_else(
    outside: Environment, owner_dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "services").write_text("[elsewhere]\ndbname=template1\nhost=192.0.2.1\n")
    given = {name: value.format(here=tmp_path) for name, value in ELSEWHERE.items()}
    asked = ("psql", "-XAtc", "SELECT current_database(), to_regclass('users')")
    environment = outside | {"DATABASE_URL": owner_dsn} | given
    shown = await run_process(environment, *asked, cwd=tmp_path)
    assert (shown.code, shown.out) == (0, f"{urlsplit(owner_dsn).path[1:]}|users\n"), shown


async def test_settings_are_not_handed_on(outside: Environment, owner_dsn: str, tmp_path: Path) -> None:
    environment = outside | {"DATABASE_URL": owner_dsn, "SECRET_KEY": SECRET_KEY, "PSQL_PAGER": "cat"}
    shown = await run_process(environment, "psql", "-X", cwd=tmp_path, stdin=b"\\! env\n")
    assert shown.code == 0
    assert "PSQL_PAGER=cat" in shown.out
    assert SECRET_KEY not in shown.out
    assert "DATABASE_URL" not in shown.out

"""What all commands share: help with an example, JSON, exit codes, errors in one line."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PATIENCE, Command, Database, Environment, events, run_process
from typer.main import get_command

from gatepost.cli import create
from gatepost.errors import GatepostError
from gatepost.settings import Settings
from gatepost.terminal.output import program


def leaves(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        if not hasattr(inner, "commands") or inner.invoke_without_command:
            yield " ".join((*path, name)), inner
        yield from leaves(inner, *path, name)


COMMANDS = dict(leaves(get_command(create())))


def test_there_are_exactly_these_commands() -> None:
    assert set(COMMANDS) == {
        "serve",
        "migrate",
        "psql",
        "doctor",
        "overview",
        "blocks list",
        "blocks add",
        "blocks lift",
        "mail list",
        "mail retry",
        "mail bounced",
        "mail reset",
        "mail test",
        "mail preview",
        "demo",
        "theme",
        "secret",
        "secret rotate",
        "import fastapi-users",
        "import django",
        *(
            f"users {verb}"
            for verb in (
                "create",
                "list",
                "show",
                "promote",
                "demote",
                "disable",
                "enable",
                "set-password",
                "unlock",
                "reset-factors",
                "delete",
                "invite",
                "invitations",
                "revoke-invitation",
            )
        ),
        *(f"sessions {verb}" for verb in ("list", "revoke", "revoke-all", "revoke-matching", "cleanup")),
        *(f"events {verb}" for verb in ("list", "export", "follow")),
        *(f"throttles {verb}" for verb in ("list", "clear")),
    }


@pytest.mark.parametrize("name", COMMANDS)
async def test_help_has_an_example_of_the_command(command: Command, name: str) -> None:
    shown = await command(*name.split(), "--help")
    assert shown.code == 0
    example = shown.out[shown.out.index("Example: ") :]
    assert f"gatepost {name}" in example or f"gatepost {name})" in example


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"psql"}))
async def test_every_command_takes_json(command: Command, name: str) -> None:
    assert "--json" in (await command(*name.split(), "--help")).out


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_a_password_as_an_argument(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {option for option in options if "password" in option} <= {"--password-stdin"}


async def test_version_and_the_module(outside: Environment, tmp_path: Path) -> None:
    shown = await run_process(outside, "--version", cwd=tmp_path)
    assert (shown.code, shown.out, shown.err) == (0, "gatepost 0.1.0\n", "")


@pytest.mark.parametrize("arguments", [[], ["users"], ["sessions"], ["events"], ["throttles"]])
async def test_without_a_command_the_help_is_shown(command: Command, arguments: list[str]) -> None:
    shown = await command(*arguments)
    assert shown.code == 2
    assert "Commands" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["users", "list", "--bogus"], "No such option: --bogus"),
        (["users", "show"], "Missing argument 'USER'"),
        (["users", "list", "--limit", "0"], "Invalid value for '--limit'"),
        (["serve", "--port", "65536"], "Invalid value for '--port'"),
    ],
)
async def test_a_mistake_of_use_is_one_line_and_exit_code_2(
    command: Command, arguments: list[str], told: str
) -> None:
    refused = await command(*arguments)
    (line,) = refused.err.splitlines()
    assert (refused.code, refused.out) == (2, "")
    assert line.startswith(f"Error: {told}")
    as_json = await command(*arguments, "--json")
    assert (as_json.code, as_json.json["error"]["code"]) == (2, "usage")
    assert as_json.err == ""


async def test_every_mistake_in_the_settings_is_a_line(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")
    monkeypatch.setenv("SESSION_EXPIRE_MINUTES", "0")
    refused = await command("users", "list")
    assert (refused.code, refused.out) == (1, "")
    assert [line.split(":")[:2] for line in refused.err.splitlines()] == [
        ["Error", " SESSION_EXPIRE_MINUTES"],
        ["Error", " ENVIRONMENT"],
    ]
    assert len((await command("users", "list", "--json")).failed("settings_invalid").splitlines()) == 2


async def test_a_database_that_is_away_is_waited_for_and_told_of(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:not-shown@127.0.0.1:1/gatepost")
    monkeypatch.setenv("DATABASE_START_SECONDS", "0.3")
    refused = await command("users", "list", "--json")
    assert refused.failed("database_unreachable").startswith("Cannot connect to the database: ")
    first, *_ = refused.err.splitlines()
    assert first.startswith("Waiting for the database, retrying in 0.2 s: ")
    assert "not-shown" not in refused.out + refused.err


async def test_a_database_that_is_not_migrated_is_refused(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    refused = await command("users", "list")
    assert (refused.code, refused.err) == (1, "Error: The database is not migrated: run `gatepost migrate`\n")


async def test_what_nobody_foresaw_is_one_line_and_on_the_trail(
    gatepost: Command, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.execute("DROP FUNCTION gatepost_end_sessions")
    await db.execute("INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
    refused = await gatepost("users", "disable", "1")
    (line,) = refused.err.splitlines()
    assert line.startswith("Error: UndefinedFunctionError: function gatepost_end_sessions(")
    assert line.endswith("gatepost doctor may explain why; DEBUG=True shows where")
    assert (await gatepost("users", "disable", "1", "--json")).failed("internal_error")
    assert await db.fetchval("SELECT is_active FROM users")
    failure = {"by": "command", "command": "users disable", "code": "internal_error", "user": "1"}
    assert await events(db, "command.failed", "user.disabled") == [("command.failed", None, failure)] * 2
    monkeypatch.setenv("DEBUG", "True")
    assert "Traceback" in (await gatepost("users", "disable", "1")).err


async def test_a_reader_that_has_seen_enough_is_no_traceback(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    await db.execute(
        "INSERT INTO users (email, name)"
        " SELECT n || '@example.com', repeat('x', 200) FROM generate_series(1, 2000) n"
    )
    # Unbuffered, Python takes a piece that was written for the whole and sees nothing amiss.
    environment = {name: value for name, value in outside.items() if name != "PYTHONUNBUFFERED"}
    for options in ([], ["--json"]):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gatepost", "users", "list", "--limit", "2000", *options),
            env=environment | {"DATABASE_URL": dsn},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        await process.stdout.readexactly(1)
        process.stdout._transport.close()  # type: ignore[attr-defined]  # there is no other way
        async with asyncio.timeout(PATIENCE):
            assert await process.stderr.read() == b""
            assert await process.wait() == 1


LOADED = """
import sys
from gatepost.cli import main
try:
    main({arguments})
except SystemExit as ended:
    assert not ended.code
    print(*(name for name in {names} if name in sys.modules), file=sys.stderr)
"""


async def loaded(environment: Environment, arguments: list[str], *names: str) -> list[str]:
    """Return which of these modules a command loads."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOADED.format(arguments=arguments, names=names)),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        _, told = await process.communicate()
    assert process.returncode == 0, told.decode()
    return told.decode().split()


async def test_help_loads_nothing_heavy(outside: Environment) -> None:
    heavy = ("fastapi", "starlette", "asyncpg", "pydantic_settings", "structlog", "granian")
    assert await loaded(outside, ["--help"], "typer", *heavy) == ["typer"]


async def test_commands_do_without_the_web(outside: Environment, dsn: str) -> None:
    heavy = ("fastapi", "starlette", "granian")
    environment = outside | {"DATABASE_URL": dsn}
    assert await loaded(environment, ["users", "list"], "asyncpg", *heavy) == ["asyncpg"]


async def test_a_terminal_that_knows_less_than_unicode_is_no_mistake(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    await db.execute("INSERT INTO users (email, name) VALUES ('zoe@example.com', 'Zoë')")
    environment = outside | {"DATABASE_URL": dsn, "PYTHONIOENCODING": "ascii"}
    listed = await run_process(environment, "users", "list", cwd=tmp_path)
    assert (listed.code, listed.err) == (0, "")
    assert "Zo\\xeb" in listed.out
    listed = await run_process(environment, "users", "list", "--json", cwd=tmp_path)
    assert listed.json["users"][0]["name"] == "Zoë"


async def test_secret_prints_a_key_that_production_takes_and_nothing_else(command: Command) -> None:
    keys = [(await command("secret")).out for _ in range(2)]
    assert keys[0] != keys[1]
    (key,) = keys[0].splitlines()
    settings = Settings.load(env_file=None, environment="production", secret_key=key, bcrypt_rounds=12)
    assert settings.secret_key is not None
    as_json = (await command("secret", "--json")).json
    assert set(as_json) == {"secret_key"}
    assert len(as_json["secret_key"]) == len(key)


def test_the_errors_of_commands_have_codes_of_their_own() -> None:
    def below(kind: type[GatepostError]) -> Iterator[type[GatepostError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    codes = [kind.code for kind in below(GatepostError) if "code" in vars(kind)]
    assert {"cannot_listen", "program_missing"} <= set(codes)
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("called", "path", "told"),
    [
        ("/usr/bin/pytest", "", "gatepost"),
        ("/x/gatepost/__main__.py", "", "python -m gatepost"),
        (".venv/bin/gatepost", "", ".venv/bin/gatepost"),
        (".venv/bin/gatepost", ".venv/bin", "gatepost"),
        ("/opt/none/gatepost", ".venv/bin", "/opt/none/gatepost"),
        ("/opt/shop/manage.py", "", "python /opt/shop/manage.py"),
    ],
)
def test_hints_call_the_program_as_it_can_be_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str, path: str, told: str
) -> None:
    script = tmp_path / ".venv" / "bin" / "gatepost"
    script.parent.mkdir(parents=True)
    script.touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / path) if path else "/nowhere")
    monkeypatch.setattr("sys.argv", [called])
    assert program() == told
    monkeypatch.setattr("sys.argv", [str(tmp_path / called) if called.startswith(".venv") else called])
    assert program() == told

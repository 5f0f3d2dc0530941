"""`gatepost psql`: PostgreSQL's own shell on the configured database."""

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gatepost.errors import EmbeddedServerError, SetupError
from gatepost.terminal.connection import configured_dsn, connected, libpq_environment
from gatepost.terminal.running import in_use, load_settings

if TYPE_CHECKING:
    from gatepost.settings import Settings


class ProgramMissing(SetupError):
    """A program that the command needs is not installed."""

    code = "program_missing"


def psql(context: typer.Context) -> None:
    """Run psql on the configured database, embedded or your own. All arguments go to psql.

    The exit code is psql's. An embedded server that isn't running is started for the duration.
    """
    settings = load_settings()
    command = [find_psql(settings), *context.args]
    with configured_dsn(settings) as dsn:
        environment = inherited() | libpq_environment(dsn) | asyncio.run(_path_to_tables(dsn))
        # Ctrl-C is psql's: it cancels a query there, and must not end what psql works on.
        # A handler, other than SIG_IGN, does not pass on to the program that is started.
        former = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            done = subprocess.run(command, check=False, env=environment)  # noqa: S603 - the user's own arguments
        finally:
            signal.signal(signal.SIGINT, former)
    raise typer.Exit(done.returncode if done.returncode >= 0 else 1)


async def _path_to_tables(dsn: str) -> dict[str, str]:
    """Return options with a `search_path`, where a role called gatepost would be led away by its name."""
    options = libpq_environment(dsn)
    if options.get("PGUSER") != "gatepost" or "search_path" in options.get("PGOPTIONS", ""):
        return {}
    path = None
    with suppress(SetupError):  # psql says by itself why it can't connect
        async with connected(dsn) as conn:
            path = await conn.fetchval("SELECT array_to_string(current_schemas(false), ',')")
    return {"PGOPTIONS": f"{options.get('PGOPTIONS', '')} -c search_path={path}".strip()} if path else {}


def inherited() -> dict[str, str]:
    """Return the environment of psql: nothing that leads it elsewhere, and no setting of Gatepost's.

    libpq would ask a `PG*` variable for all that DATABASE_URL does not say, and the secret key is nothing for
    what psql starts in turn: a pager, an editor, a shell.
    """
    from gatepost.settings.feature import settings_of

    ours = settings_of(in_use.get()).model_fields
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PG") and name.lower() not in ours
    }


def find_psql(settings: "Settings") -> str:
    """Return psql: the one beside the embedded server for that, else the PATH's.

    Raises:
        ProgramMissing: there is none.
    """
    from gatepost.db.embedded import find_binaries

    on_path = shutil.which("psql")
    try:
        beside: Path | None = find_binaries() / "psql"
    except EmbeddedServerError:
        beside = None
    shipped = str(beside) if beside is not None and os.access(beside, os.X_OK) else None
    first, second = (shipped, on_path) if settings.database_url is None else (on_path, shipped)
    if found := first or second:
        return found
    raise ProgramMissing("psql was not found: install PostgreSQL's client programs and put psql on the PATH")

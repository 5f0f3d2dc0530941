"""The data directory of the embedded server: made whole or not at all, and held against the programs."""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gatepost.db.embedded.programs import Programs, within_reach
from gatepost.errors import EmbeddedServerError

ROLE = "gatepost"
DATABASE = "gatepost"
FRESH = "pgdata.new-"
# Settings that the owner may alter again; the first statements of a new cluster.
FIRST_STATEMENTS = f"ALTER SYSTEM SET max_connections = 200;\nCREATE DATABASE {DATABASE};\n"


def ensure(data: Path, programs: Programs, *, durable: bool) -> None:
    """Make the data directory where it is missing; check that the programs can serve it.

    Raises:
        EmbeddedServerError: PostgreSQL couldn't make it, or it is another version's or no data directory.
    """
    if data.is_symlink():
        raise EmbeddedServerError(f"{data} is a link: set GATEPOST_HOME to where the data are")
    if not data.exists():
        _make(data, programs, durable=durable)
    version_file = data / "PG_VERSION"
    if not version_file.is_file():
        raise EmbeddedServerError(f"{data} is not a PostgreSQL data directory: move it away and start again")
    found = version_file.read_text(encoding="ascii", errors="replace").strip()[:8]
    if found != programs.major:
        raise EmbeddedServerError(
            f"{data} was made by PostgreSQL {found}, and {programs.directory} has {programs.version}. "
            f"Dump it with the programs of {found} (pg_dumpall) and load that into a new one, "
            "or move it away to begin with an empty database"
        )


def _make(data: Path, programs: Programs, *, durable: bool) -> None:
    """Make it beside its place and move it there, so that an interrupted one is never taken for whole."""
    for leftover in data.parent.glob(f"{FRESH}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=FRESH, dir=data.parent))
    try:
        if programs.account:
            os.chown(fresh, programs.account.uid, programs.account.gid)
        with within_reach(fresh, programs.account) as (path, descriptors):
            _initdb(programs, path, descriptors)
            single = ("--single", "-F", "-D", path, "postgres")
            _run(programs, "postgres", *single, text=FIRST_STATEMENTS, pass_fds=descriptors)
            if durable:
                _run(
                    programs,
                    "initdb",
                    "--sync-only",
                    *_sync_method(programs),
                    "-D",
                    path,
                    pass_fds=descriptors,
                )
        fresh.rename(data)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if durable:
        _sync(data.parent)


def _initdb(programs: Programs, path: str, descriptors: Sequence[int]) -> None:
    given = ["-D", path, "-U", ROLE, "--auth=trust", "--encoding=UTF8", "--no-sync"]
    if int(programs.major) >= 17:  # has a locale of its own: the same case rules on every system
        given += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    try:
        _run(programs, "initdb", *given, "--locale=C.UTF-8", pass_fds=descriptors)
    except EmbeddedServerError as error:
        if "invalid locale name" not in error.message:
            raise
        _run(programs, "initdb", *given, "--locale=C", pass_fds=descriptors)


def _sync_method(programs: Programs) -> tuple[str, ...]:
    """Return the option to flush all files at once, where there is one: else it's a thousand, one by one."""
    return ("--sync-method=syncfs",) if int(programs.major) >= 17 and sys.platform == "linux" else ()


def _run(programs: Programs, name: str, *arguments: str, pass_fds: Sequence[int], text: str = "") -> None:
    done = programs.run(name, *arguments, text=text, pass_fds=pass_fds)
    if done.returncode or "ERROR:" in done.stderr:  # single-user mode ends with 0 after an error
        lines = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise EmbeddedServerError(f"{name} could not make the database:\n{lines}")


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

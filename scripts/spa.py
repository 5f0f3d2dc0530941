"""Bring what examples/spa is built with: the client, and the packages that its package-lock.json names.

    python -m scripts.spa

npm is the one on the PATH, or else one from npm itself that Playwright's node runs.
"""

import fcntl
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts import client, npm

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "spa"
KEPT = ROOT / ".npm"

VERSION = "11.6.2"
SHA512 = "7iKzNfy8lWYs3zq4oFPa8EXZz5xt9gQNKJZau3B1ErLBb6bF7sBJ00x09485DOvRT2l5Gerbl3VlZNT57MxJVA=="

SECONDS = 180
"""Longest time that npm may take."""


def main() -> None:
    """Prepare it."""
    prepare()


def prepare() -> Path:
    """Return the directory of the example with all that it needs; one process at a time does it.

    Raises:
        NotFetchedError: npm was not reached; says so.
    """
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "spa.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _once("client", [*client.CLIENT.glob("src/*"), client.CLIENT / "tsconfig.json"], _build, client.DIST)
        _once("spa", [EXAMPLE / "package-lock.json"], _install, EXAMPLE / "node_modules")
    return EXAMPLE


def _once(name: str, sources: Sequence[Path], make: Callable[[], None], made: Path) -> None:
    """Make something where it is not there, or was made of other files."""
    digest = hashlib.sha512()
    for source in sorted(sources):
        digest.update(source.read_bytes())
    stamp = KEPT / f"{name}.made"
    if made.is_dir() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    make()
    stamp.write_text(digest.hexdigest())


def _build() -> None:
    client.build(client.DIST)


def _install() -> None:
    sys.stderr.write("Fetching the packages of examples/spa from npm\n")
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000")
    try:
        done = subprocess.run(  # noqa: S603 - named here
            [*_npm(), "ci", *options],
            cwd=EXAMPLE,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise npm.NotFetchedError(f"npm did not answer within {SECONDS} seconds") from None
    if done.returncode:
        raise npm.NotFetchedError(f"npm ci failed in examples/spa: {done.stderr.strip()}")


def _npm() -> list[str]:
    if found := shutil.which("npm"):
        return [found]
    place = KEPT / f"npm-{VERSION}"
    if not place.exists():
        with tarfile.open(fileobj=io.BytesIO(npm.fetch("npm", VERSION, sha512=SHA512))) as files:
            files.extractall(place, filter="data")
    return [client.node(), str(place / "package" / "bin" / "npm-cli.js")]


if __name__ == "__main__":
    main()

"""Build the client for browsers, clients/js, with TypeScript from npm and a node that is at hand.

    python -m scripts.client [directory]

The directory is clients/js/dist unless another one is named. The compiler is kept in .npm.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from scripts import npm

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "js"
DIST = CLIENT / "dist"

VERSION = "5.9.3"
SHA512 = "jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw=="
COMPILER = ROOT / ".npm" / f"typescript-{VERSION}"


def main() -> None:
    """Build."""
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else DIST)


def build(into: Path) -> None:
    """Compile the client into a directory; what the compiler complains of ends the program."""
    if not COMPILER.exists():
        _unpack(npm.fetch("typescript", VERSION, sha512=SHA512))
    command = [node(), str(COMPILER / "lib" / "tsc.js"), "--project", str(CLIENT), "--outDir", str(into)]
    done = subprocess.run(command, check=False, stdout=sys.stderr)  # noqa: S603 - named here
    if done.returncode:
        sys.exit(done.returncode)


def node() -> str:
    """Return a node: the one that Playwright's driver brings, or else one on the PATH."""
    if (driver := find_spec("playwright")) and driver.origin:
        own = Path(driver.origin).with_name("driver") / "node"
        if own.exists():
            return str(own)
    found = shutil.which("node")
    return found or sys.exit("There is no node: install nodejs, or build .venv with make install")


def _unpack(package: bytes) -> None:
    COMPILER.parent.mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=COMPILER.parent))
    with tarfile.open(fileobj=io.BytesIO(package)) as files:
        files.extractall(place, filter="data")
    with suppress(OSError):  # another process was faster
        os.rename(place / "package", COMPILER)  # noqa: PTH104 - which fails where there is one
    shutil.rmtree(place)


if __name__ == "__main__":
    main()

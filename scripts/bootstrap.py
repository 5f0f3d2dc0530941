"""Build .venv from uv.lock where there is nothing but Python: `bootstrap.py runtime` or `bootstrap.py dev`.

Only the standard library is used, and of it neither ensurepip nor pip, which Debian ships apart: uv comes
from the PATH, or from PyPI as a wheel whose digest stands below. pip is asked only where that can't be had:
on another platform, or behind a mirror that pip knows of.
"""
# ruff: noqa: S603, S310 - the programs and the one address are named here

import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
UV = ENVIRONMENT / "bin" / "uv"

UV_VERSION = "0.13.9"
OLDEST_UV = (0, 8)  # of one that is found on the PATH
CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# (system, machine): path on files.pythonhosted.org and SHA-256 of the wheel. Those for Linux are linked
# statically and run with any C library.
FILES = "https://files.pythonhosted.org/packages"
WHEELS = {
    ("Linux", "x86_64"): (
        "fe/fe/794884de0efd3ac77a427cab21aa72c0483e100c55a42cd5cbb02c141b84/uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl",
        "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
    ),
    ("Linux", "aarch64"): (
        "57/15/94b6cd62ac3ff6550288328e8035288875197cbc183f51554b266a69877b/uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
    ("Darwin", "arm64"): (
        "f3/a7/a8d7b074798c7fb3b26b37584b8fe2e29df2ccdc24ce7902caab2a53edbf/uv-0.13.9-py3-none-macosx_11_0_arm64.whl",
        "66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63",
    ),
    ("Darwin", "x86_64"): (
        "1e/db/08e9ef4879bd667e6d7b4705e594e5bd3e4585f10fc63cb16b9fa2fac63e/uv-0.13.9-py3-none-macosx_10_12_x86_64.whl",
        "c16ed11e013557536b3e60065f1b912f6407bd6518e041b961e23ef9e6b4fbf5",
    ),
}


EXTRAS = ("--extra", "server", "--extra", "embedded")
"""All that `make serve` has."""


def main(kind: str) -> None:
    """Build or refresh .venv; leave a stamp in it for make, newer than what it was built from."""
    say(f"Building .venv with Python {platform.python_version()}")
    if not works(PYTHON):
        venv.create(ENVIRONMENT, clear=True, symlinks=True, with_pip=False)
    groups = ["--group", "dev"] if kind == "dev" else []
    command = [find_uv(), "sync", "--frozen", "--inexact", "--no-default-groups", *EXTRAS, *groups]
    if subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode:
        sys.exit(f"{command[0]} could not install what uv.lock names; its message stands above")
    for stamp in {"runtime", kind}:
        (ENVIRONMENT / f".{stamp}").touch()


def environment() -> dict[str, str]:
    """Return uv's: the Python that is there, .venv whatever the caller says, the system's certificates."""
    settings = {"UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT)}
    if platform.system() == "Darwin" or any(Path(place).is_file() for place in CERTIFICATES):
        # Behind a proxy that opens TLS only they fit; a small container has none, and uv's own serve.
        settings["UV_SYSTEM_CERTS"] = "true"
    return os.environ | settings


def find_uv() -> str:
    """Return a uv that runs, fetched if need be."""
    on_path = shutil.which("uv")
    if on_path and version_of(on_path) >= OLDEST_UV:
        return on_path
    if not works(UV):
        wheel = WHEELS.get((platform.system(), platform.machine()))
        if not (wheel and fetch(*wheel)):
            ask_pip()
    return str(UV)


def fetch(path: str, digest: str) -> bool:
    """Take uv out of its wheel on PyPI, if that is the very file named here; False: PyPI wasn't reached."""
    say(f"Fetching uv {UV_VERSION} from PyPI")
    try:
        with urllib.request.urlopen(f"{FILES}/{path}", timeout=60) as answer:
            wheel = answer.read()
    except OSError as error:
        say(f"PyPI was not reached: {error}")
        return False
    if hashlib.sha256(wheel).hexdigest() != digest:
        sys.exit(
            "What was fetched is not the uv that is expected (its SHA-256 differs): nothing was installed"
        )
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        program = archive.read(f"uv-{UV_VERSION}.data/scripts/uv")
    unfinished = UV.with_suffix(".part")
    unfinished.write_bytes(program)
    unfinished.chmod(0o755)
    unfinished.replace(UV)
    return True


def ask_pip() -> None:
    """Install uv by pip, for a platform without a digest above."""
    say(f"Installing uv {UV_VERSION} by pip")
    wanted = ["install", "--quiet", "--disable-pip-version-check", f"uv=={UV_VERSION}"]
    own = subprocess.run([PYTHON, "-m", "ensurepip"], capture_output=True, check=False).returncode == 0
    pip = [str(PYTHON), "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    if subprocess.run([*pip, *wanted], check=False).returncode:
        sys.exit("uv could not be installed: put uv on the PATH (https://docs.astral.sh/uv/) and try again")


def works(program: Path) -> bool:
    """Whether a program runs: one whose interpreter was removed is there and does not."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def version_of(uv: str) -> tuple[int, ...]:
    """Return its version; () for one that does not run, like the shim of another Python's."""
    shown = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(number) for number in re.findall(r"\d+", shown)[:3])


def say(line: str) -> None:
    """Say what goes on to whoever waits."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1])

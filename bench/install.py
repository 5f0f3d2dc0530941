"""The peers' own environments, from PyPI and npm, at the versions that their lock files name."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.failures import NotMeasured
from bench.places import CACHE, PEERS, PROGRAMS

ENVIRONMENTS = CACHE / "peers"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "true"} if CERTIFICATES.exists() else {}
MINUTES = 10


async def python(peer: str) -> Path:
    """Return the Python of an environment that has what `requirements.txt` names and nothing else."""
    target = ENVIRONMENTS / peer
    interpreter = target / "bin" / "python"
    locked = PEERS / peer / "requirements.txt"
    if not _is_current(target, locked):
        shutil.rmtree(target, ignore_errors=True)
        uv = _uv()
        await _run(uv, "venv", "--quiet", "--python", sys.executable, target)
        await _run(uv, "pip", "sync", "--quiet", "--require-hashes", "--python", interpreter, locked)
        _stamp(target, locked)
    return interpreter


async def beside(peer: str) -> Path:
    """Return a directory for PYTHONPATH, for one who is to have our own versions of the rest."""
    target = ENVIRONMENTS / peer
    locked = PEERS / peer / "requirements.txt"
    if not _is_current(target, locked):
        shutil.rmtree(target, ignore_errors=True)
        options = ["--quiet", "--require-hashes", "--no-deps", "--python", sys.executable, "--target", target]
        await _run(_uv(), "pip", "install", *options, "--requirement", locked)
        _stamp(target, locked)
    return target


async def node(peer: str) -> Path:
    """Return a directory that has the peer's programs and, beside them, what `package-lock.json` names."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotMeasured("node or npm is missing (on Debian: apt-get install nodejs npm)")
    target = ENVIRONMENTS / peer
    locked = PEERS / peer / "package-lock.json"
    if not _is_current(target, locked):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PEERS / peer / name, target)
        await _run(npm, "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts", directory=target)
        _stamp(target, locked)
    for source in (PEERS / peer).glob("*.mjs"):
        shutil.copy(source, target)
    return target


def locked_versions(peer: str) -> Mapping[str, str]:
    """Return what the peer's lock file names."""
    directory = PEERS / peer
    requirements = directory / "requirements.txt"
    if requirements.exists():
        return dict(re.findall(r"^([\w.-]+)==([\w.]+)", requirements.read_text(), re.MULTILINE))
    packages = json.loads((directory / "package-lock.json").read_text())["packages"]
    return {
        name.removeprefix("node_modules/"): package["version"]
        for name, package in packages.items()
        if name and name.count("node_modules/") == 1
    }


def _uv() -> str:
    own = PROGRAMS / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise NotMeasured("uv is missing (https://docs.astral.sh/uv/)")
    return found


async def _run(*command: object, directory: Path | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=directory,
        env=os.environ | SYSTEM_CERTIFICATES,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), MINUTES * 60)
    except TimeoutError:
        process.kill()
        raise NotMeasured(f"{command[0]} took longer than {MINUTES} minutes") from None
    if process.returncode:
        last = output.decode(errors="replace").strip().splitlines()[-2:]
        raise NotMeasured(f"it could not be installed: {' / '.join(last)}")


def _digest(locked: Path) -> str:
    return hashlib.sha256(locked.read_bytes() + sys.version.encode()).hexdigest()


def _is_current(target: Path, locked: Path) -> bool:
    stamp = target / ".installed"
    return stamp.exists() and stamp.read_text() == _digest(locked)


def _stamp(target: Path, locked: Path) -> None:
    (target / ".installed").write_text(_digest(locked))

"""What the figures were measured on."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.cores import Cores

PACKAGES = (
    "gatepost",
    "fastapi",
    "starlette",
    "granian",
    "uvicorn",
    "uvloop",
    "httptools",
    "asyncpg",
    "msgspec",
    "bcrypt",
)


def described(cores: Cores) -> dict[str, object]:
    """Return the machine in words and numbers, nothing in it names whose it is."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", info, re.MULTILINE)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(cores.all),
        "virtual": "hypervisor" in info,
        "memory_gb": round(int(memory[1]) * 1024 / 1e9, 1) if memory else None,
        "system": _system(),
        "kernel": platform.release().partition("-")[0],
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(postgres: str) -> dict[str, str]:
    found = {name: version(name) for name in PACKAGES}
    return found | {
        "python": platform.python_version(),
        "postgresql": postgres,
        "wrk": _first(r"wrk (?:debian/)?(\S+)", "wrk", "-v"),
        "node": _first(r"v(\S+)", "node", "--version"),
    }


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")


def _system() -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', Path("/etc/os-release").read_text(), re.MULTILINE)
    return found[1] if found else platform.system()


def _first(pattern: str, *command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "none"
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"

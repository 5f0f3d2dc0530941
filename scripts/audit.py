"""Compare what uv.lock has with the vulnerabilities that are known: `make audit`.

pip-audit is fetched for this and kept apart from .venv. It is given what Gatepost runs with, versions and
digests, and asks PyPI's advisories about each; nothing is installed. Exit code 1 where one is known, or where
PyPI can't be asked.
"""
# ruff: noqa: S603 - the programs are named here

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = "pip-audit==2.10.1"


def main() -> int:
    """Ask about every package; returns pip-audit's exit code."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        sys.exit("uv is missing: run `make install`")
    with tempfile.TemporaryDirectory() as directory:
        locked = str(Path(directory) / "requirements.txt")
        export = [uv, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project"]
        subprocess.run([*export, "--output-file", locked], cwd=ROOT, check=True)
        # With a digest for each there is nothing to resolve, and so nothing to install. Strict: a package
        # that could not be asked about is an error, not one without vulnerabilities.
        audit = [uv, "tool", "run", "--from", PIP_AUDIT, "pip-audit", "--strict", "--require-hashes"]
        return subprocess.run([*audit, "--disable-pip", "--requirement", locked], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

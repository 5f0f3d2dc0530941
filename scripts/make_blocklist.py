# /// script
# requires-python = ">=3.11"
# dependencies = ["django==5.2.19", "zxcvbn==4.5.0"]
# ///
"""Write the list of common passwords, src/gatepost/security/blocklist, from zxcvbn's and Django's lists.

uv run scripts/make_blocklist.py           writes it
uv run scripts/make_blocklist.py --check   writes nothing; exit code 1 where it is out of date

The list is the union of the two, in the form in which passwords are compared with it (`folded`, as in
`gatepost.security.policy`; a test holds that they are the same), without what is shorter than any password
may be, sorted by code points, a line each. Beside it stand the licences of both and MANIFEST.json: where it
comes from, and the digests of what was read and written.
"""

import argparse
import gzip
import hashlib
import importlib
import json
import sys
import unicodedata
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BLOCKLIST = ROOT / "src/gatepost/security/blocklist"

MIN_LENGTH = 8
"""Characters; PASSWORD_MIN_LENGTH can't be less."""

SOURCES = {
    # package: its licence, the file of the licence, the file that holds the list
    "django": ("BSD-3-Clause", "licenses/LICENSE", "django/contrib/auth/common-passwords.txt.gz"),
    "zxcvbn": ("MIT", "LICENSE.txt", "zxcvbn/frequency_lists.py"),
}


def folded(text: str) -> str:
    """Return a text without differences of spelling and case: NFC, casefolded, NFC again."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def django_list(held: bytes) -> list[str]:
    """Return Django's list, by Royce Williams."""
    return gzip.decompress(held).decode().splitlines()


def zxcvbn_list(_: bytes) -> list[str]:
    """Return zxcvbn's list of passwords; of its other lists none are passwords."""
    lists: dict[str, list[str]] = importlib.import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS
    return lists["passwords"]


def made() -> dict[str, bytes]:
    """Return every file of the folder by its name."""
    entries: set[str] = set()
    files: dict[str, bytes] = {}
    sources: list[dict[str, Any]] = []
    for package, read in (("django", django_list), ("zxcvbn", zxcvbn_list)):
        licence, licence_file, list_file = SOURCES[package]
        installed = distribution(package)
        text = installed.read_text(licence_file)
        if text is None:
            raise FileNotFoundError(f"{package} has no {licence_file}")
        files[f"LICENSE.{package}"] = text.encode()
        held = Path(str(installed.locate_file(list_file))).read_bytes()
        entries |= {folded(entry) for entry in read(held)}
        sources.append(
            {
                "name": package,
                "version": installed.version,
                "license": licence,
                "license_file": f"LICENSE.{package}",
                "list": list_file,
                "sha256": digest(held),
            }
        )
    kept = sorted(entry for entry in entries if len(entry) >= MIN_LENGTH)
    listed = "".join(f"{entry}\n" for entry in kept).encode()
    files["passwords.txt.gz"] = gzip.compress(listed, 9, mtime=0)
    manifest = {
        "made_by": "scripts/make_blocklist.py",
        "entries": len(kept),
        "sha256": digest(listed),  # of the text: compressed, it differs with the library that did it
        "sources": sources,
    }
    return files | {"MANIFEST.json": f"{json.dumps(manifest, indent=2)}\n".encode()}


def digest(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    """Write the files, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is out of date")
    check = parser.parse_args().check
    files = made()
    stale = [name for name, content in files.items() if not holds(BLOCKLIST / name, content)]
    for name in stale:
        if check:
            sys.stderr.write(f"{name} is out of date: run scripts/make_blocklist.py\n")
        else:
            BLOCKLIST.mkdir(exist_ok=True)
            (BLOCKLIST / name).write_bytes(files[name])
    return 1 if check and stale else 0


def holds(file: Path, content: bytes) -> bool:
    """Say whether a file is there and holds this."""
    if not file.is_file():
        return False
    held = file.read_bytes()
    return gzip.decompress(held) == gzip.decompress(content) if file.suffix == ".gz" else held == content


if __name__ == "__main__":
    sys.exit(main())

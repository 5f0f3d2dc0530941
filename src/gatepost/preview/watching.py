"""What the looks of the pages are made of, and whether it is still what it was."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from gatepost.settings import Settings

ENV_FILE = Path(".env")
"""Where the settings are read from, besides the environment."""

Fingerprint: TypeAlias = frozenset[tuple[Path, int, int]]
"""Each file, when it was written, and its size."""


def watched(settings: Settings) -> tuple[Path, ...]:
    """Return the files and directories that the pages look different by."""
    return (ENV_FILE, *settings.files.values())


def fingerprint(places: Iterable[Path]) -> Fingerprint:
    """Return what is another one once a file of these places is written, added or removed."""
    return frozenset(_stamps(file for place in places for file in _files(place)))


def _files(place: Path) -> Iterator[Path]:
    return place.rglob("*") if place.is_dir() else iter((place,))


def _stamps(files: Iterable[Path]) -> Iterator[tuple[Path, int, int]]:
    for file in files:
        # One that is just being replaced is there the next time.
        with suppress(OSError):
            found = file.stat()
            yield file, found.st_mtime_ns, found.st_size

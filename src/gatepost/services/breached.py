"""Passwords known from data breaches, looked up in a copy of Have I Been Pwned's list on a local disk.

Two forms are read, both as that project's downloader writes them: a directory with a file for each range
(`ABCDE` or `ABCDE.txt`: lines of the other 35 digits of a SHA-1, a colon, a count), and one file of whole
hashes (40 digits, a colon, a count), sorted by hash. Neither is ever read whole: of the directory one file,
of the single file some forty lines.

What can't be read is an error, never a no: a list that is set and not asked would be one more check that
seems to be made.
"""

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO

from gatepost.errors import SettingsError, Unavailable
from gatepost.log import get_logger
from gatepost.security.passwords import Password
from gatepost.texts import Text

log = get_logger("gatepost.breached")

PREFIX_LENGTH = 5
"""Digits of a SHA-1 that name a range."""

_RANGE = re.compile(rb"(?:[0-9A-F]{35}(?::[0-9]+)?(?:\r?\n|\Z))+", re.IGNORECASE)
_LINE = re.compile(rb"(?P<hash>[0-9A-F]{40})(?::(?P<count>[0-9]+))?(?:\r?\n)?", re.IGNORECASE)
_LINE_LENGTH = 128
"""Bytes of a line that are read: more than any has, so that a file without lines is not read whole."""

_PROBES = 16
"""Places of a single file at which the order is looked at, when it is opened."""


class BreachedPasswords:
    """The list.

    Args:
        path: of the directory or the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def verify(self) -> None:
        """Look at the list once, before anybody depends on it.

        Raises:
            SettingsError: it is not there, not whole, or in no form that is read.
        """
        try:
            await asyncio.to_thread(self._verify)
        except (OSError, ValueError) as error:
            accepted = "a directory of ranges or a file sorted by hash, in the form of Have I Been Pwned"
            problem = f"BREACHED_PASSWORDS: {self._path}: {_why(error)}; set {accepted}"
            raise SettingsError([problem]) from None

    async def holds(self, password: Password) -> bool:
        """Say whether a password is in the list.

        Raises:
            Unavailable: the list can't be read.
        """
        # SHA-1 because the list is made of it: a name to look up, which protects nothing.
        digest = hashlib.sha1(password.text.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            return await asyncio.to_thread(self._holds, digest)
        except (OSError, ValueError) as error:
            # Not which range, and no traceback that names it: it is a part of the password's hash.
            path, why = str(self._path), _why(error)
            log.error("list of breached passwords can't be read", path=path, why=why)  # noqa: TRY400 - see above
            raise Unavailable(Text("error.unavailable.breached")) from None

    def _holds(self, digest: str) -> bool:
        if self._path.is_dir():
            return _is_in_range(self._path, digest)
        with self._path.open("rb") as file:
            return _is_in_file(file, digest)

    def _verify(self) -> None:
        if self._path.is_dir():
            # The first and the last: a download that broke off lacks the one or the other.
            for prefix in ("0" * PREFIX_LENGTH, "F" * PREFIX_LENGTH):
                _read_range(self._path, prefix)
            return
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            found = [_hash_at(file, size * probe // _PROBES) for probe in range(_PROBES)]
        if found[0] is None:
            raise ValueError("it is empty")
        hashes = [each for each in found if each is not None]
        if hashes != sorted(hashes):
            raise ValueError("it is not sorted by hash")


def _is_in_range(directory: Path, digest: str) -> bool:
    lines = _read_range(directory, digest[:PREFIX_LENGTH])
    suffix = digest[PREFIX_LENGTH:].encode()
    found = re.search(rb"^%b(?::([0-9]+))?\r?$" % suffix, lines, re.IGNORECASE | re.MULTILINE)
    return found is not None and _counts(found[1])


def _read_range(directory: Path, prefix: str) -> bytes:
    """Return the lines of a range, of which each has one at least.

    Raises:
        OSError, ValueError: there is no such range, or the file holds something else.
    """
    for name in (prefix, f"{prefix}.txt"):
        try:
            lines = (directory / name).read_bytes()
        except FileNotFoundError:
            continue
        if not _RANGE.fullmatch(lines):
            raise ValueError("a range in it has lines of another form")
        return lines
    raise ValueError("a range is missing in it")


def _is_in_file(file: BinaryIO, digest: str) -> bool:
    """Search a sorted file for the first line whose hash is not less than the one that is wanted."""
    wanted = digest.encode()
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        found = _hash_at(file, middle)
        if found is None or found >= wanted:
            high = middle
        else:
            low = middle + 1
    line = _line_at(file, low)
    return line is not None and line["hash"].upper() == wanted and _counts(line["count"])


def _hash_at(file: BinaryIO, offset: int) -> bytes | None:
    line = _line_at(file, offset)
    return None if line is None else line["hash"].upper()


def _line_at(file: BinaryIO, offset: int) -> "re.Match[bytes] | None":
    """Return the first line that begins at an offset or after it; None behind the last.

    Raises:
        OSError, ValueError: it can't be read, or is of another form.
    """
    if offset:
        file.seek(offset - 1)
        file.readline(_LINE_LENGTH)
    else:
        file.seek(0)
    line = file.readline(_LINE_LENGTH)
    if not line:
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("a line in it has another form")
    return match


def _counts(count: bytes | None) -> bool:
    """Say whether a line counts: those with a 0 are padding (its API's `Add-Padding`)."""
    return count is None or int(count) > 0


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)

"""Gatepost's own directory: who can put something there decides what Gatepost reads, runs and overwrites."""

import errno
import os
import stat
from pathlib import Path

_OTHERS_MAY_WRITE = 0o022


def claim(home: Path) -> Path:
    """Make the directory where it is missing, with mode 0700; return where it really is.

    Raises:
        OSError: it can't be made, it or the link to it belongs to somebody else, or others may write to it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(home.lstat(), home)
    home = home.resolve()
    found = home.stat()
    _refuse_foreign(found, home)
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise PermissionError(errno.EPERM, "others may write to it, run chmod go-w", str(home))
    return home


def opened(path: Path, flags: int) -> int:
    """Open a file of the directory, made with mode 0600 where `flags` has it; return its descriptor.

    Raises:
        OSError: it can't be opened, it is a link, no file, or somebody else's.
    """
    # Not blocking, so that a pipe that lies there is told of instead of waited for.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        found = os.fstat(descriptor)
        _refuse_foreign(found, path)
        _refuse_other_kinds(found, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_other_kinds(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a file", str(path))


def _refuse_foreign(found: os.stat_result, path: Path) -> None:
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", str(path))

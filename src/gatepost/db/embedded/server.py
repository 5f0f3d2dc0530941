"""One use of the embedded server, and the locks that tell when it is the last."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from gatepost.db.embedded import datadir
from gatepost.db.embedded.binaries import OWN_SERVER, find_binaries
from gatepost.db.embedded.postmaster import PORT, SOCKET, Postmaster
from gatepost.db.embedded.programs import programs_for, server_account
from gatepost.errors import EmbeddedServerError
from gatepost.settings import home as own

# sockaddr_un holds 108 bytes on Linux and 104 elsewhere, the closing zero among them.
LONGEST_SOCKET_PATH = 103


class EmbeddedServer:
    """One use of the server under a directory; a process may have several.

    Also a context manager, which stops at its end.

    Attributes:
        home: the directory.
        version: PostgreSQL's, like "18.6".
    """

    def __init__(
        self, *, home: Path, version: str, postmaster: Postmaster, users: int, durable: bool
    ) -> None:
        self.home = home
        self.version = version
        self._postmaster = postmaster
        self._durable = durable
        self._users: int | None = users
        self._process = os.getpid()

    @classmethod
    def start(cls, home: Path, *, durable: bool = True) -> Self:
        """Use the server under `home`: make it, start it, or attach to it, whatever is needed.

        Args:
            home: the directory; created with mode 0700 where it is missing.
            durable: False lets a power failure destroy the data, for tests that throw it away anyhow. It
                counts for a server that this call starts, not for one that runs already.

        Raises:
            EmbeddedServerError: it can't be had; the message says what to do.
        """
        find_binaries()  # first of all, for its word on systems that have none
        home = home.expanduser().absolute()
        with _told(home):
            home = own.claim(home)
            with _locked(home / "lock"):
                users = _opened(home / "users")
                try:
                    _flock(users, shared=True)
                    data = home / "pgdata"
                    programs = programs_for(server_account(data))
                    datadir.ensure(data, programs, durable=durable)
                    postmaster = Postmaster(
                        data=data, sockets=_short(data), log=home / "postgres.log", programs=programs
                    )
                    postmaster.start(durable=durable)
                except BaseException:
                    os.close(users)
                    raise
        return cls(home=home, version=programs.version, postmaster=postmaster, users=users, durable=durable)

    def dsn(self, database: str = datadir.DATABASE) -> str:
        """Return the address of one of its databases, for asyncpg and psql alike; it holds no secret."""
        sockets = quote(str(self._postmaster.sockets))
        return f"postgresql://{datadir.ROLE}@/{quote(database, safe='')}?host={sockets}&port={PORT}"

    def revive(self) -> None:
        """Have it running: one that has died, or was stopped while it is in use, is started again.

        Raises:
            EmbeddedServerError: it doesn't start.
        """
        if self._users is not None:
            with _told(self.home), _locked(self.home / "lock"):
                self._postmaster.start(durable=self._durable)

    def stop(self) -> bool:
        """Use the server no more; end it where nobody else uses it. Again is harmless.

        In a forked child it does nothing: the use is its parent's.

        Returns:
            Whether the server was ended.

        Raises:
            EmbeddedServerError: it doesn't end.
        """
        if self._users is None or os.getpid() != self._process:
            return False
        users, self._users = self._users, None
        try:
            if not self.home.is_dir():  # removed under it: PostgreSQL sees that and ends by itself
                return False
            with _told(self.home), _locked(self.home / "lock"):
                return _flock(users, shared=False, wait=False) and self._end()
        finally:
            os.close(users)

    def _end(self) -> bool:
        ended = self._postmaster.stop()
        if self._postmaster.sockets != self._postmaster.data:
            self._postmaster.sockets.unlink(missing_ok=True)
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _short(data: Path) -> Path:
    """Return `data`, or a link to it where its path is too long for a socket.

    The link stands under the temporary directory, where others may write: one that isn't ours is refused,
    it could lead to a server that listens for what we say.

    Raises:
        EmbeddedServerError: the link's place is taken, or no shorter.
    """
    if _fits(data):
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    link = Path(tempfile.gettempdir(), f"gatepost-{os.geteuid()}-{digest}")
    if not _fits(link):
        raise EmbeddedServerError(
            f"{data} and {link} are too long for a socket: set GATEPOST_HOME to a shorter path"
        )
    try:
        link.symlink_to(data)
    except FileExistsError:
        if link.lstat().st_uid != os.geteuid() or not link.is_symlink() or link.readlink() != data:
            raise EmbeddedServerError(
                f"{link} does not belong to Gatepost: remove it, or set GATEPOST_HOME to a shorter path"
            ) from None
    return link


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / SOCKET)) <= LONGEST_SOCKET_PATH


@contextmanager
def _told(home: Path) -> Iterator[None]:
    """Tell the operator of a refusal by the system in one line, instead of a traceback."""
    try:
        yield
    except OSError as error:
        place = error.filename or home
        raise EmbeddedServerError(
            f"The embedded PostgreSQL can't work in {home} ({place}: {error.strerror}): "
            f"set GATEPOST_HOME to a directory that you own, with free space, or {OWN_SERVER}"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _opened(path)
    try:
        _flock(descriptor, shared=False)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    return own.opened(path, os.O_RDWR | os.O_CREAT)


def _flock(descriptor: int, *, shared: bool, wait: bool = True) -> bool:
    import fcntl  # not on Windows, where find_binaries() has spoken first

    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, operation if wait else operation | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        return False
    return True

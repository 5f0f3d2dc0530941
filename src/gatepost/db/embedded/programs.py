"""How the embedded server's programs are run: as whom, and with what of the environment."""

import errno
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gatepost.db.embedded.binaries import OWN_SERVER, copied, find_binaries
from gatepost.errors import EmbeddedServerError

OLDEST_MAJOR = 14
# Root's copies of programs that its own directories hide from the server's account.
COPIES = Path("/var/lib/gatepost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The system account that a server started by root runs as; PostgreSQL itself refuses root."""

    uid: int
    gid: int


def server_account(data: Path) -> Account | None:
    """Return whom to run as: nobody else unless this is root, then the owner of `data` or a system account.

    Raises:
        EmbeddedServerError: this is root and there is no account, nor a way to make one.
    """
    if os.geteuid() != 0:
        return None
    if not sys.platform.startswith("linux"):
        raise EmbeddedServerError(
            f"The embedded PostgreSQL does not run as root here: run as another user or {OWN_SERVER}"
        )
    if data.exists() and data.stat().st_uid != 0:
        return Account(uid=data.stat().st_uid, gid=data.stat().st_gid)
    account = _known_account("gatepost") or _known_account("postgres") or _created_account()
    if account is None:
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root and no account for it could be made: "
            f"create a system user named gatepost, run as another user, or {OWN_SERVER}"
        )
    return account


def _known_account(name: str) -> Account | None:
    import pwd  # not on Windows, where this is never reached

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _created_account() -> Account | None:
    commands = (
        "useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin",
        "adduser -S -D -H -h /nonexistent -s /sbin/nologin",  # BusyBox
    )
    for command in commands:
        for _ in range(5):  # useradd gives up at once while another one holds the lock of /etc/passwd
            try:
                run([*command.split(), "gatepost"], None)
            except FileNotFoundError:
                break
            account = _known_account("gatepost")
            if account:
                return account
            time.sleep(0.1)
    return None


def run(
    command: Sequence[str],
    account: Account | None,
    *,
    text: str = "",
    stderr: int | IO[bytes] = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program as `account`, in a session of its own so that Ctrl-C does not reach it.

    The environment is not handed on: SECRET_KEY in it must stay out of reach of the database, whose
    superuser reads /proc/self/environ, and PG* variables would bend what the programs do.
    """
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(  # noqa: S603 - the callers' literals and paths, no shell
        command,
        check=False,
        input=text,
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        errors="replace",
        cwd="/",  # one that every account may enter; PostgreSQL 15 and older return to it
        env=kept | base | dict(environment or {}),
        start_new_session=True,
        pass_fds=pass_fds,
        umask=0o077,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


@contextmanager
def within_reach(directory: Path, account: Account | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give a path to `directory` that `account` can use, and the descriptors to hand on with it.

    A server that root starts may not be able to walk to its data: /root and Gatepost's own directory are
    closed to others. It gets the open directory instead, so nothing on the way has to be opened to it.
    """
    if account is None:
        yield str(directory), ()
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """PostgreSQL's programs, ready to be run by an account.

    Attributes:
        directory: where they are.
        version: theirs, like "18.6".
        account: whom they are run as; None: the caller.
    """

    directory: Path
    version: str
    account: Account | None

    def run(
        self, name: str, *arguments: str, text: str, pass_fds: Sequence[int]
    ) -> subprocess.CompletedProcess[str]:
        """Run the program of that name to its end."""
        return run([str(self.directory / name), *arguments], self.account, text=text, pass_fds=pass_fds)

    @property
    def major(self) -> str:
        """The part of the version that a data directory must share."""
        return re.split(r"\D", self.version, maxsplit=1)[0]


def programs_for(account: Account | None) -> Programs:
    """Find the programs and see to it that `account` reaches them.

    Raises:
        EmbeddedServerError: there are none, they don't run, or they are too old.
    """
    directory = find_binaries()
    try:
        version = _version(directory, account)
    except PermissionError as error:
        if account and error.errno == errno.EPERM:
            raise EmbeddedServerError(
                "PostgreSQL refuses to run as root, and this root may not switch to another account: "
                f"run as another user or {OWN_SERVER}"
            ) from error
        if account is None:
            raise
        directory = copied(directory, COPIES)
        version = _version(directory, account)
    programs = Programs(directory=directory, version=version, account=account)
    if int(programs.major) < OLDEST_MAJOR:
        raise EmbeddedServerError(
            f"PostgreSQL {version} in {directory} is too old: install 14 or newer, or {OWN_SERVER}"
        )
    return programs


def _version(directory: Path, account: Account | None) -> str:
    done = run([str(directory / "postgres"), "--version"], account)
    found = re.search(r"\(PostgreSQL\) (\d\S*)", done.stdout)
    if done.returncode or not found:
        raise EmbeddedServerError(
            f"{directory / 'postgres'} does not run here ({done.stderr.strip()}): "
            f"install PostgreSQL 14 or newer, or {OWN_SERVER}"
        )
    return found[1]

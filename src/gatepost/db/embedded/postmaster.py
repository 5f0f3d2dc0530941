"""The server of one data directory: whether it runs, its start as a daemon, its stop.

Whoever calls holds the directory's lock (`server.py`): nothing here guards against a second caller.
"""

import contextlib
import os
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gatepost.db.embedded.programs import Programs, run, within_reach
from gatepost.errors import EmbeddedServerError
from gatepost.settings import home as own

PORT = 5432  # part of the socket's name; nothing listens on the network
SOCKET = f".s.PGSQL.{PORT}"
START_SECONDS = 60
POLL_SECONDS = 0.01

# Everyone who reaches the socket is let in as superuser (`--auth=trust`). That is safe because the socket
# lies inside the data directory, which has mode 0700: who gets there could read the files themselves.
SETTINGS = (
    "listen_addresses=",
    "unix_socket_directories=.",
    "unix_socket_permissions=0700",
    f"port={PORT}",
    "search_path=public",  # the role has the name of the schema with the rules: no tables there
    "log_error_verbosity=terse",  # DETAIL lines quote whole rows, password hashes and all
)
# After a crash all files are flushed before recovery: seconds one by one, hundredths as a whole.
RECOVERS_FAST = ("recovery_init_sync_method=syncfs",) if sys.platform == "linux" else ()
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# The predecessor's processes are still on their way out, and PostgreSQL does not start beside them.
PASSING_REFUSALS = ("is still in use", "already exists")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """The server of one data directory.

    Attributes:
        data: the directory.
        sockets: a path to it that is short enough for a Unix socket.
        log: file that the server's messages are added to.
        programs: what serves it.
    """

    data: Path
    sockets: Path
    log: Path
    programs: Programs

    def pid(self) -> int | None:
        """Return the process id of the server that answers on the socket; None: nobody does."""
        with socket.socket(socket.AF_UNIX) as client:
            # Not Python's timeout, with which a server that has many callers waiting were an error at once.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", START_SECONDS, 0))
            try:
                client.connect(str(self.sockets / SOCKET))
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            if sys.platform == "linux":
                # The kernel's word: a file could name a process that has come after, or one elsewhere.
                peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                return int(struct.unpack("3i", peer)[0])
            else:  # noqa: RET505 - the type checker follows platforms by branches
                return self._recorded_pid()

    def start(self, *, durable: bool) -> None:
        """Wait until the server takes connections; launch one where there is none.

        Raises:
            EmbeddedServerError: it doesn't start; the message has its last lines.
        """
        launched: int | None = None
        written = 0
        deadline = time.monotonic() + START_SECONDS
        try:
            while not (self._status() == "ready" and self.pid() is not None):
                if launched is not None and not _alive(launched):
                    self._check_passing(self._log_since(written))
                    launched = None
                if time.monotonic() > deadline:
                    raise self._failure(f"was not ready within {START_SECONDS} s", self._log_since(written))
                if launched is None and self.pid() is None and not self._is_on_its_way():
                    written = self.log.stat().st_size if self.log.exists() else 0
                    launched = self._launch(durable=durable)
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            if launched is not None:  # not SIGINT, which the shell made it ignore until it has come up
                os.kill(launched, signal.SIGTERM)
            raise

    def stop(self) -> bool:
        """Stop the server with all its connections; return whether there was one.

        Raises:
            EmbeddedServerError: it doesn't go, or it lives in another container that shares the directory.
        """
        pid = self.pid()
        if pid is None:
            return False
        if pid == 0:
            raise EmbeddedServerError(
                f"The PostgreSQL in {self.data} runs in another container: stop it there"
            )
        # Fast shutdown, then at once: the write-ahead log has everything that was committed.
        for number, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 5)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not _alive(pid):
                    return True
                time.sleep(POLL_SECONDS)
        raise EmbeddedServerError(f"The PostgreSQL in {self.data} (process {pid}) does not stop")

    def _launch(self, *, durable: bool) -> int:
        """Start the server as a daemon and return its process id; it is not yet ready."""
        settings = (*SETTINGS, *RECOVERS_FAST, *(() if durable else NOT_DURABLE))
        options = [word for setting in settings for word in ("-c", setting)]
        environment = {}
        recorded = self._recorded_pid()
        if recorded is not None:
            # A killed server's file, and its number may be another process's by now. PostgreSQL would refuse
            # to start for that one's sake, unless it is told that it descends from it. Whether processes of
            # the old server still use the data it finds out through shared memory, as ever.
            environment["PG_GRANDPARENT_PID"] = str(recorded)
        log = own.opened(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            with within_reach(self.data, self.programs.account) as (path, descriptors):
                server = [str(self.programs.directory / "postgres"), "-D", path, *options]
                started = run(
                    ["/bin/sh", "-c", '"$@" </dev/null >&2 & echo $!', "sh", *server],
                    self.programs.account,
                    stderr=log,
                    pass_fds=descriptors,
                    environment=environment,
                )
        finally:
            os.close(log)
        return int(started.stdout)

    def _check_passing(self, lines: str) -> None:
        """Raise unless a server that ended at once may be tried again."""
        if not any(refusal in lines for refusal in PASSING_REFUSALS):
            raise self._failure("did not start", lines)
        time.sleep(0.1)

    def _is_on_its_way(self) -> bool:
        """Whether a server that doesn't listen works in the directory: one that starts or ends."""
        recorded = self._recorded_pid()
        if recorded is None:
            return False
        if sys.platform != "linux":
            return str(self.data) in run(["ps", "-o", "command=", "-p", str(recorded)], None).stdout
        try:
            return Path(f"/proc/{recorded}/cwd").samefile(self.data)
        except OSError:
            return False

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _recorded_pid(self) -> int | None:
        lines = self._pid_file()
        return int(lines[0]) if lines and lines[0].isdecimal() else None

    def _status(self) -> str:
        """Return the server's word on itself: starting, ready or stopping (line 8 of the file)."""
        lines = self._pid_file()
        return lines[7].strip() if len(lines) > 7 else ""

    def _log_since(self, position: int) -> str:
        if not self.log.exists():
            return ""
        with os.fdopen(own.opened(self.log, os.O_RDONLY), encoding="utf-8", errors="replace") as log:
            log.seek(position)
            return log.read()

    def _failure(self, what: str, lines: str) -> EmbeddedServerError:
        last = "\n".join(lines.splitlines()[-8:])
        return EmbeddedServerError(f"The embedded PostgreSQL {what}; the last lines of {self.log}:\n{last}")


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent's notice does not."""
    try:
        if sys.platform == "linux":
            Path(f"/proc/{pid}/cwd").readlink()
        else:
            os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True

"""Where the server listens: an address that it can have, found out before anything else is started."""

import errno
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import typer

from gatepost.errors import SetupError

ORPHAN_SECONDS = 3.0
"""How long the workers of a killed server may take to let go of its port."""


class CannotListen(SetupError):
    """The address is not available; the message says why and what to do."""

    code = "cannot_listen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """An address that the server may listen at.

    Attributes:
        address: numeric.
        port: never 0.
        tls: requests are encrypted.
    """

    address: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """Where callers on this machine reach the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)  # noqa: S104 - read, not bound
        return f"http{'s' if self.tls else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether it listens at every address of the machine."""
        return self.address in {"0.0.0.0", "::"}  # noqa: S104 - read, not bound


def find_address(host: str, port: int, *, tls: bool) -> Listening:
    """Find the address to listen at; port 0 takes any that is free.

    The server shares its port between its workers (SO_REUSEPORT), which a second server would share as
    well, unnoticed: so it is asked for here without that.

    Raises:
        CannotListen: there is no such address, or another program has the port.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(f"{host} is not an address of this machine: choose another with --host") from error
    family, kind, protocol, _, place = found[0]
    deadline = time.monotonic() + ORPHAN_SECONDS
    while True:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(place)
                probe.listen()
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    raise CannotListen(_why(error, str(place[0]), port)) from error
            else:
                bound = probe.getsockname()
                return Listening(address=bound[0], port=bound[1], tls=tls)
        time.sleep(0.05)


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """See that both files of TLS are there and can be read, or neither is asked for.

    Raises:
        CannotListen: one of them can't be read.
        BadParameter: one comes without the other.
    """
    files = [file for file in (certificate, key) if file is not None]
    if len(files) == 1:
        raise typer.BadParameter("Use --tls-cert and --tls-key together")
    for file in files:
        try:
            file.open("rb").close()
        except OSError as error:
            raise CannotListen(f"{file} can't be read: {error.strerror}") from error


def _why(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {address} is in use: stop what uses it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges that this account lacks: choose one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address} is not an address of this machine: choose another with --host"
    return f"Cannot listen at {address}, port {port}: {error.strerror}"

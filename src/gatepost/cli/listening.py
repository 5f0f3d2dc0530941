"""Where the server listens: an address that it can have, found out before anything else is started."""

import errno
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from gatepost.errors import SetupError

LOCALHOST = "localhost"
"""This machine by its name: browsers have passkeys at a name, and at no address."""

LOOPBACK = ("127.0.0.1", "::1")
"""What browsers take that name for, whatever a hosts file says (RFC 6761 §6.3)."""

ORPHAN_SECONDS = 3.0
"""How long the workers of a killed server may take to let go of its port."""


class CannotListen(SetupError):
    """The address is not available; the message says why and what to do."""

    code = "cannot_listen"


class _NoSuchAddress(CannotListen):
    """This machine does not have the address."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is not an address of this machine: choose another with --host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """An address that the server may listen at.

    Attributes:
        address: numeric.
        port: never 0.
        tls: requests are encrypted.
        is_named: it is opened by the name of this machine, not by the address.
    """

    address: str
    port: int
    tls: bool
    is_named: bool = False

    @property
    def url(self) -> str:
        """Where callers on this machine reach the server."""
        host = LOCALHOST if self.is_named or self.everywhere else self.address
        return f"http{'s' if self.tls else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether it listens at every address of the machine."""
        return self.address in {"0.0.0.0", "::"}  # noqa: S104 - read, not bound


def find_address(host: str, port: int, *, tls: bool) -> Listening:
    """Find the address to listen at; port 0 takes any that is free.

    The server shares its port between its workers (SO_REUSEPORT), which a second server would share as
    well, unnoticed: so it is asked for here without that. Browsers try each address that localhost has: one
    is listened at, and no other program may be at the other.

    Raises:
        CannotListen: there is no such address, or another program has the port.
    """
    if host.lower() != LOCALHOST:
        return _bound(host, port, tls=tls)
    first, other = LOOPBACK
    try:
        found = _bound(first, port, tls=tls)
    except _NoSuchAddress:
        return replace(_bound(other, port, tls=tls), is_named=True)
    with suppress(_NoSuchAddress):
        _bound(other, found.port, tls=tls)
    return replace(found, is_named=True)


def _bound(host: str, port: int, *, tls: bool) -> Listening:
    """Return an address once it could be listened at.

    Raises:
        CannotListen: as `find_address`.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise _NoSuchAddress(host) from error
    family, kind, protocol, _, place = found[0]
    deadline = time.monotonic() + ORPHAN_SECONDS
    while True:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                probe.listen()
                address, port, *_ = probe.getsockname()
                return Listening(address=address, port=port, tls=tls)
        except OSError as error:
            if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise _NoSuchAddress(str(place[0])) from error
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise CannotListen(_why(error, str(place[0]), port)) from error
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
    return f"Cannot listen at {address}, port {port}: {error.strerror}"

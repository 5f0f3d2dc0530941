"""Who is at the other end of a request: the peer, or whom a trusted proxy names.

A forwarded header is anybody's to send, so it counts only where the peer is one of TRUSTED_PROXIES, and
of its entries only those count that a trusted proxy added: read from the right, the first that is no
trusted proxy is the client. Which header the proxies write, FORWARDED_HEADER says; the other one is the
client's own, and is not looked at. An entry that can't be read on the way makes the header worthless; then
the peer stands for the client, as it would without a header, and the log has a warning.
"""

import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from starlette.types import Receive, Scope

from gatepost.log import get_logger
from gatepost.models import Client, canonical_address
from gatepost.models.bounds import FORWARDED_MAX
from gatepost.settings.forms import UNIX, Proxy

MAX_HOPS = 32
"""Entries of a forwarded header that are walked through; one with more trusted proxies is not read."""

_LOGGED = 100

_IPV4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_IPV6_IN_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")
# RFC 7239 §4, wider in one place: an unquoted value may hold what an address is made of. No two parts of it
# can take the same character, so that there is one way to read a text and none to go back to.
_PAIR = re.compile(
    r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[]!#$%&'*+.^_`|~0-9A-Za-z:[-]*)""", re.DOTALL
)
_SPACE = " \t"

_log = get_logger(__name__)


def restore_peer(scope: Scope, receive: Receive) -> None:
    """Put the peer's address back where uvicorn has replaced it by what a header says.

    uvicorn believes `X-Forwarded-For` of whoever connects from this machine, unless it is told not to;
    here TRUSTED_PROXIES alone says whose headers count. The connection itself still knows its peer.
    """
    connection = getattr(getattr(receive, "__self__", None), "transport", None)
    if connection is None:
        return
    own = connection.get_extra_info("socket")
    if isinstance(peer := connection.get_extra_info("peername"), tuple):
        scope["client"] = peer[:2]
    elif own is not None and own.family == socket.AF_UNIX:
        scope["client"] = None  # whoever is at a Unix socket has no address


class ClientResolver:
    """Tells who sent a request.

    Args:
        trusted: networks of the proxies whose forwarded headers count, and `unix` for whoever is at a Unix
            socket; none by default.
        header: the one that they write, in lower case.
    """

    def __init__(self, trusted: Sequence[Proxy] = (), header: str = "x-forwarded-for") -> None:
        self._networks = tuple(proxy for proxy in trusted if proxy != UNIX)
        self._trusts_unix = UNIX in trusted
        self._header = header.encode()
        self._hops = _forwarded if header == "forwarded" else _x_forwarded_for

    def client_of(self, scope: Mapping[str, Any]) -> Client:
        """Return the client of an ASGI scope, `http` or `websocket`; at a Unix socket it has no address."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        user_agents = _values(headers, b"user-agent")
        return Client.of(self._address(scope, headers), next(iter(user_agents), None))

    def _address(self, scope: Mapping[str, Any], headers: list[tuple[bytes, bytes]]) -> str | None:
        named = scope["client"][0] if scope.get("client") else ""
        peer = canonical_address(named)
        if peer is None and (named or not self._trusts_unix):
            return None
        if peer is not None and not (self._networks and self._trusts(ip_address(peer))):
            return peer
        lines = _values(headers, self._header)
        if not lines:
            return peer
        header = ",".join(lines)
        try:
            return str(self._client_among(self._hops(_end(header))))
        except ValueError:
            shown = ascii(header[:_LOGGED])[:_LOGGED]
            _log.warning("forwarded_header.malformed", peer=peer or UNIX, header=shown)
            return peer

    def _client_among(self, hops: Iterable[str]) -> IPv4Address | IPv6Address:
        """Return the first hop that is no trusted proxy, or the last of them all."""
        address = None
        for walked, hop in enumerate(hops):
            if walked == MAX_HOPS:
                raise ValueError("too many hops")
            if self._trusts_unix and hop.strip(_SPACE) == "unix:":
                continue  # as nginx calls whoever comes to it by a Unix socket
            address = _parsed(hop)
            if not self._trusts(address):
                break
        if address is None:
            raise ValueError("no hops")
        return address

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    # Latin-1 decodes everything; ASGI servers hand names over in lower case.
    return [value.decode("latin-1") for key, value in headers if key == name]


def _end(header: str) -> str:
    """Return what is read of a header: an entry that is cut off begins with what none can hold."""
    return header if len(header) <= FORWARDED_MAX else "\0" + header[-FORWARDED_MAX:]


def _x_forwarded_for(header: str) -> Iterator[str]:
    """Yield the entries, the rightmost first."""
    yield from reversed(header.rsplit(",", MAX_HOPS))


def _forwarded(header: str) -> Iterator[str]:
    """Yield what `for` says in each element, the rightmost first."""
    for element in _split(header, ","):
        named = [value for name, value in _pairs(element) if name.lower() == "for"]
        if len(named) != 1:
            raise ValueError("an element names one client")
        yield named[0]


def _pairs(element: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of an element; a semicolon may stand at its end."""
    for place, text in enumerate(_split(element, ";")):
        stripped = text.strip(_SPACE)
        match = _PAIR.fullmatch(stripped)
        if match is not None:
            yield match[1], match[2]
        elif stripped or place:
            raise ValueError("no forwarded-pair")


def _split(text: str, separator: str) -> Iterator[str]:
    """Yield what stands between separators that are not within quotes, the rightmost first.

    Read from the right, because what stands on the left is the client's own: a quote that it opens there
    and never closes must not swallow what the proxies added. Each character is looked at once, and the
    backslashes before a quote once more.
    """
    end, is_quoted = len(text), False
    for at in range(len(text) - 1, -1, -1):
        if text[at] == '"':
            is_quoted = not is_quoted or _is_escaped(text, at)
        elif text[at] == separator and not is_quoted:
            yield text[at + 1 : end]
            end = at
    if is_quoted:
        raise ValueError("a quote that nobody opened")
    yield text[:end]


def _is_escaped(text: str, at: int) -> bool:
    before = at
    while before and text[before - 1] == "\\":
        before -= 1
    return (at - before) % 2 == 1


def _parsed(hop: str) -> IPv4Address | IPv6Address:
    """Return the address of an entry: bare, with a port, in brackets, quoted; ValueError for all else."""
    text = hop.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if match := _IPV4_WITH_PORT.fullmatch(text) or _IPV6_IN_BRACKETS.fullmatch(text):
        text = match[1]
    address = canonical_address(text)
    if address is None:
        raise ValueError("no address")
    return ip_address(address)

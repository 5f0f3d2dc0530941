"""Who is at the other end of a request: the peer, or whom a trusted proxy names.

A forwarded header is anybody's to send, so it counts only where the peer is one of TRUSTED_PROXIES, and
of its entries only those count that a trusted proxy added: read from the right, the first that is no
trusted proxy is the client. `X-Forwarded-For` is asked first, `Forwarded` (RFC 7239) where there is none.
An entry that can't be read on the way makes the header worthless; then the peer stands for the client,
as it would without a header, and the log has a warning.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from starlette.types import Receive, Scope

from gatepost.log import get_logger
from gatepost.models import Client, canonical_address

MAX_HOPS = 32
"""Entries of a forwarded header that are walked through; one with more trusted proxies is not read."""
_LOGGED = 100

_IPV4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_IPV6_IN_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")
# RFC 7239 §4, wider in one place: an unquoted value may hold what an address is made of.
_PAIR = r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[]!#$%&'*+.^_`|~0-9A-Za-z:[-]*)"""
_ELEMENT = re.compile(rf"\s*{_PAIR}\s*(?:;\s*{_PAIR}\s*)*;?\s*")
_PAIRS = re.compile(_PAIR)

_log = get_logger(__name__)


def restore_peer(scope: Scope, receive: Receive) -> None:
    """Put the peer's address back where uvicorn has replaced it by what a header says.

    uvicorn believes `X-Forwarded-For` of whoever connects from this machine, unless it is told not to;
    here TRUSTED_PROXIES alone says whose headers count. The connection itself still knows its peer.
    """
    connection = getattr(getattr(receive, "__self__", None), "transport", None)
    if connection is not None and isinstance(peer := connection.get_extra_info("peername"), tuple):
        scope["client"] = peer[:2]


class ClientResolver:
    """Tells who sent a request.

    Args:
        trusted: networks of the proxies whose forwarded headers count; none by default.
    """

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def client_of(self, scope: Mapping[str, Any]) -> Client:
        """Return the client of an ASGI scope, `http` or `websocket`.

        A peer without an address (a Unix socket) is no trusted proxy.
        """
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        user_agents = _values(headers, b"user-agent")
        return Client.of(self._address(scope, headers), next(iter(user_agents), None))

    def _address(self, scope: Mapping[str, Any], headers: list[tuple[bytes, bytes]]) -> str | None:
        peer = canonical_address(scope["client"][0]) if scope.get("client") else None
        if peer is None or not self._trusts(ip_address(peer)):
            return peer
        if lines := _values(headers, b"x-forwarded-for"):
            hops = _x_forwarded_for(",".join(lines))
        elif lines := _values(headers, b"forwarded"):
            hops = _forwarded(",".join(lines))
        else:
            return peer
        try:
            return str(self._client_among(hops))
        except ValueError:
            _log.warning("forwarded_header.malformed", peer=peer, header=ascii(",".join(lines))[:_LOGGED])
            return peer

    def _client_among(self, hops: Iterable[str]) -> IPv4Address | IPv6Address:
        """Return the first hop that is no trusted proxy, or the last of them all."""
        address = None
        for walked, hop in enumerate(hops):
            if walked == MAX_HOPS:
                raise ValueError("too many hops")
            address = _parsed(hop)
            if not self._trusts(address):
                break
        if address is None:
            raise ValueError("no hops")
        return address

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    # Latin-1 decodes everything; ASGI servers hand names over in lower case.
    return [value.decode("latin-1") for key, value in headers if key == name]


def _x_forwarded_for(header: str) -> Iterator[str]:
    """Yield the entries, the rightmost first."""
    yield from reversed(header.rsplit(",", MAX_HOPS))


def _forwarded(header: str) -> Iterator[str]:
    """Yield what `for` says in each element, the rightmost first.

    Read from the right, because what stands on the left is the client's own: a quote that it opens there
    and never closes must not swallow what the proxies added.
    """
    pieces = header.rsplit(",", MAX_HOPS)
    while pieces:
        element = pieces.pop()
        while not _ELEMENT.fullmatch(element):  # a comma within a quoted string
            if not pieces:
                raise ValueError("no forwarded-element")
            element = f"{pieces.pop()},{element}"
        named = [value for name, value in _PAIRS.findall(element) if name.lower() == "for"]
        if len(named) != 1:
            raise ValueError("an element names one client")
        yield named[0]


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

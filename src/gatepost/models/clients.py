"""Who is at the other end: addresses, networks and user agents in one spelling."""

import ipaddress
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from gatepost.models.bounds import USER_AGENT_MAX

_ADDRESS_MAX = 45
"""Characters of the longest spelling, that of an IPv4 address mapped into IPv6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is at the other end, as far as it can be known.

    Attributes:
        ip_address: canonical text of the address (RFC 5952; IPv4-mapped IPv6 as IPv4), or None.
        user_agent: the header without control characters, at most `USER_AGENT_MAX` characters, or None.
        language: that they read, as RFC 5646 writes it, where it was asked for; or None.
    """

    ip_address: str | None = None
    user_agent: str | None = None
    language: str | None = None

    @classmethod
    def of(cls, ip_address: str | None, user_agent: str | None) -> Self:
        """Make a client of what the edge was told; what is no address becomes None."""
        return cls(ip_address=canonical_address(ip_address), user_agent=clean_user_agent(user_agent))

    @property
    def address_block(self) -> str | None:
        """The IPv4 address, or the IPv6 /64 that one customer has."""
        return _network(self.ip_address, 64)

    @property
    def network_block(self) -> str | None:
        """The IPv4 address, or the IPv6 /48 of which one customer may have several /64 (RFC 6177)."""
        return _network(self.ip_address, 48)

    def may_be(self, other: Self) -> bool:
        """Whether the two may be one: they speak from the same place, as the same program."""
        return (self.address_block, self.user_agent) == (other.address_block, other.user_agent)


def canonical_address(text: str | None) -> str | None:
    """Return the address in its one canonical spelling (RFC 5952), or None for what is no address.

    An IPv4 address mapped into IPv6 is the IPv4 address; a zone (`%eth0`) is local and dropped.
    """
    if not text:
        return None
    bare = text.strip().partition("%")[0]
    return _canonical(bare) if len(bare) <= _ADDRESS_MAX else None


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    # Kept, because every request has the address of its client spelled, and few are new.
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _network(address: str | None, bits: int) -> str | None:
    if address is None or ":" not in address:
        return address
    return str(ipaddress.IPv6Network((address, bits), strict=False))


def canonical_network(text: str) -> str | None:
    """Return an address as `canonical_address` does, or a network (CIDR) such as 203.0.113.0/24; else None.

    Bits behind the prefix are passed over; a network of one address is that address.
    """
    address, slash, bits = text.strip().partition("/")
    canonical = canonical_address(address)
    if canonical is None or not slash:
        return canonical
    try:
        network = ipaddress.ip_network((canonical, int(bits)) if bits.isdecimal() else "", strict=False)
    except ValueError:
        return None
    return str(network[0] if network.num_addresses == 1 else network)


def clean_user_agent(text: str | None) -> str | None:
    """Return the user agent without control and format characters, cut at `USER_AGENT_MAX`; None if empty."""
    if text is None:
        return None
    kept = text[: 4 * USER_AGENT_MAX]
    if not (kept.isascii() and kept.isprintable()):
        kept = "".join(c for c in kept if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    return kept.strip()[:USER_AGENT_MAX].rstrip() or None

"""An address or a network, as its page and its blocks take it."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from gatepost.errors import ValidationFailed
from gatepost.features.addresses.errors import NetworkTooWide
from gatepost.models import canonical_network
from gatepost.texts import Text

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_WIDEST = {4: 16, 6: 32}
"""Version → the shortest prefix that is looked at, and blocked: more is a part of the internet."""

_AROUND = {4: 24, 6: 64}
"""Version → the network that one looks at after an address in it."""

CUSTOMER = 64
"""Bits of IPv6 that one customer has (RFC 6177), who may have any address below them."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address or a network.

    Attributes:
        network: what is meant; of an address the network that holds nothing else.
    """

    network: Network

    @classmethod
    def of(cls, text: str, *, field: str = "address") -> Self:
        """Read an address, or a network in CIDR form.

        Args:
            text: as somebody wrote it.
            field: what they wrote it into.

        Raises:
            ValidationFailed: it is neither.
            NetworkTooWide: it is wider than an IPv4 /16 or an IPv6 /32.
        """
        canonical = canonical_network(text)
        if canonical is None:
            raise ValidationFailed({field: Text("field.address")})
        network = ipaddress.ip_network(canonical)
        if network.prefixlen < _WIDEST[network.version]:
            raise NetworkTooWide
        return cls(network)

    def __str__(self) -> str:
        """Return it as it is spelled everywhere."""
        return str(self.network[0] if self.is_address else self.network)

    @property
    def is_address(self) -> bool:
        """Whether it is one address."""
        return self.network.num_addresses == 1

    @property
    def reach(self) -> Literal["address", "around", "range"]:
        """Whether it is an address, the /24 or /64 around one, or another network."""
        if self.is_address:
            return "address"
        return "around" if self.network.prefixlen == _AROUND[self.network.version] else "range"

    @property
    def throttled(self) -> str | None:
        """An address of those that the throttles take for one: this one, or any of its /64; None for more."""
        is_one = self.is_address or (self.network.version == 6 and self.network.prefixlen >= CUSTOMER)
        return str(self.network[0]) if is_one else None

    @property
    def blocked(self) -> Self:
        """What a block of it takes: of IPv6 the whole /64 of a customer."""
        return self._within(CUSTOMER) if self.network.version == 6 else self

    @property
    def around(self) -> Self | None:
        """The /24 or /64 that it is in; None where it is as wide."""
        wider = self._within(_AROUND[self.network.version])
        return None if wider == self else wider

    def holds(self, address: str | None) -> bool:
        """Say whether an address is in it."""
        return address is not None and ipaddress.ip_address(address) in self.network

    def touches(self, others: Iterable[Network]) -> bool:
        """Say whether it has an address with one of these networks in common."""
        return any(other.version == self.network.version and other.overlaps(self.network) for other in others)

    def _within(self, bits: int) -> Self:
        if self.network.prefixlen <= bits:
            return self
        return type(self)(self.network.supernet(new_prefix=bits))


LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

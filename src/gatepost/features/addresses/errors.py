"""Why a network is not blocked."""

from gatepost.errors import Conflicting, InvalidInput


class OwnAddress(Conflicting):
    """The caller comes from this network: they would block themselves."""

    code = "own_address"


class ProtectedAddress(Conflicting):
    """The network holds this machine or a proxy of TRUSTED_PROXIES: everybody would be blocked."""

    code = "protected_address"


class NetworkTooWide(InvalidInput):
    """The network is wider than an IPv4 /16 or an IPv6 /32."""

    code = "network_too_wide"

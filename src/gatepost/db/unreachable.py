"""Why no connection could be made: where it was tried, what is wrong, and what to do about it."""

import socket
import ssl
from collections.abc import Sequence

import asyncpg

from gatepost.errors import DatabaseUnreachable
from gatepost.settings.address import Address, Host

_MISTAKES = (
    asyncpg.InvalidAuthorizationSpecificationError,  # the password's too
    asyncpg.InvalidCatalogNameError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.ClientConfigurationError,
    ssl.SSLCertVerificationError,
)


def is_mistake(error: BaseException | None) -> bool:
    """Say whether DATABASE_URL or the server is set up wrongly, so that waiting does not help."""
    return isinstance(error, _MISTAKES) or _is_unknown_host(error) or _has_no_tls(error)


def silence(error: Exception) -> int:
    """Order the faults of several hosts by how little they tell: a mistake most, silence least."""
    if _is_unknown_host(error):
        return 2  # another host may be away for a moment only
    return 0 if is_mistake(error) else 3 if isinstance(error, TimeoutError) else 1


def unreachable(error: Exception, address: Address, *, seconds: float | None = None) -> DatabaseUnreachable:
    """Return what the operator is told; it holds no password.

    Args:
        error: what kept the database from being reached.
        address: where it was tried.
        seconds: how long it had to answer, where it did not.
    """
    place = _places(address.hosts)
    if isinstance(error, TimeoutError):
        within = "" if seconds is None else f" within {seconds:.0f} s"
        why = f"{place} does not answer{within}"
        advice = "Check the host and port in DATABASE_URL, and firewalls in between"
    elif _is_unknown_host(error):
        why, advice = f"{place}: no such host is known", "Check the host in DATABASE_URL"
    elif isinstance(error, ConnectionRefusedError):
        why = f"nothing listens at {place}"
        advice = "Start PostgreSQL there, or correct the host and port in DATABASE_URL"
    elif isinstance(error, FileNotFoundError):
        why = f"no server listens at {place} (No such file or directory)"
        advice = "Start PostgreSQL there, or correct the directory in DATABASE_URL"
    elif _has_no_tls(error):
        why = str(error)
        advice = "Turn TLS on there, or take sslmode out of DATABASE_URL for a network that you trust"
    elif isinstance(error, asyncpg.InvalidPasswordError):
        why, advice = f"{place}: {error}", "Correct the user and password in DATABASE_URL"
    elif isinstance(error, asyncpg.InsufficientPrivilegeError):
        why = f"{place}: {error}"
        advice = "Let the owner grant this role its rights: gatepost migrate --grants ROLE prints them"
    elif is_mistake(error):
        why, advice = f"{place}: {error}", "Correct DATABASE_URL, or the server's settings"
    else:
        why, advice = f"{place}: {error}" if str(error) else f"{place} can't be reached", ""
    return DatabaseUnreachable.because(why, advice)


def _is_unknown_host(error: BaseException | None) -> bool:
    # EAI_AGAIN, on the other hand, is a name server that is away.
    return isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN


def _has_no_tls(error: BaseException | None) -> bool:
    # The driver has no class of its own for it.
    return isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error)


def _places(hosts: Sequence[Host]) -> str:
    return ", ".join(host.socket or f"{_bracketed(host.name)}:{host.port}" for host in hosts)


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name

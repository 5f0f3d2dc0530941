"""How a connection to the server is encrypted, by libpq's rules (PostgreSQL, libpq, 32.19)."""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gatepost.errors import SettingsError
from gatepost.settings.address import Address

ALPN = ["postgresql"]
"""What a client names that begins with TLS at once, since PostgreSQL 17."""


def ways(address: Address, name: str) -> Sequence[ssl.SSLContext | None]:
    """Return the ways to reach the host of this name by TCP, the preferred one first; None is in clear text.

    Raises:
        SettingsError: a file that the URL names, or that its `sslmode` needs, can't be used.
    """
    if address.mode == "disable":
        return [None]
    try:
        context = _context(address, name)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = getattr(error, "strerror", None) or error
        raise SettingsError([f"DATABASE_URL: the files for TLS can't be used: {why}"]) from error
    both: dict[str, Sequence[ssl.SSLContext | None]] = {"allow": [None, context], "prefer": [context, None]}
    return both.get(address.mode, [context])


class _Context(ssl.SSLContext):
    """A context for one host, by whose name its certificate is verified whatever address is connected to."""

    name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # the standard library has it so
        server_hostname: str | bytes | None = None,  # noqa: ARG002
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


def _context(address: Address, name: str) -> ssl.SSLContext:
    given = address.parameters
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(ALPN)
    if address.mode not in {"allow", "prefer"}:
        _trust(context, address)
    context.check_hostname = address.mode == "verify-full"
    if given.get("sslcertmode") != "disable":
        _identify(context, address)
    context.minimum_version = _version(given.get("ssl_min_protocol_version", "TLSv1.2"))
    if "ssl_max_protocol_version" in given:
        context.maximum_version = _version(given["ssl_max_protocol_version"])
    return context


def _trust(context: ssl.SSLContext, address: Address) -> None:
    """Take the certificates by which servers are verified; a mode that needs none is content without."""
    given = address.parameters
    if given.get("sslrootcert") == "system":
        context.load_default_certs()
        context.verify_mode = ssl.CERT_REQUIRED
    elif root := given.get("sslrootcert") or _own("root.crt"):
        context.load_verify_locations(cafile=root)
        context.verify_mode = ssl.CERT_REQUIRED
    elif address.mode != "require":
        raise ValueError(f"sslmode={address.mode} needs sslrootcert=FILE, or sslrootcert=system")
    revoked = given.get("sslcrl") or _own("root.crl")
    if revoked or "sslcrldir" in given:
        context.load_verify_locations(cafile=revoked, capath=given.get("sslcrldir"))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _identify(context: ssl.SSLContext, address: Address) -> None:
    """Take the certificate that the client shows, where there is one."""
    given = address.parameters
    key = given.get("sslkey") or _own("postgresql.key")
    own = _own("postgresql.crt")
    if "sslcert" in given:
        context.load_cert_chain(given["sslcert"], key, password=lambda: given.get("sslpassword", ""))
    elif own and key:
        # Nobody asked for it: where it can't be used, a server that needs none lets one in all the same.
        with suppress(OSError):
            context.load_cert_chain(own, key, password=lambda: given.get("sslpassword", ""))


def _own(name: str) -> str | None:
    """Return a file that libpq looks for by itself; one that can't be read is as good as none.

    The home directory of a service is often none of its own, or closed to it.
    """
    try:
        path = Path.home() / ".postgresql" / name
        path.open("rb").close()
    except (OSError, RuntimeError):
        return None
    return str(path)


def _version(name: str) -> ssl.TLSVersion:
    return ssl.TLSVersion[name.replace(".", "_")]

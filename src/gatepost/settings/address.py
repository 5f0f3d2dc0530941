"""DATABASE_URL, read: where the database is and how to connect there.

Every parameter of libpq 18 is known here by name. It is used, or it asks for what happens anyhow, or it is
refused: nothing that a URL asks for is passed over, and nothing beside the URL says where the database is.
"""

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

SOCKET_DIRECTORIES = ("/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp")  # noqa: S108 - PostgreSQL's own places
"""Where a server on this machine is looked for when a URL names no host."""

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""What `sslmode` may be, the weakest first."""

_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": MODES,
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("allow", "disable"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": ("any", "primary", "read-write"),
    "load_balance_hosts": ("disable", "random"),
    "gsslib": ("gssapi", "sspi"),
    "keepalives": ("0", "1"),
    # These ask for what happens anyhow.
    "channel_binding": ("disable", "prefer", "require"),
    "client_encoding": ("auto", "UTF8", "UTF-8", "utf8", "utf-8"),
    "gssencmode": ("disable", "prefer"),
    "gssdelegation": ("0",),
    "sslcompression": ("0", "1"),
    "sslsni": ("1",),
    "min_protocol_version": ("3.0",),
    "max_protocol_version": ("3.0", "3.2", "latest"),
    "replication": ("false", "off", "no", "0"),
}
"""Parameter → the values of it that can be kept."""

_NUMBERS = (
    "connect_timeout",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)
_TEXTS = (
    "host",
    "hostaddr",
    "port",
    "dbname",
    "database",
    "user",
    "password",
    "passfile",
    "options",
    "application_name",
    "fallback_application_name",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslrootcert",
    "sslcrl",
    "sslcrldir",
    "krbsrvname",
)
_REFUSED: Mapping[str, str] = {
    "service": "put the service's parameters into the URL",
    "servicefile": "put the service's parameters into the URL",
    "require_auth": "the driver can't be held to a way of signing in; sslmode=verify-full proves the server",
    "requirepeer": "the driver does not ask whose a socket is",
    "sslkeylogfile": "set SSLKEYLOGFILE in the environment",
    **dict.fromkeys(("scram_client_key", "scram_server_key"), "the driver signs in by password"),
    **dict.fromkeys(
        ("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"),
        "the driver does not sign in by OAuth",
    ),
}
"""Parameter of libpq that can't be kept → what to do instead, or why."""

_SERVER_SETTINGS = frozenset(
    {
        "bytea_output",
        "default_transaction_deferrable",
        "default_transaction_isolation",
        "default_transaction_read_only",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "jit",
        "lock_timeout",
        "role",
        "search_path",
        "statement_timeout",
        "synchronous_commit",
        "transaction_timeout",
        "work_mem",
    }
)
"""Settings of the server that a URL may hold by their names; others go into `options`."""


@dataclass(frozen=True, slots=True)
class Host:
    """A place where a server may be.

    Attributes:
        name: of a host, or the path of a socket or of its directory.
        port: of TCP, and part of a socket's name.
        address: the IP address to connect to instead of asking for the name's.
    """

    name: str
    port: int
    address: str | None = None

    @property
    def socket(self) -> str | None:
        """The path of the Unix socket; None for TCP."""
        if not self.name.startswith("/"):
            return None
        return self.name if ".s.PGSQL." in self.name else f"{self.name}/.s.PGSQL.{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a database is, how it is reached, and as whom.

    Attributes:
        hosts: to be tried in this order, unless they are `shuffled`.
        names_database: the URL has a database's name; without one it is the user's.
        parameters: those of libpq that the URL gives, but for the ones that have an attribute here.
        settings: the server's, for the session.
        connect_seconds: after which a host is given up, where the URL says so.
    """

    hosts: tuple[Host, ...]
    database: str
    names_database: bool
    user: str
    password: str | None = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, str]
    connect_seconds: float | None

    @property
    def mode(self) -> str:
        """The `sslmode`."""
        return self.parameters.get("sslmode", "prefer")

    @property
    def shuffled(self) -> bool:
        """Whether the hosts are tried in no order."""
        return self.parameters.get("load_balance_hosts") == "random"

    def number(self, name: str, default: int) -> int:
        """Return a parameter that is a number; below zero counts as none, as for libpq."""
        value = int(self.parameters.get(name, default))
        return value if value > 0 else default

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            ValueError: it can't be read, or asks for what can't be kept; the reason holds no value of it.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"postgresql", "postgres"}:
            raise ValueError("it is not a PostgreSQL URL")
        userinfo, _, places = parts.netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        query = _query(parts.query)
        name = unquote(parts.path.removeprefix("/")) or query.get("dbname") or query.get("database")
        user = unquote(user) or query.get("user") or _account()
        settings = {k: v for k, v in query.items() if k in _SERVER_SETTINGS or "." in k or k == "options"}
        settings["application_name"] = (
            query.get("application_name") or query.get("fallback_application_name") or "gatepost"
        )
        seconds = int(query.get("connect_timeout", 0))
        return cls(
            hosts=_hosts(places, query),
            database=name or user,
            names_database=bool(name),
            user=user,
            password=unquote(password) or query.get("password"),
            parameters=query,
            settings=settings | {"timezone": "UTC"},
            connect_seconds=seconds if seconds > 0 else None,
        )


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ValueError("it has no user, and this account has no name") from None


def _query(text: str) -> dict[str, str]:
    try:
        given = dict(parse_qsl(text, strict_parsing=True, keep_blank_values=True)) if text else {}
    except ValueError:
        raise ValueError("its query is not name=value pairs joined by &") from None
    query = {name: value for name, value in given.items() if value}
    if query.pop("ssl", None) in {"true", "require"}:  # JDBC's spelling, which libpq takes as well
        query.setdefault("sslmode", "require")
    for name, value in query.items():
        _check(name, value)
    if query.get("channel_binding") == "require" and query.get("sslmode") != "verify-full":
        raise ValueError("channel_binding=require can't be kept; sslmode=verify-full protects from the same")
    if query.get("sslnegotiation") == "direct" and query.get("sslmode") not in MODES[3:]:
        raise ValueError("sslnegotiation=direct needs sslmode=require or stricter")
    if query.get("sslrootcert") == "system" and query.get("sslmode", "verify-full") != "verify-full":
        raise ValueError("sslrootcert=system needs sslmode=verify-full")
    if query.get("sslrootcert") == "system":
        query["sslmode"] = "verify-full"
    return query


def _check(name: str, value: str) -> None:
    """Refuse a parameter that can't be kept; the values of those that may be secret are not told."""
    if name in _REFUSED:
        raise ValueError(f"the parameter {name} can't be kept: {_REFUSED[name]}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}")
    if name in _NUMBERS and not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise ValueError(f"{name} is not a whole number")
    known = name in _CHOICES or name in _NUMBERS or name in _TEXTS or name in _SERVER_SETTINGS
    if not known and not re.fullmatch(r"\w+\.\w+", name):
        told = name if re.fullmatch(r"\w{1,40}", name) else "one that it has"
        raise ValueError(
            f"the parameter {told} is not known; a setting of the server is written options=-c%20name%3Dvalue"
        )


def _hosts(authority: str, query: Mapping[str, str]) -> tuple[Host, ...]:
    places = (
        authority
        or query.get("host")
        or query.get("hostaddr")
        or ",".join((*SOCKET_DIRECTORIES, "localhost"))
    )
    split = [_place(place, coded=bool(authority)) for place in places.split(",")]
    ports = [port for _, port in split]
    if not any(ports) and "port" in query:
        ports = query["port"].split(",")
        ports = ports * len(split) if len(ports) == 1 else ports
    addresses = query["hostaddr"].split(",") if "hostaddr" in query else [""] * len(split)
    if not len(split) == len(ports) == len(addresses):
        raise ValueError("the numbers of hosts, ports and addresses differ")
    if any(port and not (port.isdecimal() and 0 < int(port) <= 65_535) for port in ports):
        raise ValueError("a port in it is invalid")
    return tuple(
        Host(name or "localhost", int(port or 5432), address or None)
        for (name, _), port, address in zip(split, ports, addresses, strict=True)
    )


def _place(text: str, *, coded: bool) -> tuple[str, str]:
    """Return the host and the port, empty where none is given; in the authority it is percent-encoded."""
    if text.startswith("/"):
        return text, ""
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port or (":" in host and not host.startswith("[")):
        host, port = text, ""
    host = host.removeprefix("[").removesuffix("]")
    return (unquote(host), unquote(port)) if coded else (host, port)

"""MAIL_URL and the addresses of mail, read: nothing that a URL asks for is passed over."""

import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from typing import Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from gatepost.settings.forms import is_loopback, plain_text, shown

_PORTS = {"smtps": 465, "smtp": 587}

_MAILBOX = re.compile(r"(?:(?P<name>[^<>\r\n]*)<(?P<address>[^<>\s]+)>|(?P<bare>[^<>\s]+))")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over, and how.

    Attributes:
        host, port: where.
        security: TLS from the first byte, by STARTTLS, or none at all.
        user, password: to sign in with; None where nobody signs in.
    """

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, so that nobody can read mail on the way to it."""
        return _is_here(self.host)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            ValueError: it can't be read, or would send passwords and links in the clear unasked.
        """
        scheme, _, rest = url.partition("://")
        scheme = scheme.lower()
        if not rest or scheme not in _PORTS:
            raise ValueError("it is not a URL that begins with smtps:// or smtp://")
        if re.search(r"[\x00-\x20\x7f]", rest):
            raise ValueError("it contains a blank or a control character")
        try:
            parts = urlsplit(f"{scheme}://{rest}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("its host:port part is invalid") from None
        if parts.path not in {"", "/"} or parts.fragment or "@" in parts.query:
            raise ValueError(
                "a special character in it is not percent-encoded (# is %23, / is %2F, ? is %3F, @ is %40)"
            )
        if not host or port == 0 or not _is_name(host):
            raise ValueError("its host:port part is invalid")
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        if (user is None) != (password is None):
            raise ValueError("it needs both a user and a password, or neither")
        if any(ord(each) < 32 or ord(each) == 127 for each in f"{user or ''}{password or ''}"):
            raise ValueError("its user or password contains a control character")
        if "\N{REPLACEMENT CHARACTER}" in f"{user or ''}{password or ''}":
            raise ValueError("its user or password is not percent-encoded UTF-8")
        return cls(
            host=host,
            port=port or _PORTS[scheme],
            security=_security(scheme, host, parts.query),
            user=user,
            password=password,
        )


def _security(scheme: str, host: str, query: str) -> Literal["tls", "starttls", "none"]:
    try:
        asked = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError:
        raise ValueError("its query is not name=value pairs joined by &") from None
    if unknown := set(asked) - {"tls", "allow_plaintext"}:
        name = min(unknown)
        told = name if re.fullmatch(r"\w{1,40}", name) else "one that it has"
        raise ValueError(f"the parameter {told} is not known; tls and allow_plaintext are")
    if asked.get("tls", "off") != "off" or asked.get("allow_plaintext", "1") != "1":
        raise ValueError("tls can only be off, and allow_plaintext only 1")
    if "tls" not in asked:
        if asked:
            raise ValueError("allow_plaintext goes with tls=off")
        return "tls" if scheme == "smtps" else "starttls"
    if scheme == "smtps":
        raise ValueError("smtps:// is TLS; tls=off goes with smtp://")
    if not _is_here(host) and "allow_plaintext" not in asked:
        raise ValueError(
            "tls=off would send passwords and links in the clear; add &allow_plaintext=1 if that is meant"
        )
    return "none"


def _is_name(host: str) -> bool:
    """Say whether a host can be looked up, which fails otherwise where it is encoded (RFC 5890)."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _is_here(host: str) -> bool:
    return is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}")


def mail_url(value: object) -> str | None:
    """Return a MAIL_URL that can be worked with.

    Raises:
        ValueError: as `MailServer.parse`.
    """
    text = plain_text(value)
    if text is not None:
        MailServer.parse(text)
    return text


def mailbox(value: object) -> str | None:
    """Return an address, with the name before it where there is one (RFC 5322 §3.4).

    Raises:
        ValueError: it is no address.
    """
    text = plain_text(value)
    if text is not None:
        parse_mailbox(text)
    return text


def parse_mailbox(text: str) -> Address:
    """Return an address and its name.

    Raises:
        ValueError: it is no address.
    """
    match = _MAILBOX.fullmatch(text)
    spec = "" if match is None else match["address"] or match["bare"]
    if match is None or not _ADDRESS.fullmatch(spec):
        raise ValueError(f"{shown(text)} is not a valid address")
    name = (match["name"] or "").strip().strip('"').strip()
    return Address(name, addr_spec=spec)

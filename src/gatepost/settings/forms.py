"""The forms in which settings are accepted: how each is read, and in which words a mistake is told.

A parser raises ValueError with the reason alone. It never holds the value of a secret: the reason
ends up in terminals and logs.
"""

import ipaddress
import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gatepost.settings.address import Address

EXAMPLE_KEY = "your-very-long-random-secret-key-here"
"""The SECRET_KEY of `env.example`: everybody knows it, so it is nobody's key."""

_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the text after them round (UAX 9)."""

KEY_LENGTH_MIN = 32
"""Characters a SECRET_KEY has at least, in production."""

UNIX = "unix"
"""Among TRUSTED_PROXIES: whoever is at the other end of a Unix socket."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Proxy = Network | Literal["unix"]

_SCHEME = re.compile(r"postgres(?:ql(?:\+(?:asyncpg|psycopg2?))?)?", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:\[\]@]*)(?::(?P<port>[0-9]{1,5})?)?")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}")
_LINK_MAX = 2000
_PLACEHOLDER = re.compile(
    r"change_?(?:me|this)|replace|secret|your_?(?:very|secret|key|own)|example|placeholder"
    r"|insecure|django_insecure|default|password|12345678"
)


def plain_text(value: object) -> str | None:
    """Return the text without the blanks around it; None for what is empty or None.

    Raises:
        ValueError: the value is no text.
    """
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("it is not text")  # noqa: TRY004 - pydantic gathers ValueError only
    if re.search("[\ud800-\udfff]", value):  # what Python makes of bytes in the environment that are no UTF-8
        raise ValueError("it is not text in UTF-8")
    return value.strip() or None


def lower_case(value: object) -> object:
    """Take `INFO` for `info`, as most programs do."""
    return value.strip().lower() if isinstance(value, str) else value


def listed(value: object) -> list[object]:
    """Return the items of a comma-separated text, a JSON list or any iterable.

    Raises:
        ValueError: the value is none of them.
    """
    if not isinstance(value, str):
        if isinstance(value, Iterable):
            return list(value)
        raise ValueError("it is not a list")
    if not value.lstrip().startswith("["):
        return [item.strip() for item in value.split(",") if item.strip()]
    try:
        items = json.loads(value)
    except ValueError:
        raise ValueError("it starts like a JSON list but is not one") from None
    return list(items)


def line(value: object) -> str:
    """Return a text of one line, as people read it; empty for none.

    Raises:
        ValueError: it holds control characters, or such as turn other text round.
    """
    text = plain_text(value) or ""
    if any(unicodedata.category(each) in {"Cc", "Zl", "Zp"} for each in text) or _TURNING.search(text):
        raise ValueError("it holds characters that can't be seen")
    return text


def schema(value: object) -> str | None:
    """Return the name of a schema that needs no quotes, in SQL and in a URL.

    Raises:
        ValueError: it is none.
    """
    text = plain_text(value)
    if text is not None and (not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", text) or text.startswith("pg_")):
        raise ValueError("it can't be used as a schema")
    if text == "gatepost":
        raise ValueError("the schema gatepost holds the functions")
    if text == "information_schema":
        raise ValueError("the schema information_schema is PostgreSQL's own")
    return text


def database_url(value: object) -> str | None:
    """Return a PostgreSQL URL with the scheme `postgresql`, whichever of its spellings was given.

    Raises:
        ValueError: the driver would not read the URL, or would read it in another way than was meant.
    """
    text = plain_text(value)
    if text is None:
        return None
    scheme, _, rest = text.partition("://")
    if not rest or not _SCHEME.fullmatch(scheme):
        raise ValueError("it is not a PostgreSQL URL")
    if re.search(r"[\x00-\x1f\x7f]", rest):
        raise ValueError("it contains a control character")
    authority, path, query = _split(rest)
    if "#" in rest or "@" in path + query:
        raise ValueError(
            "a special character in it is not percent-encoded (# is %23, / is %2F, ? is %3F, @ is %40)"
        )
    for host in authority.rpartition("@")[2].split(","):
        match = _HOST.fullmatch(host)
        if match is None or int(match["port"] or 0) > 65_535:
            raise ValueError("its host:port part is invalid")
    if scheme.lower().endswith("+asyncpg"):
        # SQLAlchemy's dialect calls `ssl` what PostgreSQL, and the driver by itself, calls `sslmode`.
        query = re.sub(r"(?<=[?&])ssl=", "sslmode=", query)
    url = f"postgresql://{authority}{path}{query}"
    Address.parse(url)
    return url


def _split(rest: str) -> tuple[str, str, str]:
    """Return the authority, the path and the query with its question mark (RFC 3986, section 3)."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path, mark, query = rest[len(authority) :].partition("?")
    return authority, path, mark + query


def key(value: object) -> str | None:
    """Return a key; the example's counts as none."""
    text = plain_text(value)
    return None if text == EXAMPLE_KEY else text


def keys(value: object) -> tuple[str, ...]:
    """Return the keys of a list.

    Raises:
        ValueError: one of them is no text, or the example's.
    """
    found = [plain_text(item) for item in listed(value)]
    if EXAMPLE_KEY in found:
        raise ValueError("it contains the example's key, which everyone knows")
    return tuple(item for item in found if item is not None)


def weakness(secret: str) -> str | None:
    """Say why a key is unfit for production, or None where nothing is seen against it."""
    if len(secret) < KEY_LENGTH_MIN:
        return f"it is shorter than {KEY_LENGTH_MIN} characters"
    bare = re.sub(r"[^a-z0-9]+", "_", secret.lower()).strip("_")
    # So few different characters don't come by chance: below 1 in 10 million, even for 32 decimal digits.
    if len(set(secret)) < 6 or _PLACEHOLDER.match(bare):
        return "it is a placeholder"
    return None


def proxies(value: object) -> tuple[Proxy, ...]:
    """Return the networks of a list of addresses and CIDRs, among which `unix` may stand.

    Raises:
        ValueError: an item is neither, or a CIDR with host bits set, which may mean the host or its network.
    """
    return tuple("unix" if item == UNIX else _network(item) for item in listed(value))


def _network(item: object) -> Network:
    if isinstance(item, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return item
    try:
        return ipaddress.ip_network(str(item))
    except ValueError:
        raise ValueError(f"{shown(item)} is not a valid network") from None


def origin(value: object) -> str | None:
    """Return an origin in its one spelling (RFC 6454 §6.2): scheme, host, and the port where it is not usual.

    Raises:
        ValueError: it is not a valid origin of http or https, or has a path.
    """
    text = plain_text(value)
    if text is None:
        return None
    match = _ORIGIN.fullmatch(text.lower())
    if match is None or int(match["port"] or 0) > 65_535:
        raise ValueError(f"{shown(text)} is not a valid origin")
    usual = {"http": "80", "https": "443"}[match["scheme"]]
    port = "" if match["port"] in {None, usual} else f":{match['port']}"
    return f"{match['scheme']}://{match['host']}{port}"


def origins(value: object) -> tuple[str, ...]:
    """Return the origins of a list; neither `*` nor `null` is one.

    Raises:
        ValueError: an item is not a valid origin.
    """
    found = [origin(item) for item in listed(value)]
    return tuple(item for item in found if item is not None)


def header_names(value: object) -> tuple[str, ...]:
    """Return the names of headers of a list, in lower case.

    Raises:
        ValueError: an item is no name (RFC 9110 §5.1); `*` names none with a cookie.
    """
    found = [str(item).lower() for item in listed(value)]
    for name in found:
        if name == "*" or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{shown(name)} is not a valid header name")
    return tuple(found)


def is_loopback(url: str) -> bool:
    """Say whether an origin is this very machine, on which nobody else can listen."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def domain(value: object) -> str | None:
    """Return the domain that cookies are for, without the dot that may stand before it.

    Raises:
        ValueError: it is not a valid domain of two labels or more.
    """
    text = plain_text(value)
    if text is None:
        return None
    text = text.lower().removeprefix(".")
    if not _DOMAIN.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a valid domain")
    return text


def path(value: object) -> object:
    """Return the path with `~` replaced by the home directory.

    Raises:
        ValueError: there is no such home directory.
    """
    if not isinstance(value, str | Path):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"{shown(str(value))} is not a home directory") from None


def color(value: object) -> str:
    """Return a colour as CSS writes it in six hexadecimal digits.

    Raises:
        ValueError: it is none of `#rgb` and `#rrggbb`.
    """
    text = (plain_text(value) or "").lower()
    if not re.fullmatch(r"#(?:[0-9a-f]{3}){1,2}", text):
        raise ValueError(f"{shown(text)} is not a valid colour")
    return text if len(text) == 7 else "#" + "".join(2 * digit for digit in text[1:])


def color_or_none(value: object) -> str | None:
    """Return a colour as `color` does, None where there is none.

    Raises:
        ValueError: as `color`.
    """
    return None if plain_text(value) is None else color(value)


def link(value: object) -> str | None:
    """Return a URL that pages may link to.

    Raises:
        ValueError: it is not a valid URL of http or https, or names a user.
    """
    text = plain_text(value)
    if text is None:
        return None
    # An origin and what follows it: no blanks, no quotes, nothing that another scheme would run.
    match = re.fullmatch(r"(?P<origin>(?i:https?)://[^/?#]+)(?P<rest>[!#-&(-;=?-Z_a-z~%]*)", text)
    if match is None or len(text) > _LINK_MAX:
        raise ValueError(f"{shown(text)} is not a valid URL")
    try:
        found = origin(match["origin"])
    except ValueError:
        raise ValueError(f"{shown(text)} is not a valid URL") from None
    return f"{found}{match['rest']}"


def root_path(value: object) -> str:
    """Return a path without a slash at its end; empty for the root.

    Raises:
        ValueError: it is not a valid path, or can't be told from one of ours.
    """
    text = (plain_text(value) or "").rstrip("/")
    if not re.fullmatch(r"(?:/[\w.~-]+)*", text, re.ASCII):
        raise ValueError(f"{shown(text)} is not a valid path")
    if text == "/api":
        # Below it a page would stand where the API's own path is once a proxy has taken the root off.
        raise ValueError(f"{shown(text)} is where the API is served")
    return text


def accepted(field: FieldInfo) -> str:
    """Say what a setting accepts: by its own words, or by its type and bounds."""
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["accepted"])
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(get_args(field.annotation))
    if field.annotation is bool:
        return "True or False"
    low, high = (next(getattr(m, side) for m in field.metadata if hasattr(m, side)) for side in ("ge", "le"))
    return f"{'a whole number' if field.annotation is int else 'a number'} from {low} to {high}"


def is_secret(field: FieldInfo) -> bool:
    """Tell whether the value of a setting must never be shown."""
    return SecretStr.__name__ in str(field.annotation)


def shown(value: object) -> str:
    """Return a value as one short line for people."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def problem(name: str, field: FieldInfo, error: ErrorDetails) -> str:
    """Tell one mistake in one line: which setting, what is wrong, what is accepted.

    Args:
        name: of the environment variable.
        field: the setting.
        error: an item of `pydantic.ValidationError.errors()`.
    """
    if error["type"] == "value_error":
        why = str(error["ctx"]["error"])
    elif is_secret(field):
        why = "the value is not accepted"
    else:
        why = f"{shown(error['input'])} is not accepted"
    return f"{name}: {why}; set {accepted(field)}"

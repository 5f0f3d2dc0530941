"""What settings mean for a requirement: pure functions, each named in `requirements.toml`.

A rule returns None where the requirement stands as its entry has it.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from gatepost.settings import Settings, forms

BCRYPT_ROUNDS_MIN = 10
"""ASVS 5.0, appendix C; OWASP's Password Storage Cheat Sheet."""

ENCRYPTED = {"require", "verify-ca", "verify-full"}
"""Values of sslmode with which nothing goes in plain text (PostgreSQL, libpq, 34.19)."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The settings miss it: which one, and why."""

    setting: str
    why: str


Rule: TypeAlias = Callable[[Settings], Missed | None]


def throttles(settings: Settings) -> Missed | None:
    """Attempts are limited."""
    return None if settings.throttle_enabled else Missed("THROTTLE_ENABLED", "It is off: nothing is limited")


def second_factor(settings: Settings) -> Missed | None:
    """Everybody has a second factor."""
    if settings.mfa_required == "all":
        return None
    lack = "Nobody has" if settings.mfa_required == "off" else "Only administrators have"
    return Missed(
        "MFA_REQUIRED", f"{lack} to set up a second factor, which everybody may; all has them do it"
    )


def token_bits(settings: Settings) -> Missed | None:
    """Session tokens have 128 random bits or more."""
    if settings.session_token_format == "opaque":  # noqa: S105 - a format, no token
        return None
    return Missed(
        "SESSION_TOKEN_FORMAT",
        "uuid has 122 random bits; 64 are NIST's measure, 128 this one's. opaque has 256",
    )


def breached_passwords(settings: Settings) -> Missed | None:
    """A list of breached passwords is asked."""
    if settings.breached_passwords is not None:
        return None
    return Missed("BREACHED_PASSWORDS", "It names no list; common passwords alone are refused")


def secure_cookies(settings: Settings) -> Missed | None:
    """Cookies are Secure, as they are everywhere but on a loopback address over plain http."""
    url = settings.effective_public_url or ""
    if not url.startswith("http://"):
        return None
    return Missed("PUBLIC_URL", f"{url} is no https: its cookies are neither Secure nor `__Host-`")


def https(settings: Settings) -> Missed | None:
    """Whoever comes from outside comes by TLS."""
    url = settings.effective_public_url
    if url is None:
        return Missed("PUBLIC_URL", "It is not set, so that nothing says that this is https")
    return None if url.startswith("https://") else Missed("PUBLIC_URL", f"{url} is no https")


def proxies(settings: Settings) -> Missed | None:
    """Not everybody is a trusted proxy."""
    for network in settings.trusted_proxies:
        if network != "unix" and network.prefixlen == 0:
            return Missed("TRUSTED_PROXIES", f"{network} trusts everybody's forwarded headers")
    return None


def inactivity(settings: Settings) -> Missed | None:
    """Who neither asks nor refreshes is signed out before the absolute end.

    A session that is not refreshed ends at `expires_at`: for a client that refreshes while its user is
    there that is an inactivity limit, and for one that never does an even stricter one.
    """
    limits = [m for m in (settings.session_idle_minutes, settings.session_expire_minutes) if m]
    if min(limits) < settings.session_max_minutes:
        return None
    return Missed("SESSION_EXPIRE_MINUTES", "It is no shorter than SESSION_MAX_MINUTES: nothing ends before")


def no_links(settings: Settings) -> Missed | None:
    """Nobody needs a link that holds a secret, but for the one of the setup."""
    if settings.registration != "invite":
        return None
    return Missed("REGISTRATION", "The link of an invitation holds its secret in the URL, good for one use")


def strong_key(settings: Settings) -> Missed | None:
    """SECRET_KEY and its fallbacks are nobody's example; the key that development makes is a good one."""
    for name, keys in (
        ("SECRET_KEY", (settings.secret_key,)),
        ("SECRET_KEY_FALLBACKS", settings.secret_key_fallbacks),
    ):
        for key in keys:
            if key is not None and (why := forms.weakness(key.get_secret_value())):
                return Missed(name, why[0].upper() + why[1:])
    return None


def bcrypt_cost(settings: Settings) -> Missed | None:
    """The cost of a hash is today's."""
    is_bcrypt = settings.password_hash == "bcrypt"  # noqa: S105 - the name of a method
    if not is_bcrypt or settings.bcrypt_rounds >= BCRYPT_ROUNDS_MIN:
        return None
    return Missed("BCRYPT_ROUNDS", f"It is {settings.bcrypt_rounds}, less than {BCRYPT_ROUNDS_MIN}")


def debug(settings: Settings) -> Missed | None:
    """Debugging is off."""
    return Missed("DEBUG", "It is on: the log tells more than it should") if settings.debug else None


def production(settings: Settings) -> Missed | None:
    """Nothing is shown that is for developers."""
    if settings.environment == "production":
        return None
    return Missed("ENVIRONMENT", f"In {settings.environment} there is a page to try the API on")


def database_tls(settings: Settings) -> Missed | None:
    """The way to the database is encrypted, or leaves this machine nowhere."""
    if settings.database_url is None:
        return None
    url = urlsplit(settings.database_url.get_secret_value())
    query = parse_qs(url.query)
    named = url.netloc.rpartition("@")[2] or query.get("host", [""])[-1]
    mode = query.get("sslmode", ["prefer"])[-1]
    if mode in ENCRYPTED or all(_is_here(host) for host in named.split(",")):
        return None
    return Missed("DATABASE_URL", f"Its sslmode is {mode} for another machine; set verify-full")


def _is_here(host: str) -> bool:
    """Say whether a host of a URL, with its port, is this machine or a socket on it."""
    name = unquote(host)
    if not name or name.startswith("/"):
        return True
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if not name or name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def database_rights(settings: Settings) -> Missed | None:
    """The role in use is not the owner of everything, as the embedded database's is."""
    if settings.database_url is not None:
        return None
    return Missed("DATABASE_URL", "It is not set: the embedded database is used by its owner")


def retention(settings: Settings) -> Missed | None:
    """Old rows go by themselves."""
    if settings.cleanup_interval_seconds:
        return None
    return Missed("CLEANUP_INTERVAL_SECONDS", "It is 0: old sessions go by `gatepost sessions cleanup` alone")


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        throttles,
        second_factor,
        token_bits,
        breached_passwords,
        secure_cookies,
        https,
        proxies,
        inactivity,
        no_links,
        strong_key,
        bcrypt_cost,
        debug,
        production,
        database_tls,
        database_rights,
        retention,
    )
}
"""Name → rule."""

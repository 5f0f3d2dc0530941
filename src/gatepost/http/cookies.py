"""The cookies of a Gatepost: how they are called, read and set (RFC 6265bis; ASVS 3.3).

    session    `__Host-gatepost`           the session token; out of the reach of JavaScript
    device     `__Host-gatepost-device`    that this browser has signed in before; it opens nothing
    form       `__Host-gatepost-form`      what forms are bound to before there is a session
    notice     `__Host-gatepost-notice`    what the next page says once, such as that a name was changed

Where COOKIE_DOMAIN shares the session with sibling hosts its prefix is `__Secure-`, the weaker one. Over
plain http, which only a loopback PUBLIC_URL has, browsers keep no cookie of either prefix: there the
name is bare.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from starlette.types import Scope

from gatepost.errors import InvalidSession
from gatepost.models import SignedIn
from gatepost.settings import Settings

DEVICE_LIFETIME = timedelta(days=180)

Header = tuple[bytes, bytes]

CLEAR_SITE_DATA: Header = (b"clear-site-data", b'"cache", "cookies", "storage"')
"""Goes with a logout: what the browser keeps of this origin is removed (ASVS 14.3.1)."""


class Cookies:
    """Reads and makes the cookies of one Gatepost.

    Args:
        settings: say under which names and for whom.
        suffix: tells the cookies of several Gateposts on one host apart.
    """

    def __init__(self, settings: Settings, suffix: str = "") -> None:
        plain = (settings.effective_public_url or "").startswith("http://")
        host_only = settings.cookie_domain is None
        prefix = "" if plain else "__Host-" if host_only else "__Secure-"
        self._session = f"{prefix}gatepost{suffix}"
        own = f"{'' if plain else '__Host-'}gatepost{suffix}"
        self._device, self._form, self._notice = f"{own}-device", f"{own}-form", f"{own}-notice"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("" if plain else "; Secure")
        self._session_attributes = self._attributes + (
            "" if host_only else f"; Domain={settings.cookie_domain}"
        )

    def token(self, scope: Scope) -> str | None:
        """Return the session token that the browser sent, None where it sent none.

        Raises:
            InvalidSession: two cookies have the name; whoever set the second wants to be taken for another
                (ASVS 15.3.7).
        """
        found = _values(scope, self._session)
        if len(found) > 1:
            raise InvalidSession("Two session cookies were sent")
        return found[0] if found else None

    def device(self, scope: Scope) -> str | None:
        """Return what the device cookie holds, None where there is none or more than one."""
        return _single(scope, self._device)

    def form(self, scope: Scope) -> str | None:
        """Return what the forms of a browser without a session are bound to, None where it has nothing."""
        return _single(scope, self._form)

    def notice(self, scope: Scope) -> str | None:
        """Return the name of what the next page is to say, None where that is nothing."""
        return _single(scope, self._notice)

    def set_session(self, signed_in: SignedIn, now: datetime) -> Header:
        """Return the header that hands over a token; it ends with the browser unless it is to be kept."""
        kept = ""
        if signed_in.remembered:
            left = signed_in.session.expires_at - now
            kept = f"; Max-Age={max(0, int(left.total_seconds()))}"
        return _set(f"{self._session}={signed_in.token}{self._session_attributes}{kept}")

    def set_a_session(self, headers: Iterable[Header]) -> bool:
        """Say whether the headers of an answer hand a session over, or take it away."""
        start = f"{self._session}=".encode()
        return any(name.lower() == b"set-cookie" and value.startswith(start) for name, value in headers)

    def clear_session(self) -> Header:
        """Return the header that takes the session cookie away."""
        return _set(f"{self._session}={self._session_attributes}; Max-Age=0")

    def set_device(self, value: str) -> Header:
        """Return the header that marks a browser as one that has signed in."""
        lifetime = int(DEVICE_LIFETIME.total_seconds())
        return _set(f"{self._device}={value}{self._attributes}; Max-Age={lifetime}")

    def set_form(self, value: str) -> Header:
        """Return the header that gives forms something to be bound to, until the browser ends."""
        return _set(f"{self._form}={value}{self._attributes}")

    def set_notice(self, name: str) -> Header:
        """Return the header that has the next page say something; a minute later it is said no more."""
        return _set(f"{self._notice}={name}{self._attributes}; Max-Age=60")

    def clear_notice(self) -> Header:
        """Return the header that keeps a notice from being given twice."""
        return _set(f"{self._notice}={self._attributes}; Max-Age=0")


def _single(scope: Scope, name: str) -> str | None:
    found = _values(scope, name)
    return found[0] if len(found) == 1 else None


def _set(value: str) -> Header:
    return b"set-cookie", value.encode("latin-1")


def _values(scope: Scope, name: str) -> list[str]:
    # Split by hand: a cookie of ours is never quoted, and taking quotes apart costs (CVE-2024-7592).
    found = []
    for header, value in scope["headers"]:
        if header == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, equals, text = pair.strip(" \t").partition("=")
                if equals and key == name:
                    found.append(text)
    return found

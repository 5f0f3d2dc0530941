"""Requests that another site makes a browser send, with its cookies (CSRF; ASVS 3.5.1).

The rule is that of Go 1.25's `net/http`: browsers say in `Sec-Fetch-Site` where a request comes from, and
older ones in `Origin`, as all do for a WebSocket. Sibling hosts (`same-site`) are others, and so is a request
that says nothing: no browser of the last years sends one. `Referer` is not asked, and `Host` only in
development without a PUBLIC_URL, where one's own origin is wherever on this machine the server was found.
"""

from collections.abc import Collection

from starlette.types import Scope

from gatepost.errors import CrossOriginRefused
from gatepost.settings.forms import is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""


class CrossOriginGuard:
    """Tells requests of one's own pages from those of others.

    Args:
        public_url: one's own origin, None where it is not known.
        allowed_origins: others whose pages may do as one's own.
        on_loopback: one's own origin is also the one that was asked, where that is this machine's.
    """

    def __init__(
        self, public_url: str | None, allowed_origins: Collection[str], *, on_loopback: bool = False
    ) -> None:
        self._on_loopback = on_loopback
        self._allowed = frozenset(origin.encode() for origin in allowed_origins)
        self._own = self._allowed | ({public_url.encode()} if public_url else frozenset())

    def check(self, scope: Scope) -> None:
        """Let a request pass that a cookie authenticates, if it changes nothing or comes from here.

        A WebSocket changes things whatever its handshake's method is, also where a proxy asks with that
        handshake's headers whether it may let it through.

        Raises:
            CrossOriginRefused: it comes from elsewhere, or nothing says from where.
        """
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS and not _is_handshake(scope):
            return
        sites, origins = _values(scope, b"sec-fetch-site"), _values(scope, b"origin")
        if not sites and not origins:
            raise CrossOriginRefused
        self._judge(scope, sites, origins)

    def check_declared(self, scope: Scope) -> None:
        """Let a request pass that says nothing of where it comes from, as programs don't, or is from here.

        Raises:
            CrossOriginRefused: it says that it comes from elsewhere.
        """
        self._judge(scope, _values(scope, b"sec-fetch-site"), _values(scope, b"origin"))

    def check_shown(self, scope: Scope) -> None:
        """Let something be asked for where people see it: by one's own pages, or where a link leads to it.

        As a picture, a frame or data of another site it does nothing but harm: it counts against the
        visitor's limits, takes places of live streams, and tells by its time what the visitor may see.

        Raises:
            CrossOriginRefused: another site loads it as a part of its own (ASVS 3.5.8).
        """
        origins = _values(scope, b"origin")
        if set(_values(scope, b"sec-fetch-site")) <= {b"same-origin", b"none"}:
            return
        if origins and self._allowed.issuperset(origins):
            return
        is_led_to = _values(scope, b"sec-fetch-mode") == [b"navigate"]
        if not is_led_to or not set(_values(scope, b"sec-fetch-dest")) <= {b"document"}:
            raise CrossOriginRefused

    def _judge(self, scope: Scope, sites: list[bytes], origins: list[bytes]) -> None:
        if len(sites) > 1 or len(origins) > 1:
            raise CrossOriginRefused
        if any(origin in self._allowed for origin in origins):
            return
        if sites:
            if sites[0] not in {b"same-origin", b"none"}:
                raise CrossOriginRefused
        elif not all(origin in self._own or self._is_asked(scope, origin) for origin in origins):
            raise CrossOriginRefused

    def _is_asked(self, scope: Scope, origin: bytes) -> bool:
        """Say whether this is the origin that was asked, on this machine, where nobody else can be it."""
        if not self._on_loopback:
            return False
        scheme = b"https://" if scope.get("scheme") in {"https", "wss"} else b"http://"
        asked = [scheme + host for host in _values(scope, b"host")]
        return asked == [origin] and is_loopback(origin.decode("latin-1"))


def _is_handshake(scope: Scope) -> bool:
    # Proxies keep these where they drop `Upgrade`, which is about one connection; scripts can't set them.
    return any(name in {b"sec-websocket-key", b"sec-websocket-version"} for name, _ in scope["headers"])


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header == name]

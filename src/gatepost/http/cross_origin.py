"""Requests that another site makes a browser send, with its cookies (CSRF; ASVS 3.5.1).

The rule is that of Go 1.25's `net/http`: browsers say in `Sec-Fetch-Site` where a request comes from, and
older ones in `Origin`, as all do for a WebSocket. Sibling hosts (`same-site`) are others, and so is a request
that says nothing: no browser of the last years sends one. `Referer` is not asked, and `Host` only in
development without a PUBLIC_URL, where one's own origin is wherever on this machine the server was found.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import Scope

from gatepost.errors import CrossOriginRefused
from gatepost.log import get_logger
from gatepost.settings.forms import is_loopback
from gatepost.settings.forms import origin as read_origin

log = get_logger("gatepost.http")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""


class CrossOriginGuard:
    """Tells requests of one's own pages from those of others.

    Each refusal is logged with the setting that would allow the request. In development the answer has the
    same hint; in production it has none, because the caller may be anyone.

    Args:
        public_url: one's own origin, None where it is not known.
        allowed_origins: others whose pages may do as one's own.
        on_loopback: one's own origin is also the one that was asked, where that is this machine's.
        explains: refusals carry the hint that is logged.
    """

    def __init__(
        self,
        public_url: str | None,
        allowed_origins: Collection[str],
        *,
        on_loopback: bool = False,
        explains: bool = False,
    ) -> None:
        self._on_loopback = on_loopback
        self._explains = explains
        self._public_url = public_url
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
            raise self._refusal(scope)
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
            raise self._refusal(scope)

    def check_preflight(self, scope: Scope, refused_headers: Collection[str]) -> None:
        """Let a CORS preflight pass whose page may send requests here.

        Args:
            scope: of the preflight.
            refused_headers: those which it asks for, and which no page may send.

        Raises:
            CrossOriginRefused: the page's origin is another one, or it may not send these headers.
        """
        origins = _values(scope, b"origin")
        if not all(origin in self._own or self._is_asked(scope, origin) for origin in origins):
            raise self._refusal(scope)
        if refused_headers:
            raise self._refused(scope, f"Add to ALLOWED_HEADERS: {', '.join(refused_headers)}")

    def _judge(self, scope: Scope, sites: list[bytes], origins: list[bytes]) -> None:
        if len(sites) > 1 or len(origins) > 1:
            raise self._refusal(scope)
        if any(origin in self._allowed for origin in origins):
            return
        if sites:
            if sites[0] not in {b"same-origin", b"none"}:
                raise self._refusal(scope)
        elif not all(origin in self._own or self._is_asked(scope, origin) for origin in origins):
            raise self._refusal(scope)

    def _is_asked(self, scope: Scope, origin: bytes) -> bool:
        """Say whether this is the origin that was asked, on this machine, where nobody else can be it."""
        if not self._on_loopback:
            return False
        scheme = b"https://" if scope.get("scheme") in {"https", "wss"} else b"http://"
        asked = [scheme + host for host in _values(scope, b"host")]
        return asked == [origin] and is_loopback(origin.decode("latin-1"))

    def _refusal(self, scope: Scope) -> CrossOriginRefused:
        return self._refused(scope, self._hint(scope))

    def _refused(self, scope: Scope, hint: str) -> CrossOriginRefused:
        origins = [value.decode("latin-1")[:200] for value in _values(scope, b"origin")]
        log.warning(
            "cross-origin request refused",
            method=scope.get("method", "WEBSOCKET"),
            path=scope["path"],
            origin=", ".join(origins) or None,
            hint=hint,
        )
        return CrossOriginRefused().hinted(hint if self._explains else None)

    def _hint(self, scope: Scope) -> str:
        """Say which setting would let a request pass, or why none would."""
        origins, sites = _values(scope, b"origin"), _values(scope, b"sec-fetch-site")
        if len(origins) > 1 or len(sites) > 1:
            return "Send each of the headers Origin and Sec-Fetch-Site once"
        if not origins and not sites:
            return (
                "Browsers send Origin or Sec-Fetch-Site with a cookie. Programs use the session token:"
                " Authorization: Bearer …"
            )
        if not origins:
            return (
                "Another site's page embeds this or leads to it. It can use fetch with credentials instead,"
                " once its origin is in ALLOWED_ORIGINS"
            )
        try:
            origin = read_origin(origins[0].decode("latin-1"))
        except ValueError:
            return "This origin can't be allowed (a file or sandboxed frame has `null`): use http or https"
        host = urlsplit(origin or "").netloc
        if not sites and host.encode() in _values(scope, b"host"):
            instead = f" instead of {self._public_url}" if self._public_url else ""
            return f"If this server's own pages are at {origin}, set PUBLIC_URL={origin}{instead}"
        if sites:
            return f"If you trust the pages at {origin}, add it to ALLOWED_ORIGINS"
        return (
            f"If this server's own pages are at {origin}, set PUBLIC_URL={origin}; if it is another site that"
            " you trust, add it to ALLOWED_ORIGINS"
        )


def _is_handshake(scope: Scope) -> bool:
    # Proxies keep these where they drop `Upgrade`, which is about one connection; scripts can't set them.
    return any(name in {b"sec-websocket-key", b"sec-websocket-version"} for name, _ in scope["headers"])


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header == name]

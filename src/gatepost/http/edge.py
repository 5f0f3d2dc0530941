"""What stands between a Gatepost and the web: who asks, with which credential, and what answers carry."""

import copy
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.types import Scope

from gatepost.errors import CrossOriginRefused, GatepostError
from gatepost.gate import Gate
from gatepost.http.client import ClientResolver
from gatepost.http.cookies import Cookies
from gatepost.http.credentials import presented
from gatepost.http.cross_origin import CrossOriginGuard
from gatepost.http.headers import api_headers
from gatepost.http.streams import Streams
from gatepost.models import AuditAction, Client, Session

PLACES_MAX = 64
"""Ports of this server whose cookies are made once and kept."""

_HOST = re.compile(r"[\w.-]{1,253}(?::[0-9]{1,5})?", re.ASCII)


class Edge:
    """The edge of one Gatepost.

    Args:
        gate: what is behind it.
        suffix: of its cookies' names, where several stand in one application.

    Attributes:
        gate: what is behind it.
        clients: tells who sent a request.
        cookies: reads and makes its cookies.
        guard: refuses requests of other sites.
        headers: of every answer.
        streams: its live streams.
        pages_path: where its pages are, None where there are none.
        document: returns the API's OpenAPI document; None where there is no API.
    """

    pages_path: str | None = None
    document: Callable[[], dict[str, Any]] | None = None

    def __init__(self, gate: Gate, suffix: str = "") -> None:
        settings = gate.settings
        self.gate = gate
        self.clients = ClientResolver(settings.trusted_proxies, settings.forwarded_header)
        self._suffix = suffix
        own = settings.effective_public_url
        self._host = urlsplit(settings.public_url or "").hostname
        # Without a PUBLIC_URL development is wherever the server listens, by http or https.
        self._places: dict[tuple[bool, int | None], Edge] | None = None
        if settings.public_url is None and own is not None:
            self._places = {}
        self.guard = CrossOriginGuard(
            own,
            settings.allowed_origins,
            on_loopback=self._places is not None,
            explains=settings.environment == "development",
        )
        url = urlsplit(own or "https:")
        self.cookies = self._cookies(secure=url.scheme == "https", port=url.port)
        self.headers = api_headers(settings)
        self.streams = Streams()

    def at(self, scope: Scope) -> "Edge":
        """Return the edge as this request meets it: with the cookies of the place where the server is."""
        if self._places is None:
            return self
        place = (scope.get("scheme") in {"https", "wss"}, _port(scope))
        found = self._places.get(place)
        if found is None:
            found = copy.copy(self)
            found.cookies = self._cookies(secure=place[0], port=place[1])
            if len(self._places) < PLACES_MAX:
                self._places[place] = found
        return found

    def _cookies(self, *, secure: bool, port: int | None) -> Cookies:
        mark = "" if secure or not port else f"-{port}"
        return Cookies(mark + self._suffix, secure=secure, domain=self.gate.settings.cookie_domain)

    def host(self, scope: Scope) -> str:
        """Return the host under which browsers know this one, empty where nobody says."""
        if self._host is not None:
            return self._host
        named = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        return named.partition(":")[0].lower() if _HOST.fullmatch(named) else ""

    def client_of(self, scope: Scope) -> Client:
        """Return who is at the other end."""
        return self.clients.client_of(scope)

    def presented(self, scope: Scope) -> tuple[str, bool]:
        """Return the token of a request, and whether it came by cookie.

        Raises:
            NotAuthenticated: there is none.
            InvalidSession: there are two of a kind.
            CrossOriginRefused: it came by cookie, from another site.
        """
        return presented(scope, self.at(scope).cookies, self.guard)

    async def session_of(self, scope: Scope, *, renews: bool = True) -> Session:
        """Return the session of a request; one that a browser uses is renewed, unless that is not to be.

        Raises:
            NotAuthenticated, InvalidSession, CrossOriginRefused: as `presented`.
            SessionExpired, SessionRevoked, SessionReplaced, Unavailable: as `Opening.resolve`.
        """
        token, by_cookie = self.presented(scope)
        if not by_cookie:
            return await self.gate.session_tokens.resolve(token)
        return await self.gate.session_tokens.resolve_cookie(
            token, partial(self.clients.client_of, scope), renews=renews
        )

    async def note_refusal(self, scope: Scope, error: GatepostError) -> None:
        """Put on the trail that another site tried to use a browser's cookie."""
        if isinstance(error, CrossOriginRefused) and self.gate.is_open:
            origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
            await self.gate.audit.refuse(
                AuditAction.CROSS_ORIGIN_REFUSED,
                client=self.client_of(scope),
                detail={
                    "method": scope.get("method", "WEBSOCKET"),
                    "path": _printable(scope["path"]),
                    "origin": _printable(origin.decode("latin-1")),
                },
            )


def _port(scope: Scope) -> int | None:
    # granian says it as text; of a Unix socket it is none, or 0.
    server = scope.get("server")
    return int(server[1] or 0) or None if server else None


def _printable(text: str) -> str:
    """Return what a stranger sent without what a database or terminal would choke on."""
    return ascii(text)[1:-1][:200]

"""What stands between a Gatepost and the web: who asks, with which credential, and what answers carry."""

from functools import partial

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


class Edge:
    """The edge of one Gatepost.

    Args:
        gate: what is behind it.
        suffix: of its cookies' names, where several stand on one host.

    Attributes:
        gate: what is behind it.
        clients: tells who sent a request.
        cookies: reads and makes its cookies.
        guard: refuses requests of other sites.
        headers: of every answer.
        streams: its live streams.
    """

    def __init__(self, gate: Gate, suffix: str = "") -> None:
        settings = gate.settings
        self.gate = gate
        self.clients = ClientResolver(settings.trusted_proxies, settings.forwarded_header)
        self.cookies = Cookies(settings, suffix)
        self.guard = CrossOriginGuard(settings.effective_public_url, settings.allowed_origins)
        self.headers = api_headers(settings)
        self.streams = Streams()

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
        return presented(scope, self.cookies, self.guard)

    async def session_of(self, scope: Scope, *, renews: bool = True) -> Session:
        """Return the session of a request; one that a browser uses is renewed, unless that is not to be.

        Raises:
            NotAuthenticated, InvalidSession, CrossOriginRefused: as `presented`.
            SessionExpired, SessionRevoked, SessionReplaced, Unavailable: as `Opening.resolve`.
        """
        token, by_cookie = presented(scope, self.cookies, self.guard)
        if not by_cookie:
            return await self.gate.sessions.resolve(token)
        return await self.gate.sessions.resolve_cookie(
            token, partial(self.clients.client_of, scope), renews=renews
        )

    async def note_refusal(self, scope: Scope, error: GatepostError) -> None:
        """Put on the trail that another site tried to use a browser's cookie."""
        if isinstance(error, CrossOriginRefused) and self.gate.is_open:
            origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
            await self.gate.audit.record(
                AuditAction.CROSS_ORIGIN_REFUSED,
                client=self.client_of(scope),
                detail={
                    "method": scope.get("method", "WEBSOCKET"),
                    "path": _printable(scope["path"]),
                    "origin": _printable(origin.decode("latin-1")),
                },
            )


def _printable(text: str) -> str:
    """Return what a stranger sent without what a database or terminal would choke on."""
    return ascii(text)[1:-1][:200]

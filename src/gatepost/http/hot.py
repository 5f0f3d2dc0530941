"""The endpoints that applications ask for every request of theirs: me, verify, Envoy's verify and refresh.

The framework's routing, dependencies and responses cost more than the check itself, so that these
four are plain functions from a scope to an answer, served in front of it. FastAPI documents them, and
serves them by these same functions where a request comes to it by another way (`api/`).
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gatepost.deadline import one_deadline
from gatepost.errors import (
    CrossOriginRefused,
    FreshSessionRequired,
    GatepostError,
    ValidationFailed,
)
from gatepost.http.api import schemas
from gatepost.http.client import restore_peer
from gatepost.http.dependencies import ask_admin, ask_fresh, edge_of
from gatepost.http.edge import Edge
from gatepost.http.envelope import encode
from gatepost.http.errors import last_resort, render
from gatepost.http.middleware import Begun
from gatepost.log import get_logger
from gatepost.models import Session, SignedIn

log = get_logger("gatepost.http")

SECURED: dict[str, Any] = {"security": [{"SessionToken": []}]}
"""What OpenAPI says of these endpoints, which ask for a session without the framework's help."""

VERIFIED: dict[str, tuple[str, ...]] = {"fresh": ("0", "1"), "aal": ("1", "2"), "admin": ("0", "1")}
"""What a proxy may ask of a session besides that it is live → the values, the first of which asks nothing."""

Headers: TypeAlias = list[tuple[bytes, bytes]]

Answer: TypeAlias = tuple[int, Headers, bytes]
"""Status, headers of its own, body."""

Endpoint: TypeAlias = Callable[[Scope], Awaitable[Answer]]

_JSON = (b"content-type", b"application/json")


ENVOY = "/verify/envoy"
"""Below which Envoy asks, by the method and the path of the request that it is to let through."""


class HotEndpoints:
    """The four endpoints of one Gatepost."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.gate = edge.gate

    async def me(self, scope: Scope) -> Answer:
        """Answer with the caller and the session that they call with."""
        session = await self.edge.session_of(scope)
        data = {"user": schemas.user_data(session.user), "session_info": schemas.session_info(session)}
        return _success(data, "User information retrieved successfully")

    async def verify(self, scope: Scope) -> Answer:
        """Answer a proxy that asks whether it may let a request through, and whose it is."""
        return 204, await self._verified(scope, scope["query_string"]), b""

    async def envoy(self, scope: Scope) -> Answer:
        """Answer Envoy, which lets a request through by 200 alone.

        It appends the path of that request to what it is configured with. So a question may stand in the
        query, up to the first slash: what comes after is the client's, who asks for nothing and less.
        """
        asked, _, _ = scope["query_string"].partition(b"/")
        # What the request does is not done here, as with other proxies, which ask by GET.
        return 200, await self._verified({**scope, "method": "GET"}, asked), b""

    async def _verified(self, scope: Scope, query: bytes) -> Headers:
        """Return whose session it is, in headers.

        Raises:
            AuthenticationError, CrossOriginRefused, Unavailable: as `Edge.session_of`.
            FreshSessionRequired, AdminRequired, ValidationFailed: as `_ask_more`.
        """
        session = await self.edge.session_of(scope, renews=False)
        if query:
            await self._ask_more(session, query)
        # A header's value is ASCII (RFC 9110 §5.5); whatever is not comes percent-encoded.
        email = quote(session.user.email, safe="@+!#$&'*/=?^`{|}~").encode()
        return [
            (b"x-gatepost-user", quote(str(session.user.id)).encode()),
            (b"x-gatepost-email", email),
            (b"x-gatepost-session", b"%d" % session.id),
        ]

    async def _ask_more(self, session: Session, query: bytes) -> None:
        """See that a session is what the proxy's query asks for; what is no answer to that is refused.

        Raises:
            FreshSessionRequired: it has to be fresh, or of a higher level.
            AdminRequired: its user has to be an administrator.
            ValidationFailed: the query asks for what there is not.
        """
        asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        for name, values in VERIFIED.items():
            if asked.get(name, values[0]) not in values:
                raise ValidationFailed({name: f"Input should be {' or '.join(values)}"})
        if asked.get("admin") == "1":
            await ask_admin(self.gate, session)
        level = int(asked.get("aal", "1"))
        if asked.get("fresh") == "1":
            await ask_fresh(self.gate, session, aal=level)
        elif session.aal < level:
            raise FreshSessionRequired(await self.gate.confirmations.methods(session, aal=level), aal=level)

    async def refresh(self, scope: Scope) -> Answer:
        """Replace the token; a client whose answer was lost can have it again."""
        edge = self.edge.at(scope)
        try:
            token, by_cookie = edge.presented(scope)
        except CrossOriginRefused as refusal:
            await edge.note_refusal(scope, refusal)
            raise
        refresh = self.gate.session_tokens.refresh_cookie if by_cookie else self.gate.session_tokens.refresh
        with one_deadline():
            refreshed = await refresh(token, edge.client_of(scope))
        answer = _success(
            schemas.signed_in_data(refreshed, by_cookie=by_cookie), "Session refreshed successfully"
        )
        if by_cookie and isinstance(refreshed, SignedIn):
            answer[1].append(edge.cookies.set_session(refreshed, self.gate.now()))
        return answer


def response(answer: Answer) -> Response:
    """Return an answer as the framework has it."""
    status, headers, body = answer
    found = Response(body, status_code=status)
    found.raw_headers.extend(headers)
    return found


def _success(data: object, message: str) -> Answer:
    return 200, [_JSON], encode({"data": data, "message": message, "success": True})


def endpoints_of(request: Request) -> HotEndpoints:
    """Return the endpoints of the Gatepost that serves this request."""
    edge_of(request.scope)  # says what is missing where it was never opened
    endpoints: HotEndpoints = request.app.state.gatepost_endpoints
    return endpoints


class HotPaths:
    """Serves these endpoints in front of an application; every other request passes.

    Args:
        app: what serves the others.
        endpoints: those of the application's Gatepost.
        prefix: where they stand below the application's own root.

    A request of another origin's page takes the long way, where CORS is answered (`ALLOWED_ORIGINS`).
    """

    def __init__(self, app: ASGIApp, endpoints: HotEndpoints, *, prefix: str = "") -> None:
        self._app = app
        self._gate = endpoints.gate
        self._headers = endpoints.edge.headers
        self._has_cors = bool(endpoints.gate.settings.allowed_origins)
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            ("GET", f"{prefix}/me"): endpoints.me,
            ("GET", f"{prefix}/verify"): endpoints.verify,
        }
        self._refresh = {("POST", f"{prefix}/refresh"): endpoints.refresh}
        self._envoy_path, self._envoy = f"{prefix}{ENVOY}", endpoints.envoy

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] != "lifespan":
            restore_peer(scope, receive)
        gate = self._gate
        is_ready = scope["type"] == "http" and gate.is_open and not gate.is_elsewhere
        if not is_ready:
            return self._app(scope, receive, send)
        path, root = scope["path"], scope.get("root_path")
        if root and path.startswith(root):
            path = path[len(root) :]
        if path.startswith(self._envoy_path) and path[len(self._envoy_path) :][:1] in {"", "/"}:
            return serve(self._envoy, self._asked_by_envoy(scope, path), send, self._headers)
        endpoint = self._find(scope, path)
        if endpoint is None:
            return self._app(scope, receive, send)
        return serve(endpoint, scope, send, self._headers)

    def _asked_by_envoy(self, scope: Scope, path: str) -> Scope:
        """Return the scope without the path and the query of the request that Envoy is to let through.

        Neither is anybody's business here, nor the log's.
        """
        theirs = len(path) - len(self._envoy_path)
        if not theirs:
            return scope
        return {**scope, "path": scope["path"][:-theirs], "query_string": b""}

    def _find(self, scope: Scope, path: str) -> Endpoint | None:
        method = scope["method"]
        asked = ("GET" if method == "HEAD" else method, path)
        endpoint = self._endpoints.get(asked)
        if self._has_cors and _has_origin(scope):
            return None
        if endpoint is None and asked in self._refresh and not _declares_body(scope):
            return self._refresh[asked]  # with a body, the guard of bodies has a say first
        return endpoint


def _has_origin(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


def _declares_body(scope: Scope) -> bool:
    return any(
        name in {b"transfer-encoding", b"content-type"} or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _own(answered: Response) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Return the status and the headers of an answer, without the length of its body, which `serve` adds."""
    headers = [each for each in answered.raw_headers if each[0] != b"content-length"]
    return answered.status_code, headers


async def serve(endpoint: Endpoint, scope: Scope, send: Send, common: Headers) -> None:
    """Answer a request by one of these endpoints, with what every answer has around it."""
    begun = Begun(scope, common)
    try:
        status, headers, body = await endpoint(scope)
    except GatepostError as error:
        answered = render(error)
        status, headers, body = *_own(answered), bytes(answered.body)
    except Exception:
        log.exception(
            "unhandled fault", method=scope["method"], path=scope["path"], request_id=begun.request_id
        )
        answered = last_resort(scope)
        status, headers, body = *_own(answered), bytes(answered.body)
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    headers += begun.headers
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
    begun.end(status)

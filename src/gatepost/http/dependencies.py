"""Who may call, as types in a route's signature. Nothing else reads credentials.

async def notes(session: CurrentSession): ...   # signed in
async def purge(session: AdminSession): ...     # and an administrator
"""

from typing import Annotated

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.types import Scope

from gatepost.errors import AdminRequired, AuthenticationError, GatepostError, NotAuthenticated
from gatepost.gate import Gate
from gatepost.http.bearer import bearer_token
from gatepost.http.client import ClientResolver
from gatepost.models import AuditAction, Client, Session

GATE_KEY = "gatepost.gate"
"""Where a scope holds the Gatepost that was asked for its session; the next two are there with it."""
SESSION_KEY = "gatepost.session"
"""Where a scope holds the session, None where it has none."""
ERROR_KEY = "gatepost.error"
"""Where a scope holds why it has no session, None where it has one."""


class BearerScheme(SecurityBase):
    """What OpenAPI says of a route that asks for a session."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.scheme_name = "SessionToken"
        self.model = HTTPBearer(description="The token that register, login or refresh answered with.")
        self._gate = gate

    def gate(self, connection: HTTPConnection) -> Gate:
        """Return the Gatepost that this route belongs to."""
        return self._gate or gate_of(connection.scope)


class CurrentSessionScheme(BearerScheme):
    """Resolves the session of a request or WebSocket handshake; one that has none is refused with 401."""

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the live session.

        Raises:
            AuthenticationError: there is none.
            Unavailable: the database can't be asked.
        """
        return await session_of(self.gate(connection), connection.scope)


class PresentedTokenScheme(BearerScheme):
    """Hands the token to a verb that checks it itself, in the statement that acts on it."""

    async def __call__(self, connection: HTTPConnection) -> str:
        """Return the raw token.

        Raises:
            NotAuthenticated, InvalidSession: there is none, or none that could be one.
        """
        return bearer_token(connection.scope)


async def find_session(gate: Gate, scope: Scope) -> Session | None:
    """Return the session of a scope, None where `scope[ERROR_KEY]` says why it has none.

    The database is asked once a request, however many want to know.

    Raises:
        Unavailable: the database can't be asked.
    """
    if scope.get(GATE_KEY) is not gate:
        session, error = None, None
        try:
            session = await opened(gate).sessions.resolve(bearer_token(scope))
        except AuthenticationError as refusal:
            # Its traceback would hold the scope, and the scope holds it.
            error = refusal.with_traceback(None)
        scope[GATE_KEY], scope[SESSION_KEY], scope[ERROR_KEY] = gate, session, error
    found: Session | None = scope[SESSION_KEY]
    return found


async def session_of(gate: Gate, scope: Scope) -> Session:
    """Return the session of a scope.

    Raises:
        AuthenticationError: there is none.
        Unavailable: the database can't be asked.
    """
    session = await find_session(gate, scope)
    if session is None:
        refusal: AuthenticationError = scope[ERROR_KEY]
        raise refusal
    return session


def gate_of(scope: Scope) -> Gate:
    """Return the Gatepost that was installed on the application which serves this scope."""
    state = getattr(scope.get("app"), "state", None)
    gate = getattr(state, "gatepost", None)
    if not isinstance(gate, Gate):
        raise RuntimeError(  # noqa: TRY004 - it is missing, not of a wrong type
            "No Gatepost on this application: call `auth.install(app)`"
        )
    return opened(gate)


def opened(gate: Gate) -> Gate:
    """Return a Gatepost that can be asked; the application's author is told of one that can't."""
    if not gate.is_open:
        raise RuntimeError(
            "Gatepost is not open: pass `lifespan=auth.lifespan` to the application that the server runs"
        )
    return gate


def client_of(connection: HTTPConnection) -> Client:
    """Return who is at the other end."""
    resolver: ClientResolver = connection.app.state.gatepost_clients
    return resolver.client_of(connection.scope)


CurrentSession = Annotated[Session, Depends(CurrentSessionScheme())]
"""The live session of the caller; without one the route answers 401."""

PresentedToken = Annotated[str, Depends(PresentedTokenScheme())]
"""The raw token of the caller, not yet checked."""


# Coroutines, because FastAPI calls functions in another thread.


async def current_gate(connection: HTTPConnection) -> Gate:
    """Return the Gatepost that serves this request."""
    return gate_of(connection.scope)


async def current_client(connection: HTTPConnection) -> Client:
    """Return who sends this request."""
    return client_of(connection)


CurrentGate = Annotated[Gate, Depends(current_gate)]
CurrentClient = Annotated[Client, Depends(current_client)]


class AdminSessionScheme(CurrentSessionScheme):
    """Resolves the session of an administrator; others are refused with 403."""

    def __init__(self, gate: Gate | None = None, clients: ClientResolver | None = None) -> None:
        super().__init__(gate)
        self._clients = clients

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the session of an administrator.

        Raises:
            AdminRequired: the caller is signed in and no administrator; the trail has it.
            AuthenticationError: there is no live session; the trail has it where a token was sent.
            Unavailable: the database can't be asked.
        """
        try:
            session = await super().__call__(connection)
        except NotAuthenticated:
            raise
        except AuthenticationError as refusal:
            await self._record(connection, AuditAction.SESSION_REFUSED, refusal)
            raise
        if not session.user.is_admin:
            await self._record(connection, AuditAction.ACCESS_DENIED, AdminRequired(), session)
            raise AdminRequired
        return session

    async def _record(
        self,
        connection: HTTPConnection,
        action: AuditAction,
        refusal: GatepostError,
        session: Session | None = None,
    ) -> None:
        own = self._clients
        await self.gate(connection).audit.record(
            action,
            client=client_of(connection) if own is None else own.client_of(connection.scope),
            user_id=None if session is None else session.user.id,
            session_id=None if session is None else session.id,
            detail={"code": refusal.code},
        )


AdminSession = Annotated[Session, Depends(AdminSessionScheme())]
"""The live session of an administrator; others are answered 403."""

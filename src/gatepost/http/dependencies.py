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

from gatepost.errors import AdminRequired
from gatepost.gate import Gate
from gatepost.http.bearer import bearer_token
from gatepost.http.client import ClientResolver
from gatepost.models import AuditAction, Client, Session

SESSION_KEY = "gatepost.session"
"""Where a scope holds the session, once it was asked for."""
GATE_KEY = "gatepost.gate"
"""Where a scope holds the Gatepost that the session is of."""


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


async def session_of(gate: Gate, scope: Scope) -> Session:
    """Return the session of a scope; the database is asked once a request, however many want to know."""
    if scope.get(GATE_KEY) is gate and isinstance(known := scope.get(SESSION_KEY), Session):
        return known
    session = await gate.sessions.resolve(bearer_token(scope))
    scope[GATE_KEY], scope[SESSION_KEY] = gate, session
    return session


def gate_of(scope: Scope) -> Gate:
    """Return the Gatepost that was installed on the application which serves this scope."""
    gate = getattr(scope["app"].state, "gatepost", None)
    if not isinstance(gate, Gate):
        raise RuntimeError(  # noqa: TRY004 - it is missing, not of a wrong type
            "No Gatepost on this application: call `auth.install(app)`"
        )
    return gate


def client(connection: HTTPConnection) -> Client:
    """Return who is at the other end."""
    resolver: ClientResolver = connection.app.state.gatepost_clients
    return resolver.client_of(connection.scope)


CurrentSession = Annotated[Session, Depends(CurrentSessionScheme())]
"""The live session of the caller; without one the route answers 401."""

PresentedToken = Annotated[str, Depends(PresentedTokenScheme())]
"""The raw token of the caller, not yet checked."""


def current_gate(connection: HTTPConnection) -> Gate:
    """Return the Gatepost that serves this request."""
    return gate_of(connection.scope)


CurrentGate = Annotated[Gate, Depends(current_gate)]
CurrentClient = Annotated[Client, Depends(client)]


async def admin_session(session: CurrentSession, gate: CurrentGate, client: CurrentClient) -> Session:
    """Return the session of an administrator.

    Raises:
        AdminRequired: the caller is signed in and no administrator; the trail has it.
    """
    if not session.user.is_admin:
        await gate.audit.record(
            AuditAction.ACCESS_DENIED,
            client=client,
            user_id=session.user.id,
            session_id=session.id,
            detail={"code": AdminRequired.code},
        )
        raise AdminRequired
    return session


AdminSession = Annotated[Session, Depends(admin_session)]
"""The live session of an administrator; others are answered 403."""

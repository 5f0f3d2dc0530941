"""Who may call, as types in a route's signature. Nothing else reads credentials.

async def notes(session: CurrentSession): ...   # signed in
async def leave(session: FreshSession): ...     # and gave the password a moment ago
async def purge(session: AdminSession): ...     # and an administrator
"""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.types import Scope

from gatepost.errors import (
    AdminRequired,
    AuthenticationError,
    CrossOriginRefused,
    EmailNotVerified,
    FreshSessionRequired,
    GatepostError,
    NotAuthenticated,
)
from gatepost.gate import ELSEWHERE, Gate
from gatepost.http.caching import note_asked
from gatepost.http.credentials import Presented
from gatepost.http.edge import Edge
from gatepost.models import AuditAction, Client, Session

GATE_KEY = "gatepost.gate"
"""Where a scope holds the Gatepost that was asked for its session; the next two are there with it."""
SESSION_KEY = "gatepost.session"
"""Where a scope holds the session, None where it has none."""
ERROR_KEY = "gatepost.error"
"""Where a scope holds why it has no session, None where it has one."""


class BearerScheme(SecurityBase):
    """What OpenAPI says of a route that asks for a session."""

    def __init__(self, edge: Edge | None = None) -> None:
        self.scheme_name = "SessionToken"
        self.model = HTTPBearer(
            description="The token that register, login or refresh answered with; browsers have a cookie."
        )
        self._edge = edge

    def edge(self, connection: HTTPConnection) -> Edge:
        """Return the edge of the Gatepost that this route belongs to."""
        return self._edge.at(connection.scope) if self._edge else edge_of(connection.scope)


class CurrentSessionScheme(BearerScheme):
    """Resolves the session of a request or WebSocket handshake; one that has none is refused with 401."""

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the live session.

        Raises:
            AuthenticationError: there is none.
            CrossOriginRefused: it came by cookie, from another site.
            Unavailable: the database can't be asked.
        """
        session = await find_session(self.edge(connection), connection.scope)
        if session is None:
            refusal: AuthenticationError = connection.scope[ERROR_KEY]
            raise refusal
        return session


class FreshSessionScheme(CurrentSessionScheme):
    """Resolves a session whose user proved who they are a moment ago; others are refused with 403.

    Args:
        edge: of the Gatepost that it asks; None for that of the application.
        aal: the least authenticator assurance level, 2 for more than one factor.
        minutes: how long ago that level may have been proven; None for FRESH_SESSION_MINUTES.
    """

    def __init__(self, edge: Edge | None = None, *, aal: int = 1, minutes: float | None = None) -> None:
        super().__init__(edge)
        self._aal = aal
        self._age = None if minutes is None else timedelta(minutes=minutes)

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the live session.

        Raises:
            FreshSessionRequired: the proof is too old, or of too low a level.
            AuthenticationError, CrossOriginRefused, Unavailable: as `CurrentSessionScheme`.
        """
        session = await super().__call__(connection)
        await ask_fresh(self.edge(connection).gate, session, aal=self._aal, age=self._age)
        return session


async def ask_fresh(gate: Gate, session: Session, *, aal: int = 1, age: timedelta | None = None) -> None:
    """See that a session's user proved who they are a moment ago, and by enough.

    Args:
        gate: whose session it is.
        session: which one.
        aal: the least authenticator assurance level.
        age: how long ago that level may have been proven; None for FRESH_SESSION_MINUTES.

    Raises:
        FreshSessionRequired: it is older, or of a lower level.
    """
    if not _is_fresh(gate, session, aal, age) or session.impersonator_id is not None:
        max_age = None if age is None else int(age.total_seconds())
        methods = await gate.confirmations.methods(session, aal=aal)
        raise FreshSessionRequired(methods, aal=aal, max_age=max_age)


def _is_fresh(gate: Gate, session: Session, aal: int, age: timedelta | None) -> bool:
    """Say whether the level was proven recently: confirming by less does not make it so."""
    if aal < 2 and age is None:
        return session.is_fresh
    at, recent = session.level_at(aal), age or timedelta(minutes=gate.settings.fresh_session_minutes)
    return at is not None and gate.now() - at < recent


class VerifiedSessionScheme(CurrentSessionScheme):
    """Resolves the session of a user whose e-mail is verified; others are refused with 403."""

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the live session.

        Raises:
            EmailNotVerified: the user has not proven it, or not since it changed.
            AuthenticationError, CrossOriginRefused, Unavailable: as `CurrentSessionScheme`.
        """
        session = await super().__call__(connection)
        if not session.user.email_verified:
            raise EmailNotVerified
        return session


class PresentedTokenScheme(BearerScheme):
    """Hands the token to a verb that checks it itself, in the statement that acts on it."""

    async def __call__(self, connection: HTTPConnection) -> Presented:
        """Return the raw token and how it came.

        Raises:
            NotAuthenticated, InvalidSession: there is none, or none that could be one.
            CrossOriginRefused: it came by cookie, from another site.
        """
        edge = self.edge(connection)
        try:
            return Presented(*edge.presented(connection.scope))
        except CrossOriginRefused as refusal:
            await edge.note_refusal(connection.scope, refusal)
            raise


async def find_session(edge: Edge, scope: Scope) -> Session | None:
    """Return the session of a scope, None where `scope[ERROR_KEY]` says why it has none.

    The database is asked once a request, however many want to know.

    Raises:
        CrossOriginRefused: it came by cookie, from another site.
        Unavailable: the database can't be asked.
    """
    gate = edge.gate
    note_asked(scope)
    if scope.get(GATE_KEY) is not gate:
        session, error = None, None
        try:
            opened(gate)
            session = await edge.session_of(scope)
        except AuthenticationError as refusal:
            # Its traceback would hold the scope, and the scope holds it.
            error = refusal.with_traceback(None)
        except CrossOriginRefused as refusal:
            await edge.note_refusal(scope, refusal)
            raise
        scope[GATE_KEY], scope[SESSION_KEY], scope[ERROR_KEY] = gate, session, error
    found: Session | None = scope[SESSION_KEY]
    return found


def forget_session(scope: Scope) -> None:
    """Have the session of a scope looked up again, because its credentials are others now."""
    scope.pop(GATE_KEY, None)


def edge_of(scope: Scope) -> Edge:
    """Return the edge of the Gatepost that was installed on the application which serves this scope."""
    state = getattr(scope.get("app"), "state", None)
    edge = getattr(state, "gatepost_edge", None)
    if not isinstance(edge, Edge):
        raise RuntimeError(  # noqa: TRY004 - it is missing, not of a wrong type
            "No Gatepost on this application: call `auth.install(app)`"
        )
    opened(edge.gate)
    return edge.at(scope)


def opened(gate: Gate) -> Gate:
    """Return a Gatepost that can be asked; the application's author is told of one that can't."""
    if not gate.is_open:
        raise RuntimeError(
            "Gatepost is not open: pass `lifespan=auth.lifespan` to the application that the server runs"
        )
    if gate.is_elsewhere:
        raise RuntimeError(ELSEWHERE)
    return gate


CurrentSession = Annotated[Session, Depends(CurrentSessionScheme())]
"""The live session of the caller; without one the route answers 401."""

FreshSession = Annotated[Session, Depends(FreshSessionScheme())]
"""The live session of a caller who gave the password a moment ago; others are answered 403."""

VerifiedSession = Annotated[Session, Depends(VerifiedSessionScheme())]
"""The live session of a caller whose e-mail is verified; others are answered 403."""

PresentedToken = Annotated[Presented, Depends(PresentedTokenScheme())]
"""The raw token of the caller, not yet checked."""


# Coroutines, because FastAPI calls functions in another thread.


async def current_edge(connection: HTTPConnection) -> Edge:
    """Return the edge of the Gatepost that serves this request."""
    return edge_of(connection.scope)


async def current_gate(connection: HTTPConnection) -> Gate:
    """Return the Gatepost that serves this request."""
    return edge_of(connection.scope).gate


async def current_client(connection: HTTPConnection) -> Client:
    """Return who sends this request."""
    return edge_of(connection.scope).client_of(connection.scope)


CurrentEdge = Annotated[Edge, Depends(current_edge)]
CurrentGate = Annotated[Gate, Depends(current_gate)]
CurrentClient = Annotated[Client, Depends(current_client)]


async def ask_admin(gate: Gate, session: Session) -> None:
    """See that a session is an administrator's, and of the level that MFA_REQUIRED asks of administrators.

    However somebody became one, and whenever the setting changed: no session has to be ended for it.

    Raises:
        AdminRequired: its user is none.
        FreshSessionRequired: only one factor was proven, and administrators need two.
    """
    if not session.user.is_admin:
        raise AdminRequired
    if gate.settings.mfa_required != "off" and session.aal < 2:
        raise FreshSessionRequired(await gate.confirmations.methods(session, aal=2), aal=2)


class AdminSessionScheme(CurrentSessionScheme):
    """Resolves the session of an administrator; others are refused with 403."""

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the session of an administrator.

        Raises:
            AdminRequired: the caller is signed in and no administrator; the trail has it.
            FreshSessionRequired: as `ask_admin`.
            AuthenticationError: there is no live session; the trail has it where a token was sent.
            CrossOriginRefused, Unavailable: as `CurrentSessionScheme`.
        """
        try:
            session = await super().__call__(connection)
        except NotAuthenticated:
            raise
        except AuthenticationError as refusal:
            await self._record(connection, AuditAction.SESSION_REFUSED, refusal)
            raise
        try:
            await ask_admin(self.edge(connection).gate, session)
        except AdminRequired as refusal:
            await self._record(connection, AuditAction.ACCESS_DENIED, refusal, session)
            raise
        return session

    async def _record(
        self,
        connection: HTTPConnection,
        action: AuditAction,
        refusal: GatepostError,
        session: Session | None = None,
    ) -> None:
        edge = self.edge(connection)
        await edge.gate.audit.refuse(
            action,
            client=edge.client_of(connection.scope),
            user_id=None if session is None else session.user.id,
            session_id=None if session is None else session.id,
            detail={"code": refusal.code},
        )


AdminSession = Annotated[Session, Depends(AdminSessionScheme())]
"""The live session of an administrator; others are answered 403."""


class FreshAdminSessionScheme(AdminSessionScheme):
    """Resolves the session of an administrator who gave the password a moment ago."""

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the session of an administrator.

        Raises:
            FreshSessionRequired: the password was given longer ago than FRESH_SESSION_MINUTES, or as
                `ask_admin`.
            AdminRequired, AuthenticationError, CrossOriginRefused, Unavailable: as `AdminSessionScheme`.
        """
        session = await super().__call__(connection)
        await ask_fresh(self.edge(connection).gate, session)
        return session


FreshAdminSession = Annotated[Session, Depends(FreshAdminSessionScheme())]
"""The live, fresh session of an administrator: for what changes others' accounts."""

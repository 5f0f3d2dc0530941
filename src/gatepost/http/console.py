"""Reading the console: for how long after the password, which each look at it makes longer.

The time of the last look is in a cookie of the browser, bound to the sign-in: no look is written anywhere,
and a stolen session token alone has nothing of it.
"""

from datetime import UTC, datetime, timedelta

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from gatepost.errors import FreshSessionRequired
from gatepost.http.dependencies import AdminSessionScheme
from gatepost.http.edge import Edge
from gatepost.models import Session
from gatepost.security.csrf_tokens import sign_in_binding

LOOKS_MAX = timedelta(hours=12)
"""After the password, when the console is read by nobody any more, however busy they are."""

READING = frozenset({"GET", "HEAD"})


class ConsoleSessionScheme(AdminSessionScheme):
    """Resolves the session of an administrator at the console: reading asks for less than changing."""

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the session of an administrator.

        Raises:
            FreshSessionRequired: something would be changed, and the password was given longer ago than
                FRESH_SESSION_MINUTES; or it is read, and neither that nor a look was within
                ADMIN_FRESH_MINUTES; or as `ask_admin`.
            AdminRequired, AuthenticationError, CrossOriginRefused, Unavailable: as `AdminSessionScheme`.
        """
        session, scope = await super().__call__(connection), connection.scope
        reads = scope["method"] in READING
        if not session.is_fresh and not (reads and _may_read(self.edge(connection), scope, session)):
            raise FreshSessionRequired(await self.edge(connection).gate.confirmations.methods(session))
        return session


def note_look(response: Response, edge: Edge, session: Session) -> None:
    """Have the browser keep that the console was read now."""
    at = str(int(edge.gate.now().timestamp()))
    sealed = f"{at}.{edge.gate.csrf_tokens.issue(_binding(at, session))}"
    seconds = edge.gate.settings.admin_fresh_minutes * 60
    response.raw_headers.append(edge.cookies.set_look(sealed, seconds=seconds))


def _may_read(edge: Edge, scope: Scope, session: Session) -> bool:
    now, given = edge.gate.now(), session.authenticated_at
    last = max(given, _last_look(edge, scope, session) or given)
    return now - last < timedelta(minutes=edge.gate.settings.admin_fresh_minutes) and now - given < LOOKS_MAX


def _last_look(edge: Edge, scope: Scope, session: Session) -> datetime | None:
    at, _, token = (edge.cookies.look(scope) or "").partition(".")
    if not edge.gate.csrf_tokens.check(token, _binding(at, session)):
        return None
    return datetime.fromtimestamp(int(at), UTC)


def _binding(at: str, session: Session) -> str:
    # The word in front keeps it apart from what the tokens of forms are bound to.
    return f"look {at} {sign_in_binding(session)}"

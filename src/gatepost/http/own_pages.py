"""Sessions for pages that an application renders itself: who is not signed in is led to where one signs in.

async def notes(session: PageSession): ...      # signed in, or on the way to it
async def home(session: OptionalSession): ...   # a session, or None
"""

from typing import Annotated
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Depends
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from gatepost.http.dependencies import BearerScheme, find_session
from gatepost.http.edge import Edge
from gatepost.models import Session

PLACES = {
    "sign_in": "/sign-in",
    "sign_up": "/sign-up",
    "sign_out": "/sign-out",
    "confirm": "/confirm",
    "account": "/account",
    "devices": "/devices",
    "activity": "/activity",
    "admin": "/admin",
}
"""Name of a page → its path below the pages' own."""

_PLAIN = "/~!$&'()*+,;=:@"
"""What a path holds as it is, besides letters and digits (RFC 3986 §3.3)."""


class OptionalSessionScheme(BearerScheme):
    """Resolves the session of a request that may have none."""

    async def __call__(self, connection: HTTPConnection) -> Session | None:
        """Return the live session, None where there is none.

        Raises:
            CrossOriginRefused: it came by cookie, from another site.
            Unavailable: the database can't be asked.
        """
        return await find_session(self.edge(connection), connection.scope)


class PageSessionScheme(BearerScheme):
    """Resolves the session of a page's visitor; whoever has none is led to the page where one signs in."""

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Return the live session.

        Raises:
            HTTPException: there is none: 303 to sign-in and back; for htmx 401 with `HX-Redirect`.
            CrossOriginRefused, Unavailable: as `OptionalSessionScheme`.
        """
        edge = self.edge(connection)
        session = await find_session(edge, connection.scope)
        if session is None:
            raise _led_away(edge, connection)
        return session


OptionalSession = Annotated[Session | None, Depends(OptionalSessionScheme())]
"""The live session of the caller, None for a stranger."""

PageSession = Annotated[Session, Depends(PageSessionScheme())]
"""The live session of a page's visitor; a stranger is led to sign-in, and comes back from there."""


def place_of(edge: Edge, page: str, *, root_path: str, next_: str | None = None) -> str:
    """Return the path of one of Gatepost's pages.

    Raises:
        RuntimeError: there are no pages.
        ValueError: there is no page of this name.
    """
    if edge.pages_path is None:
        raise RuntimeError("No pages on this application: call `auth.install(app, pages=True)`")
    if page not in PLACES:
        raise ValueError(f"No page is named {page!r}: there are {', '.join(PLACES)}")
    query = f"?{urlencode({'next': next_})}" if next_ else ""
    return f"{root_path}{edge.pages_path}{PLACES[page]}{query}"


def root_of(scope: Scope) -> str:
    """Return what the application itself is below, for a route of an application mounted in it too."""
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    return root


def address_of(scope: Scope) -> str:
    """Return the path of a request with its query, as an address has it: to lead back there."""
    # Decoded by the server; what is no ASCII, or a question mark by now, was none of it in the address.
    path, query = quote(scope["path"], safe=_PLAIN, errors="replace"), scope["query_string"].decode("latin-1")
    return path + (f"?{query}" if query else "")


def _led_away(edge: Edge, connection: HTTPConnection) -> HTTPException:
    scope, headers = connection.scope, connection.headers
    place = place_of(edge, "sign_in", root_path=root_of(scope), next_=_page_of(scope, headers))
    if headers.get("hx-request") == "true":
        # The browser would follow a redirect, and sign-in would be swapped into a part of this page.
        return HTTPException(401, headers={"HX-Redirect": place, "WWW-Authenticate": "Bearer"})
    return HTTPException(303, headers={"Location": place})


def _page_of(scope: Scope, headers: Headers) -> str | None:
    """Return the path of the page that the visitor sees, None where it is not known."""
    if headers.get("hx-request") == "true":
        try:
            page = urlsplit(headers.get("hx-current-url", ""))
        except ValueError:
            return None
        return page.path + (f"?{page.query}" if page.query else "") or None
    if scope.get("method") not in {"GET", "HEAD"}:
        return None
    return address_of(scope)

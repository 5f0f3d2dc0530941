"""The session token of a request: a bearer token (RFC 6750 §2.1, RFC 9110 §11) or the session cookie."""

from typing import NamedTuple

from starlette.types import Scope

from gatepost.errors import InvalidSession, NotAuthenticated
from gatepost.http.cookies import Cookies
from gatepost.http.cross_origin import CrossOriginGuard
from gatepost.models.bounds import AUTHORIZATION_MAX
from gatepost.texts import Text


class Presented(NamedTuple):
    """A token, and how it came.

    Attributes:
        token: as it was sent, not yet checked.
        by_cookie: a browser sent it by itself.
    """

    token: str
    by_cookie: bool

    def __repr__(self) -> str:
        return f"Presented(by_cookie={self.by_cookie})"


def presented(scope: Scope, cookies: Cookies, guard: CrossOriginGuard) -> tuple[str, bool]:
    """Return the token of a request and whether it came by cookie; a bearer token stands alone.

    A plain tuple, because every session check makes one.

    Raises:
        NotAuthenticated: there is none.
        InvalidSession: there are two of a kind.
        CrossOriginRefused: it came by cookie, from another site.
    """
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise InvalidSession(Text("error.invalid_session.one_header"))
    if values:
        scheme, _, token = values[0][:AUTHORIZATION_MAX].partition(b" ")
        if scheme.lower() == b"bearer":
            # What is no token, the codec tells: it knows exactly how ours look.
            return str(token.strip(b" "), "latin-1"), False
    by_cookie = cookies.token(scope)
    if by_cookie is None:
        raise NotAuthenticated
    guard.check(scope)
    return by_cookie, True

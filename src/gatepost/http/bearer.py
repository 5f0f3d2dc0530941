"""The session token of a request, as RFC 6750 §2.1 and RFC 9110 §11 have it sent."""

from starlette.types import Scope

from gatepost.errors import InvalidSession, NotAuthenticated


def bearer_token(scope: Scope) -> str:
    """Return the token of the `Authorization` header; nothing else of a request is looked at.

    Raises:
        NotAuthenticated: no such header, or one of another scheme.
        InvalidSession: two of them.
    """
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise NotAuthenticated
    if len(values) > 1:
        raise InvalidSession("Send one Authorization header")
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise NotAuthenticated
    # What is no token, the codec tells: it knows exactly how ours look.
    return str(token.strip(b" "), "latin-1")

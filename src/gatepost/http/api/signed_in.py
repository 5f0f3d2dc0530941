"""Answers that carry a new token: in the body, or in a cookie."""

from contextlib import suppress

from starlette.responses import Response
from starlette.types import Scope

from gatepost.errors import AuthenticationError
from gatepost.http.api import schemas
from gatepost.http.cookies import CLEAR_SITE_DATA
from gatepost.http.edge import Edge
from gatepost.http.envelope import success
from gatepost.models import SignedIn, User


async def sign_in(
    edge: Edge, scope: Scope, signed_in: SignedIn, message: str, *, by_cookie: bool, status: int = 200
) -> Response:
    """Answer a sign-in; the session that the browser came with ends (ASVS 7.2.4)."""
    with suppress(AuthenticationError):
        former = edge.cookies.token(scope)
        if former is not None:
            await edge.gate.sessions.supersede(former, edge.client_of(scope))
    response = continued(edge, signed_in, message, by_cookie=by_cookie, status=status)
    if by_cookie:
        remember_device(response, edge, scope, signed_in.session.user)
    return response


def remember_device(response: Response, edge: Edge, scope: Scope, user: User) -> None:
    """Have the browser show from now on that this account has signed in on it."""
    device = edge.gate.devices.issue(edge.cookies.device(scope), user.email)
    response.raw_headers.append(edge.cookies.set_device(device))


def continued(
    edge: Edge, signed_in: SignedIn, message: str, *, by_cookie: bool, status: int = 200
) -> Response:
    """Answer with the token that follows another."""
    response = success(schemas.signed_in_data(signed_in, by_cookie=by_cookie), message, status=status)
    if by_cookie:
        response.raw_headers.append(edge.cookies.set_session(signed_in, edge.gate.now()))
    return response


def signed_out(edge: Edge, data: object, message: str, *, by_cookie: bool) -> Response:
    """Answer a logout, after which the browser keeps nothing (ASVS 14.3.1)."""
    response = success(data, message)
    response.raw_headers.append(CLEAR_SITE_DATA)
    if by_cookie:
        response.raw_headers.append(edge.cookies.clear_session())
    return response

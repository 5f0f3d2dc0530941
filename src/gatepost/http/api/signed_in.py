"""Answers that carry a new token: in the body, or in a cookie."""

from starlette.responses import Response
from starlette.types import Scope

from gatepost.errors import AuthenticationError, CrossOriginRefused, ValidationFailed
from gatepost.http import browser
from gatepost.http.api import schemas
from gatepost.http.edge import Edge
from gatepost.http.envelope import success
from gatepost.http.errors import render
from gatepost.models import SignedIn
from gatepost.texts import Text


async def check_cookie(edge: Edge, scope: Scope, *, cookie: bool, remember: bool) -> None:
    """See that what asks for a cookie may have one: no other site signs a browser in.

    Raises:
        ValidationFailed: there is nothing to keep without a cookie.
        CrossOriginRefused: the request says that it comes from elsewhere.
    """
    if remember and not cookie:
        raise ValidationFailed({"remember": Text("field.remember")})
    if cookie:
        try:
            edge.guard.check_declared(scope)
        except CrossOriginRefused as refusal:
            await edge.note_refusal(scope, refusal)
            raise


async def sign_in(
    edge: Edge, scope: Scope, signed_in: SignedIn, message: str, *, by_cookie: bool, status: int = 200
) -> Response:
    """Answer a sign-in; the session that the browser came with ends."""
    await browser.supersede(edge, scope)
    return continued(edge, scope, signed_in, message, by_cookie=by_cookie, status=status)


def continued(
    edge: Edge, scope: Scope, signed_in: SignedIn, message: str, *, by_cookie: bool, status: int = 200
) -> Response:
    """Answer with the token that follows another."""
    response = success(schemas.signed_in_data(signed_in, by_cookie=by_cookie), message, status=status)
    if by_cookie:
        browser.hand_over(response, edge, scope, signed_in)
    return response


def signed_out(edge: Edge, scope: Scope, data: object, message: str, *, by_cookie: bool) -> Response:
    """Answer a logout, after which the browser keeps nothing of the session."""
    response = success(data, message)
    browser.forget(response, edge, scope, by_cookie=by_cookie)
    return response


def signed_out_before(edge: Edge, scope: Scope, error: AuthenticationError, *, by_cookie: bool) -> Response:
    """Answer the logout of a session that had ended already: with why, and its cookie is gone as well."""
    response = render(error)
    browser.forget(response, edge, scope, by_cookie=by_cookie)
    return response

"""What an answer does to a browser: hands it a session, puts another in its place, takes it away."""

from contextlib import suppress

from starlette.responses import Response
from starlette.types import Scope

from gatepost.errors import AuthenticationError, PasswordChangeRequired, SecondFactorRequired
from gatepost.http.cookies import CLEAR_SITE_DATA
from gatepost.http.edge import Edge
from gatepost.models import SignedIn


async def supersede(edge: Edge, scope: Scope) -> None:
    """End the session that a browser came with, because it signs in anew (ASVS 7.2.4)."""
    with suppress(AuthenticationError):
        former = edge.cookies.token(scope)
        if former is not None:
            await edge.gate.session_tokens.supersede(former, edge.client_of(scope))


def keep_challenge(
    response: Response, edge: Edge, due: SecondFactorRequired | PasswordChangeRequired
) -> None:
    """Have the browser keep a sign-in that waits for one more step; a confirmation has a session for that."""
    if due.challenge is None or due.expires_at is None:
        return
    seconds = max(0, int((due.expires_at - edge.gate.now()).total_seconds()))
    response.raw_headers.append(edge.cookies.set_challenge(due.challenge, seconds=seconds))


def hand_over(response: Response, edge: Edge, scope: Scope, signed_in: SignedIn) -> None:
    """Have the browser keep a session from now on, and show from then on that the account signed in on it."""
    now = edge.gate.now()
    response.raw_headers.append(edge.cookies.set_session(signed_in, now))
    response.raw_headers += edge.cookies.clear_challenge(scope)
    if signed_in.credentials_stamp is not None:
        device = edge.gate.devices.issue(edge.cookies.device(scope), signed_in.credentials_stamp, now=now)
        response.raw_headers.append(edge.cookies.set_device(device))


def forget(response: Response, edge: Edge, scope: Scope, *, by_cookie: bool) -> None:
    """Have the browser keep nothing of a session, after a logout (ASVS 14.3.1).

    It keeps that it has signed in before: otherwise whoever signs out would be a stranger to the throttle.
    """
    response.raw_headers.append(CLEAR_SITE_DATA)
    if by_cookie:
        response.raw_headers += [edge.cookies.clear_session(), *edge.cookies.clear_form(scope)]
        response.raw_headers += edge.cookies.clear_look(scope)

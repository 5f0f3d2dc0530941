"""Me and verify, the session checks: documented here, answered by `http/hot.py`."""

from starlette.requests import Request
from starlette.responses import Response

from gatepost.http.api import schemas
from gatepost.http.api.responses import PRESENTED, responses
from gatepost.http.api.routing import router_of
from gatepost.http.envelope import Envelope
from gatepost.http.hot import SECURED, endpoints_of, response

router = router_of("checks")

_HEADERS = {
    "X-Gatepost-User": "Id of the user: key on this.",
    "X-Gatepost-Email": "E-mail that the user typed, which nobody proved; percent-encoded where not ASCII.",
    "X-Gatepost-Session": "Id of the session.",
}


@router.get(
    "/me",
    summary="Get current user information",
    response_model=Envelope[schemas.MeData],
    openapi_extra=SECURED,
    responses=responses(
        {"user": schemas.USER, "session_info": schemas.SESSION_INFO},
        "User information retrieved successfully",
        *PRESENTED,
    ),
)
async def me(request: Request) -> Response:
    """Answer with the caller and the session that they call with."""
    return response(await endpoints_of(request).me(request.scope))


@router.get(
    "/verify",
    summary="Check a session on behalf of a proxy (forward-auth)",
    status_code=204,
    openapi_extra=SECURED,
    responses=responses(None, "The session is live", *PRESENTED, status=204, headers=_HEADERS),
)
async def verify(request: Request) -> Response:
    """Answer 204 and whose session it is in headers, for nginx, Traefik, Caddy and Envoy."""
    return response(await endpoints_of(request).verify(request.scope))

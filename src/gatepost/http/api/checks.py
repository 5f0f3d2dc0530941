"""Me and verify, the session checks: documented here, answered by `http/hot.py`."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import PRESENTED, responses
from gatepost.http.api.routing import router_of
from gatepost.http.envelope import Envelope
from gatepost.http.hot import ENVOY, SECURED, VERIFIED, endpoints_of, response

router = router_of("checks")

_HEADERS = {
    "X-Gatepost-User": "Id of the user: key on this.",
    "X-Gatepost-Email": "E-mail of the user, which need not be verified; percent-encoded where not ASCII.",
    "X-Gatepost-Session": "Id of the session.",
}

_TOLD = {
    "fresh": "1: the user proved who they are within FRESH_SESSION_MINUTES; others are answered 403.",
    "aal": "2: by more than one factor; others are answered 403.",
    "admin": "1: the user is an administrator; others are answered 403.",
}
_ASKED = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": _TOLD[name],
        "schema": {"type": "string", "enum": list(values), "default": values[0]},
    }
    for name, values in VERIFIED.items()
]


def _checked(status: int) -> dict[int | str, dict[str, Any]]:
    """Return what a check on behalf of a proxy may answer."""
    return responses(
        None,
        "The session is live",
        *PRESENTED,
        errors.FreshSessionRequired,
        errors.AdminRequired,
        errors.ValidationFailed,
        status=status,
        headers=_HEADERS,
        fields={"aal": "Input should be 1 or 2"},
        empty=True,
    )


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
    openapi_extra=SECURED | {"parameters": _ASKED},
    responses=_checked(204),
)
async def verify(request: Request) -> Response:
    """Answer 204 and whose session it is in headers, for nginx, Traefik and Caddy."""
    return response(await endpoints_of(request).verify(request.scope))


@router.get(
    ENVOY,
    summary="Check a session on behalf of Envoy (ext_authz)",
    openapi_extra=SECURED | {"parameters": _ASKED},
    response_class=Response,
    responses=_checked(200),
)
async def verify_for_envoy(request: Request) -> Response:
    """Answer as `verify`, but 200, which is all that Envoy lets through.

    It is asked with any method, and with any path below this one: Envoy appends that of the request. What is
    asked of the session is part of `path_prefix`, such as `/api/auth/verify/envoy?aal=2`; a query of the
    request itself counts for nothing.
    """
    return response(await endpoints_of(request).envoy(request.scope))

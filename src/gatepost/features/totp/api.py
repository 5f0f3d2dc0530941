"""The authenticator app over HTTP: set up, confirmed, removed."""

from typing import Annotated

from pydantic import BaseModel, Field, StrictStr
from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.features.totp.factor import METHOD
from gatepost.http.api import schemas
from gatepost.http.api.responses import BODY, PRESENTED, UNWANTED_BODY, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import continued
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import CurrentClient, CurrentEdge, PresentedToken
from gatepost.http.envelope import Envelope, success
from gatepost.models import Answer, bounds

router = router_of("factors", unambiguous_body)

_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - an example


class NewTotpData(BaseModel):
    """A secret for an authenticator app, shown until a code of it confirms it; `qr_svg` draws `uri`."""

    secret: str
    uri: str
    qr_svg: str


class ConfirmTotpRequest(BaseModel):
    """What the app shows."""

    code: Annotated[StrictStr, Field(max_length=bounds.CODE_MAX, examples=["123456"], repr=False)]


@router.post(
    "/factors/totp",
    summary="Begin to set up an authenticator app",
    response_model=Envelope[NewTotpData],
    responses=responses(
        {
            "secret": _SECRET,
            "uri": f"otpauth://totp/Gatepost:user@example.com?secret={_SECRET}&issuer=Gatepost",
            "qr_svg": '<svg viewBox="0 0 45 45"/>',
        },
        "Authenticator app prepared successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.FreshSessionRequired,
        errors.NotFound,
    ),
)
async def begin_totp(presented: PresentedToken, edge: CurrentEdge, client: CurrentClient) -> Response:
    """Make a secret and keep it for 15 minutes, until a code confirms it; asked again, it is the same."""
    options = await edge.gate.factors.begin(presented.token, METHOD, client, by_cookie=presented.by_cookie)
    return success(options, "Authenticator app prepared successfully")


@router.post(
    "/factors/totp/confirm",
    summary="Set up the authenticator app and end every other session",
    response_model=Envelope[schemas.EnrolledData],
    responses=responses(
        schemas.ENROLLED,
        "Authenticator app set up successfully",
        *BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.InvalidCode,
        errors.ChallengeExpired,
        errors.FreshSessionRequired,
        errors.NotFound,
        fields={"code": "Field required"},
    ),
)
async def confirm_totp(
    body: ConfirmTotpRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Keep the app whose code this is, and answer with a new token.

    With the first factor of a user come recovery codes, shown this once.
    """
    by_cookie, answer = presented.by_cookie, Answer(method=METHOD, code=body.code)
    signed_in = await edge.gate.factors.enrol(presented.token, answer, client, by_cookie=by_cookie)
    message = "Authenticator app set up successfully"
    return continued(edge, request.scope, signed_in, message, by_cookie=by_cookie)


@router.delete(
    "/factors/totp",
    summary="Remove the authenticator app and end every other session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Authenticator app removed successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.InvalidCredentials,
        errors.FreshSessionRequired,
        errors.NotFound,
        errors.FactorRequired,
    ),
)
async def remove_totp(
    presented: PresentedToken, edge: CurrentEdge, client: CurrentClient, request: Request
) -> Response:
    """Take the app away, and the recovery codes with the last factor; answer with a new token."""
    by_cookie = presented.by_cookie
    signed_in = await edge.gate.factors.remove(presented.token, METHOD, client, by_cookie=by_cookie)
    message = "Authenticator app removed successfully"
    return continued(edge, request.scope, signed_in, message, by_cookie=by_cookie)

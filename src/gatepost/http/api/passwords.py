"""What a signed-in user does with their password: change it, and give it again."""

from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import BODY, NEW_PASSWORD, PRESENTED, USERS_ROW, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import continued
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import CurrentClient, CurrentEdge, PresentedToken
from gatepost.http.envelope import Envelope
from gatepost.texts import Text

router = router_of("accounts", unambiguous_body)
_SIGNED_IN = {"token": schemas.TOKEN, "user": schemas.USER, "session_info": schemas.SESSION_INFO}


@router.post(
    "/password",
    summary="Change the password and end every other session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        _SIGNED_IN,
        "Password changed successfully",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.TooManyAttempts,
        fields={"new": Text("field.too_short", count=8)},
    ),
)
async def change_password(
    body: schemas.ChangePasswordRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Set another password and answer with a new token; every other token of the user is refused."""
    signed_in = await edge.gate.credentials.change(
        presented.token, body.current, body.new, client, by_cookie=presented.by_cookie
    )
    message = "Password changed successfully"
    return continued(edge, request.scope, signed_in, message, by_cookie=presented.by_cookie)


@router.post(
    "/confirm",
    summary="Give the password again for a fresh session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        _SIGNED_IN,
        "Password confirmed successfully",
        *BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.TooManyAttempts,
        fields={"password": "Field required"},
    ),
)
async def confirm(
    body: schemas.ConfirmRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Replace the token by one whose session is fresh for `FRESH_SESSION_MINUTES`."""
    signed_in = await edge.gate.credentials.confirm(
        presented.token, body.password, client, by_cookie=presented.by_cookie
    )
    message = "Password confirmed successfully"
    return continued(edge, request.scope, signed_in, message, by_cookie=presented.by_cookie)

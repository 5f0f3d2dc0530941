"""What a signed-in user does with their password: change it, and give it again."""

from fastapi import APIRouter
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import BODY, PRESENTED, responses
from gatepost.http.dependencies import CurrentClient, CurrentGate, PresentedToken
from gatepost.http.envelope import success

router = APIRouter(tags=["accounts"])
_SIGNED_IN = {"token": schemas.TOKEN, "user": schemas.USER, "session_info": schemas.SESSION_INFO}


@router.post(
    "/password",
    operation_id="change_password",
    summary="Change the password and end every other session",
    response_model=schemas.SignedInEnvelope,
    responses=responses(
        _SIGNED_IN,
        "Password changed successfully",
        *BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.TooManyAttempts,
        fields={"new": "Use at least 8 characters"},
    ),
)
async def change_password(
    body: schemas.ChangePasswordRequest, token: PresentedToken, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Set another password and answer with a new token; every other token of the user is refused."""
    signed_in = await gate.credentials.change(token, body.current, body.new, client)
    return success(schemas.signed_in_data(signed_in), "Password changed successfully")


@router.post(
    "/confirm",
    operation_id="confirm",
    summary="Give the password again for a fresh session",
    response_model=schemas.SignedInEnvelope,
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
    body: schemas.ConfirmRequest, token: PresentedToken, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Replace the token by one whose session is fresh for `FRESH_SESSION_MINUTES`."""
    signed_in = await gate.credentials.confirm(token, body.password, client)
    return success(schemas.signed_in_data(signed_in), "Password confirmed successfully")

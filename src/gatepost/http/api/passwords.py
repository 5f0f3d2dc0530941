"""What a signed-in user does with their credentials: change the password, and prove who they are again."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import requests, schemas
from gatepost.http.api.responses import (
    BODY,
    NEW_PASSWORD,
    PRESENTED,
    UNWANTED_BODY,
    USERS_ROW,
    responses,
)
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import continued
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import CurrentClient, CurrentEdge, CurrentGate, PresentedToken
from gatepost.http.envelope import Envelope, success
from gatepost.models import Answer
from gatepost.texts import Text

router = router_of("accounts", unambiguous_body)


@router.post(
    "/password",
    summary="Change the password and end every other session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Password changed successfully",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.FreshSessionRequired,
        errors.TooManyAttempts,
        fields={"new": Text("field.too_short", count=8)},
    ),
)
async def change_password(
    body: requests.ChangePasswordRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Set another password and answer with a new token; every other token of the user is refused.

    Who has no password leaves `current` out; the session has to be fresh then.
    """
    signed_in = await edge.gate.own_passwords.change(
        presented.token, body.current, body.new, client, by_cookie=presented.by_cookie
    )
    message = "Password changed successfully"
    return continued(edge, request.scope, signed_in, message, by_cookie=presented.by_cookie)


@router.delete(
    "/password",
    summary="Remove the password and end every other session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Password removed successfully",
        *UNWANTED_BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.FreshSessionRequired,
        errors.NotFound,
        errors.LastWayIn,
    ),
)
async def remove_password(
    presented: PresentedToken, edge: CurrentEdge, client: CurrentClient, request: Request
) -> Response:
    """Sign in by a passkey, or by mail, from now on; answer with a new token.

    The last way to sign in can't be removed.
    """
    by_cookie = presented.by_cookie
    signed_in = await edge.gate.own_passwords.remove(presented.token, client, by_cookie=by_cookie)
    return continued(edge, request.scope, signed_in, "Password removed successfully", by_cookie=by_cookie)


@router.post(
    "/confirm",
    summary="Re-authenticate for a fresh session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Password confirmed successfully",
        *BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.InvalidCode,
        errors.ChallengeExpired,
        errors.SecondFactorRequired,
        errors.TooManyAttempts,
        fields={"password": Text("field.required")},
    ),
)
async def confirm(
    body: requests.ConfirmRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Replace the token by one whose session is fresh for `FRESH_SESSION_MINUTES`.

    Where a step is due after the password, as at a login, the method that takes it is sent to the same path;
    what then waits belongs to the session, so that `error` has no `challenge`.
    """
    confirmations, by_cookie = edge.gate.confirmations, presented.by_cookie
    if body.password is not None:
        message = "Password confirmed successfully"
        signed_in = await confirmations.by_password(
            presented.token, body.password, client, by_cookie=by_cookie
        )
    elif body.method is not None:
        message = "Confirmed successfully"
        answer = Answer(method=body.method, code=body.code, credential=body.credential)
        signed_in = await confirmations.by_step(presented.token, answer, client, by_cookie=by_cookie)
    else:
        raise errors.ValidationFailed({"password": Text("field.required")})
    return continued(edge, request.scope, signed_in, message, by_cookie=by_cookie)


@router.post(
    "/confirm/options",
    summary="What a method needs before a session can be confirmed with it",
    response_model=Envelope[dict[str, Any]],
    responses=responses(
        schemas.OPTIONS,
        "Options retrieved successfully",
        *BODY,
        *PRESENTED,
        errors.ChallengeExpired,
        errors.TooManyAttempts,
        fields={"method": Text("field.method")},
    ),
)
async def confirm_options(
    body: requests.ConfirmOptionsRequest, presented: PresentedToken, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Return what an authenticator is to sign."""
    options = await gate.confirmations.options(
        presented.token, body.method, client, by_cookie=presented.by_cookie
    )
    return success(options, "Options retrieved successfully")

"""Register and login."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import BODY, NEW_PASSWORD, responses
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import CurrentClient, CurrentGate
from gatepost.http.envelope import success

public = APIRouter(tags=["accounts"], dependencies=[Depends(unambiguous_body)])
_SIGNED_IN = {"token": schemas.TOKEN, "user": schemas.USER, "session_info": schemas.SESSION_INFO}


@public.post(
    "/register",
    operation_id="register",
    summary="Register a new user and create a session",
    status_code=201,
    response_model=schemas.SignedInEnvelope,
    responses=responses(
        _SIGNED_IN,
        "User registered successfully",
        *BODY,
        *NEW_PASSWORD,
        errors.EmailTaken,
        status=201,
        fields={"password": "Use at least 8 characters"},
    ),
)
async def register(body: schemas.RegisterRequest, gate: CurrentGate, client: CurrentClient) -> Response:
    """Add a user and answer with the token of their first session."""
    signed_in = await gate.accounts.register(
        email=body.email, name=body.name, password=body.password, client=client
    )
    return success(schemas.signed_in_data(signed_in), "User registered successfully", status=201)


@public.post(
    "/login",
    operation_id="login",
    summary="Login with existing credentials and create a new session",
    response_model=schemas.SignedInEnvelope,
    responses=responses(
        _SIGNED_IN,
        "Login successful",
        *BODY,
        errors.InvalidCredentials,
        fields={"password": "Field required"},
    ),
)
async def login(body: schemas.LoginRequest, gate: CurrentGate, client: CurrentClient) -> Response:
    """Check the password and answer with the token of a new session."""
    signed_in = await gate.accounts.login(email=body.email, password=body.password, client=client)
    return success(schemas.signed_in_data(signed_in), "Login successful")

"""Register and login."""

from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import BODY, NEW_PASSWORD, USERS_ROW, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import check_cookie, sign_in
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import CurrentEdge
from gatepost.http.envelope import Envelope
from gatepost.texts import Text

public = router_of("accounts", unambiguous_body)
_SIGNED_IN = {"token": schemas.TOKEN, "user": schemas.USER, "session_info": schemas.SESSION_INFO}


@public.post(
    "/register",
    summary="Register a new user and create a session",
    status_code=201,
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        _SIGNED_IN,
        "User registered successfully",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        errors.EmailTaken,
        errors.RegistrationClosed,
        errors.CrossOriginRefused,
        errors.TooManyAttempts,
        status=201,
        fields={"password": Text("field.too_short", count=8)},
    ),
)
async def register(body: schemas.RegisterRequest, edge: CurrentEdge, request: Request) -> Response:
    """Add a user and answer with the token of their first session, or set the cookie that holds it."""
    await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
    signed_in = await edge.gate.accounts.register(
        email=body.email,
        name=body.name,
        password=body.password,
        client=edge.client_of(request.scope),
        remembered=body.remember,
        invitation=body.invitation,
    )
    return await sign_in(
        edge, request.scope, signed_in, "User registered successfully", by_cookie=body.cookie, status=201
    )


@public.post(
    "/login",
    summary="Login with existing credentials and create a new session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        _SIGNED_IN,
        "Login successful",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        errors.InvalidCredentials,
        errors.CrossOriginRefused,
        errors.PasswordChangeRequired,
        errors.TooManyAttempts,
        fields={"password": "Field required"},
    ),
)
async def login(body: schemas.LoginRequest, edge: CurrentEdge, request: Request) -> Response:
    """Check the password and answer with the token of a new session, or set the cookie that holds it.

    With `new_password` the password is changed, which a temporary one has to be.
    """
    await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
    signed_in = await edge.gate.accounts.login(
        email=body.email,
        password=body.password,
        client=edge.client_of(request.scope),
        device=edge.cookies.device(request.scope),
        remembered=body.remember,
        new_password=body.new_password,
    )
    return await sign_in(edge, request.scope, signed_in, "Login successful", by_cookie=body.cookie)

"""Register and login, in one step or more."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from gatepost import errors
from gatepost.http.api import requests, schemas
from gatepost.http.api.languages import ReadingClient
from gatepost.http.api.responses import BODY, NEW_PASSWORD, STEP_DUE, USERS_ROW, pending_email, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import check_cookie, sign_in
from gatepost.http.binding import bind, browser_of
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import CurrentEdge
from gatepost.http.edge import Edge
from gatepost.http.envelope import Envelope, success
from gatepost.models import PendingEmail
from gatepost.texts import Text

public = router_of("accounts", unambiguous_body)

_ANSWER_FIRST = "Open the link in the mail to go on"


@public.post(
    "/register",
    summary="Register a new user and create a session",
    status_code=201,
    response_model=Envelope[schemas.SignedInData],
    responses=pending_email(_ANSWER_FIRST)
    | responses(
        schemas.SIGNED_IN,
        "User registered successfully",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        errors.EmailTaken,
        errors.InvalidCode,
        errors.ChallengeExpired,
        errors.RegistrationClosed,
        errors.CrossOriginRefused,
        *STEP_DUE,
        errors.TooManyAttempts,
        status=201,
        fields={"password": Text("field.too_short", count=8)},
    ),
)
async def register(
    body: requests.RegisterRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Add a user and answer with the token of their first session, or set the cookie that holds it.

    Where e-mails have to be verified it is 202 instead, whoever asks, and no password is needed: the user is
    made by `POST /email/verify`, with the password that is chosen there. With `cookie` the code in the mail
    works in this browser alone.

    With `PASSWORDLESS_SIGN_UP` a passkey can stand in for the password: `challenge` and `credential`.
    """
    await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
    browser = browser_of(edge, request.scope) if body.cookie else None
    made = await edge.gate.accounts.register(
        email=body.email,
        name=body.name,
        password=body.password,
        client=client,
        remembered=body.remember,
        by_cookie=body.cookie,
        invitation=body.invitation,
        own=body.own,
        problems=body.problems,
        instead=body.instead,
        browser=browser,
    )
    if isinstance(made, PendingEmail):
        return bind(success({"pending_email": made.email}, _ANSWER_FIRST, status=202), edge, browser)
    return await sign_in(
        edge, request.scope, made, "User registered successfully", by_cookie=body.cookie, status=201
    )


@public.post(
    "/login",
    summary="Login with existing credentials and create a new session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Login successful",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        errors.InvalidCredentials,
        errors.CrossOriginRefused,
        errors.PasswordChangeRequired,
        *STEP_DUE,
        errors.TooManyAttempts,
        fields={"password": Text("field.required")},
    ),
)
async def login(
    body: requests.LoginRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Check the password and answer with the token of a new session, or set the cookie that holds it.

    With `new_password` the password is changed, which a temporary one has to be.
    """
    await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
    signed_in = await edge.gate.logins.by_password(
        email=body.email,
        password=body.password,
        client=client,
        device=edge.cookies.device(request.scope),
        remembered=body.remember,
        by_cookie=body.cookie,
        new_password=body.new_password,
    )
    return await sign_in(edge, request.scope, signed_in, "Login successful", by_cookie=body.cookie)


@public.post(
    "/login/factor",
    summary="Answer the step of a sign-in that is due, and create a session",
    response_model=Envelope[schemas.EnrolledData],
    responses=responses(
        schemas.SIGNED_IN,
        "Login successful",
        *BODY,
        *USERS_ROW,
        errors.InvalidCode,
        errors.ChallengeExpired,
        errors.CrossOriginRefused,
        *STEP_DUE,
        errors.TooManyAttempts,
        fields={"method": Text("field.method")},
    ),
)
async def answer_factor(
    body: requests.FactorRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Answer what `second_factor_required` asks for; without a challenge in the body, that of the cookie."""
    token, by_cookie = await _challenge(edge, request.scope, body.challenge)
    signed_in = await edge.gate.sign_ins.answer(
        token,
        method=body.method,
        code=body.code,
        credential=body.credential,
        client=client,
        by_cookie=by_cookie,
    )
    return await sign_in(edge, request.scope, signed_in, "Login successful", by_cookie=by_cookie)


@public.post(
    "/login/factor/options",
    summary="What a method needs before the step can be answered",
    response_model=Envelope[dict[str, Any]],
    responses=responses(
        schemas.OPTIONS,
        "Options retrieved successfully",
        *BODY,
        errors.ChallengeExpired,
        errors.CrossOriginRefused,
        errors.TooManyAttempts,
        fields={"method": Text("field.method")},
    ),
)
async def factor_options(
    body: requests.FactorOptionsRequest, edge: CurrentEdge, request: Request
) -> Response:
    """Return what an authenticator is to sign; the challenge stays as it is."""
    token, by_cookie = await _challenge(edge, request.scope, body.challenge)
    options = await edge.gate.sign_ins.options(
        token, method=body.method, client=edge.client_of(request.scope), by_cookie=by_cookie
    )
    return success(options, "Options retrieved successfully")


async def _challenge(edge: Edge, scope: Scope, given: str | None) -> tuple[str, bool]:
    """Return the challenge that is answered, and whether a cookie holds it.

    Raises:
        ChallengeExpired: there is none.
        CrossOriginRefused: another site has the browser answer it.
    """
    token = given if given is not None else edge.cookies.challenge(scope)
    await check_cookie(edge, scope, cookie=given is None, remember=False)
    if token is None:
        raise errors.ChallengeExpired
    return token, given is None

"""What mails lead to, over HTTP: another password, another e-mail."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr
from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.features.email.admin_resets import AdminResets
from gatepost.features.email.email_changes import EmailChanges
from gatepost.features.email.errors import InvalidLink, NotMailable
from gatepost.features.email.links import Shown
from gatepost.features.email.mail_sign_ins import MailSignIns, Newly
from gatepost.features.email.passwords import ForgottenPasswords
from gatepost.features.email.sign_ups import SignUps
from gatepost.features.email.verification import Verifications
from gatepost.http import binding
from gatepost.http.api import requests, schemas
from gatepost.http.api.languages import ReadingClient
from gatepost.http.api.responses import (
    ADMIN,
    BODY,
    NEW_PASSWORD,
    PRESENTED,
    STEP_DUE,
    UNWANTED_BODY,
    USERS_ROW,
    responses,
)
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import check_cookie, sign_in
from gatepost.http.api.user_ids import PathUserId
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import (
    CurrentClient,
    CurrentEdge,
    CurrentGate,
    CurrentSession,
    FreshAdminSession,
    find_session,
)
from gatepost.http.edge import Edge
from gatepost.http.envelope import Envelope, success
from gatepost.models import Instead, bounds
from gatepost.services.sign_in import Arrival
from gatepost.texts import Text

public = router_of("mail", unambiguous_body)

_CODE: Any = Field(
    description="Of the mail, with the `email` that it came to.",
    json_schema_extra={"maxLength": bounds.CODE_MAX},
    examples=["48213690"],
    repr=False,
)
_SENT = "If there is such an account, a mail is on its way"
_ASKED = responses(
    None,
    _SENT,
    *BODY,
    errors.NotFound,
    errors.CrossOriginRefused,
    errors.TooManyAttempts,
    status=202,
    fields={"email": Text("field.email.no_at")},
)
_EITHER: Any = {"anyOf": [{"required": ["token"]}, {"required": ["email", "code"]}]}


def _either_without_more(schema: dict[str, Any]) -> None:
    schema.pop("additionalProperties", None)
    schema |= _EITHER


class AskRequest(BaseModel):
    """Who is to get a mail."""

    email: requests.Email
    cookie: Annotated[
        StrictBool,
        Field(
            description="Have the code in the mail work in this browser alone, by a cookie.",
            examples=[False],
        ),
    ] = False

    async def browser(self, edge: Edge, request: Request) -> str | None:
        """Return what the browser keeps by which the code is bound to it; None where it is not to be.

        Raises:
            CrossOriginRefused: another site asks.
        """
        await check_cookie(edge, request.scope, cookie=self.cookie, remember=False)
        return binding.browser_of(edge, request.scope) if self.cookie else None


class ShownRequest(BaseModel):
    """What somebody has who has read a mail: the `token` of its link, or `email` and `code`."""

    model_config = ConfigDict(json_schema_extra=_EITHER)

    token: Annotated[
        StrictStr | None,
        Field(
            description="Of the link.",
            json_schema_extra={"maxLength": bounds.TOKEN_MAX},
            examples=[schemas.LINK_TOKEN],
            repr=False,
        ),
    ] = None
    email: Annotated[requests.Email | None, Field(examples=["user@example.com"])] = None
    code: Annotated[StrictStr | None, _CODE] = None

    def shown_in(self, edge: Edge, request: Request) -> Shown:
        """Return what it is, and in which browser.

        Raises:
            ValidationFailed: it is neither.
        """
        if self.token is None and (self.email is None or self.code is None):
            raise errors.ValidationFailed({"token": Text("field.token_or_code")})
        browser = edge.cookies.asked(request.scope)
        return Shown(token=self.token, email=self.email, code=self.code, browser=browser)


class ResetPasswordRequest(ShownRequest):
    """The link or the code, and the password that is to be."""

    new_password: Annotated[requests.Password, Field(examples=["another secure password"])]


@public.post(
    "/password/forgot",
    summary="Have a link to choose another password sent",
    status_code=202,
    response_model=Envelope[None],
    responses=_ASKED,
)
async def forgot_password(
    body: AskRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Answer the same whoever it is; the mail is sent afterwards, where there is somebody to send it to.

    Where there is no way to send mail (`MAIL_URL`) this is not found.
    """
    browser = await body.browser(edge, request)
    await edge.gate.service(ForgottenPasswords).forgot(body.email, client=client, browser=browser)
    return binding.bind(success(None, _SENT, status=202), edge, browser)


@public.post(
    "/password/reset",
    summary="Choose another password with a mailed link or code",
    response_model=Envelope[None],
    responses=responses(
        None,
        "Password changed successfully",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        InvalidLink,
        errors.NotFound,
        errors.TooManyAttempts,
        fields={"new_password": Text("field.too_short", count=8)},
    ),
)
async def reset_password(
    body: ResetPasswordRequest, edge: CurrentEdge, client: CurrentClient, request: Request
) -> Response:
    """Set another password and end every session; nobody is signed in by it."""
    shown = body.shown_in(edge, request)
    await edge.gate.service(ForgottenPasswords).reset(shown, body.new_password, client=client)
    return success(None, "Password changed successfully")


class TokenRequest(BaseModel):
    """The token of a mailed link."""

    token: Annotated[
        StrictStr,
        Field(json_schema_extra={"maxLength": bounds.TOKEN_MAX}, examples=[schemas.LINK_TOKEN], repr=False),
    ]


_EMAIL_ERRORS = (*BODY, *USERS_ROW, InvalidLink, errors.EmailTaken, errors.NotFound, errors.TooManyAttempts)


@public.post(
    "/email/confirm",
    summary="Have a new e-mail count, with the link that its mailbox was sent",
    response_model=Envelope[None],
    responses=responses(
        None, "E-mail changed successfully", *_EMAIL_ERRORS, fields={"token": "Field required"}
    ),
)
async def confirm_email(body: TokenRequest, gate: CurrentGate, client: CurrentClient) -> Response:
    """Change the e-mail and end every session; the former mailbox may take it back for 7 days."""
    await gate.service(EmailChanges).confirm(body.token, client=client)
    return success(None, "E-mail changed successfully")


@public.post(
    "/email/undo",
    summary="Take a change of the e-mail back, with the link that the former mailbox was sent",
    response_model=Envelope[None],
    responses=responses(None, "The change was undone", *_EMAIL_ERRORS, fields={"token": "Field required"}),
)
async def undo_email(body: TokenRequest, gate: CurrentGate, client: CurrentClient) -> Response:
    """Give the account its former e-mail back and end every session, whoever has them."""
    await gate.service(EmailChanges).undo(body.token, client=client)
    return success(None, "The change was undone")


class VerifyRequest(ShownRequest):
    """The link or the code; where it makes an account, its password, and a name if it is to be another."""

    password: Annotated[
        StrictStr | None,
        Field(
            json_schema_extra={"minLength": 8, "maxLength": bounds.PASSWORD_MAX, "format": "password"},
            examples=["securepassword123"],
            repr=False,
        ),
    ] = None
    name: Annotated[requests.Name | None, Field(examples=["John Doe"])] = None
    cookie: requests.Cookie = False
    remember: requests.Remember = False
    challenge: requests.SignUpChallenge = None
    credential: requests.Credential = None

    @property
    def instead(self) -> Instead | None:
        """What is set up in the place of a password."""
        if self.challenge is None:
            return None
        return Instead(challenge=self.challenge, credential=self.credential)


_MADE: Any = responses(schemas.SIGNED_IN, "User registered successfully", status=201)[201]


@public.post(
    "/email/verify",
    summary="Prove that an e-mail is one's own, with the link or code that its mailbox was sent",
    response_model=Envelope[None],
    responses=responses(
        None,
        "E-mail verified successfully",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        InvalidLink,
        errors.NotFound,
        errors.EmailTaken,
        errors.InvalidCode,
        errors.ChallengeExpired,
        errors.CrossOriginRefused,
        *STEP_DUE,
        errors.TooManyAttempts,
        fields={"token": Text("field.token_or_code")},
    )
    | {201: _MADE | {"model": Envelope[schemas.SignedInData]}},
)
async def verify_email(
    body: VerifyRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Note that the e-mail is its user's; with a password or a passkey, make the account that waits for it.

    Without a session of the account, whoever made it may have been somebody else: its password, sessions and
    other ways to sign in end, and `POST /password/forgot` leads to a new password.
    """
    if body.password is not None or body.instead is not None:
        await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
        signed_in = await edge.gate.service(SignUps).finish(
            body.shown_in(edge, request),
            body.password,
            name=body.name,
            arrival=Arrival(client=client, by_cookie=body.cookie, remembered=body.remember),
            instead=body.instead,
        )
        message = "User registered successfully"
        return await sign_in(edge, request.scope, signed_in, message, by_cookie=body.cookie, status=201)
    session = await find_session(edge, request.scope)
    shown = body.shown_in(edge, request)
    await edge.gate.service(Verifications).verify(shown, session=session, client=client)
    return success(None, "E-mail verified successfully")


router = router_of("mail", unambiguous_body)


@router.post(
    "/email/verification",
    summary="Have the mail sent again by which the e-mail is verified",
    status_code=202,
    response_model=Envelope[None],
    responses=responses(
        None,
        "A mail is on its way",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.NotFound,
        errors.TooManyAttempts,
        status=202,
    ),
)
async def send_verification(session: CurrentSession, gate: CurrentGate, client: ReadingClient) -> Response:
    """Send it to the caller's e-mail, unless that is verified; not found where e-mails are not verified."""
    await gate.service(Verifications).send(session, client=client)
    return success(None, "A mail is on its way", status=202)


@public.post(
    "/login/email",
    summary="Have a mail sent to sign in with",
    status_code=202,
    response_model=Envelope[None],
    responses=_ASKED,
)
async def login_by_email(
    body: AskRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Answer the same whoever it is; not found where nobody signs in by mail (`EMAIL_SIGN_IN`).

    Where anybody may register (`REGISTRATION`), a mailbox without an account gets a mail that makes one.
    """
    browser = await body.browser(edge, request)
    await edge.gate.service(MailSignIns).ask(body.email, client=client, browser=browser)
    return binding.bind(success(None, _SENT, status=202), edge, browser)


class FinishLoginRequest(ShownRequest, requests.PerhapsNewAccount):
    """The link or the code; where it makes an account, a name, and what the application asks for."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_either_without_more)

    cookie: requests.Cookie = False
    remember: requests.Remember = False


@public.post(
    "/login/email/finish",
    summary="Login with a mailed link or code and create a new session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Login successful",
        *BODY,
        *USERS_ROW,
        InvalidLink,
        errors.NotFound,
        errors.CrossOriginRefused,
        *STEP_DUE,
        errors.TooManyAttempts,
        errors.EmailTaken,
        fields={"token": Text("field.token_or_code")},
    )
    | {201: _MADE | {"model": Envelope[schemas.SignedInData]}},
)
async def finish_login_by_email(
    body: FinishLoginRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Answer as `login` does; an address that answers for the first time ends the account's password.

    Where there is no account yet, one is made, without a password, and it is 201 as with `register`. Without
    `name` that is 422, and the link stays good.
    """
    await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
    arrival = Arrival(client=client, by_cookie=body.cookie, remembered=body.remember)
    newly = Newly(name=body.name, own=body.own)
    shown = body.shown_in(edge, request)
    signed_in, is_new = await edge.gate.service(MailSignIns).finish(shown, arrival, newly)
    message, status = ("User registered successfully", 201) if is_new else ("Login successful", 200)
    return await sign_in(edge, request.scope, signed_in, message, by_cookie=body.cookie, status=status)


admin = router_of("administration")


@admin.post(
    "/admin/users/{id}/password-reset",
    summary="Have a user mailed a link to choose another password (admin function)",
    status_code=202,
    response_model=Envelope[None],
    responses=responses(
        None,
        "A mail is on its way",
        *ADMIN,
        *UNWANTED_BODY,
        errors.NotFound,
        NotMailable,
        errors.ValidationFailed,
        status=202,
        fields={"id": f"Enter the ID of a user, a number up to {2**31 - 1}"},
    ),
)
async def send_password_reset(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Nobody but the user learns a password, and nothing changes until they have chosen one (ASVS 6.4.6).

    The link works for 24 hours. Where there is no way to send mail (`MAIL_URL`) this is not found.
    """
    user = await gate.administration.get(user_id)
    await gate.service(AdminResets).send(user, client=client, by=session)
    return success(None, "A mail is on its way", status=202)

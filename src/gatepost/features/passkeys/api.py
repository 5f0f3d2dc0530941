"""Passkeys over HTTP: signing in, set up, renamed, removed.

JSON is as in WebAuthn Level 3: `publicKey` is what `PublicKeyCredential.parseCreationOptionsFromJSON()` and
`parseRequestOptionsFromJSON()` take, `credential` what a credential's `toJSON()` returns.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictStr
from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.features.passkeys.authenticators import name_of
from gatepost.features.passkeys.errors import UnknownPasskey
from gatepost.features.passkeys.factor import METHOD, Passkeys
from gatepost.features.passkeys.relying_party import encoded
from gatepost.features.passkeys.service import OwnPasskeys
from gatepost.features.passkeys.sign_ins import PasskeySignIns
from gatepost.features.passkeys.sign_ups import PasskeySignUps
from gatepost.features.passkeys.store import Passkey
from gatepost.http.api import requests, schemas
from gatepost.http.api.languages import ReadingClient
from gatepost.http.api.parameters import RowId
from gatepost.http.api.responses import (
    BODY,
    PRESENTED,
    STEP_DUE,
    UNWANTED_BODY,
    USERS_ROW,
    responses,
)
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import check_cookie, continued, sign_in
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import (
    CurrentClient,
    CurrentEdge,
    CurrentGate,
    CurrentSession,
    FreshSession,
    PresentedToken,
)
from gatepost.http.envelope import Envelope, success
from gatepost.models import Answer, bounds
from gatepost.services.sign_in import Arrival
from gatepost.texts import Text

public = router_of("factors", unambiguous_body)
router = router_of("factors", unambiguous_body)

_CHALLENGE = "5k0dT4QlZDIIpoKkV1P1Zz2cW5oZ0u3mJkqvYh9b3Lw"
_ID = "q83vASNFZ4mrze8BI0VniQ"
_HANDLE = "p1b7m2Qy1c0m1Yp7m2Qy1c0m1Yp7m2Qy1c0m1Yp7m2Q"
_NAME = "My laptop"
_REQUEST = {
    "challenge": _CHALLENGE,
    "timeout": 300_000,
    "rpId": "example.com",
    "allowCredentials": [],
    "userVerification": "required",
}
_CREATION = {
    "rp": {"name": "Gatepost", "id": "example.com"},
    "user": {"id": _HANDLE, "name": "user@example.com", "displayName": "John Doe"},
    "challenge": _CHALLENGE,
    "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-8, -7, -257)],
    "timeout": 900_000,
    "excludeCredentials": [],
    "authenticatorSelection": {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "preferred",
    },
    "attestation": "none",
}
_ASSERTED = {
    "id": _ID,
    "rawId": _ID,
    "type": "public-key",
    "authenticatorAttachment": "platform",
    "response": {
        "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
        "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAA",
        "signature": "MEUCIQDx",
        "userHandle": _HANDLE,
    },
    "clientExtensionResults": {},
}
_MADE = {
    "id": _ID,
    "rawId": _ID,
    "type": "public-key",
    "authenticatorAttachment": "platform",
    "response": {
        "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0",
        "attestationObject": "o2NmbXRkbm9uZWdhdHRTdG10oA",
        "transports": ["internal"],
    },
    "clientExtensionResults": {},
}


class PasskeyRequestData(BaseModel):
    """What is sent back with the answer, and `PublicKeyCredentialRequestOptionsJSON`."""

    challenge: str
    publicKey: dict[str, Any]  # noqa: N815 - as WebAuthn has it


class PasskeyCreationData(BaseModel):
    """`PublicKeyCredentialCreationOptionsJSON`."""

    publicKey: dict[str, Any]  # noqa: N815 - as WebAuthn has it


class OwnPasskeyData(BaseModel):
    """A passkey of the caller; `is_synced` says that it is on other devices as well.

    `authenticator` is what made it, where that is known. `suffices` says that it has checked a PIN or
    biometrics here, so that it signs in by itself; not where `WEBAUTHN_RP_ID` was another one then.
    """

    id: str
    name: str
    authenticator: str | None
    credential_id: str
    transports: list[str]
    is_synced: bool
    suffices: bool
    created_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None


class OwnPasskeysData(BaseModel):
    """All of them, with what managers of passkeys are to know of them.

    `accepted` is for `PublicKeyCredential.signalAllAcceptedCredentials()`, `details` for
    `signalCurrentUserDetails()`.
    """

    passkeys: list[OwnPasskeyData]
    accepted: dict[str, Any] | None
    details: dict[str, Any] | None


class PasskeyData(BaseModel):
    """A passkey and what it is called."""

    id: str
    name: str


def _credential(example: dict[str, Any]) -> Any:  # noqa: ANN401 - what Field returns
    return Field(
        description="As the browser's `PublicKeyCredential.toJSON()` has it.", examples=[example], repr=False
    )


class PasskeyLoginRequest(BaseModel):
    """What an authenticator has signed."""

    challenge: Annotated[
        StrictStr,
        Field(
            description="As `POST /login/passkey/options` has answered it.",
            json_schema_extra={"maxLength": bounds.TOKEN_MAX},
            examples=[schemas.LINK_TOKEN],
            repr=False,
        ),
    ]
    credential: Annotated[dict[str, Any], _credential(_ASSERTED)]
    cookie: requests.Cookie = False
    remember: requests.Remember = False


class RenamePasskeyRequest(BaseModel):
    """What a passkey is to be called."""

    name: Annotated[requests.Name, Field(examples=[_NAME])]


class NewPasskeyRequest(BaseModel):
    """What an authenticator has made, and what it is to be called."""

    credential: Annotated[dict[str, Any], _credential(_MADE)]
    name: Annotated[
        requests.Name | None,
        Field(description="Without one, that of the authenticator's model.", examples=[_NAME]),
    ] = None


@public.post(
    "/login/passkey/options",
    summary="What an authenticator is to sign, before a login with a passkey",
    response_model=Envelope[PasskeyRequestData],
    responses=responses(
        {"challenge": schemas.LINK_TOKEN, "publicKey": _REQUEST},
        "Options retrieved successfully",
        *UNWANTED_BODY,
        errors.NotFound,
        errors.TooManyAttempts,
    ),
)
async def passkey_login_options(gate: CurrentGate, client: CurrentClient) -> Response:
    """Return what `navigator.credentials.get()` takes; nobody says who they are before.

    Not found where passkeys can't be used: `PUBLIC_URL` is unset or an IP address.
    """
    asked = await gate.service(PasskeySignIns).begin(client)
    return success({"challenge": asked.challenge, **asked.public}, "Options retrieved successfully")


@public.post(
    "/login/passkey",
    summary="Login with a passkey alone and create a new session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Login successful",
        *BODY,
        *USERS_ROW,
        errors.InvalidCredentials,
        UnknownPasskey,
        errors.ChallengeExpired,
        errors.NotFound,
        errors.CrossOriginRefused,
        *STEP_DUE,
        errors.TooManyAttempts,
        fields={"challenge": "Field required"},
        details={UnknownPasskey: {"unknown_credential": {"rpId": "example.com", "credentialId": _ID}}},
    ),
)
async def login_by_passkey(
    body: PasskeyLoginRequest, edge: CurrentEdge, client: ReadingClient, request: Request
) -> Response:
    """Answer as `login` does. The authenticator has checked a PIN or biometrics: that is two factors."""
    await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
    arrival = Arrival(client=client, by_cookie=body.cookie, remembered=body.remember)
    signed_in = await edge.gate.service(PasskeySignIns).finish(body.challenge, body.credential, arrival)
    return await sign_in(edge, request.scope, signed_in, "Login successful", by_cookie=body.cookie)


@router.get(
    "/factors/passkeys",
    summary="Get the current user's passkeys",
    response_model=Envelope[OwnPasskeysData],
    responses=responses(
        {
            "passkeys": [
                {
                    "id": "1",
                    "name": _NAME,
                    "authenticator": "iCloud Keychain",
                    "credential_id": _ID,
                    "transports": ["internal", "hybrid"],
                    "is_synced": True,
                    "suffices": True,
                    "created_at": schemas.TIME,
                    "last_used_at": schemas.LATER,
                    "last_used_from": "192.168.1.100",
                }
            ],
            "accepted": {"rpId": "example.com", "userId": _HANDLE, "allAcceptedCredentialIds": [_ID]},
            "details": {
                "rpId": "example.com",
                "userId": _HANDLE,
                "name": "user@example.com",
                "displayName": "John Doe",
            },
        },
        "Passkeys retrieved successfully",
        *PRESENTED,
    ),
)
async def passkeys(session: CurrentSession, gate: CurrentGate) -> Response:
    """List them, with what tells a browser which there still are, and of whom; null where there are none."""
    own, suffices = gate.service(OwnPasskeys), gate.service(Passkeys).suffices_here
    accepted = await own.accepted(session.user.id)
    data = {
        "passkeys": [
            _own_passkey(each) | {"suffices": suffices(each)} for each in await own.of(session.user.id)
        ],
        "accepted": accepted,
        "details": own.details(session.user, accepted),
    }
    return success(data, "Passkeys retrieved successfully")


def _own_passkey(passkey: Passkey) -> dict[str, object]:
    """Return `OwnPasskeyData`, but for whether it suffices."""
    return {
        "id": str(passkey.id),
        "name": passkey.name,
        "authenticator": None if passkey.aaguid is None else name_of(passkey.aaguid),
        "credential_id": encoded(passkey.credential_id),
        "transports": passkey.transports,
        "is_synced": passkey.is_backup_eligible,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
        "last_used_from": passkey.last_used_from,
    }


class SignUpOptionsRequest(BaseModel):
    """Whose account the authenticator is to show."""

    email: requests.Email
    name: Annotated[
        StrictStr, Field(json_schema_extra={"maxLength": bounds.NAME_MAX}, examples=["John Doe"])
    ] = ""


class PasskeySignUpData(BaseModel):
    """What is sent back with the answer, and `PublicKeyCredentialCreationOptionsJSON`."""

    challenge: str
    publicKey: dict[str, Any]  # noqa: N815 - as WebAuthn has it


@public.post(
    "/register/passkey/options",
    summary="What an authenticator needs to make a passkey for a new account",
    response_model=Envelope[PasskeySignUpData],
    responses=responses(
        {"challenge": schemas.LINK_TOKEN, "publicKey": _CREATION},
        "Options retrieved successfully",
        *BODY,
        errors.NotFound,
        errors.TooManyAttempts,
        fields={"email": "Field required"},
    ),
)
async def passkey_sign_up_options(
    body: SignUpOptionsRequest, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Begin to sign up without a password, where `PASSWORDLESS_SIGN_UP` or a proven address allows it.

    `challenge` and `credential` are then sent to `POST /register` or `POST /email/verify` instead of a
    password. Nothing is done with the e-mail here.
    """
    asked = await gate.service(PasskeySignUps).begin(body.email, body.name, client)
    return success({"challenge": asked.challenge, **asked.public}, "Options retrieved successfully")


@router.post(
    "/factors/passkeys/options",
    summary="Begin to set up a passkey",
    response_model=Envelope[PasskeyCreationData],
    responses=responses(
        {"publicKey": _CREATION},
        "Options retrieved successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.FreshSessionRequired,
        errors.NotFound,
    ),
)
async def begin_passkey(presented: PresentedToken, edge: CurrentEdge, client: CurrentClient) -> Response:
    """Return what `navigator.credentials.create()` takes; it is good for 15 minutes, and for one answer."""
    options = await edge.gate.factors.begin(presented.token, METHOD, client, by_cookie=presented.by_cookie)
    return success(options, "Options retrieved successfully")


@router.post(
    "/factors/passkeys",
    summary="Set up a passkey and end every other session",
    response_model=Envelope[schemas.EnrolledData],
    responses=responses(
        schemas.ENROLLED,
        "Passkey set up successfully",
        *BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.InvalidCode,
        errors.ChallengeExpired,
        errors.FreshSessionRequired,
        errors.NotFound,
        fields={"credential": "Field required"},
    ),
)
async def add_passkey(
    body: NewPasskeyRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Keep the passkey, and answer with a new token.

    With the first factor of a user come recovery codes, shown this once.
    """
    by_cookie = presented.by_cookie
    answer = Answer(method=METHOD, credential=body.credential, name=body.name)
    signed_in = await edge.gate.factors.enrol(presented.token, answer, client, by_cookie=by_cookie)
    message = "Passkey set up successfully"
    return continued(edge, request.scope, signed_in, message, by_cookie=by_cookie)


@router.patch(
    "/factors/passkeys/{id:int}",
    summary="Rename a passkey",
    response_model=Envelope[PasskeyData],
    responses=responses(
        {"id": "1", "name": _NAME},
        "Passkey renamed successfully",
        *BODY,
        *PRESENTED,
        errors.FreshSessionRequired,
        errors.NotFound,
        fields={"name": Text("field.name.missing")},
    ),
)
async def rename_passkey(
    passkey_id: RowId,
    body: RenamePasskeyRequest,
    session: FreshSession,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """Call it something else; the authenticator keeps its own name for it."""
    name = await gate.service(OwnPasskeys).rename(session, passkey_id, body.name, client)
    return success({"id": str(passkey_id), "name": name}, "Passkey renamed successfully")


@router.delete(
    "/factors/passkeys/{id:int}",
    summary="Remove a passkey and end every other session",
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Passkey removed successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.InvalidCredentials,
        errors.FreshSessionRequired,
        errors.NotFound,
        errors.LastWayIn,
        errors.FactorRequired,
        errors.ValidationFailed,
        fields={"id": "Input should be greater than or equal to 1"},
    ),
)
async def remove_passkey(
    passkey_id: RowId,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Take it away, and the recovery codes with the last factor; answer with a new token."""
    by_cookie = presented.by_cookie
    signed_in = await edge.gate.factors.remove(
        presented.token, METHOD, client, by_cookie=by_cookie, factor_id=str(passkey_id)
    )
    message = "Passkey removed successfully"
    return continued(edge, request.scope, signed_in, message, by_cookie=by_cookie)

"""One's own account: another name, another e-mail, a copy of the data, the end."""

from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.gate import Gate
from gatepost.http.api import requests, schemas
from gatepost.http.api.responses import BODY, PRESENTED, USERS_ROW, pending_email, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import continued, signed_out
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import (
    CurrentClient,
    CurrentEdge,
    CurrentGate,
    FreshSession,
    PresentedToken,
)
from gatepost.http.envelope import Envelope, encode, success
from gatepost.http.streams import Download
from gatepost.models import Client, PendingEmail, Session
from gatepost.texts import Text

router = router_of("profile", unambiguous_body)

_ANSWER_FIRST = "Open the link in the mail to the new address"

_EXPORT_NAME = "gatepost-export.json"


@router.patch(
    "/me",
    summary="Change the name of the current user",
    response_model=Envelope[schemas.MeData],
    responses=responses(
        {"user": schemas.USER, "session_info": schemas.SESSION_INFO},
        "Profile updated successfully",
        *BODY,
        *PRESENTED,
        *USERS_ROW,
        fields={"name": Text("field.name.missing")},
    ),
)
async def update_me(
    body: requests.UpdateMeRequest, presented: PresentedToken, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Set another name and answer as `GET` does; fields that nobody may set are passed over."""
    session = await gate.profiles.rename(presented.token, body.name, client, by_cookie=presented.by_cookie)
    data = {"user": schemas.user_data(session.user), "session_info": schemas.session_info(session)}
    return success(data, "Profile updated successfully")


@router.post(
    "/email",
    summary="Change the e-mail and end every other session",
    response_model=Envelope[schemas.SignedInData],
    responses=pending_email(_ANSWER_FIRST)
    | responses(
        schemas.SIGNED_IN,
        "E-mail changed successfully",
        *BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.FreshSessionRequired,
        errors.EmailTaken,
        *USERS_ROW,
        errors.TooManyAttempts,
        fields={"email": Text("field.email.same")},
    ),
)
async def change_email(
    body: requests.ChangeEmailRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Set another e-mail and answer with a new token; every other token of the user is refused.

    Where there is a way to send mail it is 202 instead: nothing changes before the new mailbox has answered.
    """
    changed = await edge.gate.profiles.change_email(
        presented.token, body.email, body.password, client, by_cookie=presented.by_cookie
    )
    if isinstance(changed, PendingEmail):
        return success({"pending_email": changed.email}, _ANSWER_FIRST, status=202)
    message = "E-mail changed successfully"
    return continued(edge, request.scope, changed, message, by_cookie=presented.by_cookie)


@router.get(
    "/export",
    summary="Download everything that is stored about the current user",
    response_model=Envelope[schemas.ExportData],
    responses=responses(
        schemas.EXPORT,
        "Data exported successfully",
        *PRESENTED,
        errors.FreshSessionRequired,
        headers={"Content-Disposition": f"Has browsers save the answer as `{_EXPORT_NAME}`."},
    ),
)
async def export(session: FreshSession, gate: CurrentGate, client: CurrentClient) -> Response:
    """Answer with the user, every session and every event, the newest first: 10,000 of each at the most."""
    return await exported(session, gate, client)


async def exported(session: Session, gate: Gate, client: Client) -> Response:
    """Answer with the data of a session's user as a file, whoever asks: a program or a page."""
    found = await gate.profiles.export(session, client)
    application = encode(found.application)  # before the answer begins: what is no JSON is a fault

    async def parts() -> AsyncIterator[bytes]:
        """Write the envelope around batches, of which none takes the loop for long."""
        yield b'{"data":{"user":' + encode(schemas.exported_user_data(found.user)) + b',"sessions":['
        comma = b""
        async for rows in found.sessions():
            yield comma + _items([schemas.exported_session_data(row, session) for row in rows])
            comma = b","
        yield b'],"events":['
        comma = b""
        async for events in found.events():
            yield comma + _items([schemas.event_data(event) for event in events])
            comma = b","
        yield b"]"
        async for name, rows_of_feature in found.of_features():
            yield b"," + encode(name) + b":" + encode(rows_of_feature)
        if found.application:
            yield b',"application":' + application
        yield b',"truncated":' + encode(found.truncated)
        yield b'},"message":"Data exported successfully","success":true}'

    return Download(parts(), media_type="application/json", name=_EXPORT_NAME)


def _items(rows: Sequence[object]) -> bytes:
    """Return what stands between the brackets of an array."""
    return encode(rows)[1:-1]


@router.delete(
    "/me",
    summary="Delete the current user's account",
    response_model=Envelope[None],
    responses=responses(
        None,
        "Account deleted successfully",
        *BODY,
        *PRESENTED,
        errors.InvalidCredentials,
        errors.FreshSessionRequired,
        errors.LastAdmin,
        errors.AccountInUse,
        errors.TooManyAttempts,
        fields={"password": Text("field.required")},
    ),
)
async def delete_me(
    body: requests.DeleteMeRequest,
    presented: PresentedToken,
    edge: CurrentEdge,
    client: CurrentClient,
    request: Request,
) -> Response:
    """Nothing of the user is kept but what happened, on the audit trail, without whom it happened to."""
    by_cookie = presented.by_cookie
    await edge.gate.profiles.erase(presented.token, body.password, client, by_cookie=by_cookie)
    return signed_out(edge, request.scope, None, "Account deleted successfully", by_cookie=by_cookie)

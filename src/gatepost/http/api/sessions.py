"""Refresh, logout, logout-all, logout-others, the list of sessions, and ending one of them."""

from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.parameters import Cursor, Limit, RowId
from gatepost.http.api.responses import PRESENTED, UNWANTED_BODY, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import signed_out, signed_out_before
from gatepost.http.dependencies import CurrentClient, CurrentEdge, CurrentGate, CurrentSession, PresentedToken
from gatepost.http.envelope import Envelope, success
from gatepost.http.hot import SECURED, endpoints_of, response
from gatepost.models import SessionCursor
from gatepost.services.sessions import LISTED
from gatepost.texts import Text

router = router_of("sessions")

_CURSOR = {"cursor": Text("field.cursor")}


@router.post(
    "/refresh",
    summary="Refresh the current session with a new token",
    response_model=Envelope[schemas.SignedInData],
    openapi_extra=SECURED,
    responses=responses(
        schemas.SIGNED_IN,
        "Session refreshed successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.TooManyAttempts,
    ),
)
async def refresh(request: Request) -> Response:
    """Replace the token; a client whose answer was lost can have it again."""
    return response(await endpoints_of(request).refresh(request.scope))


@router.post(
    "/logout",
    summary="Logout and invalidate the current session",
    response_model=Envelope[None],
    responses=responses(None, "Logout successful", *PRESENTED, *UNWANTED_BODY),
)
async def logout(
    presented: PresentedToken, edge: CurrentEdge, client: CurrentClient, request: Request
) -> Response:
    """End the session; the very next request with its token is refused."""
    by_cookie = presented.by_cookie
    try:
        await edge.gate.session_tokens.revoke(presented.token, client, by_cookie=by_cookie)
    except errors.AuthenticationError as error:
        return signed_out_before(edge, request.scope, error, by_cookie=by_cookie)
    return signed_out(edge, request.scope, None, "Logout successful", by_cookie=by_cookie)


@router.post(
    "/logout-all",
    summary="Logout from all active sessions for the current user",
    response_model=Envelope[schemas.RevokedData],
    responses=responses({"sessions_revoked": 3}, "Logged out from all sessions", *PRESENTED, *UNWANTED_BODY),
)
async def logout_all(
    presented: PresentedToken, edge: CurrentEdge, client: CurrentClient, request: Request
) -> Response:
    """End every session of the caller, the current one too."""
    try:
        revoked = await edge.gate.session_tokens.revoke_all(
            presented.token, client, by_cookie=presented.by_cookie
        )
    except errors.AuthenticationError as error:
        return signed_out_before(edge, request.scope, error, by_cookie=presented.by_cookie)
    data = {"sessions_revoked": revoked}
    return signed_out(
        edge, request.scope, data, "Logged out from all sessions", by_cookie=presented.by_cookie
    )


@router.post(
    "/logout-others",
    summary="Logout from all active sessions but the current one",
    response_model=Envelope[schemas.RevokedData],
    responses=responses(
        {"sessions_revoked": 2}, "Logged out from all other sessions", *PRESENTED, *UNWANTED_BODY
    ),
)
async def logout_others(presented: PresentedToken, gate: CurrentGate, client: CurrentClient) -> Response:
    """End every session of the caller but the one that asks."""
    revoked = await gate.session_tokens.revoke_others(presented.token, client, by_cookie=presented.by_cookie)
    return success({"sessions_revoked": revoked}, "Logged out from all other sessions")


@router.get(
    "/sessions",
    summary="Get all active sessions for the current user",
    response_model=Envelope[schemas.SessionsData],
    responses=responses(
        {"sessions": [schemas.SESSION], "total_active_sessions": 1},
        "User sessions retrieved successfully",
        *PRESENTED,
        errors.ValidationFailed,
        fields=_CURSOR,
    ),
)
async def sessions(
    session: CurrentSession,
    gate: CurrentGate,
    limit: Limit = LISTED,
    cursor: Cursor = None,
) -> Response:
    """List the caller's live sessions, the one used last first; `total_active_sessions` counts all."""
    after = None if cursor is None else SessionCursor.parse(cursor)
    if cursor is not None and after is None:
        raise errors.ValidationFailed(_CURSOR)
    user_id = session.user.id
    found = await gate.session_tokens.active(user_id, after=after, limit=limit + 1)
    listed = [each.row for each in found[:limit]]
    is_all = after is None and len(found) <= limit
    data = {
        "sessions": [schemas.session_data(row, session) for row in listed],
        "total_active_sessions": len(listed) if is_all else await gate.session_tokens.count_active(user_id),
    }
    if len(found) > limit:
        data["next_cursor"] = str(SessionCursor.of(listed[-1]))
    return success(data, "User sessions retrieved successfully")


@router.delete(
    "/sessions/{id}",
    summary="End one of the current user's sessions",
    response_model=Envelope[None],
    responses=responses(
        None,
        "Session revoked successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.NotFound,
        errors.ValidationFailed,
        fields={"id": "Input should be greater than or equal to 1"},
    ),
)
async def revoke_session(
    session_id: RowId,
    presented: PresentedToken,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """End a session by its id; whatever it was refreshed to since ends with it."""
    await gate.session_tokens.revoke_one(presented.token, session_id, client, by_cookie=presented.by_cookie)
    return success(None, "Session revoked successfully")

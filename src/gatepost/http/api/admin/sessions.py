"""Everybody's live sessions: looked at, and ended."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.admin import oversight_schemas as shapes
from gatepost.http.api.parameters import Limit, RowCursor, RowId
from gatepost.http.api.responses import ADMIN, BODY, UNWANTED_BODY, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.user_ids import QueryUserId, parsed
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import AdminSession, CurrentClient, CurrentGate, FreshAdminSession
from gatepost.http.envelope import Envelope, success
from gatepost.models import SessionFilter
from gatepost.models.bounds import ADDRESS_MAX
from gatepost.services.oversight import COUNTED_MAX
from gatepost.texts import Text

router = router_of("administration", unambiguous_body)


@router.get(
    "/admin/sessions",
    summary="List everybody's live sessions (admin function)",
    response_model=Envelope[shapes.AdminSessionsData],
    responses=responses(
        {"sessions": [shapes.SESSION], "next_cursor": None, "total_active_sessions": 1},
        "Sessions retrieved successfully",
        *ADMIN,
        errors.ValidationFailed,
        fields={"address": Text("field.address")},
    ),
)
async def admin_sessions(
    session: AdminSession,
    gate: CurrentGate,
    user: QueryUserId,
    address: Annotated[str | None, Query(max_length=ADDRESS_MAX, description=shapes.ADDRESS)] = None,
    older_than_minutes: Annotated[
        int | None, Query(ge=0, le=60 * 24 * 3650, description="Started longer ago than this.")
    ] = None,
    unused_for_minutes: Annotated[
        int | None, Query(ge=0, le=60 * 24 * 3650, description="Not used for this long.")
    ] = None,
    limit: Limit = 50,
    cursor: RowCursor = None,
) -> Response:
    """List the live sessions of a filter, the one started last first, and count them.

    `total_active_sessions` is 10,001 where there are more than 10,000, and null but for the first page.
    """
    wanted = SessionFilter.by_age(
        gate.now(),
        user_id=user,
        address=address,
        older_than=older_than_minutes,
        unused_for=unused_for_minutes,
    )
    page = await gate.oversight.page(wanted, before=cursor, limit=limit + 1)
    shown = page[:limit]
    total = None
    if cursor is None:
        total = await gate.oversight.count(wanted, except_session_id=session.id, most=COUNTED_MAX)
    return success(
        {
            "sessions": [shapes.overseen_session_data(each, session) for each in shown],
            "next_cursor": str(shown[-1].row.id) if len(page) > limit else None,
            "total_active_sessions": total,
        },
        "Sessions retrieved successfully",
    )


@router.delete(
    "/admin/sessions/{id}",
    summary="End a session of anybody's (admin function)",
    response_model=Envelope[None],
    responses=responses(
        None,
        "Session revoked successfully",
        *ADMIN,
        *UNWANTED_BODY,
        errors.NotFound,
        errors.ValidationFailed,
        fields={"id": "Input should be greater than or equal to 1"},
    ),
)
async def admin_revoke_session(
    session_id: RowId,
    session: FreshAdminSession,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """End a session by its id; whatever it was refreshed to since ends with it."""
    await gate.oversight.end(session_id, client=client, by=session)
    return success(None, "Session revoked successfully")


@router.post(
    "/admin/sessions/end",
    summary="End all live sessions of a filter (admin function)",
    response_model=Envelope[schemas.RevokedData],
    responses=responses(
        {"sessions_revoked": 3},
        "Sessions ended successfully",
        *BODY,
        *ADMIN,
        errors.CountChanged,
        fields={"expected": Text("field.required")},
    ),
)
async def admin_end_sessions(
    body: shapes.EndSessionsRequest,
    session: FreshAdminSession,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """End them if they are as many as expected, all or none; the caller's own sign-in is spared.

    Where their number is another one, `count_changed` tells it and nothing has ended.
    """
    wanted = SessionFilter.by_age(
        gate.now(),
        user_id=parsed(body.user, gate.user_ids, "user"),
        address=body.address,
        older_than=body.older_than_minutes,
        unused_for=body.unused_for_minutes,
    )
    ended = await gate.oversight.end_all(
        wanted,
        expected=body.expected,
        client=client,
        by=session,
        except_session_id=session.id,
    )
    return success({"sessions_revoked": ended}, "Sessions ended successfully")

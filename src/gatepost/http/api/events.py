"""The audit trail of the caller."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import PRESENTED, responses
from gatepost.http.api.routing import router_of
from gatepost.http.dependencies import CurrentGate, CurrentSession
from gatepost.http.envelope import Envelope, success

router = router_of("events")


@router.get(
    "/events",
    summary="Get the current user's audit trail",
    response_model=Envelope[schemas.EventsData],
    responses=responses(
        {"events": [schemas.EVENT], "next_cursor": None},
        "Events retrieved successfully",
        *PRESENTED,
        errors.ValidationFailed,
        fields={"limit": "Input should be less than or equal to 200"},
    ),
)
async def events(
    session: CurrentSession,
    gate: CurrentGate,
    limit: Annotated[int, Query(ge=1, le=200, description="Events per page.")] = 50,
    cursor: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="`next_cursor` of the previous page.")
    ] = None,
) -> Response:
    """List what happened to the caller's account, the newest first."""
    page = await gate.audit.of_user(session.user.id, before=cursor, limit=limit + 1)
    shown = page[:limit]
    following = str(shown[-1].id) if len(page) > limit else None
    return success(
        {"events": [schemas.event_data(event) for event in shown], "next_cursor": following},
        "Events retrieved successfully",
    )

"""The audit trail of the caller."""

from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.parameters import Limit, RowCursor
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
    limit: Limit = 50,
    cursor: RowCursor = None,
) -> Response:
    """List what happened to the caller's account, the newest first."""
    page = await gate.audit.of_user(session.user.id, before=cursor, limit=limit + 1)
    shown = page[:limit]
    following = str(shown[-1].id) if len(page) > limit else None
    return success(
        {"events": [schemas.event_data(event) for event in shown], "next_cursor": following},
        "Events retrieved successfully",
    )

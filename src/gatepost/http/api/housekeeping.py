"""Cleaning up on demand."""

from starlette.responses import Response

from gatepost.http.api import schemas
from gatepost.http.api.responses import ADMIN, UNWANTED_BODY, responses
from gatepost.http.api.routing import router_of
from gatepost.http.dependencies import AdminSession, CurrentClient, CurrentGate
from gatepost.http.envelope import Envelope, success

router = router_of("administration")


@router.post(
    "/cleanup",
    summary="Clean up expired sessions (admin function)",
    response_model=Envelope[schemas.CleanupData],
    responses=responses(
        {"sessions_expired": 5, "sessions_purged": 2},
        "Expired sessions cleaned up successfully",
        *ADMIN,
        *UNWANTED_BODY,
    ),
)
async def cleanup(session: AdminSession, gate: CurrentGate, client: CurrentClient) -> Response:
    """End what has expired and purge what ended longer ago than the history is kept."""
    cleaned = await gate.housekeeping.run(client=client, by=session)
    return success(
        {"sessions_expired": cleaned.expired, "sessions_purged": cleaned.purged},
        "Expired sessions cleaned up successfully",
    )

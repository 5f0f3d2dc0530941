"""What administrators do to the accounts of others."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import PRESENTED, UNWANTED_BODY, responses
from gatepost.http.dependencies import AdminSession, CurrentClient, CurrentGate
from gatepost.http.envelope import success

router = APIRouter(tags=["administration"])


@router.post(
    "/admin/users/{id}/unlock",
    operation_id="unlock_user",
    summary="Unlock a user after too many wrong passwords (admin function)",
    response_model=schemas.EmptyEnvelope,
    responses=responses(
        None,
        "User unlocked successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.AdminRequired,
        errors.NotFound,
        errors.ValidationFailed,
        fields={"id": "Input should be greater than or equal to 1"},
    ),
)
async def unlock_user(
    user_id: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="Of the user.")],
    session: AdminSession,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """Forget the wrong passwords of a user, so that the right one works from everywhere again."""
    user = await gate.administration.find(str(user_id))
    await gate.administration.unlock(user, client=client, by={"admin_id": session.user.id})
    return success(None, "User unlocked successfully")

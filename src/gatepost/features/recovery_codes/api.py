"""Recovery codes over HTTP."""

from pydantic import BaseModel
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api import schemas
from gatepost.http.api.responses import PRESENTED, UNWANTED_BODY, responses
from gatepost.http.api.routing import router_of
from gatepost.http.dependencies import CurrentClient, CurrentGate, PresentedToken
from gatepost.http.envelope import Envelope, success

router = router_of("factors")


class RecoveryCodesData(BaseModel):
    """Codes that each sign in once in the place of a second factor, shown this once."""

    recovery_codes: list[str]


@router.post(
    "/factors/recovery-codes",
    summary="Make new recovery codes",
    response_model=Envelope[RecoveryCodesData],
    responses=responses(
        {"recovery_codes": schemas.RECOVERY_CODES},
        "Recovery codes made successfully",
        *PRESENTED,
        *UNWANTED_BODY,
        errors.InvalidCredentials,
        errors.FreshSessionRequired,
        errors.NotFound,
    ),
)
async def make_recovery_codes(
    presented: PresentedToken, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Make ten codes in the place of all that there are; who has no second factor needs none."""
    codes = await gate.factors.new_codes(presented.token, client, by_cookie=presented.by_cookie)
    return success({"recovery_codes": codes}, "Recovery codes made successfully")

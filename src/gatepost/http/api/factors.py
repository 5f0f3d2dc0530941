"""Second factors: what the caller has. Each kind is set up and removed by the routes of its feature."""

from datetime import datetime

from pydantic import BaseModel
from starlette.responses import Response

from gatepost.http.api import schemas
from gatepost.http.api.responses import PRESENTED, responses
from gatepost.http.api.routing import router_of
from gatepost.http.dependencies import CurrentGate, CurrentSession
from gatepost.http.envelope import Envelope, success
from gatepost.models import Held

router = router_of("factors")


class FactorData(BaseModel):
    """What a user can answer a step with; `left` counts what is good for one use each.

    One of several of its kind has `id` and `name`; `is_synced` says that it is on other devices as well.
    """

    method: str
    created_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None
    left: int | None = None
    id: str | None = None
    name: str | None = None
    is_synced: bool | None = None


class FactorsData(BaseModel):
    """Second factors, and what signs in somebody who lost them; `available` can be set up here."""

    factors: list[FactorData]
    ways_back: list[FactorData]
    available: list[str]
    required: bool


def factor_data(held: Held) -> dict[str, object]:
    """Return `FactorData`."""
    data: dict[str, object] = {
        "method": held.method,
        "created_at": held.created_at,
        "last_used_at": held.last_used_at,
        "last_used_from": held.last_used_from,
    }
    return data | {
        name: value
        for name in ("left", "id", "name", "is_synced")
        if (value := getattr(held, name)) is not None
    }


_USED = {"created_at": schemas.TIME, "last_used_at": schemas.LATER, "last_used_from": "192.168.1.100"}


@router.get(
    "/factors",
    summary="Get the current user's second factors",
    response_model=Envelope[FactorsData],
    responses=responses(
        {
            "factors": [
                {"method": "passkey", **_USED, "id": "1", "name": "My laptop", "is_synced": True},
                {"method": "totp", **_USED},
            ],
            "ways_back": [{"method": "recovery_code", **_USED, "left": 9}],
            "available": ["passkey", "totp"],
            "required": False,
        },
        "Factors retrieved successfully",
        *PRESENTED,
    ),
)
async def factors(session: CurrentSession, gate: CurrentGate) -> Response:
    """List what the caller signs in with besides the password, with when and where it was used last."""
    holdings = await gate.factors.of(session.user.id)
    data = {
        "factors": [factor_data(each) for each in holdings.factors],
        "ways_back": [factor_data(each) for each in holdings.ways_back],
        "available": holdings.available,
        "required": holdings.required,
    }
    return success(data, "Factors retrieved successfully")

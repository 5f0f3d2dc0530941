"""Badges over HTTP."""

from typing import Annotated

from pydantic import BaseModel, Field, StrictStr
from starlette.responses import Response
from tests.features.badges.errors import TooManyBadges
from tests.features.badges.service import Badges

from gatepost.http.api.responses import BODY, PRESENTED, responses
from gatepost.http.api.routing import router_of
from gatepost.http.dependencies import CurrentClient, CurrentGate, CurrentSession
from gatepost.http.envelope import Envelope, success

router = router_of("badges")


class GiveBadgeRequest(BaseModel):
    """Which badge to have."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=40, examples=["early bird"])]
    dedication: Annotated[StrictStr | None, Field(max_length=200, examples=["to myself"])] = None


class BadgesData(BaseModel):
    """A user's badges."""

    badges: list[str]


@router.post(
    "/badges",
    summary="Give oneself a badge",
    status_code=201,
    response_model=Envelope[BadgesData],
    responses=responses(
        {"badges": ["early bird"]},
        "Badge given successfully",
        *BODY,
        *PRESENTED,
        TooManyBadges,
        status=201,
        fields={"name": "String should have at least 1 character"},
    ),
)
async def give_badge(
    body: GiveBadgeRequest, session: CurrentSession, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Give the caller a badge, unless they have as many as there may be."""
    found = await gate.service(Badges).give(
        session.user.id, body.name, dedication=body.dedication, client=client
    )
    return success({"badges": found}, "Badge given successfully", status=201)

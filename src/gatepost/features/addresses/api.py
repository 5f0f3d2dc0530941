"""Addresses and blocks: what was done from somewhere, and what is done about it."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from pydantic import BaseModel, Field, StrictInt, StrictStr
from starlette.responses import Response

from gatepost import errors
from gatepost.features.addresses.errors import NetworkTooWide, OwnAddress, ProtectedAddress
from gatepost.features.addresses.places import Place
from gatepost.features.addresses.service import Addresses, Look
from gatepost.features.addresses.store import Block
from gatepost.http.api import schemas
from gatepost.http.api.admin import oversight_schemas as shapes
from gatepost.http.api.responses import ADMIN, BODY, UNWANTED_BODY, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.user_ids import ExampleUserId, ShownUserId
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import AdminSession, CurrentClient, CurrentGate, FreshAdminSession
from gatepost.http.envelope import Envelope, success
from gatepost.models import Session
from gatepost.models.bounds import ADDRESS_MAX, REASON_MAX
from gatepost.services.copies import seen_event_data
from gatepost.services.oversight import COUNTED_MAX
from gatepost.texts import Text

router = router_of("administration")

MINUTES_MAX = 60 * 24 * 366
"""A year: what lasts longer is to be lifted by somebody."""

_FIELDS = {"address": Text("field.address")}
_BLOCK = {
    "id": 1,
    "network": "203.0.113.0/24",
    "status": "active",
    "until": "2024-01-02T00:00:00Z",
    "reason": "guesses passwords",
    "created_at": schemas.TIME,
    "created_by": ExampleUserId(1),
    "lifted_at": None,
    "lifted_by": None,
}
_ACCOUNT = {
    "user_id": ExampleUserId(1),
    "email": "user@example.com",
    "failed": 4,
    "succeeded_at": schemas.TIME,
    "last_at": schemas.TIME,
    "is_guessed": True,
    "is_open": True,
}

PathAddress = Annotated[
    str,
    Path(
        alias="address",
        max_length=ADDRESS_MAX,
        description="An address, or a network such as 203.0.113.0/24.",
        examples=["203.0.113.66"],
    ),
]


class TriedAccount(BaseModel):
    """What was done with one account, or with an e-mail that has none.

    `is_guessed`: a sign-in succeeded after many had failed there, by a user who was never there before.
    `is_open`: its session is still live.
    """

    user_id: ShownUserId | None
    email: str | None
    failed: int
    succeeded_at: datetime | None
    last_at: datetime
    is_guessed: bool
    is_open: bool


class BlockData(BaseModel):
    """A block, in force or ended; `until` is null for one that lasts until it is lifted."""

    id: int
    network: str
    status: Literal["active", "lifted", "expired"]
    until: datetime | None
    reason: str | None
    created_at: datetime
    created_by: ShownUserId | None
    lifted_at: datetime | None
    lifted_by: ShownUserId | None


class AddressData(BaseModel):
    """What was done from an address or a network in the last 24 hours, and how it stands.

    `verdict` is `guessed` where one of many guesses was right, `attack` where none was, `failures` for the
    few that fail anywhere, else `quiet`. With `is_cut`, the newest 5,000 sign-ins and 5,000 other events
    alone are counted: there were more. `open_sessions`, without the caller's own, is what ending them
    expects; it is 1,001 where there are more than 1,000. `sessions` are the newest of them.
    """

    address: str
    around: str | None
    verdict: Literal["guessed", "attack", "failures", "quiet"]
    failed: int
    accounts_tried: int
    accounts_existing: int
    succeeded: int
    refused: int
    is_cut: bool
    open_sessions: int
    is_throttled: bool
    blocks: list[BlockData]
    accounts: list[TriedAccount]
    sessions: list[shapes.AdminSessionData]
    events: list[shapes.AdminEventData]


class EndAddressSessionsRequest(BaseModel):
    """How many sessions are to end: `open_sessions` of the address."""

    expected: Annotated[StrictInt, Field(ge=0, le=COUNTED_MAX, examples=[1])]


class BlockRequest(BaseModel):
    """What to block, and for how long."""

    network: Annotated[
        StrictStr,
        Field(
            max_length=ADDRESS_MAX,
            description="An address, or a network up to an IPv4 /16 or IPv6 /32. Of IPv6 the /64 is blocked.",
            examples=["203.0.113.0/24"],
        ),
    ]
    minutes: Annotated[
        StrictInt | None,
        Field(ge=1, le=MINUTES_MAX, description="How long; null until it is lifted.", examples=[1440]),
    ]
    reason: Annotated[
        StrictStr | None,
        Field(max_length=REASON_MAX, description="Noted with it.", examples=["guesses passwords"]),
    ] = None


class BlocksData(BaseModel):
    """A page of blocks, the newest first; `next_cursor` asks for the next one, null after the last."""

    blocks: list[BlockData]
    next_cursor: str | None


class ClearedData(BaseModel):
    """How many limits had counted something."""

    buckets_cleared: int


def _block(block: Block) -> dict[str, object]:
    return {name: getattr(block, name) for name in BlockData.model_fields}


def _look(look: Look, session: Session) -> dict[str, Any]:
    return {
        "address": str(look.place),
        "around": None if look.place.around is None else str(look.place.around),
        "verdict": look.verdict.value,
        "failed": look.figures.failures,
        "accounts_tried": look.figures.tried,
        "accounts_existing": look.figures.existing,
        "succeeded": look.figures.sign_ins,
        "refused": look.figures.refusals,
        "is_cut": look.is_cut,
        "open_sessions": look.open_sessions,
        "is_throttled": look.is_throttled,
        "blocks": [_block(each) for each in look.blocks],
        "accounts": [
            {
                "user_id": each.user_id,
                "email": each.email,
                "failed": each.failed,
                "succeeded_at": each.succeeded_at,
                "last_at": each.last_at,
                "is_guessed": each.is_guessed,
                "is_open": each.is_open,
            }
            for each in look.accounts
        ],
        "sessions": [shapes.overseen_session_data(each, session) for each in look.sessions],
        "events": [seen_event_data(each) for each in look.events],
    }


# --- Addresses: what is done at one stands before the path that takes everything ---


@router.post(
    "/admin/addresses/{address:path}/end-sessions",
    summary="End the live sessions that began at an address (admin function)",
    response_model=Envelope[schemas.RevokedData],
    dependencies=[Depends(unambiguous_body)],
    responses=responses(
        {"sessions_revoked": 1},
        "Sessions ended successfully",
        *BODY,
        *ADMIN,
        NetworkTooWide,
        errors.CountChanged,
        fields={"expected": Text("field.required")},
    ),
)
async def end_address_sessions(
    address: PathAddress,
    body: EndAddressSessionsRequest,
    session: FreshAdminSession,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """End them if they are as many as expected, all or none; the caller's own sign-in is spared."""
    ended = await gate.service(Addresses).end_sessions(
        Place.of(address), expected=body.expected, client=client, by=session
    )
    return success({"sessions_revoked": ended}, "Sessions ended successfully")


@router.delete(
    "/admin/addresses/{address:path}/throttles",
    summary="Let an address try again at once (admin function)",
    response_model=Envelope[ClearedData],
    responses=responses(
        {"buckets_cleared": 2},
        "Throttles lifted successfully",
        *ADMIN,
        *UNWANTED_BODY,
        NetworkTooWide,
        errors.NotFound,
        errors.ValidationFailed,
        fields=_FIELDS,
    ),
)
async def lift_address_throttles(
    address: PathAddress, session: FreshAdminSession, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Empty the limits on attempts of an address, or of an IPv6 /64."""
    cleared = await gate.service(Addresses).lift_throttles(Place.of(address), client=client, by=session)
    return success({"buckets_cleared": cleared}, "Throttles lifted successfully")


@router.get(
    "/admin/addresses/{address:path}",
    summary="Get what was done from an address or a network (admin function)",
    response_model=Envelope[AddressData],
    responses=responses(
        {
            "address": "203.0.113.66",
            "around": "203.0.113.0/24",
            "verdict": "guessed",
            "failed": 21,
            "accounts_tried": 18,
            "accounts_existing": 10,
            "succeeded": 1,
            "refused": 3,
            "is_cut": False,
            "open_sessions": 1,
            "is_throttled": True,
            "blocks": [],
            "accounts": [_ACCOUNT],
            "sessions": [shapes.SESSION],
            "events": [shapes.EVENT],
        },
        "Address retrieved successfully",
        *ADMIN,
        NetworkTooWide,
        errors.ValidationFailed,
        fields=_FIELDS,
    ),
)
async def address_overview(address: PathAddress, session: AdminSession, gate: CurrentGate) -> Response:
    """Tell what the last 24 hours had from there, its live sessions, and the blocks that touch it."""
    look = await gate.service(Addresses).look(Place.of(address), session=session)
    return success(_look(look, session), "Address retrieved successfully")


# --- Blocks ---


@router.get(
    "/admin/blocks",
    summary="List blocks (admin function)",
    response_model=Envelope[BlocksData],
    responses=responses(
        {"blocks": [_BLOCK], "next_cursor": None},
        "Blocks retrieved successfully",
        *ADMIN,
        errors.ValidationFailed,
        fields={"limit": "Input should be less than or equal to 200"},
    ),
)
async def list_blocks(
    _: AdminSession,
    gate: CurrentGate,
    limit: Annotated[int, Query(ge=1, le=200, description="Blocks per page.")] = 50,
    cursor: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="`next_cursor` of the previous page.")
    ] = None,
) -> Response:
    """List blocks, in force and ended, the newest first."""
    page = await gate.service(Addresses).blocks(before=cursor, limit=limit + 1)
    shown = page[:limit]
    following = str(shown[-1].id) if len(page) > limit else None
    return success(
        {"blocks": [_block(each) for each in shown], "next_cursor": following},
        "Blocks retrieved successfully",
    )


@router.post(
    "/admin/blocks",
    summary="Block an address or a network (admin function)",
    status_code=201,
    response_model=Envelope[BlockData],
    dependencies=[Depends(unambiguous_body)],
    responses=responses(
        _BLOCK,
        "Network blocked successfully",
        *BODY,
        *ADMIN,
        NetworkTooWide,
        OwnAddress,
        ProtectedAddress,
        status=201,
        fields={"network": Text("field.address")},
    ),
)
async def block_network(
    body: BlockRequest, session: FreshAdminSession, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Keep everybody there from signing in, registering and refreshing; open sessions go on.

    A block of just this network that is in force ends: the new one holds.
    """
    block = await gate.service(Addresses).block(
        Place.of(body.network, field="network"),
        lifetime=None if body.minutes is None else timedelta(minutes=body.minutes),
        reason=body.reason,
        client=client,
        by=session,
    )
    return success(_block(block), "Network blocked successfully", status=201)


@router.delete(
    "/admin/blocks/{id}",
    summary="Lift a block (admin function)",
    response_model=Envelope[BlockData],
    responses=responses(
        _BLOCK | {"status": "lifted", "lifted_at": schemas.TIME, "lifted_by": ExampleUserId(1)},
        "Block lifted successfully",
        *ADMIN,
        *UNWANTED_BODY,
        errors.NotFound,
        errors.ValidationFailed,
        fields={"id": "Input should be greater than or equal to 1"},
    ),
)
async def lift_block(
    block_id: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="Of the block.")],
    session: FreshAdminSession,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """End a block that is in force."""
    lifted = await gate.service(Addresses).lift(block_id, client=client, by=session)
    return success(_block(lifted), "Block lifted successfully")

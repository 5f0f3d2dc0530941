"""Invitations: who may register where not everybody may."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Depends
from pydantic import BaseModel, Field, StrictBool, StrictInt
from starlette.responses import Response

from gatepost import errors
from gatepost.features.invitations.service import Invitations
from gatepost.http.api import requests, schemas
from gatepost.http.api.parameters import Limit, RowCursor, RowId
from gatepost.http.api.responses import ADMIN, BODY, UNWANTED_BODY, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.user_ids import ExampleUserId, ShownUserId
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import AdminSession, CurrentClient, CurrentGate, FreshAdminSession
from gatepost.http.envelope import Envelope, success
from gatepost.models import Link

router = router_of("administration")

HOURS_MAX = 8_760
"""A year: a link that lies in somebody's mail for longer is everybody's."""

_INVITATION = {
    "id": 1,
    "email": "user@example.com",
    "status": "open",
    "created_at": schemas.TIME,
    "created_by": ExampleUserId(1),
    "expires_at": "2024-01-08T00:00:00Z",
    "used_at": None,
    "used_by": None,
    "revoked_at": None,
}


class CreateInvitationRequest(BaseModel):
    """Whom to invite, and for how long."""

    email: Annotated[
        requests.Email | None,
        Field(
            description="Only this person may use it; null for anyone with the link.",
            examples=["user@example.com"],
        ),
    ] = None
    hours: Annotated[
        StrictInt, Field(ge=1, le=HOURS_MAX, description="Hours that the link is valid.", examples=[168])
    ] = 168
    send: Annotated[
        StrictBool, Field(description="Mail the link to `email`, where mail is set up.", examples=[True])
    ] = True


class InvitationData(BaseModel):
    """An invitation, open or ended; the link is shown when it is made and never again."""

    id: int
    email: str | None
    status: Literal["open", "used", "revoked", "expired"]
    created_at: datetime
    created_by: ShownUserId | None
    expires_at: datetime
    used_at: datetime | None
    used_by: ShownUserId | None
    revoked_at: datetime | None


class NewInvitationData(BaseModel):
    """A new invitation with its link, which is shown this once; `token` is what registering asks for.

    `sent`: it is mailed as well.
    """

    invitation: InvitationData
    token: str
    url: str
    sent: bool


class InvitationsData(BaseModel):
    """A page of invitations, the newest first; `next_cursor` asks for the next one, null after the last."""

    invitations: list[InvitationData]
    next_cursor: str | None


def _data(invitation: Link) -> dict[str, object]:
    return {name: getattr(invitation, name) for name in InvitationData.model_fields}


@router.post(
    "/admin/invitations",
    summary="Invite somebody to register (admin function)",
    status_code=201,
    response_model=Envelope[NewInvitationData],
    dependencies=[Depends(unambiguous_body)],
    responses=responses(
        {
            "invitation": _INVITATION,
            "token": schemas.LINK_TOKEN,
            "url": f"https://auth.example.com/auth/sign-up?invitation={schemas.LINK_TOKEN}",
            "sent": True,
        },
        "Invitation created successfully",
        *BODY,
        *ADMIN,
        errors.EmailTaken,
        status=201,
        fields={"hours": "Input should be less than or equal to 8760"},
    ),
)
async def create_invitation(
    body: CreateInvitationRequest, session: FreshAdminSession, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Make a link by which one account can be registered, show it this once, and mail it to its `email`."""
    issued = await gate.service(Invitations).create(
        email=body.email,
        lifetime=timedelta(hours=body.hours),
        send=body.send,
        client=client,
        by=session,
    )
    return success(
        {
            "invitation": _data(issued.invitation),
            "token": issued.token,
            "url": issued.url,
            "sent": issued.sent,
        },
        "Invitation created successfully",
        status=201,
    )


@router.get(
    "/admin/invitations",
    summary="Get all invitations (admin function)",
    response_model=Envelope[InvitationsData],
    responses=responses(
        {"invitations": [_INVITATION], "next_cursor": None},
        "Invitations retrieved successfully",
        *ADMIN,
        errors.ValidationFailed,
        fields={"limit": "Input should be less than or equal to 200"},
    ),
)
async def invitations(
    _: AdminSession,
    gate: CurrentGate,
    limit: Limit = 50,
    cursor: RowCursor = None,
) -> Response:
    """List invitations, open and ended, the newest first."""
    page = await gate.service(Invitations).page(before=cursor, limit=limit + 1)
    shown = page[:limit]
    following = str(shown[-1].id) if len(page) > limit else None
    return success(
        {"invitations": [_data(each) for each in shown], "next_cursor": following},
        "Invitations retrieved successfully",
    )


@router.delete(
    "/admin/invitations/{id}",
    summary="Take an invitation back (admin function)",
    response_model=Envelope[None],
    responses=responses(
        None,
        "Invitation revoked successfully",
        *ADMIN,
        *UNWANTED_BODY,
        errors.NotFound,
        errors.ValidationFailed,
        fields={"id": "Input should be greater than or equal to 1"},
    ),
)
async def revoke_invitation(
    invitation_id: RowId,
    session: FreshAdminSession,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """Have an open invitation be good no more."""
    await gate.service(Invitations).revoke(invitation_id, client=client, by=session)
    return success(None, "Invitation revoked successfully")

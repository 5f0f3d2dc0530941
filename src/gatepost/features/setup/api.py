"""The first administrator, made by the link that the server prints."""

from typing import Annotated

from pydantic import Field, StrictStr
from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.features.setup.errors import InvalidSetupLink
from gatepost.features.setup.service import Setup
from gatepost.http.api import requests, schemas
from gatepost.http.api.responses import BODY, NEW_PASSWORD, STEP_DUE, USERS_ROW, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.signed_in import check_cookie, sign_in
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import CurrentEdge
from gatepost.http.envelope import Envelope
from gatepost.models.bounds import TOKEN_MAX
from gatepost.texts import Text

public = router_of("accounts", unambiguous_body)


class SetupRequest(requests.NewAccount):
    """Who is to be the first administrator."""

    token: Annotated[
        StrictStr,
        Field(
            description="Of the link.",
            json_schema_extra={"maxLength": TOKEN_MAX},
            examples=[schemas.LINK_TOKEN],
            repr=False,
        ),
    ]


@public.post(
    "/setup",
    summary="Make the first administrator and create a session",
    status_code=201,
    response_model=Envelope[schemas.SignedInData],
    responses=responses(
        schemas.SIGNED_IN,
        "Administrator registered successfully",
        *BODY,
        *NEW_PASSWORD,
        *USERS_ROW,
        InvalidSetupLink,
        errors.EmailTaken,
        errors.CrossOriginRefused,
        *STEP_DUE,
        errors.TooManyAttempts,
        status=201,
        fields={"password": Text("field.too_short", count=8)},
    ),
)
async def setup(body: SetupRequest, edge: CurrentEdge, request: Request) -> Response:
    """Create the first administrator with the link that the server prints; answers like register."""
    await check_cookie(edge, request.scope, cookie=body.cookie, remember=body.remember)
    signed_in = await edge.gate.service(Setup).redeem(
        token=body.token,
        email=body.email,
        name=body.name,
        password=body.password,
        client=edge.client_of(request.scope),
        remembered=body.remember,
        by_cookie=body.cookie,
        own=body.own,
        problems=body.problems,
    )
    return await sign_in(
        edge,
        request.scope,
        signed_in,
        "Administrator registered successfully",
        by_cookie=body.cookie,
        status=201,
    )

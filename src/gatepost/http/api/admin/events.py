"""The whole audit trail: filtered, as it grows, and to take away."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api.admin import oversight_schemas as shapes
from gatepost.http.api.parameters import Limit, RowCursor
from gatepost.http.api.responses import ADMIN, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.user_ids import QueryActorId, QueryUserId, with_examples
from gatepost.http.dependencies import (
    AdminSession,
    CurrentClient,
    CurrentEdge,
    CurrentGate,
    FreshAdminSession,
)
from gatepost.http.envelope import Envelope, encode, success
from gatepost.http.streams import LiveEvents, events_download
from gatepost.models import EventFilter, UserIdType, row_id
from gatepost.models.bounds import ACTION_MAX, ADDRESS_MAX
from gatepost.services.copies import seen_event_data
from gatepost.texts import Text

router = router_of("administration")

_FIELDS = {"address": Text("field.address")}


async def _wanted(
    user: QueryUserId,
    by: QueryActorId,
    action: Annotated[
        str | None,
        Query(
            max_length=ACTION_MAX,
            description="This action, or with a final dot all that start with it: `login.`",
        ),
    ] = None,
    address: Annotated[str | None, Query(max_length=ADDRESS_MAX, description=shapes.ADDRESS)] = None,
    since: Annotated[datetime | None, Query(description="From this time.")] = None,
    until: Annotated[datetime | None, Query(description="Before this time.")] = None,
) -> EventFilter:
    return EventFilter(action=action, user_id=user, by=by, address=address, since=since, until=until)


WantedEvents: TypeAlias = Annotated[EventFilter, Depends(_wanted)]
"""Which events a query asks for."""


def _streamed(
    message: str,
    contents: dict[str, str],
    *kinds: type[errors.GatepostError],
    fields: Mapping[str, Text | str],
) -> dict[Any, Any]:
    """Return `responses=` of an operation whose success is no JSON document."""
    documented = responses(None, message, *kinds, fields=fields)
    documented[200]["content"] = {
        media_type: {"schema": {"type": "string"}, "example": example}
        for media_type, example in contents.items()
    }
    return documented


_LINE = encode(with_examples(shapes.EVENT, UserIdType.INTEGER)).decode()


@router.get(
    "/admin/events",
    summary="Search the whole audit trail (admin function)",
    response_model=Envelope[shapes.AdminEventsData],
    responses=responses(
        {"events": [shapes.EVENT], "next_cursor": None},
        "Events retrieved successfully",
        *ADMIN,
        errors.ValidationFailed,
        fields=_FIELDS,
    ),
)
async def admin_events(
    _: AdminSession,
    gate: CurrentGate,
    wanted: WantedEvents,
    limit: Limit = 50,
    cursor: RowCursor = None,
) -> Response:
    """List the events of a filter, the newest first."""
    page = await gate.trail.page(wanted, before=cursor, limit=limit)
    return success(
        {
            "events": [seen_event_data(seen) for seen in page.events],
            "next_cursor": None if page.before is None else str(page.before),
        },
        "Events retrieved successfully",
    )


@router.get(
    "/admin/events/export",
    summary="Download events as CSV or NDJSON (admin function)",
    response_class=Response,
    responses=_streamed(
        "The file, which is made while it is sent",
        {
            "text/csv": "id,at,action,user_id,email,session_id,ip_address,user_agent,detail\r\n",
            "application/x-ndjson": f"{_LINE}\n",
        },
        *ADMIN,
        errors.ValidationFailed,
        fields=_FIELDS,
    ),
)
async def export_events(
    session: FreshAdminSession,
    gate: CurrentGate,
    client: CurrentClient,
    wanted: WantedEvents,
    form: Annotated[
        Literal["csv", "ndjson"], Query(alias="format", description="`csv`, or `ndjson`: an object a line.")
    ] = "csv",
) -> Response:
    """Send every event of a filter, the newest first; that this was done is on the trail."""
    return await events_download(gate, wanted, form=form, client=client, session=session)


@router.get(
    "/admin/events/live",
    summary="Watch events as they happen (admin function)",
    response_class=Response,
    responses=_streamed(
        "Server-sent events, an event of the trail each",
        {"text/event-stream": f"id: 42\ndata: {_LINE}\n\n"},
        *ADMIN,
        errors.TooManyAttempts,
        errors.ValidationFailed,
        fields={"Last-Event-ID": "String should have at most 64 characters"},
    ),
)
async def live_events(
    request: Request,
    session: AdminSession,
    edge: CurrentEdge,
    after: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            max_length=ACTION_MAX,
            description="ID of the last event received.",
        ),
    ] = None,
) -> Response:
    """Send each event within a second, until the session ends; at most 8 streams a user and process.

    A browser's `EventSource` comes again by itself and gets what it missed.
    """
    token, _ = edge.presented(request.scope)
    return LiveEvents(
        edge.gate,
        edge.streams,
        user_id=session.user.id,
        token=token,
        after=None if after is None else row_id(after),
    )

"""The bodies of what administrators see of sessions and events."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictInt, StrictStr

from gatepost.http.api import schemas
from gatepost.http.api.user_ids import ExampleUserId, GivenUserId, ShownUserId
from gatepost.models import OverseenSession, Session
from gatepost.models.bounds import ADDRESS_MAX
from gatepost.services.oversight import COUNTED_MAX

SESSION = schemas.SESSION | {"is_current": False, "user_id": ExampleUserId(1), "email": "user@example.com"}
EVENT = {
    "id": 42,
    "at": schemas.TIME,
    "action": "session.started",
    "user_id": ExampleUserId(1),
    "email": "user@example.com",
    "session_id": 1,
    "ip_address": "192.168.1.100",
    "user_agent": "Mozilla/5.0...",
    "detail": {},
}

ADDRESS = "An address, or a network such as 203.0.113.0/24."

_MINUTES = {"ge": 0, "le": 60 * 24 * 3650}


class EndSessionsRequest(BaseModel):
    """Which sessions are to end, and how many they are: `total_active_sessions` of their list."""

    user: Annotated[GivenUserId | None, Field(description="Of this user.", examples=[1])] = None
    address: Annotated[
        StrictStr | None, Field(max_length=ADDRESS_MAX, description=ADDRESS, examples=["203.0.113.0/24"])
    ] = None
    older_than_minutes: Annotated[
        StrictInt | None, Field(**_MINUTES, description="Started longer ago than this.", examples=[60])
    ] = None
    unused_for_minutes: Annotated[
        StrictInt | None, Field(**_MINUTES, description="Not used for this long.", examples=[30])
    ] = None
    expected: Annotated[StrictInt, Field(ge=0, le=COUNTED_MAX, examples=[3])]


class AdminSessionData(schemas.SessionData):
    """One live session, and whose it is."""

    user_id: ShownUserId
    email: str


class AdminSessionsData(BaseModel):
    """A page of live sessions, the one started last first.

    `total_active_sessions` counts all of the filter, but for the caller's own sign-in, which
    `POST /admin/sessions/end` spares; it is null on the pages after the first.
    """

    sessions: list[AdminSessionData]
    next_cursor: str | None
    total_active_sessions: int | None


class AdminEventData(schemas.EventData):
    """One event, and whom it concerns."""

    user_id: ShownUserId | None
    email: str | None


class AdminEventsData(BaseModel):
    """A page of events, the newest first.

    While there is a `next_cursor`, there may be more: where few events fit the filter, a page has what was
    found within a second, maybe none.
    """

    events: list[AdminEventData]
    next_cursor: str | None


def overseen_session_data(seen: OverseenSession, current: Session) -> dict[str, Any]:
    """Return `AdminSessionData`."""
    return schemas.session_data(seen.row, current) | {"user_id": seen.row.user_id, "email": seen.email}

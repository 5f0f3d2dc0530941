"""The figures that an administrator sees first."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from gatepost import errors
from gatepost.http.api.responses import ADMIN, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.schemas import TIME
from gatepost.http.api.user_ids import ExampleUserId, ShownUserId
from gatepost.http.dependencies import AdminSession, CurrentGate
from gatepost.http.envelope import Envelope, success
from gatepost.models import Period
from gatepost.services.overview import Kind

_POINTS = [0] * 20 + [3, 1, 4, 1]
_EXAMPLE: dict[str, Any] = {
    "at": TIME,
    "period": "24h",
    "since": "2023-12-31T01:00:00Z",
    "step_seconds": 3600,
    "active_sessions": {"value": 9, "is_exact": True},
    "active_users": {"value": 7, "is_exact": True},
    "factors": {
        "users": {"value": 40, "is_exact": True},
        "held": {"value": 12, "is_exact": True},
        "methods": {"totp": {"value": 12, "is_exact": True}},
    },
    "series": {kind.value: {"points": _POINTS, "total": 9, "before": 4} for kind in Kind},
    "addresses": [{"ip_address": "203.0.113.9", "failures": 8, "users": 1}],
    "accounts": [
        {
            "user_id": ExampleUserId(1),
            "email": "user@example.com",
            "failures": 8,
            "in_a_row": 8,
            "is_locked": False,
            "last_at": "2023-12-31T23:59:00Z",
        }
    ],
    "is_cut": False,
    "database_bytes": 12582912,
    "postgresql_version": "18.6",
    "schema_version": "0009",
    "last_cleanup_at": "2023-12-31T23:57:00Z",
    "next_cleanup_at": "2024-01-01T00:02:00Z",
    "oldest_event_at": "2023-12-01T00:00:00Z",
}


class CountData(BaseModel):
    """How many there are."""

    value: int
    is_exact: bool = Field(description="True if counted; otherwise an estimate to two digits.")


class FactorCountsData(BaseModel):
    """How many of the active users have a second factor."""

    users: CountData
    held: CountData = Field(description="Users who have one, whichever.")
    methods: dict[str, CountData] = Field(description="Users who have each, by its method.")


class SeriesData(BaseModel):
    """How often something happened."""

    points: list[int] = Field(description="Counts per step, oldest first; the last is in progress.")
    total: int
    before: int = Field(description="In the previous period, up to the same hour of its last step.")


class AllSeriesData(BaseModel):
    """What happened in the period."""

    sign_ins: SeriesData = Field(description="Sessions started by a login or a registration.")
    failures: SeriesData = Field(description="Failed logins.")
    throttled: SeriesData = Field(
        description="Attempts refused because there were too many; not all are recorded."
    )
    new_accounts: SeriesData = Field(description="Users who registered or were created by an administrator.")


class FailingAddressData(BaseModel):
    """An address that failed logins came from."""

    ip_address: str | None
    failures: int
    users: int = Field(description="Existing accounts that were targeted.")


class AttackedAccountData(BaseModel):
    """A user whose logins failed in the last 24 hours."""

    user_id: ShownUserId
    email: str
    failures: int
    in_a_row: int = Field(description="Failures since the last success, however long ago.")
    is_locked: bool = Field(description="The password works only from known places.")
    last_at: datetime


class OverviewData(BaseModel):
    """What `overview` answers with."""

    at: datetime
    period: Period
    since: datetime = Field(description="When the first point begins, UTC.")
    step_seconds: int
    active_sessions: CountData
    active_users: CountData
    factors: FactorCountsData
    series: AllSeriesData
    addresses: list[FailingAddressData] = Field(description="Of failed logins, last 24 hours.")
    accounts: list[AttackedAccountData] = Field(description="With failed logins, last 24 hours.")
    is_cut: bool = Field(
        description="There were more than 10,000 failed logins: `addresses` and `accounts` are of the newest."
    )
    database_bytes: int
    postgresql_version: str
    schema_version: str
    last_cleanup_at: datetime | None
    next_cleanup_at: datetime | None = Field(description="null if disabled or not known yet.")
    oldest_event_at: datetime | None


router = router_of("administration")


@router.get(
    "/admin/overview",
    summary="Get the figures of an overview (admin function)",
    response_model=Envelope[OverviewData],
    responses=responses(
        _EXAMPLE,
        "Overview retrieved successfully",
        *ADMIN,
        errors.ValidationFailed,
        fields={"period": "Input should be '24h', '7d' or '30d'"},
    ),
)
async def overview(
    _session: AdminSession,
    gate: CurrentGate,
    period: Annotated[
        Period, Query(description="Period to cover, in steps of an hour, six hours or a day.")
    ] = Period.DAY,
) -> Response:
    """Count who is signed in, what happened in a period, and whose passwords are being guessed."""
    return success((await gate.overview.figures(period)).as_data(), "Overview retrieved successfully")

"""`gatepost overview`: who is signed in, what happened lately, and whether somebody attacks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.models import Period
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output, program
from gatepost.terminal.running import run

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.services.overview import Count, Overview

_BARS = " ▁▂▃▄▅▆▇█"

_KINDS = {
    "sign_ins": "Sign-ins",
    "failures": "Failed logins",
    "throttled": "Throttled (partly recorded)",
    "new_accounts": "New accounts",
}
_SERIES = {"what": "Last {}", "total": "Total", "before": "Before", "points": "Since {:%Y-%m-%d %H:%M}Z"}
_STATE = {"what": "Now", "value": ""}
_ADDRESSES = {"ip_address": "Address", "failures": "Failed logins, 24 h", "users": "Accounts tried"}
_ACCOUNTS = {
    "user_id": "User",
    "email": "E-mail",
    "failures": "Failed logins, 24 h",
    "in_a_row": "Consecutive",
    "is_locked": "Locked",
    "last_at": "Last",
}


def overview(
    *,
    period: Annotated[Period, typer.Option(help="Period to cover.")] = Period.DAY,
    as_json: AsJson = False,
) -> None:
    """Show who is signed in, what happened lately, and whose passwords are being guessed."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> "Overview":
        return await gate.overview.figures(period)

    found = run(out, "overview", work)
    data = found.as_data()
    if as_json:
        out.document(data)
        return
    out.table(data, _state(found), _STATE, empty="")
    out.line("")
    columns = _SERIES | {"what": f"Last {period}", "points": _SERIES["points"].format(found.since)}
    series = [
        {"what": _KINDS[name], **each, "points": sparkline(each["points"])}
        for name, each in data["series"].items()
    ]
    out.table(data, series, columns, empty="")
    if data["is_cut"]:
        out.line("")
        out.line("There were too many failed logins: the following is of the newest.")
    if data["addresses"]:
        out.line("")
        out.table(data, data["addresses"], _ADDRESSES, empty="")
    if data["accounts"]:
        out.line("")
        locked = any(account["is_locked"] for account in data["accounts"])
        then = f"{program()} users unlock USER" if locked else None
        out.table(data, data["accounts"], _ACCOUNTS, empty="", then=then)


def _state(found: "Overview") -> list[dict[str, Any]]:
    return [
        {"what": "Active sessions", "value": _count(found.active_sessions)},
        {"what": "Active users", "value": _count(found.active_users)},
        {"what": "With a second factor", "value": _count(found.factors.held)},
        {"what": "Database", "value": f"{found.database_bytes / 1_000_000:,.1f} MB"},
        {"what": "PostgreSQL", "value": found.postgresql_version},
        {"what": "Schema", "value": found.schema_version},
        {"what": "Last cleanup", "value": found.last_cleanup_at},
        {"what": "Next cleanup", "value": found.next_cleanup_at},
        {"what": "Oldest event", "value": found.oldest_event_at},
    ]


def _count(count: "Count") -> str:
    return f"{'' if count.is_exact else 'about '}{count.value:,}"


def sparkline(points: Sequence[int]) -> str:
    """Return a bar for each point, the highest for the greatest; none for 0 alone."""
    highest = max(points, default=0)
    return "".join(_BARS[-(-8 * point // highest)] if point else _BARS[0] for point in points)

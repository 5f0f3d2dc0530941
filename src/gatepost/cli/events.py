"""`gatepost events`: read the audit trail, once or as it grows."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.cli.options import AsJson, Limit
from gatepost.cli.output import Output, program, shown
from gatepost.cli.running import run
from gatepost.errors import Unavailable
from gatepost.models import AuditEvent

if TYPE_CHECKING:
    from gatepost.gate import Gate

app = typer.Typer(name="events", help="Read the audit trail.", no_args_is_help=True)

LATE_SECONDS = 30.0
"""How much later than one with a higher id an event may be seen: its transaction may have taken longer."""

PAGE = 500
"""Events that are asked for at once."""

_COLUMNS = {
    "id": "Id",
    "at": "At",
    "action": "Action",
    "user_id": "User",
    "session_id": "Session",
    "ip_address": "Address",
    "detail": "Detail",
}


def _event_data(event: AuditEvent) -> dict[str, Any]:
    return {key: getattr(event, key) for key in (*_COLUMNS, "user_agent")}


@app.command("list", epilog="Example: gatepost events list --user ada@example.com --action login.failed")
def list_events(
    *,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Only what concerns this user: e-mail, or id.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as login.failed.")] = None,
    limit: Limit = 100,
    before: Annotated[int | None, typer.Option(min=1, help="Only events with a lower id.")] = None,
    as_json: AsJson = False,
) -> None:
    """List events, the newest first."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> list[AuditEvent]:
        if user is None:
            return await gate.audit.page(before=before, limit=limit + 1, action=action)
        # By its id also one who is deleted: the events stay.
        is_id = user.isascii() and user.isdigit() and len(user) < 19
        user_id = int(user) if is_id else (await gate.administration.find(user)).id
        return await _of_user(gate, user_id, before=before, limit=limit + 1, action=action)

    found = run(out, "events list", work, about={} if user is None else {"user": user})
    rows = [_event_data(event) for event in found[:limit]]
    more = rows[-1]["id"] if len(found) > limit else None
    out.table(
        {"events": rows, "next_before": more},
        rows,
        _COLUMNS,
        empty="There are no events.",
        then=f"{program()} events list --before {more}, with the same options" if more else None,
    )


async def _of_user(
    gate: "Gate", user_id: int, *, before: int | None, limit: int, action: str | None
) -> list[AuditEvent]:
    found: list[AuditEvent] = []
    while len(found) < limit:
        page = await gate.audit.of_user(user_id, before=before, limit=PAGE)
        found += [event for event in page if action is None or event.action == action]
        if len(page) < PAGE:
            break
        before = page[-1].id
    return found[:limit]


@app.command(epilog="Example: gatepost events follow --json | jq .action")
def follow(
    *,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Print events as they happen, until Ctrl-C; with --json one document a line."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> None:
        newest = await gate.audit.page(before=None, limit=1)
        tail = Tail(newest[0].id if newest else 0)
        out.note("Following the audit trail, Ctrl-C ends it.")
        while True:
            try:
                for event in await tail.look(gate):
                    _print_event(out, event)
            except Unavailable:
                out.note("The database is away, trying again.", style="yellow")
            await asyncio.sleep(every)

    try:
        run(out, "events follow", work)
    except KeyboardInterrupt:
        return


class Tail:
    """The end of the trail.

    Events get their ids before they can be seen, so that one may come to sight after others with higher
    ids. What came to sight in the last `LATE_SECONDS` is therefore looked at again.
    """

    def __init__(self, after: int) -> None:
        self._after = after
        self._seen: deque[tuple[float, int]] = deque()

    async def look(self, gate: "Gate") -> list[AuditEvent]:
        """Return the events that were not there at the last look."""
        now = asyncio.get_running_loop().time()
        known = {event_id for _, event_id in self._seen}
        fresh: list[AuditEvent] = []
        cursor = self._after
        while True:
            page = await gate.audit.after(cursor, limit=PAGE)
            fresh += [event for event in page if event.id not in known]
            if len(page) < PAGE:
                break
            cursor = page[-1].id
        self._seen.extend((now, event.id) for event in fresh)
        while self._seen and self._seen[0][0] < now - LATE_SECONDS:
            self._after = max(self._after, self._seen.popleft()[1])
        return fresh


def _print_event(out: Output, event: AuditEvent) -> None:
    data = _event_data(event)
    if out.as_json:
        out.document(data, indent=None)
        return
    told = [shown(data["at"]), event.action]
    told += [f"{key}={shown(data[key])}" for key in ("user_id", "session_id", "ip_address") if data[key]]
    told += [f"{key}={shown(value)}" for key, value in event.detail.items()]
    out.line("  ".join(told))

"""`gatepost events`: read the audit trail, once or as it grows."""

import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from gatepost.errors import SetupError
from gatepost.models import AuditEvent, Client, EventFilter
from gatepost.terminal.options import Address, AsJson, Limit
from gatepost.terminal.output import Output, program, progress_bar, shown
from gatepost.terminal.running import run

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.services.copies import Form

app = typer.Typer(name="events", help="Read the audit trail.", no_args_is_help=True)

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


UserOption = Annotated[
    str | None, typer.Option(metavar="USER", help="Only events of this user (e-mail or ID).")
]
ActionOption = Annotated[
    str | None, typer.Option(help="Only this action, such as login.failed, or a family: login.")
]
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
Since = Annotated[datetime | None, typer.Option(formats=_TIMES, help="From this time (UTC).")]
Until = Annotated[datetime | None, typer.Option(formats=_TIMES, help="Before this time (UTC).")]


class CannotWrite(SetupError):
    """The file that was to be written can't be; the message says why."""

    code = "cannot_write"


@app.command("list", epilog="Example: gatepost events list --user ada@example.com --action login.failed")
def list_events(
    *,
    user: UserOption = None,
    action: ActionOption = None,
    address: Address = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    before: Annotated[int | None, typer.Option(min=1, help="Only events with a lower ID.")] = None,
    as_json: AsJson = False,
) -> None:
    """List events, newest first."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> tuple[list[AuditEvent], int | None]:
        wanted = await _filter(gate, user, action, address, since, until)
        found: list[AuditEvent] = []
        cursor = before
        while True:  # a page is handed over after a second, whatever it has
            page = await gate.trail.page(wanted, before=cursor, limit=limit - len(found))
            found += [seen.event for seen in page.events]
            cursor = page.before
            if cursor is None or len(found) == limit:
                return found, cursor

    found, more = run(out, "events list", work, about={} if user is None else {"user": user})
    rows = [_event_data(event) for event in found]
    out.table(
        {"events": rows, "next_before": more},
        rows,
        _COLUMNS,
        empty="No events.",
        then=f"{program()} events list --before {more}, with the same options" if more else None,
    )


async def _filter(
    gate: "Gate",
    user: str | None,
    action: str | None,
    address: str | None,
    since: datetime | None,
    until: datetime | None,
) -> EventFilter:
    """Return what the options ask for.

    Raises:
        NotFound: there is no user with this e-mail.
    """
    # By its id also one who is deleted: the events stay.
    user_id = None if user is None else await gate.administration.id_of(user)
    return EventFilter(user_id=user_id, action=action, address=address, since=since, until=until)


@app.command(
    epilog="Example: gatepost events export --format ndjson --since 2024-01-01 --output events.ndjson"
)
def export(
    *,
    form: Annotated[
        str, typer.Option("--format", metavar="csv|ndjson", help="CSV, or one JSON object per line.")
    ] = "csv",
    output: Annotated[Path | None, typer.Option(help="File to write  [default: standard output]")] = None,
    user: UserOption = None,
    action: ActionOption = None,
    address: Address = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Export all matching events, newest first. The export is recorded in the audit trail."""
    out = Output(as_json=as_json)
    if as_json and output is None:
        raise typer.BadParameter("--json requires --output: standard output can't hold both")
    kind: Form
    if form == "csv":
        kind = "csv"
    elif form == "ndjson":
        kind = "ndjson"
    else:
        raise typer.BadParameter("Use --format csv or --format ndjson")

    async def work(gate: "Gate") -> int:
        from gatepost.services.copies import head, lines

        wanted = await _filter(gate, user, action, address, since, until)
        await gate.trail.note_export(wanted, form=kind, client=Client())
        written = 0
        with ExitStack() as stack:
            file = stack.enter_context(_opened(output)) if output is not None else sys.stdout.buffer
            bar = stack.enter_context(progress_bar())
            task = bar.add_task("Writing events", total=None)
            file.write(head(kind))
            async for batch in gate.trail.batches(wanted):
                file.write(lines(batch, kind))
                written += len(batch)
                bar.advance(task, len(batch))
            file.flush()
        return written

    written = run(out, "events export", work, about={} if user is None else {"user": user})
    if as_json:
        out.document({"events_written": written, "file": str(output)})
    else:
        out.note(f"Wrote {written} event{'' if written == 1 else 's'}.")


def _opened(path: Path) -> BinaryIO:
    """Open the file of an export, for its owner alone: it holds addresses and e-mails.

    Raises:
        CannotWrite: it can't be written.
    """
    try:
        path.touch(mode=0o600)
        return path.open("wb")
    except OSError as error:
        raise CannotWrite(f"{path} can't be written: {error.strerror}") from error


@app.command(epilog="Example: gatepost events follow --json | jq .action")
def follow(*, as_json: AsJson = False) -> None:
    """Print events as they happen, until Ctrl-C; with --json, one document per line."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> None:
        last: int | None = None
        while True:  # the feed lets go of one who is too far behind
            async with gate.feed.subscribe(after=last) as subscription:
                if last is None:
                    out.note("Following the audit trail. Press Ctrl-C to stop.")
                async for seen in subscription:
                    _print_event(out, seen.event)
                    last = seen.event.id

    try:
        run(out, "events follow", work)
    except KeyboardInterrupt:
        return


def _print_event(out: Output, event: AuditEvent) -> None:
    data = _event_data(event)
    if out.as_json:
        out.document(data, indent=None)
        return
    told = [shown(data["at"]), event.action]
    told += [f"{key}={shown(data[key])}" for key in ("user_id", "session_id", "ip_address") if data[key]]
    told += [f"{key}={shown(value)}" for key, value in event.detail.items()]
    out.line("  ".join(told))

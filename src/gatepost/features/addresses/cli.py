"""`gatepost blocks`: which networks are kept out, and an end to it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.models import Client
from gatepost.terminal.feature import Command
from gatepost.terminal.options import AsJson, Limit
from gatepost.terminal.output import Output, program, shown
from gatepost.terminal.running import run

if TYPE_CHECKING:
    from gatepost.features.addresses.store import Block
    from gatepost.gate import Gate

_COLUMNS = {
    "id": "Id",
    "status": "Status",
    "network": "Network",
    "until": "Until",
    "reason": "Reason",
    "created_at": "Blocked at",
    "created_by": "By",
}


def _data(block: "Block") -> dict[str, Any]:
    return {key: getattr(block, key) for key in (*_COLUMNS, "lifted_at", "lifted_by")}


def list_blocks(
    *,
    limit: Limit = 100,
    before: Annotated[int | None, typer.Option(min=1, help="Only blocks with a lower ID.")] = None,
    as_json: AsJson = False,
) -> None:
    """List blocks, active and ended, newest first."""
    out = Output(as_json=as_json)

    from gatepost.features.addresses.service import Addresses

    async def work(gate: "Gate") -> "list[Block]":
        return await gate.service(Addresses).blocks(before=before, limit=limit + 1)

    found = run(out, "blocks list", work)
    rows = [_data(block) for block in found[:limit]]
    more = rows[-1]["id"] if len(found) > limit else None
    out.table(
        {"blocks": rows, "next_before": more},
        rows,
        _COLUMNS,
        empty="No blocks.",
        then=f"{program()} blocks list --before {more}" if more else None,
    )


def add_block(
    network: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Address, or network such as 203.0.113.0/24.")
    ],
    *,
    minutes: Annotated[
        int | None,
        typer.Option(min=1, max=60 * 24 * 366, help="How long it lasts. Without it, until it is lifted."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="A note for other administrators.")] = None,
    as_json: AsJson = False,
) -> None:
    """Block an address or a network: no one there can sign in, register or refresh a session."""
    out = Output(as_json=as_json)

    from gatepost.features.addresses.places import Place
    from gatepost.features.addresses.service import Addresses
    from gatepost.models.bounds import REASON_MAX

    if reason is not None and len(reason) > REASON_MAX:
        raise typer.BadParameter(f"Use at most {REASON_MAX} characters for --reason")

    async def work(gate: "Gate") -> "Block":
        return await gate.service(Addresses).block(
            Place.of(network),
            lifetime=None if minutes is None else timedelta(minutes=minutes),
            reason=reason,
            client=Client(),
        )

    made = run(out, "blocks add", work, about={"address": network})
    until = "until it is lifted" if made.until is None else f"until {shown(made.until)}"
    out.done(
        {"block": _data(made)},
        f"Blocked {made.network} {until}.",
        then=f"to lift it: {program()} blocks lift {made.id}; open sessions go on: "
        f"{program()} sessions revoke-matching --address {made.network}",
    )


def lift_block(
    block: Annotated[int, typer.Argument(metavar="ID", min=1, help="ID of the block.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Lift an active block."""
    out = Output(as_json=as_json)

    from gatepost.features.addresses.service import Addresses

    async def work(gate: "Gate") -> "Block":
        return await gate.service(Addresses).lift(block, client=Client())

    lifted = run(out, "blocks lift", work, about={"block": block})
    out.done(
        {"block": _data(lifted)},
        f"The block of {lifted.network} was lifted.",
        then=f"{program()} blocks list",
    )


COMMANDS = (
    Command(
        group="blocks",
        group_help="Keep addresses and networks out.",
        name="list",
        run=list_blocks,
        example="gatepost blocks list --limit 50",
    ),
    Command(
        group="blocks",
        name="add",
        run=add_block,
        example="gatepost blocks add 203.0.113.0/24 --minutes 1440 --reason 'guesses passwords'",
    ),
    Command(group="blocks", name="lift", run=lift_block, example="gatepost blocks lift 42"),
)

"""`gatepost throttles`: see whose attempts are limited at the moment, and let them try again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.errors import InvalidValue, ValidationFailed
from gatepost.models import Client, canonical_address
from gatepost.terminal.options import AsJson, Limit, Yes, confirm
from gatepost.terminal.output import Output, program
from gatepost.terminal.running import run
from gatepost.texts import Text

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.services.throttles import Level

app = typer.Typer(name="throttles", help="List and reset attempt limits.", no_args_is_help=True)

_COLUMNS = {"bucket": "Bucket", "key": "Key", "left": "Attempts left", "drained_at": "Drained at"}


def _level_data(level: "Level") -> dict[str, Any]:
    return {key: getattr(level, key) for key in _COLUMNS}


@app.command("list", epilog="Example: gatepost throttles list --limit 20")
def list_throttles(*, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List recent attempts that still count, those that last longest first."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> "list[Level]":
        return await gate.throttles.page(limit=limit)

    rows = [_level_data(level) for level in run(out, "throttles list", work)]
    out.table(
        {"throttles": rows},
        rows,
        _COLUMNS,
        empty="No recent attempts.",
        then=f"{program()} throttles clear --address ADDRESS lets one try again" if rows else None,
    )


@app.command(epilog="Example: gatepost throttles clear --email ada@example.com --yes")
def clear(
    *,
    email: Annotated[
        str | None, typer.Option(help="Attempts on this account, whether it exists or not.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Attempts from this address, or IPv6 network as listed.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All attempts.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Reset attempts, so that more can be made at once. To reset consecutive failures, see `users unlock`."""
    out = Output(as_json=as_json)
    if everything == (email is not None or address is not None):
        raise typer.BadParameter("Use --email or --address, or else --all")
    canonical = _canonical(email, address)
    whose = "everyone" if everything else " and ".join(each for each in canonical if each is not None)
    confirm(f"Reset the attempts of {whose}?", yes=yes)

    async def work(gate: "Gate") -> int:
        return await gate.throttles.clear(email=canonical[0], address=canonical[1], client=Client())

    about = {"email": email, "address": address, "all": everything}
    cleared = run(out, "throttles clear", work, about={k: v for k, v in about.items() if v})
    out.done(
        {"buckets_cleared": cleared},
        f"Emptied {cleared} bucket{'' if cleared == 1 else 's'} of {whose}.",
        then=f"{program()} throttles list",
    )


def _canonical(email: str | None, address: str | None) -> tuple[str | None, str | None]:
    """Return what was given as the buckets know it.

    Raises:
        ValidationFailed: it is none.
    """
    from gatepost.security.emails import canonical_email

    fields: dict[str, Text | str] = {}
    if email is not None:
        try:
            email = canonical_email(email)
        except InvalidValue as error:
            fields["email"] = error.text
    if address is not None:
        address = canonical_address(address.partition("/")[0])
        if address is None:
            fields["address"] = "Enter an address such as 203.0.113.7 or 2001:db8::1"
    if fields:
        raise ValidationFailed(fields)
    return email, address

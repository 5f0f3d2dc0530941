"""`gatepost badges give`."""

from typing import TYPE_CHECKING, Annotated

import typer

from gatepost.models import Client
from gatepost.terminal.feature import Command
from gatepost.terminal.options import AsJson, UserArgument
from gatepost.terminal.output import Output
from gatepost.terminal.running import run

if TYPE_CHECKING:
    from gatepost.gate import Gate


def give(
    user: UserArgument, name: Annotated[str, typer.Argument(help="Of the badge.")], *, as_json: AsJson = False
) -> None:
    """Give a user a badge."""
    from tests.features.badges.service import Badges

    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> list[str]:
        found = await gate.administration.find(user)
        return await gate.service(Badges).give(found.id, name, client=Client())

    badges = run(out, "badges give", work, about={"user": user})
    out.done({"badges": badges}, f"{user} has {', '.join(badges)}.", then="gatepost badges give")


COMMANDS = (
    Command(
        group="badges",
        group_help="Give badges.",
        name="give",
        run=give,
        example="gatepost badges give ada@example.com pioneer",
    ),
)

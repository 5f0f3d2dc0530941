"""`gatepost secret rotate`: what the owner of SECRET_KEY does about authenticator apps."""

from typing import TYPE_CHECKING

from gatepost.terminal.feature import Command
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output
from gatepost.terminal.running import run

if TYPE_CHECKING:
    from gatepost.gate import Gate


def rotate(*, as_json: AsJson = False) -> None:
    """Encrypt the secrets of authenticator apps with the newest SECRET_KEY, before an old one is dropped."""
    out = Output(as_json=as_json)

    from gatepost.features.totp.factor import Totp

    async def work(gate: "Gate") -> tuple[int, int]:
        return await gate.service(Totp).seal_anew()

    done, lost = run(out, "secret rotate", work)
    out.done({"encrypted": done, "unreadable": lost}, f"Encrypted with the newest SECRET_KEY: {done}.")
    if lost:
        out.warn(
            f"{lost} can't be read: their SECRET_KEY is not among SECRET_KEY_FALLBACKS. Their users sign in"
            " with a recovery code, or after `gatepost users reset-factors`."
        )


COMMANDS = (
    Command(
        name="rotate",
        group="secret",
        run=rotate,
        example="gatepost secret rotate",
    ),
)

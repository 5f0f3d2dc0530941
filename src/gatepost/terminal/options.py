"""Options and arguments that several commands have, and how a missing one is asked for."""

import sys
from typing import Annotated

import typer

from gatepost.errors import ValidationFailed

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="E-mail or ID of the user.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Address = Annotated[str | None, typer.Option(help="From this address or network, such as 203.0.113.0/24.")]
OlderThan = Annotated[
    int | None,
    typer.Option(
        "--older-than", metavar="MINUTES", min=0, max=60 * 24 * 3650, help="Started longer ago than this."
    ),
]
UnusedFor = Annotated[
    int | None,
    typer.Option(
        "--unused-for", metavar="MINUTES", min=0, max=60 * 24 * 3650, help="Not used for this long."
    ),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Maximum number of rows.")]


def asked(value: str | None, question: str, option: str) -> str:
    """Return the value of an option, or ask for it on a terminal.

    Raises:
        typer.BadParameter: it is missing and there is nobody to ask.
    """
    if value is not None:
        return value
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"Use {option}: there is no terminal to ask for it")
    answer: str = typer.prompt(question, err=True)
    return answer


def asked_password(*, stdin: bool) -> str:
    """Return a password from standard input or, typed twice, from the terminal; never from an argument.

    Raises:
        typer.BadParameter: there is nobody to ask.
        ValidationFailed: what was read is no text in UTF-8.
    """
    if stdin:
        try:
            text = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError:
            raise ValidationFailed({"password": "It is not text in UTF-8"}) from None
        return text.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise typer.BadParameter("Use --password-stdin: there is no terminal to ask for the password")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def confirm(question: str, *, yes: bool) -> None:
    """Go on only where the answer is yes.

    Raises:
        typer.Abort: it is no.
        typer.BadParameter: there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("Use --yes: there is no terminal to ask for confirmation")
    typer.confirm(question, abort=True, err=True)

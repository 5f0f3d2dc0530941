"""The commands: `gatepost --help`. One file a noun; what is heavy is imported where it is used."""

import copy
import io
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer
from typer.main import get_command

from gatepost.cli import application, events, secret, sessions, throttles, users
from gatepost.cli.demo import demo
from gatepost.cli.doctor import doctor
from gatepost.cli.migrate import migrate
from gatepost.cli.overview import overview
from gatepost.cli.psql import psql
from gatepost.cli.serve import serve
from gatepost.cli.theme import theme
from gatepost.errors import GatepostError, InternalError
from gatepost.feature import Feature
from gatepost.features import FEATURES
from gatepost.terminal import running
from gatepost.terminal.output import Output, app_option, lines_of, program
from gatepost.terminal.running import in_use

__all__ = ["create", "main"]

_INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"gatepost {version('gatepost')}\n")
        raise typer.Exit


def _gatepost(
    _app: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE:NAME",
            help="Work with the Gatepost of your application: its settings, features and hooks.",
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass


def create(features: tuple[Feature, ...] = FEATURES) -> typer.Typer:
    """Return the commands, those of features among them."""
    app = typer.Typer(
        name="gatepost",
        help="Authentication in your own PostgreSQL.",
        epilog="Example: gatepost serve",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        callback=_gatepost,
    )
    nouns = (users, sessions, events, throttles, secret)
    groups = {str(noun.app.info.name): copy.copy(noun.app) for noun in nouns}
    for group in groups.values():
        group.registered_commands = [*group.registered_commands]
    app.command(epilog="Example: gatepost serve --host 0.0.0.0 --workers 4")(serve)
    app.command(epilog="Example: gatepost migrate --sql | psql mydatabase")(migrate)
    app.add_typer(groups["users"], epilog="Example: gatepost users list")
    app.add_typer(groups["sessions"], epilog="Example: gatepost sessions list")
    app.add_typer(groups["events"], epilog="Example: gatepost events follow")
    app.add_typer(groups["throttles"], epilog="Example: gatepost throttles list")
    app.command(epilog="Example: gatepost overview --period 30d")(overview)
    app.command(
        epilog="Example: gatepost psql -c 'SELECT count(*) FROM users'",
        context_settings={
            "ignore_unknown_options": True,
            "allow_extra_args": True,
            "allow_interspersed_args": False,
        },
    )(psql)
    app.command(epilog="Example: gatepost demo --serve")(demo)
    app.command(epilog="Example: gatepost theme --serve")(theme)
    app.command(epilog="Example: gatepost doctor --asvs --level 1")(doctor)
    app.add_typer(groups["secret"])
    for feature in features:
        for command in feature.commands() if feature.commands is not None else ():
            target = app if command.group is None else groups.get(command.group)
            if target is None:
                target = groups[str(command.group)] = typer.Typer(
                    name=command.group,
                    help=command.group_help or f"Commands of the feature {feature.name}.",
                    no_args_is_help=True,
                )
                app.add_typer(target)
            target.command(command.name, epilog=f"Example: {command.example}")(command.run)
    return app


def main(arguments: Sequence[str] | None = None, *, features: tuple[Feature, ...] = FEATURES) -> None:
    """Run a command and end the process: 0 it is done, 1 it failed, 2 it was not called as it can be.

    Args:
        arguments: those of the process where none are given.
        features: what stands on the kernel; a program that has some of its own calls this with them.
    """
    in_use.set(features)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows less than Unicode
    # psql's arguments are its own.
    out = Output(as_json="--json" in arguments and "psql" not in arguments)
    name = application.named(arguments)
    if name is not None:
        try:
            gate = application.load(name)
        except GatepostError as error:
            out.fail(error.code, *lines_of(error))
            sys.exit(1)
        features = gate.features
        in_use.set(features)
        running.application.set(gate)
        app_option.set(name)
    sys.exit(_run(create(features), arguments, out))


def _run(app: typer.Typer, arguments: list[str], out: Output) -> int:
    try:
        ended = get_command(app).main(arguments, prog_name="gatepost", standalone_mode=False)
    except typer.TyperException as error:
        return _fail_usage(out, error)
    except typer.Abort:
        out.fail("aborted", "Nothing was done")
    except GatepostError as error:
        out.fail(error.code, *lines_of(error))
    except Exception as error:
        _fail_unexpectedly(out, error)
    else:
        return 1 if ended == _INTERRUPTED else int(ended or 0)
    return 1


def _fail_usage(out: Output, error: typer.TyperException) -> int:
    # Without a text it was called without arguments, and the help has been printed.
    if text := error.format_message():
        context = getattr(error, "ctx", None)
        command = "gatepost" if context is None else context.command_path
        told = text.removeprefix("Invalid value: ").rstrip(".")
        out.fail("usage", f"{told}. See {command} --help")
    return error.exit_code


def _fail_unexpectedly(out: Output, error: Exception) -> None:
    """Tell of a fault that nobody foresaw in one line; the log has the rest where it shows such things."""
    from gatepost.log import get_logger, redact

    told = redact(f"{type(error).__name__}: {error}".strip().rstrip(":")).replace("\n", " ")
    out.fail(InternalError.code, f"{told}. {program()} doctor may explain why; DEBUG=True shows where")
    get_logger("gatepost.cli").debug("a command failed", exc_info=error)

"""`gatepost --app notes:auth`: the commands work as an application's own Gatepost does, hooks and all."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatepost.errors import SetupError

if TYPE_CHECKING:
    from gatepost.gate import Gate

OPTION = "--app"


def named(arguments: Sequence[str]) -> str | None:
    """Return what stands behind `--app`, before the command; None where nothing does."""
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{OPTION}="):
            return argument.partition("=")[2]
        if argument == OPTION:
            return arguments[place + 1] if place + 1 < len(arguments) else None
        if not argument.startswith("-"):
            return None
    return None


def load(name: str) -> "Gate":
    """Return the Gatepost of an application, from the directory where the command runs.

    Args:
        name: a module and the name of the Gatepost in it, as in `notes:auth`.

    Raises:
        SetupError: there is none, or the module fails.
    """
    from gatepost.gate import Gate

    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise SetupError(f"{OPTION}: {name!r} is not of the form MODULE:NAME, such as notes:auth")
    if (here := os.fspath(os.getcwd())) not in sys.path:  # noqa: PTH109 - as it stands in the path
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise SetupError(f"{OPTION}: there is no module {module!r} in {here}") from error
        raise SetupError(f"{OPTION}: {module} can't be imported: {error}") from error
    except Exception as error:
        raise SetupError(f"{OPTION}: {module} can't be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise SetupError(f"{OPTION}: {module} has no {attribute!r}")
        found = getattr(found, part)
    if not isinstance(found, Gate):
        kind = type(found).__name__
        raise SetupError(
            f"{OPTION}: {name} is no Gatepost but a {kind}: name what your application calls install on"
        )
    return found

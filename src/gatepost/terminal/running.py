"""How a command runs: on an open `Gate`, closed behind it, with its failure on the audit trail."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from gatepost.errors import GatepostError, InternalError, NotFound, Unavailable
from gatepost.feature import Feature
from gatepost.terminal.output import Output, program
from gatepost.texts import Text

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.models import User
    from gatepost.settings import Settings

T = TypeVar("T")

in_use: ContextVar[tuple[Feature, ...]] = ContextVar("features", default=())
"""The features that the commands work with: what `main` was called with."""

application: ContextVar["Gate | None"] = ContextVar("application", default=None)
"""The Gatepost of an application, whose settings and hooks the commands work with; None for none."""


def load_settings(**overrides: object) -> "Settings":
    """Read the settings, and have the log show warnings and worse alone unless DEBUG is on.

    Raises:
        SettingsError: some settings can't be worked with.
    """
    from gatepost.log import configure
    from gatepost.settings.feature import settings_of

    given = {name: value for name, value in overrides.items() if value is not None}
    if (gate := application.get()) is not None:
        own = gate.settings
        given = {name: getattr(own, name) for name in own.model_fields_set} | given
    settings = settings_of(in_use.get()).load(".env", **given)
    configure("debug" if settings.debug else "warning", settings.effective_log_format)
    return settings


def run(
    out: Output,
    command: str,
    work: Callable[["Gate"], Awaitable[T]],
    *,
    about: Mapping[str, Any] | None = None,
) -> T:
    """Do the work of a command.

    Args:
        out: where to say that the database is away.
        command: its name, for the trail.
        work: what to do once the database is there.
        about: what the trail should tell of an attempt that failed.

    Raises:
        GatepostError: as `Gate.open`, and whatever `work` raises.
    """
    return asyncio.run(_run(out, command, work, dict(about or {}), load_settings()))


def act_on(
    out: Output, command: str, user: str, act: Callable[["Gate", "User"], Awaitable[T]]
) -> "tuple[User, T]":
    """Find a user by e-mail or id and do something about them; return who it was, and what came of it.

    Raises:
        GatepostError: there is no such user, or as `act`.
    """

    async def work(gate: "Gate") -> "tuple[User, T]":
        found = await gate.administration.find(user)
        return found, await act(gate, found)

    return run(out, command, work, about={"user": user})


async def _run(
    out: Output,
    command: str,
    work: Callable[["Gate"], Awaitable[T]],
    about: Mapping[str, Any],
    settings: "Settings",
) -> T:
    from gatepost.gate import Gate

    gate = application.get() or Gate(settings, features=in_use.get())
    await gate.open(background=False, patient=True, on_wait=out.waiting)
    try:
        return await work(gate)
    except Exception as error:
        code = error.code if isinstance(error, GatepostError) else InternalError.code
        told = {name: _storable(value) for name, value in about.items()}
        await _record_failure(gate, {"command": command, "code": code, **told})
        if isinstance(error, NotFound) and error.text == Text("error.not_found.user") and "user" in about:
            raise NotFound(f"User not found: {about['user']}. {program()} users list lists them") from error
        raise
    finally:
        await gate.close()


def _storable(value: object) -> object:
    """Return what was typed as JSON in PostgreSQL can hold it, and no longer than an e-mail may be."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode()[:320]


async def _record_failure(gate: "Gate", detail: Mapping[str, Any]) -> None:
    from gatepost.models import AuditAction, Client
    from gatepost.services.audit import BY_COMMAND

    # The database may be what failed.
    with suppress(Unavailable):
        await gate.audit.record(AuditAction.COMMAND_FAILED, client=Client(), detail={**BY_COMMAND, **detail})

"""What an application has called inside Gatepost's transactions."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias

from gatepost.db.pool import Connection
from gatepost.db.rejections import in_hook
from gatepost.log import get_logger
from gatepost.models import User

log = get_logger("gatepost.hooks")

Hook: TypeAlias = Callable[[Any, User], Awaitable[None]]
"""Is given the transaction's connection and the user; what it raises undoes the transaction."""


class Moment(StrEnum):
    """When hooks are called."""

    REGISTER = "on_register"
    EMAIL_CHANGE = "on_email_change"
    DELETE = "on_delete"


class Hooks:
    """The hooks of one Gatepost, each called in the order in which they were given."""

    def __init__(self) -> None:
        self._hooks: dict[Moment, list[Hook]] = {moment: [] for moment in Moment}

    def add(self, moment: Moment, hook: Hook) -> None:
        """Add a hook.

        Raises:
            TypeError: it is no `async def`, or can't be called with a connection and a user.
        """
        name = _name(hook)
        called = hook if inspect.isroutine(hook) or isinstance(hook, partial) else type(hook).__call__
        if not inspect.iscoroutinefunction(called):
            raise TypeError(f"@auth.{moment}: {name} must be `async def`: it is awaited inside a transaction")
        try:
            inspect.signature(hook).bind(None, None)
        except TypeError as error:
            raise TypeError(
                f"@auth.{moment}: {name} is called with the connection and the user: {error}"
            ) from None
        self._hooks[moment].append(hook)

    async def run(self, moment: Moment, conn: Connection, user: User) -> None:
        """Call the hooks of a moment on the caller's connection, inside its transaction.

        Raises:
            Exception: what one of them raised.
        """
        loop = asyncio.get_running_loop()
        for hook in self._hooks[moment]:
            began = loop.time()
            try:
                with in_hook():
                    await hook(conn, user)
            except asyncio.CancelledError:
                # Its request ran out of time or was given up; without this line nobody would know where.
                log.warning(
                    "a hook was cut off: what it does has to fit into DATABASE_TIMEOUT_SECONDS",
                    hook=_name(hook),
                    moment=moment,
                    seconds=round(loop.time() - began, 3),
                )
                raise


def _name(hook: Hook) -> str:
    wrapped = hook.func if isinstance(hook, partial) else hook
    return getattr(wrapped, "__qualname__", type(wrapped).__qualname__)

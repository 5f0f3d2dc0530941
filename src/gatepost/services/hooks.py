"""What an application has called inside Gatepost's transactions."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias

from gatepost.db.migrations.expected import COLUMNS
from gatepost.db.pool import Connection, Database, goes_on
from gatepost.db.rejections import in_hook
from gatepost.errors import HookFailed, HookTimeout
from gatepost.log import get_logger
from gatepost.models import NewUser, User

log = get_logger("gatepost.hooks")

Hook: TypeAlias = Callable[..., Awaitable[Any]]
"""Is given the transaction's connection and what `ARGUMENTS` says; what it raises undoes the transaction."""


USERS_COLUMNS = frozenset(COLUMNS["users"]) - {"language"}
"""Those that Gatepost fills for every user. A language is there once its user has chosen one: an application
whose own column of that name must not be empty fills it."""


class Moment(StrEnum):
    """When hooks are called."""

    INSERT = "on_insert"
    REGISTER = "on_register"
    SIGN_IN = "on_sign_in"
    SIGN_OUT = "on_sign_out"
    EMAIL_CHANGE = "on_email_change"
    DELETE = "on_delete"
    EXPORT = "on_export"


ARGUMENTS: Mapping[Moment, tuple[str, ...]] = {
    Moment.INSERT: ("connection", "new user"),
    Moment.REGISTER: ("connection", "user"),
    Moment.SIGN_IN: ("connection", "session", "client"),
    Moment.SIGN_OUT: ("connection", "user", "id of the session or None"),
    Moment.EMAIL_CHANGE: ("connection", "user"),
    Moment.DELETE: ("connection", "user"),
    Moment.EXPORT: ("connection", "user"),
}
"""What hooks are called with."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A hook, how many arguments it takes, and the part of an export or the columns that it adds."""

    hook: Hook
    count: int
    part: str
    columns: frozenset[str]

    @property
    def name(self) -> str:
        wrapped = self.hook.func if isinstance(self.hook, partial) else self.hook
        return getattr(wrapped, "__qualname__", type(wrapped).__qualname__)


class Hooks:
    """The hooks of one Gatepost, each called in the order in which they were given.

    Args:
        asks: the application asks for fields of its own at registration, which hooks may take.

    Attributes:
        seconds: that one may take.
    """

    seconds: float
    _database: Database

    def __init__(self, *, asks: bool = False) -> None:
        self._asks = asks
        self._given: dict[Moment, list[_Given]] = {moment: [] for moment in Moment}

    def add(self, moment: Moment, hook: Hook, *, part: str = "", columns: Sequence[str] = ()) -> None:
        """Add a hook; `part` is what an export calls its answer, and `columns` are those that it fills.

        Raises:
            TypeError: it is no `async def`, or can't be called with what its moment has.
            ValueError: an export has such a part already, or a column is Gatepost's or filled already.
        """
        for column in columns:
            if column in USERS_COLUMNS:
                raise ValueError(f"@auth.{moment}: users.{column} is Gatepost's own")
            if column in self.columns:
                raise ValueError(f"@auth.{moment}: another hook fills users.{column} already")
        if moment is Moment.INSERT and not columns:
            raise ValueError(
                f"@auth.{moment}: name the columns that it fills, as in @auth.on_insert('username')"
            )
        if moment is Moment.EXPORT and part in {given.part for given in self._given[moment]}:
            raise ValueError(f"@auth.{moment}: another hook adds {part!r} already")
        arguments = ARGUMENTS[moment]
        if moment is Moment.REGISTER and self._asks and _takes(hook, len(arguments) + 1) is None:
            arguments = (*arguments, "fields")
        given = _Given(hook, len(arguments), part, frozenset(columns))
        called = hook if inspect.isroutine(hook) or isinstance(hook, partial) else type(hook).__call__
        if not inspect.iscoroutinefunction(called):
            raise TypeError(
                f"@auth.{moment}: {given.name} must be `async def`: it is awaited inside a transaction"
            )
        problem = _takes(hook, len(arguments))
        if problem is not None:
            raise TypeError(
                f"@auth.{moment}: {given.name} is called with ({', '.join(arguments)}): {problem}"
            )
        self._given[moment].append(given)

    def open(self, database: Database, *, seconds: float) -> None:
        """Say where they are called, and how long each may take."""
        self._database, self.seconds = database, seconds

    @property
    def columns(self) -> list[str]:
        """The columns of the application's own that hooks fill."""
        return [column for given in self._given[Moment.INSERT] for column in sorted(given.columns)]

    async def own_columns(self, conn: Connection, new: NewUser) -> dict[str, object]:
        """Return what these columns are to hold for a user who is about to be added.

        Raises:
            HookFailed: a hook answered with others.
            Exception: as `run`.
        """
        values: dict[str, object] = {}
        answers = await self.run(Moment.INSERT, conn, new)
        for given, answer in zip(self._given[Moment.INSERT], answers, strict=True):
            if not isinstance(answer, Mapping) or answer.keys() != given.columns:
                told = ", ".join(sorted(given.columns))
                raise HookFailed(f"@auth.on_insert: {given.name} has to return a dict with {told}")
            values |= answer
        return values

    def has(self, moment: Moment) -> bool:
        """Say whether there is one for a moment."""
        return bool(self._given[moment])

    async def run(self, moment: Moment, conn: Connection, *arguments: object) -> list[Any]:
        """Call the hooks of a moment inside the transaction of a connection; return their answers.

        Raises:
            HookTimeout: one of them took longer than it may.
            HookFailed: one of them left no transaction to go on with, or what it waited for was away.
            Exception: what one of them raised.
        """
        return [await self._call(moment, given, conn, arguments) for given in self._given[moment]]

    async def export(self, conn: Connection, user: User) -> dict[str, object]:
        """Return what the hooks of an export add to it, by the names of their parts.

        Raises:
            Exception: as `run`.
        """
        parts = [given.part for given in self._given[Moment.EXPORT]]
        return dict(zip(parts, await self.run(Moment.EXPORT, conn, user), strict=True))

    async def _call(
        self, moment: Moment, given: _Given, conn: Connection, arguments: tuple[object, ...]
    ) -> object:
        limit, task = asyncio.timeout(self.seconds), asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        try:
            with in_hook(), self._database.spared(conn):
                async with limit:
                    answer = await given.hook(conn, *arguments[: given.count - 1])
        except OSError as error:
            if isinstance(error, TimeoutError) and limit.expired():
                log.error(  # noqa: TRY400 - where it was is of no interest: it waited
                    "a hook took longer than HOOK_TIMEOUT_SECONDS",
                    hook=given.name,
                    moment=moment,
                    deadline_seconds=self.seconds,
                )
                raise HookTimeout(moment, given.name, self.seconds) from None
            if conn.is_closed():
                raise
            raise HookFailed(f"@auth.{moment}: {given.name} raised {type(error).__name__}") from error
        except asyncio.CancelledError as error:
            if task is None or task.cancelling() > cancelled:
                raise
            # Nobody cancelled the request: what the hook waited for was cancelled.
            raise HookFailed(f"@auth.{moment}: {given.name} raised CancelledError") from error
        if not await goes_on(conn):
            # What follows would stand by itself, or be undone without a word at the commit.
            raise HookFailed(
                f"@auth.{moment}: {given.name} ended the transaction that it was called in, or left a"
                " statement in it that failed or is not done"
            )
        return answer


def _takes(hook: Hook, count: int) -> str | None:
    """Say why a hook can't be called with so many arguments; None where it can."""
    try:
        inspect.signature(hook).bind(*[None] * count)
    except TypeError as error:
        return str(error)
    return None

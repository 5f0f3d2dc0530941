"""The features of an open Gate: their services, and what the kernel's services have them do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from gatepost.db.pool import Connection

Service = TypeVar("Service")

AdminHook: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Runs in the transaction in which somebody becomes an administrator, under the lock of administrators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """What a feature does while a Gate is open.

    Attributes:
        services: what its routes, pages and commands use, each found by its class.
        admin_made: run where somebody becomes an administrator; None where that does not matter to it.
    """

    services: tuple[object, ...] = ()
    admin_made: AdminHook | None = None


class Wiring:
    """All of them, in the order of their features. The kernel's services have it before the features do."""

    def __init__(self) -> None:
        self._wired: list[Wired] = []

    def add(self, wired: Wired) -> None:
        """Take part from now on."""
        self._wired.append(wired)

    def service(self, kind: type[Service]) -> Service:
        """Return the one service of a class.

        Raises:
            LookupError: its feature is not part of this Gatepost.
        """
        for wired in self._wired:
            for service in wired.services:
                if isinstance(service, kind):
                    return service
        raise LookupError(f"No feature of this Gatepost has the service {kind.__name__}")

    async def admin_made(self, conn: Connection) -> None:
        """Tell every feature that there is an administrator."""
        for wired in self._wired:
            if wired.admin_made is not None:
                await wired.admin_made(conn)

"""The features of an open Gate: their services, and what the kernel's services have them do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from gatepost.db.pool import Connection
from gatepost.errors import GatepostError
from gatepost.models import Client, Link, UserId

Service = TypeVar("Service")

AdminHook: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Runs in the transaction in which somebody becomes an administrator, under the lock of administrators."""


class Inviter(Protocol):
    """Makes links by which somebody may register, and knows a good one."""

    def required(self) -> GatepostError:
        """Return the error of who may not register without one."""

    async def look(self, token: str, *, client: Client) -> Link:
        """Return the open link of a token, which stays open; one that is not good is charged and refused."""

    async def judge(self, token: str, email: str | None = None) -> tuple[Link | None, str | None]:
        """Return the link of a token, and why it is not good for this e-mail; None where it is."""

    async def claim(self, conn: Connection, link: Link, *, email: str) -> bool:
        """Lock a link in the caller's transaction; False where it is over, or was used."""

    async def use(self, conn: Connection, link: Link, user_id: UserId) -> None:
        """Use up a link that was claimed, and write down who was made by it."""

    async def refused(
        self, reason: str, link: Link | None, *, client: Client, email: str | None = None
    ) -> GatepostError:
        """Put one that is not good on the trail, and return the error to be raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """What a feature does while a Gate is open.

    Attributes:
        services: what its routes, pages and commands use, each found by its class.
        inviter: makes links by which somebody may register; of one feature at the most.
        admin_made: run where somebody becomes an administrator; None where that does not matter to it.
    """

    services: tuple[object, ...] = ()
    inviter: Inviter | None = None
    admin_made: AdminHook | None = None


class Wiring:
    """All of them, in the order of their features. The kernel's services have it before the features do."""

    def __init__(self) -> None:
        self._wired: list[Wired] = []

    def add(self, wired: Wired) -> None:
        """Take part from now on."""
        self._wired.append(wired)

    @property
    def inviter(self) -> Inviter | None:
        """What makes links by which somebody may register; None where nothing does."""
        return next((wired.inviter for wired in self._wired if wired.inviter is not None), None)

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

"""One deadline for all that a request waits for at the database, however often it goes there.

What counts is the time at the database alone: a body that comes slowly or a hash that takes long does not
use it up. Outside a request each use of the database has the whole of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Spent:
    """The seconds at the database that a request has had.

    Attributes:
        seconds: so many; None where nobody counts any longer.
    """

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds: float | None = 0.0

    def lift(self) -> None:
        """Count no longer: the answer has begun, or the work is one that goes on by parts."""
        self.seconds = None


_spent: ContextVar[Spent | None] = ContextVar("gatepost_spent", default=None)


@contextmanager
def one_deadline() -> Iterator[Spent]:
    """Count together what happens at the database in this context."""
    spent = Spent()
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)
        spent.lift()  # what was begun here and goes on has deadlines of its own


@contextmanager
def deadlines_of_their_own() -> Iterator[None]:
    """Count nothing in this context: for work that goes on by parts, each in time."""
    token = _spent.set(None)
    try:
        yield
    finally:
        _spent.reset(token)


def counting() -> Callable[[object], None] | None:
    """Begin to count a wait that others share; return what ends it, None outside a request."""
    spent = _spent.get()
    if spent is None:
        return None
    began = time.monotonic()

    def end(_: object) -> None:
        if spent.seconds is not None:
            spent.seconds += time.monotonic() - began

    return end


@contextmanager
def spending(seconds: float | None) -> Iterator[float | None]:
    """Give what is left of so many seconds, and count what of it is used; None is without a limit."""
    spent = _spent.get()
    if seconds is None or spent is None or spent.seconds is None:
        yield seconds
        return
    began = time.monotonic()
    try:
        yield max(seconds - spent.seconds, 0.0)
    finally:
        if spent.seconds is not None:
            spent.seconds += time.monotonic() - began

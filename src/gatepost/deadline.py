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


class one_deadline:  # noqa: N801 - used as a function
    """Count together what happens at the database in this context.

    A class, as `spending` is: a generator takes three times as long, and every request comes by here.
    """

    __slots__ = ("_spent", "_token")

    def __enter__(self) -> Spent:
        """Begin to count."""
        self._spent = Spent()
        self._token = _spent.set(self._spent)
        return self._spent

    def __exit__(self, *_: object) -> None:
        """Count no longer: what was begun here and goes on has deadlines of its own."""
        _spent.reset(self._token)
        self._spent.lift()


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
def uncounted() -> Iterator[None]:
    """Give a request back what time passes in here, although it uses the database meanwhile."""
    spent, began = _spent.get(), time.monotonic()
    try:
        yield
    finally:
        if spent is not None and spent.seconds is not None:
            spent.seconds -= time.monotonic() - began


class spending:  # noqa: N801 - used as a function
    """Give what is left of so many seconds, and count what of it is used; None is without a limit."""

    __slots__ = ("_began", "_seconds", "_spent")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._spent = None if seconds is None else _spent.get()

    def __enter__(self) -> float | None:
        """Return the seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        spent = self._spent
        if self._seconds is None or spent is None or spent.seconds is None:
            self._spent = None
            return self._seconds
        if spent.seconds >= self._seconds:
            raise TimeoutError("the request has had its time")
        self._began = time.monotonic()
        return self._seconds - spent.seconds

    def __exit__(self, *_: object) -> None:
        """Count what was used."""
        spent = self._spent
        if spent is not None and spent.seconds is not None:
            spent.seconds += time.monotonic() - self._began

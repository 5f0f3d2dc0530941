"""Who waits, and whose turn it is: a line for each place, and lines served in turns."""

from collections import deque
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from gatepost.models import Client

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The line that somebody waits in.

    Attributes:
        place: the IPv4 address or IPv6 /48 that they come from; empty where that is not known.
        is_known: they have proven that they are no stranger: by a device cookie, a session, an invitation or
            a password.
    """

    place: str
    is_known: bool

    @classmethod
    def of(cls, client: Client, *, is_known: bool) -> Self:
        """Return the line of a client."""
        return cls(place=client.network_block or "", is_known=is_known)


class Lines(Generic[T]):
    """Those who wait, each in the line of their place; a long line makes nobody wait but those in it.

    Args:
        limit: how many may wait, in all lines together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._lines: dict[str, deque[T]] = {}  # in the order of their turns

    def __len__(self) -> int:
        return self._waiting

    def add(self, place: str, item: T) -> T | None:
        """Let somebody wait; return who has to go for it: the last of the longest line, which may be they."""
        line = self._lines.setdefault(place, deque())
        line.append(item)
        self._waiting += 1
        if self._waiting <= self._limit:
            return None
        longest = max(self._lines, key=lambda each: (len(self._lines[each]), each == place))
        gone = self._lines[longest].pop()
        self._shrunk(longest)
        return gone

    def next(self) -> T | None:
        """Return whose turn it is, who waits no longer; None where nobody waits."""
        if not self._lines:
            return None
        place = next(iter(self._lines))
        line = self._lines.pop(place)
        self._lines[place] = line  # the next turn of this line comes after those of all others
        item = line.popleft()
        self._shrunk(place)
        return item

    def remove(self, place: str, item: T) -> None:
        """Let somebody go who waits no longer; whoever is gone already is passed over."""
        if place in self._lines and item in self._lines[place]:
            self._lines[place].remove(item)
            self._shrunk(place)

    def _shrunk(self, place: str) -> None:
        self._waiting -= 1
        if not self._lines[place]:
            del self._lines[place]

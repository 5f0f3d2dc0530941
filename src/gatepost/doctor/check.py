"""What `gatepost doctor` finds, the kernel's checks and those of features."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it was.
        status: how it went; `wrong` keeps Gatepost from working.
        found: what was found.
        advice: what to do, where it is not ok.
    """

    name: str
    status: Status
    found: str
    advice: str | None = None


def ok(name: str, found: str) -> Check:
    """Return a check that went well."""
    return Check(name=name, status=Status.OK, found=found)


def warning(name: str, found: str, advice: str) -> Check:
    """Return a check that is to be seen to, though everything works."""
    return Check(name=name, status=Status.WARNING, found=found, advice=advice)


def wrong(name: str, found: str, advice: str) -> Check:
    """Return a check that keeps Gatepost from working."""
    return Check(name=name, status=Status.WRONG, found=found, advice=advice)

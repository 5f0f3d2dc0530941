"""What is invented, before it has numbers: rows and events point at each other as objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gatepost.models import AuditAction, Client, EndReason


@dataclass(slots=True, eq=False, kw_only=True)
class Row:
    """A session to be."""

    person: "Person"
    client: Client
    created_at: datetime
    authenticated_at: datetime
    expires_at: datetime
    last_used_at: datetime
    remembered: bool = False
    first: "Row | None" = None
    successor: "Row | None" = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Event:
    """An event to be; a `Row` in the detail stands for its id."""

    at: datetime
    action: AuditAction
    person: "Person | None" = None
    session: Row | None = None
    client: Client = field(default_factory=Client)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False, kw_only=True)
class Incident:
    """A moment at which every session of a person ends, and the event that counts them."""

    at: datetime
    reason: EndReason
    event: Event
    ended: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Person:
    """A user to be.

    Attributes:
        hours: from UTC, where this person's day is.
        until: when an administrator disabled them; None for whom nobody did.
    """

    email: str
    name: str
    hours: int
    created_at: datetime
    devices: Sequence[Client]
    is_admin: bool = False
    until: datetime | None = None
    incidents: list[Incident] = field(default_factory=list)

"""What a user has set up to prove more than a password with."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One thing that a user can answer a step with.

    Attributes:
        method: by its name in the API, such as `totp`.
        created_at: when it was set up.
        last_used_at, last_used_from: when, and from which address, it answered a step last; None for never.
        left: how many of them were not used yet, where each is good for one use.
        id, name: of one of several of its kind; None where a user has one.
        suffices: it proves who they are by itself, with nothing proven before it.
        is_synced: it is kept by a service that has it on other devices as well; None where that says nothing.
    """

    method: str
    created_at: datetime
    last_used_at: datetime | None = None
    last_used_from: str | None = None
    left: int | None = None
    id: str | None = None
    name: str | None = None
    suffices: bool = False
    is_synced: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """All of them.

    Attributes:
        factors: second factors, in the order in which they are offered.
        ways_back: for whoever lost those; by themselves they are no second factor.
        available: methods of factors that can be set up here.
        required: MFA_REQUIRED asks this user for one.
    """

    factors: tuple[Held, ...]
    ways_back: tuple[Held, ...]
    available: tuple[str, ...]
    required: bool

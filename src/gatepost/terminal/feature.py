"""What a feature contributes to the commands."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a feature.

    Attributes:
        name: as it is typed.
        group: the noun before it, such as `users`, or one of its own; None where it stands by itself.
        group_help: what the group is for, where it is one of its own; said once is enough.
        run: does it; its signature says what it takes, its docstring what it does.
        example: how it is called, for its help.
    """

    name: str
    group: str | None = None
    group_help: str | None = None
    run: Callable[..., None]
    example: str

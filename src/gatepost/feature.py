"""What a feature is: a folder of `features/`, and the one value in which it says what it contributes.

The kernel knows no feature by name. `features/__init__.py` has the tuple of those that are shipped, an
application may add its own, and every list that there is by feature is the sum over that tuple.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gatepost import texts

if TYPE_CHECKING:
    from pathlib import Path

    from gatepost.db.feature import Schema, Schemas
    from gatepost.db.pool import Connection
    from gatepost.doctor.check import Check
    from gatepost.errors import GatepostError
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.models import Action
    from gatepost.services.feature import Wired
    from gatepost.settings import Settings
    from gatepost.terminal.feature import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What `gatepost serve` says of a feature once it is ready.

    Attributes:
        lines: what is said → the rest of the line.
        data: the same for programs (`--json`).
    """

    lines: Mapping[str, str] = field(default_factory=dict, repr=False)
    data: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What a feature contributes.

    What takes a module of its own is a function that imports it when it is called: a command need not load
    the web framework, and an application without pages need not load theirs.

    Attributes:
        name: of its folder.
        locale: directory of its catalogues of texts; None where it says nothing.
        settings: returns the kernel's settings with its own besides; None where it has none.
        schema: its tables; None where it has none.
        errors: what it raises besides the kernel's, each below the branch that has its status.
        actions: what it writes into the audit trail.
        wire: makes its services in a Gate that opens; None where it has none.
        api: its routes; None where it has none.
        pages: its pages and all that they show; None where it has none.
        commands: what it adds to `gatepost`; None where it has none.
        checks: what `gatepost doctor` looks at besides its tables, and `gatepost migrate` warns of; None
            where that is nothing.
        examine: looks at what its settings say, for `gatepost doctor` alone, whether or not there is a
            database; None where there is nothing to look at.
        asvs: a file of entries in the form of `asvs/requirements.toml`, which add to the kernel's; None where
            it changes no requirement's.
        announce: returns what `gatepost serve` says of it, given the address before every path.
    """

    name: str
    locale: "Path | None" = None
    settings: "Callable[[], type[Settings]] | None" = None
    schema: "Schema | None" = None
    errors: "tuple[type[GatepostError], ...]" = ()
    actions: "type[Action] | None" = None
    wire: "Callable[[Gate], Wired] | None" = None
    api: "Callable[[], Api] | None" = None
    pages: "Callable[[], Pages] | None" = None
    commands: "Callable[[], tuple[Command, ...]] | None" = None
    checks: "Callable[[Connection, Settings], Awaitable[list[Check]]] | None" = None
    examine: "Callable[[Settings], Awaitable[list[Check]]] | None" = None
    asvs: "Path | None" = None
    announce: "Callable[[Gate, str], Awaitable[Announced]] | None" = None

    def __post_init__(self) -> None:
        # Modules that are loaded later document its errors, with their texts.
        if self.locale is not None:
            texts.add(self.locale)


def schemas_of(features: Iterable[Feature]) -> "Schemas":
    """Return the tables of features."""
    return tuple(feature.schema for feature in features if feature.schema is not None)

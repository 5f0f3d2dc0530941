"""Imports: users of another system's tables come to Gatepost, with their ids, hashes and live tokens."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.feature import Feature
from gatepost.features.imports.actions import ImportAction

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.doctor.check import Check
    from gatepost.gate import Gate
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired
    from gatepost.settings import Settings
    from gatepost.terminal.feature import Command


def _wire(gate: "Gate") -> "Wired":
    from gatepost.features.imports.service import Imports
    from gatepost.services.feature import Wired
    from gatepost.services.lifetimes import Lifetimes

    imports = Imports(
        gate.database,
        tokens=gate.tokens,
        clock=gate.clock,
        lifetimes=Lifetimes.of(gate.settings),
        hooks=gate.hooks,
        steps=gate.steps,
    )
    return Wired(services=(imports,))


def _pages() -> "Pages":
    from gatepost.features.imports.pages import PAGES

    return PAGES


def _commands() -> "tuple[Command, ...]":
    from gatepost.features.imports.cli import COMMANDS

    return COMMANDS


async def _checks(conn: "Connection", _: "Settings") -> "list[Check]":
    from gatepost.features.imports.checks import checks

    return await checks(conn)


IMPORTS = Feature(
    name="imports",
    locale=Path(__file__).parent / "locale",
    actions=ImportAction,
    wire=_wire,
    pages=_pages,
    commands=_commands,
    checks=_checks,
)

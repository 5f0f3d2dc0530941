"""Invitations: links by which somebody may register where not everybody may."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.feature import Feature
from gatepost.features.invitations.actions import InvitationAction
from gatepost.features.invitations.errors import InvalidInvitation, InvitationRequired

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired
    from gatepost.terminal.feature import Command


def _wire(gate: "Gate") -> "Wired":
    from gatepost.features.invitations.service import Invitations
    from gatepost.services.feature import Wired

    invitations = Invitations(
        gate.database,
        codec=gate.links,
        acts=gate.acts,
        throttles=gate.throttles,
        audit=gate.audit,
        clock=gate.clock,
        features=gate.wiring,
        root=(gate.settings.effective_public_url or "") + gate.settings.root_path,
    )
    return Wired(services=(invitations,), inviter=invitations)


def _api() -> "Api":
    from gatepost.features.invitations.api import router
    from gatepost.http.api.feature import Api

    return Api(closed=(router,), errors={"register": (InvitationRequired, InvalidInvitation)})


def _pages() -> "Pages":
    from gatepost.features.invitations.pages import PAGES

    return PAGES


def _commands() -> "tuple[Command, ...]":
    from gatepost.features.invitations.cli import COMMANDS

    return COMMANDS


INVITATIONS = Feature(
    name="invitations",
    locale=Path(__file__).parent / "locale",
    asvs=Path(__file__).parent / "asvs.toml",
    errors=(InvitationRequired, InvalidInvitation),
    actions=InvitationAction,
    wire=_wire,
    api=_api,
    pages=_pages,
    commands=_commands,
)

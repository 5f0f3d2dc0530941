"""Addresses: a page for each, with a verdict in words, and blocks that keep one out."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.feature import Feature
from gatepost.features.addresses.actions import AddressAction
from gatepost.features.addresses.errors import NetworkTooWide, OwnAddress, ProtectedAddress

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired
    from gatepost.terminal.feature import Command


def _wire(gate: "Gate") -> "Wired":
    from datetime import timedelta
    from functools import partial

    from gatepost.features.addresses import store
    from gatepost.features.addresses.service import Addresses
    from gatepost.services.feature import Wired
    from gatepost.services.lifetimes import Lifetimes

    settings = gate.settings
    addresses = Addresses(
        gate.database,
        acts=gate.acts,
        oversight=gate.oversight,
        throttles=gate.throttles,
        clock=gate.clock,
        lifetimes=Lifetimes.of(settings),
        proxies=[proxy for proxy in settings.trusted_proxies if not isinstance(proxy, str)],
    )
    kept = timedelta(days=settings.session_history_days)
    return Wired(services=(addresses,), purges=(partial(store.purge_blocks, kept=kept),))


def _api() -> "Api":
    from gatepost.features.addresses.api import router
    from gatepost.http.api.feature import Api

    return Api(closed=(router,))


def _pages() -> "Pages":
    from gatepost.features.addresses.pages import PAGES

    return PAGES


def _commands() -> "tuple[Command, ...]":
    from gatepost.features.addresses.cli import COMMANDS

    return COMMANDS


ADDRESSES = Feature(
    name="addresses",
    locale=Path(__file__).parent / "locale",
    asvs=Path(__file__).parent / "asvs.toml",
    errors=(OwnAddress, ProtectedAddress, NetworkTooWide),
    actions=AddressAction,
    wire=_wire,
    api=_api,
    pages=_pages,
    commands=_commands,
)

"""The first administrator: made by a link that the server prints while there is none."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.feature import Announced, Feature
from gatepost.features.setup.actions import SetupAction
from gatepost.features.setup.errors import InvalidSetupLink

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired


def _wire(gate: "Gate") -> "Wired":
    from gatepost.features.setup.service import Setup
    from gatepost.services.feature import Wired

    setup = Setup(
        gate.database,
        codec=gate.links,
        accounts=gate.accounts,
        own_fields=gate.own_fields,
        sign_ins=gate.sign_ins,
        throttles=gate.throttles,
        audit=gate.audit,
        clock=gate.clock,
    )
    return Wired(services=(setup,), admin_made=setup.end, new_accounts=(SetupAction.COMPLETED,))


def _api() -> "Api":
    from gatepost.features.setup import api
    from gatepost.http.api.feature import Api

    return Api(public=(api.public,))


def _pages() -> "Pages":
    from gatepost.features.setup import pages

    return pages.PAGES


async def _announce(gate: "Gate", root: str) -> Announced:
    from gatepost.features.setup.service import Setup, setup_url

    # Without pages the link leads nowhere.
    token = await gate.service(Setup).issue() if gate.settings.pages else None
    if token is None:
        return Announced(data={"setup_url": None})
    link = setup_url(root, token)
    return Announced(lines={"First admin": f"{link} (once, within 24 hours)"}, data={"setup_url": link})


SETUP = Feature(
    name="setup",
    locale=Path(__file__).parent / "locale",
    asvs=Path(__file__).parent / "asvs.toml",
    errors=(InvalidSetupLink,),
    actions=SetupAction,
    wire=_wire,
    api=_api,
    pages=_pages,
    announce=_announce,
)

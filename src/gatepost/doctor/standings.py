"""How each requirement of OWASP ASVS 5.0 stands, under the settings in force and with the rights in use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatepost.asvs import Standing, judge
from gatepost.doctor import judgements
from gatepost.errors import GatepostError
from gatepost.feature import Feature, schemas_of
from gatepost.terminal.connection import connected

if TYPE_CHECKING:
    from gatepost.settings import Settings


async def standings_of(
    settings: "Settings", dsn: str | None, *, features: Sequence[Feature]
) -> list[Standing]:
    """Say how each requirement stands.

    Args:
        settings: the settings in force.
        dsn: where the database is; None for the embedded one, whose role owns everything.
        features: those of the Gatepost.
    """
    excess = [] if dsn is None else await _excess(dsn, features)
    return judge(settings, features=features, excess=excess)


async def _excess(dsn: str, features: Sequence[Feature]) -> list[str]:
    """Return what the role may do too much; a database that can't be asked is no good sign."""
    from gatepost.store import health

    try:
        async with connected(dsn) as conn:
            return judgements.excess_of(await health.rights(conn, schemas_of(features)))
    except GatepostError:
        return ["can't be asked what it may do, because the database is away"]

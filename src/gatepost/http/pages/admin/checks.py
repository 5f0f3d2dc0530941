"""Whether Gatepost has all that it needs: the checks of `gatepost doctor`, made when they are asked for."""

from starlette.responses import Response

from gatepost.doctor import judgements
from gatepost.doctor.check import Check, Status
from gatepost.doctor.examination import examine_database, examine_settings
from gatepost.errors import GatepostError
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text

STATUSES = {
    Status.WRONG: (Text("admin.checks.wrong"), "bad"),
    Status.WARNING: (Text("admin.checks.warning"), "warn"),
    Status.OK: (Text("admin.checks.ok"), "good"),
}
"""How a check went → its name, and how it is to be taken; what has to be seen to first comes first."""


async def show(visit: Visit) -> Response:
    """Show what will be checked, and a button: checking does what a server does, and rolls it back."""
    return visit.render("admin/checks.html", found=None)


async def submit(visit: Visit, _: Form) -> Response:
    """Make every check, and show what came of it."""
    made = await _examine(visit)
    found = {status: [check for check in made if check.status is status] for status in STATUSES}
    return visit.render("admin/checks.html", found=found, statuses=STATUSES)


async def _examine(visit: Visit) -> list[Check]:
    gate, made = visit.gate, list[Check]()
    pages = judgements.templates(gate.settings, visit.site.replaced)
    await examine_settings(gate.settings, made.append, pages=pages, features=gate.features)
    try:
        await examine_database(
            gate.settings, gate.database.dsn, made.append, features=gate.features, hooks=gate.hooks
        )
    except GatepostError as error:
        made.append(judgements.unreachable(gate.settings, error))
    return made

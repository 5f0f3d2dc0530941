"""Housekeeping: when it ran, what it did, when it is due, and a button that has it run now."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show what housekeeping did last and what there is for it to do."""
    return visit.render("admin/housekeeping.html", state=await visit.gate.housekeeping.state())


async def submit(visit: Visit, _: Form) -> Response:
    """Have it run now.

    Raises:
        SessionRevoked, AdminRequired: as `Housekeeping.run`.
    """
    cleaned = await visit.gate.housekeeping.run(client=visit.client, by=visit.signed_in)
    return visit.redirect(
        visit.url("/admin/system/housekeeping"), notice=f"cleaned.{cleaned.expired + cleaned.purged}"
    )

"""Everything that is stored about oneself, as a file: the same as the API's."""

from starlette.responses import Response

from gatepost.http.api.profiles import exported
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.services.exports import EXPORT_ROWS


async def show(visit: Visit) -> Response:
    """Say what there will be in it."""
    return visit.render("export.html", rows_max=EXPORT_ROWS)


async def submit(visit: Visit, _: Form) -> Response:
    """Hand the file over."""
    return await exported(visit.signed_in, visit.gate, visit.client)

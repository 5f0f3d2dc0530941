"""What an administrator sees first."""

from starlette.responses import Response

from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Lead to the users."""
    return visit.redirect(visit.url("/admin/users"))

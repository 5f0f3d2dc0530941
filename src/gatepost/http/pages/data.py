"""What there is of one: to take along, or to delete."""

from starlette.responses import Response

from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the ways to both."""
    return visit.render("data.html")

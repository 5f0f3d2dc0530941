"""Who has an account."""

from starlette.responses import Response

from gatepost.http.pages.visit import Visit

ROWS = 50
"""Users a page."""


async def show(visit: Visit) -> Response:
    """Show a page of users."""
    users = await visit.gate.administration.page(after=0, limit=ROWS)
    return visit.render("admin/users.html", users=users)

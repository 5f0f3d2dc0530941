"""Where one is signed in: every live session as a card, each with an end."""

from starlette.responses import Response

from gatepost.errors import NotFound
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the sessions, this one first."""
    current = visit.signed_in
    rows = await visit.gate.sessions.active(current.user.id)
    rows.sort(key=lambda row: row.id != current.id)
    return visit.render("devices.html", rows=rows, current_id=current.id)


async def submit(visit: Visit, form: Form) -> Response:
    """End one session, whose id `end` is.

    Raises:
        NotFound: it is none of the visitor's.
        AuthenticationError: the visitor's own has ended.
    """
    end = form.get("end", "")
    if not (end.isascii() and end.isdigit() and len(end) < 19):
        raise NotFound
    await visit.gate.sessions.revoke_one(visit.token, int(end), visit.client)
    return visit.redirect(visit.url("/devices"), notice="session_ended")

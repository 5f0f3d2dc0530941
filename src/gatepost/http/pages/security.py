"""How one signs in, and the latest of what happened to one's account."""

from starlette.responses import Response

from gatepost.http.pages.sentences import shown_event
from gatepost.http.pages.visit import Visit
from gatepost.http.pages.was_it_you import ASKING
from gatepost.models import AuditAction

_LOOKED_THROUGH = 50
_SHOWN = 3
_ROUTINE = {AuditAction.SESSION_REFRESHED, AuditAction.SESSION_CONFIRMED}


async def show(visit: Visit) -> Response:
    """Show the ways to sign in, and the newest events that are not routine."""
    found = await visit.gate.audit.of_user(visit.signed_in.user.id, before=None, limit=_LOOKED_THROUGH)
    notable = [event for event in found if event.action not in _ROUTINE][:_SHOWN]
    rows = [shown_event(visit.language, event, own=True, words=visit.site.words) for event in notable]
    return visit.render("security.html", rows=rows, asking=ASKING)

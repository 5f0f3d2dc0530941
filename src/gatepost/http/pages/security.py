"""How one signs in, and the latest of what happened to one's account."""

from starlette.responses import Response

from gatepost.http.pages.runs import runs_of
from gatepost.http.pages.sentences import shown_run
from gatepost.http.pages.visit import Visit
from gatepost.http.pages.was_it_you import ASKING
from gatepost.models import ROUTINE, SeenEvent

READ = 50
"""Events that the rows are made of at the most."""

ROWS = 3


async def show(visit: Visit) -> Response:
    """Show the ways to sign in, and the newest of what is notable."""
    user_id = visit.signed_in.user.id
    found = await visit.gate.audit.of_user(user_id, before=None, limit=READ, without=ROUTINE)
    runs, _ = runs_of((SeenEvent(event=event, email=None) for event in found), most=ROWS)
    return visit.render(
        "security.html",
        rows=[shown_run(visit.language, run, own=True, words=visit.site.words) for run in runs],
        asking=ASKING,
    )

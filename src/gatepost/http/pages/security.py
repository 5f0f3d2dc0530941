"""How one signs in, and the latest of what happened to one's account."""

from starlette.responses import Response

from gatepost.http.pages.feature import FactorPages
from gatepost.http.pages.runs import runs_of
from gatepost.http.pages.sentences import shown_run
from gatepost.http.pages.visit import Visit
from gatepost.http.pages.was_it_you import ASKING
from gatepost.models import ROUTINE, Held, Holdings, SeenEvent
from gatepost.services.factors import FEW

READ = 50
"""Events that the rows are made of at the most."""

ROWS = 3


async def show(visit: Visit) -> Response:
    """Show the ways to sign in, and the newest of what is notable."""
    return await render(visit, await visit.gate.factors.of(visit.signed_in.user.id))


async def render(visit: Visit, holdings: Holdings) -> Response:
    """Answer with the page, of a user who has these factors."""
    user_id = visit.signed_in.user.id
    found = await visit.gate.audit.of_user(user_id, before=None, limit=READ, without=ROUTINE)
    sections = [await each(visit, holdings) for each in visit.site.security_sections]
    runs, _ = runs_of((SeenEvent(event=event, email=None) for event in found), most=ROWS)
    return visit.render(
        "security.html",
        rows=[shown_run(visit.language, run, own=True, words=visit.site.words) for run in runs],
        asking=ASKING,
        factors=_factors(visit, holdings),
        sections=[section for section in sections if section is not None],
        has_factor=bool(holdings.factors),
        few=FEW,
        own=await visit.gate.own_passwords.of(user_id),
        callout_first=await visit.callout(),
    )


def _factors(visit: Visit, holdings: Holdings) -> list[tuple[FactorPages, Held | None]]:
    """Return what can be set up, and what is, each with its page; ways back for whoever has a factor."""
    pages = {method: each for method, each in visit.site.factors.items() if not each.has_section}
    held = [*holdings.factors, *(holdings.ways_back if holdings.factors else ())]
    having = {each.method for each in held}
    missing = [method for method in holdings.available if method in pages and method not in having]
    return [
        *((pages[method], None) for method in missing),
        *((pages[each.method], each) for each in held if each.method in pages),
    ]

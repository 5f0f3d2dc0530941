"""What happened to one's account: the own audit trail in sentences, the newest first."""

from collections.abc import Sequence

from starlette.responses import Response

from gatepost.http.pages.runs import runs_of
from gatepost.http.pages.sentences import shown_run
from gatepost.http.pages.visit import Visit
from gatepost.http.pages.was_it_you import ASKING
from gatepost.models import ROUTINE, AuditEvent, SeenEvent, row_id

PAGE = 15
"""Events a page."""


async def show(visit: Visit) -> Response:
    """Show the newest events, those older than `before` or right after `after`; with `all` all of them."""
    audit, user_id = visit.gate.audit, visit.signed_in.user.id
    before, after = _cursor(visit, "before"), _cursor(visit, "after")
    without = () if _is_whole(visit) else ROUTINE
    if after is not None:
        found = await audit.newer_of_user(user_id, after=after, limit=PAGE + 1, without=without)
        if len(found) > PAGE:
            return _page(visit, found[1:], has_newer=True, has_older=True)
        before = None  # what is newer is all on the first page
    found = await audit.of_user(user_id, before=before, limit=PAGE + 1, without=without)
    return _page(visit, found[:PAGE], has_newer=before is not None, has_older=len(found) > PAGE)


def _page(visit: Visit, events: Sequence[AuditEvent], *, has_newer: bool, has_older: bool) -> Response:
    runs, _ = runs_of((SeenEvent(event=event, email=None) for event in events), most=PAGE)
    whole = {"all": "yes"} if _is_whole(visit) else {}
    return visit.render(
        "activity.html",
        rows=[shown_run(visit.language, run, own=True, words=visit.site.words) for run in runs],
        asking=ASKING,
        is_whole=bool(whole),
        newer=visit.url("/activity", after=events[0].id, **whole) if events and has_newer else None,
        older=visit.url("/activity", before=events[-1].id, **whole) if has_older else None,
    )


def _is_whole(visit: Visit) -> bool:
    return bool(visit.request.query_params.get("all"))


def _cursor(visit: Visit, name: str) -> int | None:
    return row_id(visit.request.query_params.get(name, ""))

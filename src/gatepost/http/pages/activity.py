"""What happened to one's account: the own audit trail in sentences, the newest first."""

from collections.abc import Sequence

from starlette.responses import Response

from gatepost.http.pages.sentences import shown_event
from gatepost.http.pages.visit import Visit
from gatepost.models import AuditEvent, row_id

PAGE = 50
"""Events a page."""


async def show(visit: Visit) -> Response:
    """Show the newest events, those older than `before`, or those right after `after`."""
    audit, user_id = visit.gate.audit, visit.signed_in.user.id
    before, after = _cursor(visit, "before"), _cursor(visit, "after")
    if after is not None:
        found = await audit.newer_of_user(user_id, after=after, limit=PAGE + 1)
        if len(found) > PAGE:
            return _page(visit, found[1:], has_newer=True, has_older=True)
        before = None  # what is newer is all on the first page
    found = await audit.of_user(user_id, before=before, limit=PAGE + 1)
    return _page(visit, found[:PAGE], has_newer=before is not None, has_older=len(found) > PAGE)


def _page(visit: Visit, events: Sequence[AuditEvent], *, has_newer: bool, has_older: bool) -> Response:
    return visit.render(
        "activity.html",
        rows=[shown_event(visit.language, event, own=True, words=visit.site.words) for event in events],
        newer=visit.url("/activity", after=events[0].id) if events and has_newer else None,
        older=visit.url("/activity", before=events[-1].id) if has_older else None,
    )


def _cursor(visit: Visit, name: str) -> int | None:
    return row_id(visit.request.query_params.get(name, ""))

"""Where one is signed in: every live session as a card, each with an end."""

from starlette.responses import Response

from gatepost.errors import NotFound
from gatepost.http.pages import sign_out
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.http.pages.was_it_you import LOOKED_AT, new_devices
from gatepost.models import SessionCursor, row_id

ROWS = 25
"""Sessions a page."""


async def show(visit: Visit) -> Response:
    """Show a page of the sessions, the one used last first, and this one before the others of its page."""
    current, after = visit.signed_in, SessionCursor.parse(visit.request.query_params.get("after", ""))
    found = await visit.gate.session_tokens.active(current.user.id, after=after, limit=ROWS + 1)
    shown = found[:ROWS]
    beginnings = await visit.gate.session_tokens.beginnings(current.user.id, limit=LOOKED_AT)
    following = SessionCursor.of(shown[-1].row) if len(found) > ROWS else None
    return visit.render(
        "devices.html",
        sign_ins=sorted(shown, key=lambda each: each.row.id != current.id),
        current_id=current.id,
        new=new_devices(shown, beginnings, now=visit.gate.now()),
        is_alone=after is None and len(found) == 1,
        here=_here(visit),
        newest=visit.url("/devices") if after is not None else None,
        older=visit.url("/devices", after=following) if following is not None else None,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """End one session, whose id `end` is, or with `others` all but this one.

    Raises:
        NotFound: it is none of the visitor's.
        AuthenticationError: the visitor's own has ended.
    """
    sessions = visit.gate.session_tokens
    if "others" in form:
        count = await sessions.revoke_others(visit.token, visit.client, by_cookie=visit.by_cookie)
        return visit.redirect(visit.url("/devices"), notice=f"sessions_ended.{count}")
    if (end := row_id(form.get("end", ""))) is None:
        raise NotFound
    if end == visit.signed_in.id:
        return await sign_out.submit(visit, form)
    await sessions.revoke_one(visit.token, end, visit.client, by_cookie=visit.by_cookie)
    return visit.redirect(_here(visit), notice=f"session_ended.{end}")


def _here(visit: Visit) -> str:
    return visit.url("/devices", after=SessionCursor.parse(visit.request.query_params.get("after", "")))

"""Where one is signed in: every live session as a card, each with an end."""

from starlette.responses import Response

from gatepost.errors import NotFound
from gatepost.http.pages import sign_out
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the sessions, this one first."""
    current = visit.signed_in
    found = await visit.gate.sessions.live_sign_ins(current.user.id)
    found.sort(key=lambda each: each.row.id != current.id)
    return visit.render("devices.html", sign_ins=found, current_id=current.id)


async def submit(visit: Visit, form: Form) -> Response:
    """End one session, whose id `end` is, or with `others` all but this one.

    Raises:
        NotFound: it is none of the visitor's.
        AuthenticationError: the visitor's own has ended.
    """
    sessions, here = visit.gate.sessions, visit.url("/devices")
    if "others" in form:
        count = await sessions.revoke_others(visit.token, visit.client, by_cookie=visit.by_cookie)
        return visit.redirect(here, notice=f"sessions_ended.{count}")
    end = form.get("end", "")
    if not (end.isascii() and end.isdigit() and len(end) < 19):
        raise NotFound
    if int(end) == visit.signed_in.id:
        return await sign_out.submit(visit, form)
    await sessions.revoke_one(visit.token, int(end), visit.client, by_cookie=visit.by_cookie)
    return visit.redirect(here, notice="session_ended")

"""Who is signed in, from where and since when: everybody's live sessions, each with an end."""

from starlette.responses import Response

from gatepost.errors import NotFound, ValidationFailed
from gatepost.http.pages.admin.filters import cursor_of, given, user_of
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import OverseenSession, SessionFilter, row_id
from gatepost.services.oversight import LISTED_MAX
from gatepost.texts import Text

ROWS = 25
"""Sessions a page: with more it takes more than 30 kB, in scripts of three bytes a character."""

FILTERS = ("user", "address", "older_than", "unused_for")

AGES = {
    "15": Text("duration.minutes_15"),
    "60": Text("duration.hour"),
    "1440": Text("duration.day"),
    "10080": Text("duration.days_7"),
    "43200": Text("duration.days_30"),
}
"""What can be chosen for the latter two, in minutes."""


async def show(visit: Visit) -> Response:
    """Show a page of the sessions of a filter, the one started last first."""
    asked, before = given(visit, FILTERS), cursor_of(visit)
    found: list[OverseenSession] = []
    count, status = None, 200
    try:
        wanted = await filter_of(visit, asked)
        found = await visit.gate.oversight.page(wanted, before=before, limit=ROWS + 1)
        if before is None:
            count = await visit.gate.oversight.count(
                wanted, except_session_id=visit.signed_in.id, most=LISTED_MAX
            )
    except ValidationFailed as error:
        visit.show_again(visit.typed, error)
        status = 422
    rows, more = found[:ROWS], found[ROWS:]
    return visit.render(
        "admin/sessions.html",
        status=status,
        asked=asked,
        ages=AGES,
        rows=rows,
        count=count,
        most=LISTED_MAX,
        current_id=visit.signed_in.id,
        here=_here(visit, before),
        newest=visit.url("/admin/sessions", **asked) if before is not None else None,
        older=visit.url("/admin/sessions", **asked, before=rows[-1].row.id) if more else None,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """End one session, whose id `end` is, and whatever it was refreshed to.

    Raises:
        NotFound: there is none.
    """
    session_id = row_id(form.get("end", ""))
    if session_id is None:
        raise NotFound
    await visit.gate.oversight.end(session_id, client=visit.client, by=visit.signed_in)
    return visit.redirect(_here(visit, cursor_of(visit)), notice=f"session_ended.{session_id}")


async def filter_of(visit: Visit, asked: dict[str, str]) -> SessionFilter:
    """Return the filter that was asked for.

    Raises:
        ValidationFailed: a part of it can't be understood.
    """
    ages: dict[str, int | None] = {}
    for name in ("older_than", "unused_for"):
        text = asked.get(name)
        if text is not None and text not in AGES:
            raise ValidationFailed({name: Text("field.choose_one")})
        ages[name] = None if text is None else int(text)
    user_id = await user_of(visit, asked)
    return SessionFilter.by_age(visit.gate.now(), user_id=user_id, address=asked.get("address"), **ages)


def _here(visit: Visit, before: int | None) -> str:
    return visit.url("/admin/sessions", **given(visit, FILTERS), before=before)

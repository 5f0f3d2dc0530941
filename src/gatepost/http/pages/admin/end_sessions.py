"""The end of all sessions of a filter: counted and asked about first."""

from starlette.responses import Response

from gatepost.errors import ValidationFailed
from gatepost.http.pages.admin.filters import given
from gatepost.http.pages.admin.sessions import AGES, FILTERS, filter_of
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import row_id
from gatepost.services.oversight import COUNTED_MAX
from gatepost.texts import Text


async def show(visit: Visit) -> Response:
    """Count the sessions that would end, and ask.

    Raises:
        ValidationFailed: the filter can't be understood.
    """
    asked = given(visit, FILTERS)
    wanted = await filter_of(visit, asked)
    count = await visit.gate.oversight.count(wanted, except_session_id=visit.signed_in.id, most=COUNTED_MAX)
    return visit.render("admin/end_sessions.html", asked=asked, ages=AGES, count=count, most=COUNTED_MAX)


async def submit(visit: Visit, form: Form) -> Response:
    """End them if they are still as many as `count` says; the visitor's own sign-in goes on.

    Raises:
        CountChanged: they are not; none has ended.
        ValidationFailed: the filter can't be understood, or the count is no number.
    """
    asked = given(visit, FILTERS)
    expected = row_id(form.get("count", ""))
    if expected is None or expected > COUNTED_MAX:
        raise ValidationFailed({}, Text("error.validation_failed.form"))
    ended = await visit.gate.oversight.end_all(
        await filter_of(visit, asked),
        expected=expected,
        client=visit.client,
        by=visit.signed_in,
        except_session_id=visit.signed_in.id,
    )
    return visit.redirect(visit.url("/admin/sessions", **asked), notice=f"sessions_ended.{ended}")

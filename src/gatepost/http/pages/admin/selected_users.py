"""What is done to several users at once: counted and asked about first."""

from collections.abc import Iterable
from urllib.parse import quote, unquote

from starlette.responses import Response

from gatepost.errors import NotFound, ValidationFailed
from gatepost.http.pages.admin.users import ROWS
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import UserId, row_id
from gatepost.texts import Text

DOES = {
    "disable": (Text("admin.selected.disable_title"), Text("admin.selected.disable_effect")),
    "end_sessions": (Text("admin.selected.end_title"), Text("admin.end_sessions.effect")),
}
"""What can be done → its name, and what it does."""


async def show(visit: Visit) -> Response:
    """Show whom `user` names, each by an id, what `do` would do to how many of them, and ask.

    One's own account is left out: what shuts one out, another administrator has to do.

    Raises:
        NotFound: there is nothing of this name to be done.
    """
    verb = visit.request.query_params.get("do", "disable")
    if verb not in DOES:
        raise NotFound
    ids = _read(visit, visit.request.query_params.getlist("user")[:ROWS])
    found = await visit.gate.administration.chosen(ids)
    own = visit.signed_in.user.id
    chosen = [each for each in found if each.user.id != own]
    enabled = sum(each.user.is_active for each in chosen)
    sessions = sum(each.active_sessions for each in chosen)
    title, effect = DOES[verb]
    return visit.render(
        "admin/selected_users.html",
        verb=verb,
        title=title,
        effect=effect,
        chosen=chosen,
        has_own=len(found) > len(chosen),
        count=enabled if verb == "disable" else sessions,
        enabled=enabled,
        sessions=sessions,
        ids=" ".join(quote(str(each.user.id), safe="") for each in chosen),
        query=[("user", str(each.user.id)) for each in chosen],
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Do it if they are still as many as `count` says.

    Raises:
        CountChanged: they are not; nothing was done.
        ValidationFailed: the count is no number.
        NotFound: there is nothing of this name to be done.
        OwnAccount: one's own account is among them.
    """
    expected = row_id(form.get("count", ""))
    if expected is None:
        raise ValidationFailed({}, Text("error.validation_failed.form"))
    ids = _read(visit, map(unquote, form.get("users", "").split()))
    administration, client, by = visit.gate.administration, visit.client, visit.signed_in
    match form.get("do"):
        case "disable":
            done = await administration.disable_all(ids, expected=expected, client=client, by=by)
            notice = f"users_disabled.{done}"
        case "end_sessions":
            done = await administration.end_sessions_of_all(ids, expected=expected, client=client, by=by)
            notice = f"sessions_ended.{done}"
        case _:
            raise NotFound
    return visit.redirect(visit.url("/admin/users"), notice=notice)


def _read(visit: Visit, texts: Iterable[str]) -> list[UserId]:
    parsed = (visit.gate.user_ids.parse(text) for text in texts)
    return list(dict.fromkeys(each for each in parsed if each is not None))

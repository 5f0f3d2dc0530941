"""One user: who it is, where they are signed in, what happened, and what can be done about the account."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from gatepost.errors import NotFound, ValidationFailed
from gatepost.http.pages.admin.events import actor, program
from gatepost.http.pages.admin.visits import named_id, named_user
from gatepost.http.pages.forms import Form
from gatepost.http.pages.runs import Run, runs_of
from gatepost.http.pages.sentences import ShownEvent, shown_run
from gatepost.http.pages.visit import Visit
from gatepost.models import ROUTINE, EventFilter, Held, SessionFilter, User, UserId
from gatepost.security.texts import folded
from gatepost.texts import Text

SESSIONS = 10
"""Live sessions that are shown; a link leads to the others."""

EVENTS = 10
"""Runs of events that are shown; a link leads to the others."""

READ = 100
"""Events that these are made of at the most."""

ASKED = {
    "end_sessions": (Text("admin.user.end_sessions"), Text("admin.user.end_sessions_effect")),
    "temporary_password": (Text("admin.user.set_temporary_password"), Text("admin.user.temporary_effect")),
    "reset_factors": (Text("admin.user.reset_factors"), Text("admin.user.reset_factors_effect")),
    "delete": (Text("admin.user.delete"), Text("admin.user.delete_effect")),
}
"""What can't be taken back, and so is asked for on a page of its own: its name, and what it does."""

UNDONE = {
    "user_disabled": "enable",
    "user_enabled": "disable",
    "user_promoted": "demote",
    "user_demoted": "promote",
}
"""What was just done, as the notice has it → what takes it back."""

Act = Callable[[Visit, User, Form], Awaitable[Response]]


async def show(visit: Visit) -> Response:
    """Show the user.

    Raises:
        NotFound: there is none with this id.
    """
    gate, user_id = visit.gate, named_user(visit)
    account = await gate.administration.account(user_id)
    sessions = await gate.oversight.page(SessionFilter(user_id=user_id), before=None, limit=SESSIONS)
    events = await gate.trail.page(EventFilter(user_id=user_id, without=ROUTINE), before=None, limit=READ)
    return visit.render(
        "admin/user.html",
        account=account,
        who=account.user,
        undone=UNDONE,
        gives_no_passwords=gate.administration.gives_no_passwords,
        is_own=account.user.id == visit.signed_in.user.id,
        factors=await _factors(visit, user_id),
        sessions=[each.row for each in sessions],
        events=[_told(visit, run) for run in runs_of(events.events, most=EVENTS)[0]],
    )


async def _factors(visit: Visit, user_id: UserId) -> list[tuple[Text | str, Held]]:
    """Return what the user signs in with besides the password, each with what it is called."""
    holdings = await visit.gate.factors.of(user_id)
    named = visit.site.factors
    return [
        (named[each.method].name if each.method in named else each.method, each)
        for each in (*holdings.factors, *holdings.ways_back)
    ]


def _told(visit: Visit, run: Run) -> tuple[ShownEvent, str | None, str | None]:
    """Return an event, and who did it in the user's place with the page of that administrator."""
    by, by_url = actor(visit, run.newest)
    told = shown_run(visit.language, run, own=False, is_short=True, words=visit.site.words)
    return told, by or program(visit.language, run.newest.event), by_url


async def ask(visit: Visit) -> Response:
    """Say what ends with what can't be taken back, and ask for it.

    Raises:
        NotFound: there is no such user, or nothing of this name.
    """
    verb = visit.request.path_params["verb"]
    if verb not in ASKED or (verb == "temporary_password" and visit.gate.administration.gives_no_passwords):
        raise NotFound
    user_id = named_user(visit)
    account = await visit.gate.administration.account(user_id)
    sessions = await visit.gate.oversight.page(SessionFilter(user_id=user_id), before=None, limit=SESSIONS)
    label, effect = ASKED[verb]
    return visit.render(
        "admin/user_ask.html",
        account=account,
        who=account.user,
        verb=verb,
        label=label,
        effect=effect,
        sessions=[each.row for each in sessions],
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Do what `action` names.

    Raises:
        NotFound: there is no such user, session or action.
        ValidationFailed: it has to be confirmed, and was not.
        OwnAccount, AccountInUse: as `Administration`.
    """
    user = await visit.gate.administration.get(named_user(visit))
    act = ACTIONS.get(form.get("action", ""))
    if act is None:
        raise NotFound
    return await act(visit, user, form)


# --- What can be done ---


async def _disable(visit: Visit, user: User, _: Form) -> Response:
    await visit.gate.administration.set_active(user, is_active=False, client=visit.client, by=visit.signed_in)
    return _back(visit, user, "user_disabled")


async def _enable(visit: Visit, user: User, _: Form) -> Response:
    await visit.gate.administration.set_active(user, is_active=True, client=visit.client, by=visit.signed_in)
    return _back(visit, user, "user_enabled")


async def _promote(visit: Visit, user: User, _: Form) -> Response:
    await visit.gate.administration.set_admin(user, is_admin=True, client=visit.client, by=visit.signed_in)
    return _back(visit, user, "user_promoted")


async def _demote(visit: Visit, user: User, _: Form) -> Response:
    await visit.gate.administration.set_admin(user, is_admin=False, client=visit.client, by=visit.signed_in)
    return _back(visit, user, "user_demoted")


async def _unlock(visit: Visit, user: User, _: Form) -> Response:
    await visit.gate.administration.unlock(user, client=visit.client, by=visit.signed_in)
    return _back(visit, user, "user_unlocked")


async def _end_sessions(visit: Visit, user: User, _: Form) -> Response:
    ended = await visit.gate.administration.end_sessions(user, client=visit.client, by=visit.signed_in)
    return _back(visit, user, f"sessions_ended.{ended}")


async def _reset_factors(visit: Visit, user: User, form: Form) -> Response:
    reason, by = form.get("reason", ""), visit.signed_in
    await visit.gate.factors.reset(user, reason=reason, client=visit.client, by=by)
    return _back(visit, user, "factors_reset")


async def _end_session(visit: Visit, user: User, form: Form) -> Response:
    session_id = named_id(form.get("session", ""))
    await visit.gate.oversight.end(session_id, client=visit.client, by=visit.signed_in, owner=user.id)
    return _back(visit, user, f"session_ended.{session_id}")


async def _set_temporary_password(visit: Visit, user: User, _: Form) -> Response:
    """Show the password here and now: led on to, it would have to wait somewhere."""
    made = await visit.gate.administration.set_temporary_password(
        user, client=visit.client, by=visit.signed_in
    )
    return visit.render("admin/temporary_password.html", made=made, who=user)


async def _delete(visit: Visit, user: User, form: Form) -> Response:
    if folded(form.get("email", "").strip()) != folded(user.email):
        raise ValidationFailed({"email": Text("field.email.not_the_accounts")})
    await visit.gate.administration.delete(user, client=visit.client, by=visit.signed_in)
    return visit.redirect(visit.url("/admin/users"), notice="user_deleted")


ACTIONS: dict[str, Act] = {
    "disable": _disable,
    "enable": _enable,
    "promote": _promote,
    "demote": _demote,
    "unlock": _unlock,
    "end_sessions": _end_sessions,
    "end_session": _end_session,
    "reset_factors": _reset_factors,
    "temporary_password": _set_temporary_password,
    "delete": _delete,
}
"""Name in the form → what it does."""


def _back(visit: Visit, user: User, notice: str) -> Response:
    return visit.redirect(visit.user_url(user.id), notice=notice)

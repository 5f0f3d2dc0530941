"""Was this you? What looked suspicious, and the three steps that shut a stranger out."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from starlette.responses import Response

from gatepost.errors import NotFound
from gatepost.http.pages.forms import Form
from gatepost.http.pages.sentences import shown_event
from gatepost.http.pages.user_agents import device_of
from gatepost.http.pages.visit import Visit
from gatepost.models import AuditAction, AuditEvent, Beginning, SignIn, row_id

ASKING = frozenset(
    {
        AuditAction.FACTOR_COPIED,
        AuditAction.LOGIN_FAILED,
        AuditAction.PASSWORD_REFUSED,
        AuditAction.SESSION_REPLAYED,
    }
)
"""What may have been somebody else."""

NEW_FOR = timedelta(days=7)
"""How long a device counts as new."""

LOOKED_AT = 1_000
"""Sign-ins that a new one is compared with, and events that are looked through for a changed password."""


def new_devices(sign_ins: Sequence[SignIn], beginnings: Sequence[Beginning], *, now: datetime) -> set[int]:
    """Return the sessions whose sign-in, lately, was the first from its place or with its kind of browser.

    The very first of all is none: it made the account.
    """
    found = set[int]()
    for each in sign_ins:
        began = next((other for other in beginnings if other.id == each.began_id), None)
        earlier = [other for other in beginnings if other.id < each.began_id]
        if began is None or not earlier or now - began.created_at > NEW_FOR:
            continue
        places = {other.place for other in earlier}
        kinds = {device_of(other.user_agent) for other in earlier}
        if began.place not in places or device_of(began.user_agent) not in kinds:
            found.add(each.row.id)
    return found


async def show(visit: Visit) -> Response:
    """Show what happened, the event `event` of one's own, and the steps.

    Raises:
        NotFound: it is none of the visitor's.
    """
    event = await _asked_about(visit)
    others = await visit.gate.session_tokens.count_active(visit.signed_in.user.id) - 1
    return visit.render(
        "was_it_you.html",
        here=_here(visit),
        row=None if event is None else shown_event(visit.language, event, own=True, words=visit.site.words),
        others=max(others, 0),
        is_changed=event is not None and await _has_changed_password(visit, event),
        min_length=visit.gate.settings.password_min_length,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """End every other session with `others`; else change the password.

    Raises:
        ValidationFailed, InvalidCredentials, TooManyAttempts: as `OwnPasswords.change`.
        AuthenticationError: the visitor's own session has ended.
    """
    if "others" in form:
        count = await visit.gate.session_tokens.revoke_others(
            visit.token, visit.client, by_cookie=visit.by_cookie
        )
        return visit.redirect(_here(visit), notice=f"sessions_ended.{count}")
    signed_in = await visit.gate.own_passwords.change(
        visit.token, form.get("current", ""), form.get("new", ""), visit.client, by_cookie=visit.by_cookie
    )
    return visit.go_on(signed_in, _here(visit), notice=f"password_changed.{signed_in.others_ended}")


async def _asked_about(visit: Visit) -> AuditEvent | None:
    """Return the event that is asked about; None where the page is opened without one.

    Raises:
        NotFound: there is none of the visitor's.
    """
    named = visit.request.query_params.get("event")
    if named is None:
        return None
    event_id = row_id(named)
    if event_id is None:
        raise NotFound
    found = await visit.gate.audit.of_user(visit.signed_in.user.id, before=event_id + 1, limit=1)
    if not found or found[0].id != event_id:
        raise NotFound
    return found[0]


async def _has_changed_password(visit: Visit, event: AuditEvent) -> bool:
    newer = await visit.gate.audit.newer_of_user(
        visit.signed_in.user.id, after=event.id, limit=LOOKED_AT, without=()
    )
    return any(each.action == AuditAction.PASSWORD_CHANGED for each in newer)


def _here(visit: Visit) -> str:
    return visit.url("/was-it-you", event=row_id(visit.request.query_params.get("event", "")))

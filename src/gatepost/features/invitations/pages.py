"""The console's page of links by which somebody may sign up, and how what becomes of them is told."""

from datetime import timedelta
from pathlib import Path

from starlette.responses import Response

from gatepost.errors import EmailTaken, ValidationFailed
from gatepost.features.invitations.service import Invitations
from gatepost.http.console import ConsoleSessionScheme
from gatepost.http.pages.admin.visits import named_id
from gatepost.http.pages.feature import Pages
from gatepost.http.pages.forms import Form
from gatepost.http.pages.links import Link
from gatepost.http.pages.page import Page
from gatepost.http.pages.sentences import Words
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text

ROWS = 50
"""Invitations a page."""

DAYS, DAYS_MAX = 7, 365
"""For how long a link is good where nobody says otherwise, and at the most."""

STATUSES = {
    "open": (Text("admin.invitations.open"), "good"),
    "used": (Text("admin.invitations.used"), "plain"),
    "expired": (Text("admin.invitations.expired"), "warn"),
    "revoked": (Text("admin.invitations.revoked"), "bad"),
}
"""How an invitation stands → its name, and the class of its badge."""


async def show(visit: Visit) -> Response:
    """Show the form and the invitations, those made before `before`."""
    asked = visit.request.query_params.get("before")
    invitations = visit.gate.service(Invitations)
    page = await invitations.page(before=named_id(asked) if asked else None, limit=ROWS + 1)
    shown = page[:ROWS]
    return visit.render(
        "admin/invitations.html",
        invitations=shown,
        before=shown[-1].id if len(page) > ROWS else None,
        is_first=not asked,
        statuses=STATUSES,
        registration=visit.gate.settings.registration,
        days=DAYS,
        days_max=DAYS_MAX,
        can_send=invitations.can_send,
        now=visit.gate.now(),
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Make an invitation, take back the one whose id `revoke` is, or undo that for the one of `restore`.

    Raises:
        ValidationFailed, EmailTaken: as `Invitations.create`.
        NotFound: there is none with this id that is open, or none to be restored.
    """
    invitations = visit.gate.service(Invitations)
    if "revoke" in form:
        await invitations.revoke(named_id(form["revoke"]), client=visit.client, by=visit.signed_in)
        return visit.redirect(visit.url("/admin/invitations"), notice="invitation_revoked")
    if "restore" in form:
        await invitations.restore(named_id(form["restore"]), client=visit.client, by=visit.signed_in)
        return visit.redirect(visit.url("/admin/invitations"), notice="invitation_restored")
    issued = await invitations.create(
        email=form.get("email", "").strip() or None,
        lifetime=_lifetime(form.get("days", "")),
        send="send" in form,
        client=visit.client,
        by=visit.signed_in,
    )
    # Here and now: led on to, the link would have to wait somewhere.
    return visit.render("admin/invitation.html", issued=issued)


def _lifetime(days: str) -> timedelta:
    if days.isascii() and days.isdigit() and len(days) < 4 and 1 <= int(days) <= DAYS_MAX:
        return timedelta(days=int(days))
    raise ValidationFailed({"days": Text("field.days", most=DAYS_MAX)})


PAGES = Pages(
    pages=(
        Page(
            path="/admin/invitations",
            show=show,
            submit=submit,
            who=ConsoleSessionScheme,
            fields={EmailTaken: "email"},
        ),
    ),
    links=(
        Link(place="console", path="/admin/invitations", text=Text("word.invitations"), after="/admin/users"),
        Link(place="users", path="/admin/invitations", text=Text("admin.invitations.invite")),
    ),
    templates=Path(__file__).parent / "templates",
    notices={
        "invitation_revoked": lambda _: Text("flash.invitation_revoked"),
        "invitation_restored": lambda _: Text("flash.invitation_restored"),
    },
    sentences={
        "invitation.created": Words("plain", is_personal=False, has_actor=True),
        "invitation.created/named": Words("plain"),
        "invitation.revoked": Words("plain", is_personal=False, has_actor=True),
        "invitation.revoked/named": Words("plain"),
        "invitation.restored": Words("plain", is_personal=False, has_actor=True),
        "invitation.restored/named": Words("plain"),
        "invitation.refused": Words("warn", is_personal=False),
        "invitation.refused/named": Words("warn"),
    },
)

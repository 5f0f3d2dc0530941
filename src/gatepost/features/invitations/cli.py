"""`gatepost users invite`: links by which somebody may register, and what became of them."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.models import Client, Link
from gatepost.terminal.feature import Command
from gatepost.terminal.options import AsJson, Limit
from gatepost.terminal.output import Output, program, shown
from gatepost.terminal.running import run

if TYPE_CHECKING:
    from gatepost.features.invitations.service import Issued
    from gatepost.gate import Gate
    from gatepost.settings import Settings

_COLUMNS = {
    "id": "Id",
    "status": "Status",
    "email": "For",
    "created_at": "Created",
    "created_by": "By",
    "expires_at": "Expires",
    "used_by": "Used by",
}


def _data(invitation: Link) -> dict[str, Any]:
    return {key: getattr(invitation, key) for key in (*_COLUMNS, "used_at", "revoked_at")}


def invite(
    *,
    email: Annotated[str | None, typer.Option(help="Only this person may use it.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=8_760, help="Hours that the link is valid.")] = 168,
    send: Annotated[bool, typer.Option(help="Mail it to --email, where mail is set up.")] = True,
    as_json: AsJson = False,
) -> None:
    """Create a link for registering one account. It is shown only once."""
    out = Output(as_json=as_json)

    from gatepost.features.invitations.service import Invitations

    async def work(gate: "Gate") -> "tuple[Issued, Settings]":
        issued = await gate.service(Invitations).create(
            email=email, lifetime=timedelta(hours=hours), send=send, client=Client()
        )
        return issued, gate.settings

    issued, settings = run(out, "users invite", work, about={"email": email} if email else None)
    invitation = issued.invitation
    whom = f" for {invitation.email}" if invitation.email else ""
    next_step = "a running server mails it to them" if issued.sent else "send it to them"
    then = f"{next_step}; to revoke it: {program()} users revoke-invitation {invitation.id}"
    if not as_json:
        out.line(f"Invitation {invitation.id}{whom}, valid once until {shown(invitation.expires_at)}:")
    out.done(
        {"invitation": _data(invitation), "token": issued.token, "url": issued.url, "sent": issued.sent},
        issued.url,
        then=then,
    )
    if settings.effective_public_url is None:
        out.warn(
            "PUBLIC_URL is not set, so the link lacks the server's address. Set it to an origin such as"
            " https://auth.example.com, or put that in front of the link."
        )
    if settings.registration == "closed":
        out.warn("REGISTRATION is closed, so no one can register, even with an invitation. Set it to invite.")


def list_invitations(
    *,
    limit: Limit = 100,
    before: Annotated[int | None, typer.Option(min=1, help="Only invitations with a lower ID.")] = None,
    as_json: AsJson = False,
) -> None:
    """List invitations, open and ended, newest first."""
    out = Output(as_json=as_json)

    from gatepost.features.invitations.service import Invitations

    async def work(gate: "Gate") -> list[Link]:
        return await gate.service(Invitations).page(before=before, limit=limit + 1)

    found = run(out, "users invitations", work)
    rows = [_data(invitation) for invitation in found[:limit]]
    more = rows[-1]["id"] if len(found) > limit else None
    out.table(
        {"invitations": rows, "next_before": more},
        rows,
        _COLUMNS,
        empty="No invitations.",
        then=f"{program()} users invitations --before {more}" if more else None,
    )


def revoke_invitation(
    invitation: Annotated[int, typer.Argument(metavar="ID", min=1, help="ID of the invitation.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Revoke an open invitation: its link stops working."""
    out = Output(as_json=as_json)

    from gatepost.features.invitations.service import Invitations

    async def work(gate: "Gate") -> Link:
        return await gate.service(Invitations).revoke(invitation, client=Client())

    revoked = run(out, "users revoke-invitation", work, about={"invitation": invitation})
    out.done(
        {"invitation": _data(revoked)},
        f"Invitation {revoked.id} was revoked.",
        then=f"{program()} users invitations",
    )


COMMANDS = (
    Command(
        group="users",
        name="invite",
        run=invite,
        example="gatepost users invite --email ada@example.com --hours 48",
    ),
    Command(
        group="users",
        name="invitations",
        run=list_invitations,
        example="gatepost users invitations --limit 50",
    ),
    Command(
        group="users",
        name="revoke-invitation",
        run=revoke_invitation,
        example="gatepost users revoke-invitation 42",
    ),
)

"""Sign up: anybody, who has an invitation, or nobody, as REGISTRATION has it."""

from starlette.responses import Response

from gatepost.errors import InvitationRequired, RegistrationClosed
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on.

    Raises:
        RegistrationClosed, InvitationRequired, InvalidInvitation, TooManyAttempts: there is no form for them.
    """
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    settings, token, invitation = visit.gate.settings, _invitation(visit, visit.typed), None
    if settings.registration == "closed":
        raise RegistrationClosed
    if token is not None:
        invitation = await visit.gate.invitations.look(token, client=visit.client)
    elif settings.registration == "invite":
        raise InvitationRequired
    return visit.render(
        "sign_up.html",
        token=token,
        email=invitation.email if invitation is not None else None,
        min_length=settings.password_min_length,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Make the account and start its first session.

    Raises:
        RegistrationClosed, InvitationRequired, InvalidInvitation, ValidationFailed, EmailTaken,
        TooManyAttempts: as `Accounts.register`.
    """
    signed_in = await visit.gate.accounts.register(
        email=form.get("email", ""),
        name=form.get("name", ""),
        password=form.get("password", ""),
        client=visit.client,
        invitation=_invitation(visit, form),
    )
    return await visit.begin(signed_in)


def _invitation(visit: Visit, form: Form) -> str | None:
    return form.get("invitation") or visit.request.query_params.get("invitation") or None

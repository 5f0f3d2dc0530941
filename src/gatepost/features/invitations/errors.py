"""Why somebody may not register without an invitation, or with this one."""

from gatepost.errors import Forbidden, RegistrationClosed


class InvitationRequired(RegistrationClosed):
    """Registration requires an invitation (REGISTRATION=invite)."""

    code = "invitation_required"


class InvalidInvitation(Forbidden):
    """Unknown, used, expired, revoked or for another e-mail: the same answer; the trail has the reason."""

    code = "invalid_invitation"

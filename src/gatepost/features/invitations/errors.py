"""Why somebody may not register without an invitation, or with this one."""

from gatepost.errors import Forbidden


class InvitationRequired(Forbidden):
    """Only who was invited may register here (REGISTRATION=invite)."""

    code = "invitation_required"


class InvalidInvitation(Forbidden):
    """Unknown, used, expired, revoked or for another e-mail: the same answer; the trail knows which."""

    code = "invalid_invitation"

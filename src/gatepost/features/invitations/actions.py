"""What invitations leave on the audit trail."""

from gatepost.models import Action


class InvitationAction(Action):
    """Actions of invitations; below each what it means, and what its `detail` has."""

    CREATED = "invitation.created"
    """An administrator created an invitation; `user.registered` says who used it.

    `invitation`; `email` it is for; `admin_id` over HTTP
    """
    REVOKED = "invitation.revoked"
    """An administrator revoked an invitation.

    `invitation`; `email` it was for; `admin_id` over HTTP
    """
    RESTORED = "invitation.restored"
    """An administrator undid the revocation of an invitation.

    `invitation`; `email` it is for; `admin_id` over HTTP
    """
    REFUSED = "invitation.refused"
    """An invalid invitation was used; `detail.reason` says why. The caller is not told.

    `reason`: `unknown`, `used`, `expired`, `revoked`, `other_email` or `ended_meanwhile`; `invitation`;
    `email` of whoever used it
    """

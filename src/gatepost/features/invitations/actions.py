"""What invitations leave on the audit trail."""

from gatepost.models import Action


class InvitationAction(Action):
    """Actions of invitations; below each what it means, and what its `detail` has."""

    CREATED = "invitation.created"
    """An administrator made an invitation; `user.registered` says by whom it was used.

    `invitation`; `email` it is for; `admin_id` over HTTP
    """
    REVOKED = "invitation.revoked"
    """An administrator took an invitation back.

    `invitation`; `email` it was for; `admin_id` over HTTP
    """
    REFUSED = "invitation.refused"
    """Somebody came with an invitation that is not good; `detail.reason` says why, they were not told.

    `reason`: `unknown`, `used`, `expired`, `revoked`, `other_email` or `ended_meanwhile`; `invitation`;
    `email` who came with it
    """

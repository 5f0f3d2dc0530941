"""What the setup link leaves on the audit trail."""

from gatepost.models import Action


class SetupAction(Action):
    """Actions of the setup; below each what it means, and what its `detail` has."""

    ISSUED = "setup.issued"
    """A link was made for the first administrator; one that was made before is good no more.

    `link`
    """
    COMPLETED = "setup.completed"
    """The setup link was used: its user is the first administrator.

    `link`
    """
    REFUSED = "setup.refused"
    """Somebody came with a setup link in vain; `detail.reason` says why.

    `reason`: `unknown`, `used`, `expired`, `revoked`, `has_admin`, `ended_meanwhile` or `email_taken`;
    `email` who came with it
    """

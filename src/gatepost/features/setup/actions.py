"""What the setup link leaves on the audit trail."""

from gatepost.models import Action


class SetupAction(Action):
    """Actions of the setup; below each what it means, and what its `detail` has."""

    ISSUED = "setup.issued"
    """A setup link was created for the first administrator. Earlier links stop working.

    `link`
    """
    COMPLETED = "setup.completed"
    """The setup link was used; its user is the first administrator.

    `link`
    """
    REFUSED = "setup.refused"
    """An invalid setup link was used; `detail.reason` says why.

    `reason`: `unknown`, `used`, `expired`, `revoked`, `has_admin`, `ended_meanwhile` or `email_taken`;
    `email` of whoever used it
    """

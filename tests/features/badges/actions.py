"""What badges leave on the audit trail."""

from gatepost.models import Action


class BadgeAction(Action):
    """Actions of badges."""

    GIVEN = "badge.given"
    """A user was given a badge.

    `badge`: its name
    """

"""What can go wrong with the setup link."""

from gatepost.errors import Forbidden


class InvalidSetupLink(Forbidden):
    """Unknown, used, expired or replaced, or there is an administrator: the same answer to all."""

    code = "invalid_setup_link"

"""What can go wrong with the setup link."""

from gatepost.errors import Forbidden


class InvalidSetupLink(Forbidden):
    """Unknown, used, expired or replaced, or there is an administrator: the same answer to all."""

    code = "invalid_setup_link"
    message = "The setup link is not valid, or not any more: the server prints a new one when it starts"

"""What a command says where a mail can't be sent, and what is wrong with a link."""

from gatepost.errors import Conflicting, InvalidInput, SetupError


class InvalidLink(InvalidInput):
    """Unknown, used, expired or revoked, or a wrong code: the same answer; the trail has the reason."""

    code = "invalid_link"


class NotMailable(Conflicting):
    """No mail goes to the user: disabled, or a mail server refused the address for good."""

    code = "not_mailable"


class MailOff(SetupError):
    """There is no way to send mail."""

    code = "mail_off"


class MailNotSent(SetupError):
    """A mail was not sent."""

    code = "mail_not_sent"

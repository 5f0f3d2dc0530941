"""What a command says where a mail can't be sent. Requests only write mails down."""

from gatepost.errors import SetupError


class MailOff(SetupError):
    """There is no way to send mail."""

    code = "mail_off"


class MailNotSent(SetupError):
    """A mail was not sent."""

    code = "mail_not_sent"

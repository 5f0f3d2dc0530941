"""What mail leaves on the audit trail."""

from gatepost.models import Action


class EmailAction(Action):
    """Actions of mail."""

    MAIL_FAILED = "mail.failed"
    """A mail could not be delivered.

    `template`: which one · `reason`: `refused` or `expired` · `error`: the mail server's code, or what
    happened · `undeliverable`: notices are not sent to the address any more
    """

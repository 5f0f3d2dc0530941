"""What mail leaves on the audit trail."""

from gatepost.models import Action


class EmailAction(Action):
    """Actions of mail."""

    PASSWORD_FORGOTTEN = "password.forgotten"  # noqa: S105 - an action, no password
    """Somebody asked for a link to choose another password.

    `email`: for which; without a user it has no account that may sign in, and no mail goes out
    """
    PASSWORD_RESET = "password.reset"  # noqa: S105 - an action, no password
    """A user chose another password with a mailed link or code, which ended all their sessions."""
    SIGN_IN_REQUESTED = "login.mail_requested"
    """Somebody asked for a mail to sign in with; `session.started` says that it was answered.

    `email`: for which; without a user it has no account that may sign in, and no mail goes out
    """
    PASSWORD_RESET_SENT = "password.reset_sent"  # noqa: S105 - an action, no password
    """An administrator had a link to choose another password sent to a user.

    `admin_id` over HTTP
    """
    SIGN_UP_REQUESTED = "email.sign_up_requested"
    """Somebody wants to register, and their mailbox is asked; `user.registered` says that it answered.

    `email`; the mail to one that has an account says that it has
    """
    EMAIL_VERIFIED = "email.verified"
    """A mailbox has answered: the e-mail is its user's.

    `email` · `disowned`: whoever answered was not signed in to the account, whose password, sessions and the
    like were taken away for that
    """
    EMAIL_CHANGE_REQUESTED = "email.change_requested"
    """A user gave another e-mail. It counts once its mailbox has answered, as `user.email_changed`.

    `email`: the new one
    """
    EMAIL_CHANGE_UNDONE = "email.change_undone"
    """A former mailbox took a change of the e-mail back, which ended all sessions.

    `email`: the one that the account had meanwhile
    """
    LINK_REFUSED = "mail.link_refused"
    """A mailed link or code that is not good was used; `detail.reason` says why. The caller is not told.

    `purpose` · `reason`: `unknown`, `used`, `revoked`, `expired`, `changed` where the user's credentials are
    others by now, `user_disabled`, `nobody`, `wrong_code`, `no_code` where none can be tried, in
    this browser, `ended_meanwhile`, `code_alone` where only its code works, or `registration_closed` where it
    would make an account · `email` that it was for
    """
    MAIL_FAILED = "mail.failed"
    """A mail could not be delivered.

    `template`: which one · `reason`: `refused`, `expired`, or `bounced` where a command says so · `error`:
    the mail server's code, or what happened · `undeliverable`: notices are not sent to the address any more ·
    `email` that bounced
    """

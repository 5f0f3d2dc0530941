"""The mails that there are. Each has its templates in `templates/mail/`, one of text and one of HTML."""

from enum import StrEnum


class Mail(StrEnum):
    """What a mail is about.

    Every mail may have what `outbox.asked` returns in its data: when it was asked for and from where. A link
    (`url`) and a code (`code`) come from `outbox.Secrets`, never from the data. What else a mail needs in its
    data stands beside it.
    """

    PASSWORD_RESET = "password_reset"  # noqa: S105 - a template, no password
    """A link and a code by which to choose a password. `minutes`, `code_minutes`: how long they work.
    `by_admin`: an administrator had it sent; then it has no code.
    """
    VERIFY_EMAIL = "verify_email"
    """A link and a code that prove the address. `minutes`, `code_minutes`."""
    EMAIL_CHANGE = "email_change"
    """To the new address: a link that makes it the account's. `minutes`."""
    EMAIL_CHANGED = "email_changed"
    """To the former address: a link that undoes the change. `minutes`."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a template, no password
    """The password was changed."""
    FACTOR_CHANGED = "factor_changed"
    """What was done about the second factors. `what`: the action, as the trail has it."""
    NEW_SIGN_IN = "new_sign_in"
    """Somebody signed in from a place that is not known."""
    SIGN_IN = "sign_in"
    """A link, a code or both by which to sign in. `minutes`, `code_minutes`: of those that there are."""
    SIGN_UP = "sign_up"
    """The same where nobody has the mailbox yet: an account is made by it. `minutes`, `code_minutes`."""
    INVITATION = "invitation"
    """A link by which to register. `minutes`."""
    ADDRESS_TAKEN = "address_taken"
    """Somebody wanted to register with an address that has an account."""
    TEST = "test"
    """What `gatepost mail test` sends."""

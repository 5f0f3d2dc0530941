"""What passkeys leave on the audit trail, besides what every second factor does."""

from gatepost.models import Action


class PasskeyAction(Action):
    """Actions of passkeys."""

    RENAMED = "passkey.renamed"
    """A user gave a passkey another name.

    `name`: the new one · `from`: the former one
    """

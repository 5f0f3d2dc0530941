"""What passkeys leave on the audit trail, besides what every second factor does."""

from gatepost.models import Action


class PasskeyAction(Action):
    """Actions of passkeys, without their names: the trail outlives users, who may be named in them."""

    RENAMED = "passkey.renamed"
    """A user gave a passkey another name.

    `factor_id` of the passkey
    """

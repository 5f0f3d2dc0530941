"""What is done about addresses, as the audit trail has it."""

from gatepost.models import Action


class AddressAction(Action):
    """Actions on addresses; below each what it means, and what its `detail` has."""

    BLOCKED = "address.blocked"
    """An administrator blocked an address or a network.

    `block`, its id; `network`; `until`, null for until it is lifted; `reason`; `admin_id` over HTTP
    """
    UNBLOCKED = "address.unblocked"
    """An administrator lifted a block early.

    `block`, its id; `network`; `until` and `reason` it had; `admin_id` over HTTP
    """

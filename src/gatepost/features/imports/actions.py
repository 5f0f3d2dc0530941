"""What an import leaves on the audit trail."""

from gatepost.models import Action


class ImportAction(Action):
    """Actions of imports; below each what it means, and what its `detail` has."""

    IMPORTED = "users.imported"
    """A batch of users was imported from another system's tables.

    `source`, `table`; how many `users`, `admins` and `disabled` among them, and `sessions`; `hashes` by
    kind; `unsupported` and `damaged` hashes, whose users can't sign in by password
    """

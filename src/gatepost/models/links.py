"""Links that are good for one use."""

from datetime import datetime

from gatepost.models.rows import Columns
from gatepost.models.user_ids import UserId


class Link(Columns, frozen=True, kw_only=True, gc=False):
    """A link that is good for one use: what for, the feature knows that made it.

    Attributes:
        id: grows with time, the cursor of lists.
        email: canonical; where set, nobody else may use it.
        status: `open`, or how it ended: `used`, `revoked` or `expired`.
        created_at: when it was made, UTC.
        created_by: the administrator who made it; None for a command, and for one who is deleted.
        expires_at: first instant at which it is refused, UTC.
        used_at, used_by: when and by whom it was used; None until then.
        revoked_at: when it was taken back; None unless it was.
    """

    id: int
    email: str | None
    status: str
    created_at: datetime
    created_by: UserId | None
    expires_at: datetime
    used_at: datetime | None
    used_by: UserId | None
    revoked_at: datetime | None

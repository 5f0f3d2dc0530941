"""The values that Gatepost speaks of, by noun: frozen, without I/O.

A row becomes a value by its `from_row`. What every session check makes is a `msgspec.Struct`, which is made
in a third of the time that a frozen dataclass takes.
"""

from gatepost.models.bounds import USER_AGENT_MAX
from gatepost.models.challenges import Answer, Challenge, Due, Instead, Options, Proven, after_wrong_answer
from gatepost.models.clients import (
    Client,
    canonical_address,
    canonical_network,
    clean_user_agent,
)
from gatepost.models.events import (
    ROUTINE,
    Action,
    AppAction,
    AuditAction,
    AuditEvent,
    EventFilter,
    EventPage,
    SeenEvent,
)
from gatepost.models.factors import Held, Holdings
from gatepost.models.links import Link
from gatepost.models.periods import Period
from gatepost.models.proofs import MULTIPLE_FACTORS, PASSWORD, Proof
from gatepost.models.rows import Columns, Row, row_id
from gatepost.models.sessions import (
    Beginning,
    EndReason,
    OverseenSession,
    PendingEmail,
    Session,
    SessionCursor,
    SessionFilter,
    SessionRow,
    SignedIn,
    SignIn,
    times_of,
)
from gatepost.models.throttles import Bucket
from gatepost.models.times import utc_text
from gatepost.models.user_ids import UserId, UserIdType, as_json
from gatepost.models.users import Lack, NewUser, User

__all__ = [
    "MULTIPLE_FACTORS",
    "PASSWORD",
    "ROUTINE",
    "USER_AGENT_MAX",
    "Action",
    "Answer",
    "AppAction",
    "AuditAction",
    "AuditEvent",
    "Beginning",
    "Bucket",
    "Challenge",
    "Client",
    "Columns",
    "Due",
    "EndReason",
    "EventFilter",
    "EventPage",
    "Held",
    "Holdings",
    "Instead",
    "Lack",
    "Link",
    "NewUser",
    "Options",
    "OverseenSession",
    "PendingEmail",
    "Period",
    "Proof",
    "Proven",
    "Row",
    "SeenEvent",
    "Session",
    "SessionCursor",
    "SessionFilter",
    "SessionRow",
    "SignIn",
    "SignedIn",
    "User",
    "UserId",
    "UserIdType",
    "after_wrong_answer",
    "as_json",
    "canonical_address",
    "canonical_network",
    "clean_user_agent",
    "row_id",
    "times_of",
    "utc_text",
]

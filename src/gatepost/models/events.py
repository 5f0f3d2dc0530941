"""The audit trail: what may happen, what did, and which of it is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

import msgspec

from gatepost.models.rows import Columns
from gatepost.models.user_ids import UserId


class Action(StrEnum):
    """What `auth_events.action` may hold: the kernel's `AuditAction`, and what features have of their own."""


AppAction = NewType("AppAction", str)
"""An action that the application itself recorded: a name below `app.`."""


class AuditAction(Action):
    """What the kernel records there. A refused or failed action has its own name."""

    USER_REGISTERED = "user.registered"
    """A user registered, over HTTP."""
    USER_REGISTRATION_REFUSED = "user.registration_refused"
    """A registration was refused: closed, or only by invitation; the e-mail is taken; or a hook raised."""
    USER_CREATED = "user.created"
    """An administrator created a user by a command."""
    USER_PROMOTED = "user.promoted"
    """A user became an administrator."""
    USER_DEMOTED = "user.demoted"
    """A user is no longer an administrator."""
    USER_DISABLED = "user.disabled"
    """A user was disabled, which ended all their sessions."""
    USER_ENABLED = "user.enabled"
    """A disabled user was enabled again."""
    USER_PASSWORD_SET = "user.password_set"  # noqa: S105 - an action, no password
    """An administrator set a user's password, which ended all their sessions."""
    USER_DELETED = "user.deleted"
    """A user and their sessions were deleted."""
    USER_RENAMED = "user.renamed"
    """A user changed their name."""
    USER_EMAIL_CHANGED = "user.email_changed"
    """A user changed their e-mail, which ended all their other sessions."""
    USER_EXPORTED = "user.exported"
    """A user downloaded what is stored about them."""
    USER_ERASED = "user.erased"
    """A user was deleted; what identified them was removed from `detail.events` events."""
    PASSWORD_REHASHED = "password.rehashed"  # noqa: S105 - an action, no password
    """The stored password hash was upgraded to the current kind and cost at a login."""
    USER_UNLOCKED = "user.unlocked"
    """An administrator reset a user's consecutive failures; the password works from anywhere again."""
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - an action, no password
    """A user changed their password, which ended all their other sessions."""
    PASSWORD_REMOVED = "password.removed"  # noqa: S105 - an action, no password
    """A user removed their password, which ended all their other sessions; they sign in otherwise."""
    PASSWORD_REFUSED = "password.refused"  # noqa: S105 - an action, no password
    """A re-authentication failed: wrong password; `detail.verb` says for what."""
    LOGIN_FAILED = "login.failed"
    """A login was refused; `detail.reason` says why. The caller is not told."""
    SESSION_IMPERSONATED = "session.impersonated"
    """Somebody else has a session of this user's account; `detail.admin_id` says who."""
    SESSION_STARTED = "session.started"
    """A login or registration started a session."""
    LOGIN_CHALLENGED = "login.challenged"
    """What was proven is right, and one more step is due: `detail.methods` says which would do."""
    FACTOR_ENROLLED = "factor.enrolled"
    """A user set up a second factor, `detail.method`, which ended all their other sessions."""
    FACTOR_REMOVED = "factor.removed"
    """A user removed a second factor, `detail.method`, which ended all their other sessions.

    `method` · `factor_id` of one of several
    """
    FACTORS_RESET = "factor.reset"
    """An administrator removed a user's second factors, `detail.methods`; `detail.reason` says why."""
    FACTOR_COPIED = "factor.copied"
    """A passkey signed, and counted no further than before: it may have been copied. The answer was refused.

    `method` · `factor_id` of the passkey · `count`: what it says · `counted`: how far it had been
    """
    RECOVERY_CODES_MADE = "factor.recovery_codes_made"
    """A user had new recovery codes made, which replaced all that there were."""
    RECOVERY_CODE_USED = "factor.recovery_code_used"
    """A user signed in or confirmed by a recovery code; `detail.left` counts those that are left."""
    SESSION_REFRESHED = "session.refreshed"
    """A session's token was replaced; `detail.successor` is the new session's id."""
    SESSION_CONFIRMED = "session.confirmed"
    """The user re-authenticated, so the session is fresh; `detail.successor` is the new session's id."""
    SESSION_REPLAYED = "session.replayed"
    """A token was used that had been replaced long ago. Someone has a copy, so its sign-in was ended."""
    SESSION_REVOKED = "session.revoked"
    """A session was ended on purpose; `detail.reason` says how."""
    SESSIONS_REVOKED_ALL = "session.revoked_all"
    """All active sessions of a user were ended; `detail.sessions` counts them."""
    SESSION_REFUSED = "session.refused"
    """A state-changing request came with an invalid or expired token; `detail.code` says why."""
    ACCESS_DENIED = "access.denied"
    """A signed-in user requested something that they are not allowed to do or see."""
    THROTTLED = "throttled"
    """Too many attempts were refused; `detail.bucket` says which. Not every one is recorded."""
    REFUSALS_COUNTED = "refusals.counted"
    """Refusals without their own row, being so many from one source; `detail` says which and how many."""
    THROTTLES_CLEARED = "throttles.cleared"
    """An administrator reset attempt limits; `detail` says which and how many."""
    CROSS_ORIGIN_REFUSED = "cross_origin.refused"
    """A request with a cookie came from another site and was refused."""
    SESSIONS_ENDED = "sessions.ended"
    """An administrator ended all sessions that matched a filter; `detail` has the filter and their number."""
    EVENTS_EXPORTED = "events.exported"
    """An administrator exported events; `detail` has the filter and the format."""
    CLEANUP_RUN = "cleanup.run"
    """Expired sessions were ended and old rows purged on demand; `detail` counts them."""
    COMMAND_FAILED = "command.failed"
    """A command was refused or failed; `detail` names it and says why."""
    EVENTS_PURGED = "events.purged"
    """The owner deleted old events with `gatepost_purge_events`; `detail` says which and how many."""
    SCHEMA_MIGRATED = "schema.migrated"
    """The schema was migrated; `detail.version` is its version."""


ROUTINE = (
    AuditAction.SESSION_REFRESHED,
    AuditAction.SESSION_CONFIRMED,
    AuditAction.PASSWORD_REHASHED,
    AuditAction.CLEANUP_RUN,
)
"""Renewals, confirmations and housekeeping: most of all there is, and no news. Pages show them if asked."""


class AuditEvent(Columns, frozen=True, kw_only=True, gc=False):
    """One row of the audit trail.

    Attributes:
        id: grows with time, the cursor of lists.
        at: when, UTC.
        action: a name of an `Action`; text, because a newer Gatepost may have written the row.
        user_id, session_id: of the user and session concerned; None if unknown.
        ip_address, user_agent: of the client that asked; None for commands.
        detail: what else is worth knowing.
    """

    id: int
    at: datetime
    action: str
    user_id: UserId | None
    session_id: int | None
    ip_address: str | None
    user_agent: str | None
    detail: Mapping[str, Any]

    @property
    def is_by_admin(self) -> bool:
        """Whether an administrator or a program did it: address and user agent are then not the user's."""
        return "admin_id" in self.detail or self.detail.get("by") in {"command", "application"}

    @property
    def admin_id(self) -> int | str | None:
        """Which administrator did it, as JSON has ids; None where none did."""
        found = self.detail.get("admin_id")
        return found if isinstance(found, int | str) else None


class SeenEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event and the user concerned, as an administrator sees it.

    Attributes:
        event: the event.
        email: of its user; None where there is none, or none any more.
        actor: e-mail of the administrator who did it; None where none did, is there, or was asked for.
    """

    event: AuditEvent
    email: str | None
    actor: str | None = None


class EventPage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Some events, the newest first.

    Attributes:
        events: at most as many as were asked for; fewer, even none, where finding more takes long.
        before: the cursor with which to go on; None where there are no more.
    """

    events: list[SeenEvent]
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are meant; what is None does not matter.

    Attributes:
        action: this one; with a dot at its end all that begin with it, such as `login.`.
        without: none of these.
        user_id: of this user.
        email: tried with this e-mail, in small letters, which is nobody's.
        by: done by this administrator.
        address: from this address or network (CIDR), spelled as `canonical_network` has it.
        since, until: by the event's time; the former includes it, the latter excludes it.
    """

    action: str | None = None
    without: Sequence[str] | None = None
    user_id: UserId | None = None
    email: str | None = None
    by: UserId | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None

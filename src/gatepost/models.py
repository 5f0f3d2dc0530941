"""The values that Gatepost speaks of: frozen, without I/O.

A row becomes a value by its `from_row`. What every session check makes is a `msgspec.Struct`, which is made
in a third of the time that a frozen dataclass takes.
"""

import ipaddress
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, Self

import msgspec

USER_AGENT_MAX = 512
"""Characters of a user agent that are kept."""


class Row(Protocol):
    """A row of the database, read by the columns' names."""

    def __getitem__(self, column: str, /) -> Any: ...  # noqa: ANN401 - a column may hold anything


class AuditAction(StrEnum):
    """What `auth_events.action` may hold. A refused or failed action has a name of its own."""

    USER_REGISTERED = "user.registered"
    """A user registered, over HTTP."""
    USER_REGISTRATION_REFUSED = "user.registration_refused"
    """A registration was refused: nobody may, or nobody uninvited; the e-mail is taken; or a hook raised."""
    USER_CREATED = "user.created"
    """An administrator made a user by a command."""
    USER_PROMOTED = "user.promoted"
    """A user became an administrator."""
    USER_DEMOTED = "user.demoted"
    """A user is no longer an administrator."""
    USER_DISABLED = "user.disabled"
    """A user was disabled; every session of theirs ended with it."""
    USER_ENABLED = "user.enabled"
    """A disabled user was enabled again."""
    USER_PASSWORD_SET = "user.password_set"  # noqa: S105 - an action, no password
    """An administrator set a user's password; every session of theirs ended with it."""
    USER_DELETED = "user.deleted"
    """A user and their sessions were deleted."""
    USER_RENAMED = "user.renamed"
    """A user changed their name."""
    USER_EMAIL_CHANGED = "user.email_changed"
    """A user changed their e-mail; every other session of theirs ended with it."""
    USER_EXPORTED = "user.exported"
    """A user downloaded what is stored about them."""
    USER_ERASED = "user.erased"
    """A user was deleted: what told who they were was taken out of `detail.events` events."""
    PASSWORD_REHASHED = "password.rehashed"  # noqa: S105 - an action, no password
    """At a login the stored hash was replaced by one of the current kind and cost."""
    USER_UNLOCKED = "user.unlocked"
    """An administrator cleared the failures in a row of a user; the password works everywhere again."""
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - an action, no password
    """A user changed their password; every other session of theirs ended with it."""
    PASSWORD_REFUSED = "password.refused"  # noqa: S105 - an action, no password
    """A password that was asked again was wrong; `detail.verb` says for what."""
    LOGIN_FAILED = "login.failed"
    """A login was refused; `detail.reason` says why, the caller was not told."""
    SESSION_STARTED = "session.started"
    """A login or registration started a session."""
    SESSION_REFRESHED = "session.refreshed"
    """A session's token was replaced; `detail.successor` is the new session's id."""
    SESSION_CONFIRMED = "session.confirmed"
    """The password was given again: the session is fresh; `detail.successor` is the new session's id."""
    SESSION_REPLAYED = "session.replayed"
    """A token came back that was replaced long ago: somebody has a copy, so that its sign-in was ended."""
    SESSION_REVOKED = "session.revoked"
    """A session was ended on purpose; `detail.reason` says how."""
    SESSIONS_REVOKED_ALL = "session.revoked_all"
    """All active sessions of a user were ended; `detail.sessions` counts them."""
    SESSION_REFUSED = "session.refused"
    """A state-changing request came with a token that is not, or no longer, good; `detail.code` says why."""
    ACCESS_DENIED = "access.denied"
    """A signed-in user asked for what only another, an administrator, or nobody may do or have."""
    THROTTLED = "throttled"
    """Attempts were refused, there were too many; `detail.bucket` says of what. Not each is written."""
    THROTTLES_CLEARED = "throttles.cleared"
    """An administrator cleared buckets of the throttle; `detail` says which and how many."""
    CROSS_ORIGIN_REFUSED = "cross_origin.refused"
    """A request with a cookie came from another site and was refused."""
    SESSIONS_ENDED = "sessions.ended"
    """An administrator ended all sessions of a filter; `detail` has the filter and how many there were."""
    EVENTS_EXPORTED = "events.exported"
    """An administrator took a copy of events; `detail` has the filter and the format."""
    CLEANUP_RUN = "cleanup.run"
    """Expired sessions were ended and old rows purged on demand; `detail` counts them."""
    INVITATION_CREATED = "invitation.created"
    """An administrator made an invitation; `user.registered` says by whom it was used."""
    INVITATION_REVOKED = "invitation.revoked"
    """An administrator took an invitation back."""
    INVITATION_REFUSED = "invitation.refused"
    """Somebody came with an invitation that is not good; `detail.reason` says why, they were not told."""
    SETUP_ISSUED = "setup.issued"
    """A link was made for the first administrator; one that was made before is good no more."""
    SETUP_COMPLETED = "setup.completed"
    """The setup link was used: its user is the first administrator."""
    SETUP_REFUSED = "setup.refused"
    """Somebody came with a setup link in vain; `detail.reason` says why."""
    COMMAND_FAILED = "command.failed"
    """A command was refused or failed; `detail` names it and says why."""
    EVENTS_PURGED = "events.purged"
    """The owner removed old events by `gatepost_purge_events`; `detail` says which and how many."""
    SCHEMA_MIGRATED = "schema.migrated"
    """The schema was brought to a version; `detail.version` names it."""


class EndReason(StrEnum):
    """What `user_sessions.end_reason` may hold."""

    EXPIRED = "expired"
    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    REFRESHED = "refreshed"
    REVOKED = "revoked"
    USER_DISABLED = "user_disabled"
    SQL = "sql"
    """Somebody wrote `is_active = false` without a reason."""
    PASSWORD_SET = "password_set"  # noqa: S105 - a reason, no password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, no password
    EMAIL_CHANGED = "email_changed"
    REPLAYED = "replayed"
    LIMIT = "limit"
    """More sessions than MAX_SESSIONS_PER_USER were started."""
    SIGNED_IN_AGAIN = "signed_in_again"
    """Its browser signed in anew."""


class Bucket(StrEnum):
    """What is limited: `auth_throttles.bucket`, and behind `THROTTLE_` the name of its setting."""

    LOGIN_ADDRESS = "login_address"
    LOGIN_NETWORK = "login_network"
    LOGIN_ACCOUNT = "login_account"
    LOGIN_KNOWN = "login_known"
    REGISTER_ADDRESS = "register_address"
    REGISTER_TOTAL = "register_total"
    REFRESH_SESSION = "refresh_session"
    REFRESH_ADDRESS = "refresh_address"
    CONFIRM_USER = "confirm_user"
    EVENT = "event"
    """Events `throttled` themselves; it has no setting."""


class Period(StrEnum):
    """How far an overview looks back."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def step(self) -> timedelta:
        """How long one point of its series is."""
        return timedelta(hours={Period.DAY: 1, Period.WEEK: 6, Period.MONTH: 24}[self])

    @property
    def points(self) -> int:
        """How many points its series has."""
        return {Period.DAY: 24, Period.WEEK: 28, Period.MONTH: 30}[self]

    @property
    def length(self) -> timedelta:
        """How long all of them are together."""
        return self.points * self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is at the other end, as far as it can be known.

    Attributes:
        ip_address: canonical text of the address (RFC 5952; IPv4-mapped IPv6 as IPv4), or None.
        user_agent: the header without control characters, at most `USER_AGENT_MAX` characters, or None.
    """

    ip_address: str | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, ip_address: str | None, user_agent: str | None) -> Self:
        """Make a client of what the edge was told; what is no address becomes None."""
        return cls(ip_address=canonical_address(ip_address), user_agent=clean_user_agent(user_agent))

    @property
    def place(self) -> str | None:
        """Where it speaks from: the IPv4 address, or the IPv6 /64, which is one customer's."""
        return _network(self.ip_address, 64)

    @property
    def site(self) -> str | None:
        """What one customer of a network may have more of: the IPv4 address, or the IPv6 /48 (RFC 6177)."""
        return _network(self.ip_address, 48)


def canonical_address(text: str | None) -> str | None:
    """Return the address in its one canonical spelling (RFC 5952), or None for what is no address.

    An IPv4 address mapped into IPv6 is the IPv4 address; a zone (`%eth0`) is local and dropped.
    """
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _network(address: str | None, bits: int) -> str | None:
    if address is None or ":" not in address:
        return address
    return str(ipaddress.IPv6Network((address, bits), strict=False))


def canonical_network(text: str) -> str | None:
    """Return an address as `canonical_address` does, or a network (CIDR) such as 203.0.113.0/24; else None.

    Bits behind the prefix are passed over; a network of one address is that address.
    """
    address, slash, bits = text.strip().partition("/")
    canonical = canonical_address(address)
    if canonical is None or not slash:
        return canonical
    try:
        network = ipaddress.ip_network((canonical, int(bits)) if bits.isdecimal() else "", strict=False)
    except ValueError:
        return None
    return str(network[0] if network.num_addresses == 1 else network)


def clean_user_agent(text: str | None) -> str | None:
    """Return the user agent without control and format characters, cut at `USER_AGENT_MAX`; None if empty."""
    if text is None:
        return None
    kept = "".join(c for c in text[: 4 * USER_AGENT_MAX] if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    return kept.strip()[:USER_AGENT_MAX].rstrip() or None


class User(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A user as everybody but the login sees one: without the password's hash.

    Attributes:
        id: primary key.
        email: canonical (lower-case) address, unique.
        name: what the user is called.
        is_admin: may use what only administrators may.
        is_active: False where an administrator disabled the user.
        created_at: when the user was made, UTC.
    """

    id: int
    email: str
    name: str
    is_admin: bool
    is_active: bool
    created_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.users`."""
        return cls(
            id=row["user_id"],
            email=row["email"],
            name=row["name"],
            is_admin=row["is_admin"],
            is_active=row["user_is_active"],
            created_at=row["user_created_at"],
        )


class SessionRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session as its row has it, for lists and the history.

    Attributes:
        id: primary key.
        token_hint: first 8 characters of the token, all of it that is ever shown again.
        user_id: whose session it is.
        created_at, last_used_at, expires_at: UTC; valid before `expires_at`, refused from then on.
        ip_address, user_agent: of the client that started it.
        ended_at, end_reason: when and why it ended; None while it lives.
    """

    id: int
    token_hint: str
    user_id: int
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip_address: str | None
    user_agent: str | None
    ended_at: datetime | None
    end_reason: str | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.sessions`."""
        return cls(
            id=row["id"],
            token_hint=row["token_hint"],
            user_id=row["user_id"],
            created_at=row["created_at"],
            last_used_at=row["last_used_at"],
            expires_at=row["expires_at"],
            ip_address=row["ip_address"],
            user_agent=row["user_agent"],
            ended_at=row["ended_at"],
            end_reason=row["end_reason"],
        )


class SignIn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live session as its owner knows it: by the sign-in that it goes on with.

    Attributes:
        row: the session; its `created_at` is when it was last refreshed.
        authenticated_at: when the password was last presented, UTC; refreshing does not move it.
    """

    row: SessionRow
    authenticated_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.sign_ins.of_user`."""
        return cls(row=SessionRow.from_row(row), authenticated_at=row["authenticated_at"])


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live session with its user: what `CurrentSession` hands to a route.

    Attributes:
        id: primary key of the row in `user_sessions`.
        user: whose session it is.
        created_at: when this row started, UTC.
        expires_at: first instant at which it is refused, UTC.
        authenticated_at: when the password was last presented, UTC; refreshing does not move it.
        is_fresh: that was less than `FRESH_SESSION_MINUTES` ago when the session was looked up, by the
            database's clock (ASVS 7.2.4).
    """

    id: int
    user: User
    created_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    is_fresh: bool

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.sessions.lookup`, of a session that is live: so is its user."""
        return cls(
            id=row["session_id"],
            user=User(
                id=row["user_id"],
                email=row["email"],
                name=row["name"],
                is_admin=row["is_admin"],
                is_active=True,
                created_at=row["user_created_at"],
            ),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            authenticated_at=row["authenticated_at"],
            is_fresh=row["is_fresh"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session together with its token, which is shown this once.

    Attributes:
        token: the raw token; it is stored nowhere and never logged.
        session: the session that it opens.
        remembered: its cookie outlives the browser ("keep me signed in").
        others_ended: other sessions of the user that were ended for it.
    """

    token: str = field(repr=False)
    session: Session
    remembered: bool = False
    others_ended: int = 0


class Invitation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A link that is good for one account; the setup link is one too, to the first administrator's.

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
    created_by: int | None
    expires_at: datetime
    used_at: datetime | None
    used_by: int | None
    revoked_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.links`."""
        return cls(
            id=row["id"],
            email=row["email"],
            status=row["status"],
            created_at=row["created_at"],
            created_by=row["created_by"],
            expires_at=row["expires_at"],
            used_at=row["used_at"],
            used_by=row["used_by"],
            revoked_at=row["revoked_at"],
        )


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of the audit trail.

    Attributes:
        id: grows with time, the cursor of lists.
        at: when, UTC.
        action: a name of `AuditAction`; text, because a newer Gatepost may have written the row.
        user_id, session_id: whom it concerns; None where unknown.
        ip_address, user_agent: of the client that asked; None for commands.
        detail: what else is worth knowing.
    """

    id: int
    at: datetime
    action: str
    user_id: int | None
    session_id: int | None
    ip_address: str | None
    user_agent: str | None
    detail: Mapping[str, Any]

    @property
    def is_by_admin(self) -> bool:
        """Whether an administrator or a command did it: address and user agent are then not the user's."""
        return "admin_id" in self.detail or self.detail.get("by") == "command"

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.events`."""
        return cls(
            id=row["id"],
            at=row["at"],
            action=row["action"],
            user_id=row["user_id"],
            session_id=row["session_id"],
            ip_address=row["ip_address"],
            user_agent=row["user_agent"],
            detail=row["detail"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which live sessions are meant; what is None does not matter.

    Attributes:
        user_id: of this user.
        address: started from this address or network (CIDR), spelled as `canonical_network` has it.
        started_before, started_after: by the time at which the row began; the former excludes it, the
            latter includes it.
        unused_since: not used at that time or later.
    """

    user_id: int | None = None
    address: str | None = None
    started_before: datetime | None = None
    started_after: datetime | None = None
    unused_since: datetime | None = None

    def told(self) -> dict[str, Any]:
        """Return what was asked for, as the detail of an event has it."""
        return _told(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are meant; what is None does not matter.

    Attributes:
        action: this one; with a dot at its end all that begin with it, such as `login.`.
        user_id: of this user.
        address: from this address or network (CIDR), spelled as `canonical_network` has it.
        since, until: by the event's time; the former includes it, the latter excludes it.
    """

    action: str | None = None
    user_id: int | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def told(self) -> dict[str, Any]:
        """Return what was asked for, as the detail of an event has it."""
        return _told(self)


def _told(asked: SessionFilter | EventFilter) -> dict[str, Any]:
    found = {each.name: getattr(asked, each.name) for each in fields(asked)}
    return {
        name: utc_text(value) if isinstance(value, datetime) else value
        for name, value in found.items()
        if value is not None
    }


class OverseenSession(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live session and whose it is: what an administrator sees of it.

    Attributes:
        row: the session.
        email: of its user.
    """

    row: SessionRow
    email: str

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.oversight`."""
        return cls(row=SessionRow.from_row(row), email=row["email"])


class SeenEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event and whom it concerns: what an administrator sees of it.

    Attributes:
        event: the event.
        email: of its user; None where there is none, or none any more.
    """

    event: AuditEvent
    email: str | None


class EventPage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Some events, the newest first.

    Attributes:
        events: at most as many as were asked for; fewer, even none, where finding more takes long.
        before: the cursor with which to go on; None where there are no more.
    """

    events: list[SeenEvent]
    before: int | None


def utc_text(at: datetime) -> str:
    """Return a time as the contract writes it: ISO 8601, UTC, `Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

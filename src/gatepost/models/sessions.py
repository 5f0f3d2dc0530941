"""Sessions: live ones, rows of the history, and which of them are meant."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

import msgspec

from gatepost.models.proofs import MULTIPLE_FACTORS
from gatepost.models.rows import Columns, Row
from gatepost.models.user_ids import UserId
from gatepost.models.users import User

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EndReason(StrEnum):
    """What `user_sessions.end_reason` may hold."""

    EXPIRED = "expired"
    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    REFRESHED = "refreshed"
    REVOKED = "revoked"
    USER_DISABLED = "user_disabled"
    SQL = "sql"
    """Someone set `is_active = false` in SQL without a reason."""
    PASSWORD_SET = "password_set"  # noqa: S105 - a reason, no password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, no password
    EMAIL_CHANGED = "email_changed"
    FACTOR_CHANGED = "factor_changed"
    """A second factor was set up or removed, by its owner or an administrator."""
    REPLAYED = "replayed"
    LIMIT = "limit"
    """More sessions than MAX_SESSIONS_PER_USER were started."""
    SIGNED_IN_AGAIN = "signed_in_again"
    """Its browser signed in again."""
    IMPERSONATOR = "impersonator"
    """The session of whoever had it in the place of its user ended."""


class SessionRow(Columns, frozen=True, kw_only=True, gc=False):
    """A session as its row has it, for lists and the history.

    Attributes:
        id: primary key.
        token_hint: first 8 characters of the token, all of it that is ever shown again.
        user_id: whose session it is.
        created_at, last_used_at, expires_at: UTC; valid before `expires_at`, refused from then on.
        ip_address, user_agent: of the client that started it.
        ended_at, end_reason: when and why it ended; None while it lives.
        impersonator_id: who has it in the place of its user; None: its user.
    """

    id: int
    token_hint: str
    user_id: UserId
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip_address: str | None
    user_agent: str | None
    ended_at: datetime | None
    end_reason: str | None
    impersonator_id: UserId | None


class SignIn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live session as its owner knows it: by the sign-in that it goes on with.

    Attributes:
        row: the session; its `created_at` is when it was last refreshed.
        authenticated_at: when the user last authenticated, UTC; refreshing does not move it.
        began_id: the id of the session that the sign-in began with.
    """

    row: SessionRow
    authenticated_at: datetime
    began_id: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.sign_ins.of_user`."""
        return cls(
            row=SessionRow.from_row(row),
            authenticated_at=row["authenticated_at"],
            began_id=row["began_id"],
        )


class Beginning(Columns, frozen=True, kw_only=True, gc=False):
    """Where a sign-in began.

    Attributes:
        id: of the session that it began with.
        created_at: when, UTC.
        place: the address, of IPv6 its /64; None where it is unknown.
        user_agent: of the client.
    """

    id: int
    created_at: datetime
    place: str | None
    user_agent: str | None


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live session with its user: what `CurrentSession` hands to a route.

    Attributes:
        id: primary key of the row in `user_sessions`.
        user: whose session it is.
        created_at: when this row started, UTC.
        expires_at: first instant at which it is refused, UTC.
        authenticated_at: when the user last authenticated, UTC; refreshing does not move it.
        is_fresh: that was less than `FRESH_SESSION_MINUTES` ago when the session was looked up, by the
            database's clock (ASVS 7.2.4).
        methods: what the user proved their identity with, by the names of RFC 8176, such as `pwd`.
        methods_at: when each of them was proven, UTC: confirming proves only what is asked for then.
        aal: authenticator assurance level (NIST SP 800-63B-4), 2 where more than one factor was proven.
        impersonator_id: the user who has this session in the place of its user; None: its user has it.
    """

    id: int
    user: User
    created_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    is_fresh: bool
    methods: tuple[str, ...]
    methods_at: tuple[datetime, ...]
    aal: int
    impersonator_id: UserId | None = None

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
                email_verified=row["email_verified"],
                language=row["language"],
            ),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            authenticated_at=row["authenticated_at"],
            is_fresh=row["is_fresh"],
            methods=tuple(row["methods"]),
            methods_at=times_of(row),
            aal=row["aal"],
            impersonator_id=row["impersonator_id"],
        )

    @property
    def proven(self) -> dict[str, datetime]:
        """When each method was proven."""
        return dict(zip(self.methods, self.methods_at, strict=True))

    def level_at(self, aal: int) -> datetime | None:
        """Return when an authenticator assurance level was last proven; None where it was not."""
        return self.proven.get(MULTIPLE_FACTORS) if aal > 1 else self.authenticated_at


def times_of(row: Row) -> tuple[datetime, ...]:
    """Return when each of the `methods` of a session was proven."""
    at, times = row["authenticated_at"], row["methods_at"]
    return (at,) * len(row["methods"]) if times is None else tuple([each or at for each in times])


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session together with its token, which is shown this once.

    Attributes:
        token: the raw token; it is stored nowhere and never logged.
        session: the session that it opens.
        remembered: its cookie outlives the browser ("keep me signed in").
        others_ended: other sessions of the user that were ended for it.
        credentials_stamp: what a device cookie is bound to, of a sign-in; None where one goes on.
        recovery_codes: what was made for the user with it, shown this once.
    """

    token: str = field(repr=False)
    session: Session
    remembered: bool = False
    others_ended: int = 0
    credentials_stamp: UUID | None = None
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEmail:
    """That nothing is done before a mailbox has answered.

    Attributes:
        email: canonical, of the mailbox.
    """

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCursor:
    """The place in a user's sessions, by their last use, where a page ended.

    Attributes:
        used_at: when the last session of the page was last used.
        session_id: its id.
    """

    used_at: datetime
    session_id: int

    @classmethod
    def of(cls, row: SessionRow) -> Self:
        """Return the place of a session."""
        return cls(used_at=row.last_used_at, session_id=row.id)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` made of one; None where it made it of none."""
        found = re.fullmatch(r"([0-9]{1,17})-([0-9]{1,18})", text, re.ASCII)
        if found is None:
            return None
        return cls(used_at=_EPOCH + timedelta(microseconds=int(found[1])), session_id=int(found[2]))

    def __str__(self) -> str:
        """Return it as one word for an address."""
        return f"{max(0, (self.used_at - _EPOCH) // timedelta(microseconds=1))}-{self.session_id}"


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

    user_id: UserId | None = None
    address: str | None = None
    started_before: datetime | None = None
    started_after: datetime | None = None
    unused_since: datetime | None = None

    @classmethod
    def by_age(
        cls,
        now: datetime,
        *,
        user_id: UserId | None,
        address: str | None,
        older_than: int | None,
        unused_for: int | None,
    ) -> Self:
        """Return the filter of sessions that began, and were last used, so many minutes ago or earlier."""
        return cls(
            user_id=user_id,
            address=address,
            started_before=None if older_than is None else now - timedelta(minutes=older_than),
            unused_since=None if unused_for is None else now - timedelta(minutes=unused_for),
        )
